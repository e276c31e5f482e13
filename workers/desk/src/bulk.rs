//! One command for many cases: each in a transaction of its own, so that what one refuses does not undo the others.

use fallout_core::{action::catalogue::Authority, case::CaseEvent, ids::CaseNumber, people::text};
use fallout_store::{Tx, cases, lifecycle};

use crate::{
    Assignment, Desk, DeskError, Wait,
    authority::At,
    case_command::{CaseCommand, Stands, goes},
};

/// What is done to each of the cases.
#[derive(Clone, Copy, Debug)]
pub enum Bulk<'a> {
    Assign(Assignment<'a>),
    Classify { code: &'a str, reason: &'a str },
    Note { text: &'a str },
    Wait(Wait<'a>),
    Link { original: CaseNumber, reason: &'a str },
}

impl Bulk<'_> {
    fn event(&self) -> CaseEvent {
        match self {
            Bulk::Assign(_) => CaseEvent::Assigned,
            Bulk::Classify { .. } => CaseEvent::Classified,
            Bulk::Note { .. } => CaseEvent::Noted,
            Bulk::Wait(_) => CaseEvent::Waiting,
            Bulk::Link { .. } => CaseEvent::LinkedAsDuplicate,
        }
    }

    /// One key may go with several commands: each is known by what it does too.
    fn key(&self, key: &str) -> Result<String, DeskError> {
        Ok(format!("{} {}", self.event(), text("the idempotency key", key)?))
    }
}

impl Desk {
    /// One of the cases. A second time with the same key changes nothing, whatever became of the case since.
    pub async fn bulk(&self, ask: &CaseCommand<'_>, what: &Bulk<'_>, key: &str) -> Result<Stands, DeskError> {
        let key = what.key(key)?;
        let ask = &CaseCommand { key: Some(&key), ..*ask };
        let done = match what {
            Bulk::Assign(to) => self.assign(ask, to).await,
            Bulk::Classify { code, reason } => self.classify(ask, code, reason).await,
            Bulk::Note { text } => self.note(ask, text).await,
            Bulk::Wait(wait) => self.wait(ask, wait).await,
            Bulk::Link { original, reason } => self.link(ask, *original, reason).await,
        };
        match done {
            Err(DeskError::DoneBefore(stands)) => Ok(stands),
            other => other,
        }
    }

    /// What `bulk` would say as far as the case's state and version tell; nothing is written or held.
    pub async fn bulk_foreseen(
        &self,
        ask: &CaseCommand<'_>,
        what: &Bulk<'_>,
        key: Option<&str>,
    ) -> Result<Stands, DeskError> {
        let key = key.map(|key| what.key(key)).transpose()?;
        let ask = &CaseCommand { key: key.as_deref(), ..*ask };
        let mut tx = self.tenant(ask.tenant).await?;
        let case = cases::by_number(&mut tx, ask.tenant, ask.case).await?.ok_or(DeskError::NoSuchCase(ask.case))?;
        let right = if let Bulk::Assign(_) = what { Authority::AssignCase } else { Authority::WorkCase };
        self.may(&mut tx, ask.tenant, ask.principal, right, At::Case(case.id, &case.number.to_string())).await?;
        match self.asked_rightly(&mut tx, ask, &case).await {
            Err(DeskError::DoneBefore(stands)) => return Ok(stands),
            other => other?,
        }
        if linked(&mut tx, ask.tenant, &case, what).await? {
            return Ok(Stands::already(&case));
        }
        let state = goes(&case, what.event())?;
        Ok(Stands { case: case.number, state, version: case.version, already: false })
    }
}

/// Whether the case is a duplicate of the one that it would be linked to.
async fn linked(tx: &mut Tx, tenant: &str, case: &cases::Case, what: &Bulk<'_>) -> Result<bool, DeskError> {
    let Bulk::Link { original, .. } = what else { return Ok(false) };
    let original = cases::by_number(tx, tenant, *original).await?.ok_or(DeskError::NoSuchCase(*original))?;
    Ok(lifecycle::linked_to(tx, case).await? == Some(original.id))
}
