//! Cases that stand still with a reason: waiting, left unresolved, and coming back by themselves.

use chrono::{DateTime, Duration, Utc};
use fallout_core::{
    case::{CaseEvent, CaseState, WaitsFor, next},
    ids::CaseId,
    people::text,
};
use fallout_store::{Tx, cases, lifecycle};
use serde_json::json;

use crate::{
    Desk, DeskError,
    case_command::{CaseCommand, Entry, Stands, done, goes},
    cases::event,
    sla::hold,
};

/// Nobody remembers after more than a year why something was left.
pub const DAYS_MAX: i64 = 366;

/// A time as people say it: a moment, or so long from now (by the database's clock).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    At(DateTime<Utc>),
    In(std::time::Duration),
}

/// Whom a case waits for, why, and when it returns by itself.
#[derive(Clone, Copy, Debug)]
pub struct Wait<'a> {
    pub waits_for: WaitsFor,
    pub reason: &'a str,
    pub until: Option<When>,
}

impl When {
    pub(crate) async fn moment(self, tx: &mut Tx) -> Result<DateTime<Utc>, DeskError> {
        let now = tx.now().await?;
        let latest = now + Duration::days(DAYS_MAX);
        let at = match self {
            When::At(at) => at,
            // A duration beyond what can be added is beyond the latest too.
            When::In(long) => Duration::from_std(long)
                .ok()
                .and_then(|d| now.checked_add_signed(d))
                .unwrap_or(latest + Duration::days(1)),
        };
        match at {
            at if at <= now => Err(DeskError::NotToCome(at)),
            at if at > latest => Err(DeskError::TooFar(at)),
            at => Ok(at),
        }
    }
}

impl Desk {
    pub async fn wait(&self, ask: &CaseCommand<'_>, wait: &Wait<'_>) -> Result<Stands, DeskError> {
        let reason = text("the reason", wait.reason)?;
        let (mut tx, case) = self.held(ask).await?;
        let state = goes(&case, CaseEvent::Waiting)?;
        let until = match wait.until {
            Some(when) => Some(when.moment(&mut tx).await?),
            None => None,
        };
        lifecycle::wait(&mut tx, &case, wait.waits_for, reason, until).await?;
        let payload = json!({ "for": wait.waits_for, "until": until });
        let entry = Entry { by: ask.into(), event: CaseEvent::Waiting, reason: Some(reason), payload };
        done(tx, case, &entry, state).await
    }

    /// It cannot be resolved for now: the owner stays, and it comes back on the day of its review.
    pub async fn leave_unresolved(
        &self,
        ask: &CaseCommand<'_>,
        reason: &str,
        review: When,
    ) -> Result<Stands, DeskError> {
        let reason = text("the reason", reason)?;
        let (mut tx, case) = self.held(ask).await?;
        let state = goes(&case, CaseEvent::LeftUnresolved)?;
        let review = review.moment(&mut tx).await?;
        lifecycle::leave_unresolved(&mut tx, &case, reason, review).await?;
        let payload = json!({ "review": review });
        let entry = Entry { by: ask.into(), event: CaseEvent::LeftUnresolved, reason: Some(reason), payload };
        done(tx, case, &entry, state).await
    }

    /// What it waited for came, or somebody goes on without.
    pub async fn resume(&self, ask: &CaseCommand<'_>, reason: Option<&str>) -> Result<Stands, DeskError> {
        let reason = reason.map(|reason| text("the reason", reason)).transpose()?;
        let (mut tx, case) = self.held(ask).await?;
        if matches!(case.state, CaseState::Assigned | CaseState::InProgress) {
            return Ok(Stands::already(&case));
        }
        let state = goes(&case, CaseEvent::WaitEnded)?;
        cases::set_state(&mut tx, &case, state).await?;
        let payload = json!({ "was": case.state });
        let entry = Entry { by: ask.into(), event: CaseEvent::WaitEnded, reason, payload };
        done(tx, case, &entry, state).await
    }

    /// Cases whose time of waiting or of review has come, after this one, in the order of their ids.
    pub async fn returning(&self, after: Option<CaseId>, limit: i64) -> Result<Vec<CaseId>, DeskError> {
        let mut tx = self.system("waits").await?;
        let due = lifecycle::returning(&mut tx, after, limit).await?;
        tx.commit().await?;
        Ok(due)
    }

    /// Its time has come: it is its owner's again. False when it went on already, or somebody else has it.
    pub async fn bring_back(&self, id: CaseId) -> Result<bool, DeskError> {
        let mut tx = self.system("waits").await?;
        let case = cases::by_id(&mut tx, id).await?;
        hold(&mut tx, &case).await?;
        let Some(due) = lifecycle::take_return(&mut tx, id).await? else { return Ok(false) };
        let mut case = cases::by_id(&mut tx, id).await?;
        let was = case.state;
        let state = next(was, CaseEvent::WaitEnded)?;
        cases::set_state(&mut tx, &case, state).await?;
        (case.state, case.version) = (state, case.version + 1);
        let what = if due.is_review { "its review is due" } else { "its time of waiting is over" };
        let reason = format!("{what}: {}", due.reason);
        event(&mut tx, &case, CaseEvent::WaitEnded, "waits", Some(&reason), &json!({ "was": was })).await?;
        tx.commit().await?;
        Ok(true)
    }
}
