//! Before a case is resolved: what is recorded is proof enough, or the downstream is asked, and until it has said so the case
//! is being verified. What is closed on is read again under the locks of step and case: version and epoch must be those that
//! the downstream was asked about.

use std::time::Instant;

use chrono::Duration;
use fallout_core::{
    case::{CaseEvent, CaseState},
    decide::{Joined, classification, join},
    ids::{ActionId, AttemptId},
    lookup::{LookupRead, Said},
    outcome::Outcome,
    step::StepState,
    verification::{Judged, Reading, Shows, Verification, judge},
};
use fallout_store::{
    actions,
    attempts::{self, Source},
    cases::{self, Case},
    steps,
    verification::{self, DueVerification, NewVerification},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Desk, DeskError,
    cases::{complete_action, event, fail_action, move_case},
    lifecycle::resolve,
    work::Work,
};

/// How long a controller keeps a read to itself: longer than any operation's total timeout should be.
const LEASE: Duration = Duration::seconds(60);

/// How it is known, and from where or whom.
pub(crate) struct Proof {
    pub how: Verification,
    pub by: String,
}

impl Desk {
    /// Reads that cases wait for; each is ours for a minute.
    pub async fn due_verifications(&self, limit: i64) -> Result<Vec<DueVerification>, DeskError> {
        let mut tx = self.system("verify").await?;
        let due = verification::take_due(&mut tx, LEASE, limit).await?;
        tx.commit().await?;
        Ok(due)
    }

    /// What the downstream said, asked then.
    pub async fn verification_read(&self, id: Uuid, said: Said, asked: Instant) -> Result<(), DeskError> {
        let mut tx = self.system("verify").await?;
        let Some(found) = verification::by_id(&mut tx, id).await? else { return Ok(()) };
        let step = steps::lock(&mut tx, found.step).await?;
        let mut work = Work::on(self, tx, step).await?;
        work.read_for_case(id, said, asked).await?;
        work.commit().await
    }

    /// Actions whose step did not settle in time.
    pub async fn overdue_actions(&self, limit: i64) -> Result<Vec<ActionId>, DeskError> {
        let mut tx = self.system("verify").await?;
        Ok(verification::overdue(&mut tx, limit).await?)
    }

    /// Nobody knows what became of it: the case is with its people again. The step goes on as it can.
    pub async fn overdue(&self, action: ActionId) -> Result<(), DeskError> {
        let mut tx = self.system("verify").await?;
        let found = actions::by_id(&mut tx, action).await?;
        let case = cases::by_id(&mut tx, found.case).await?;
        let Some(step) = case.step else { return Ok(()) };
        let step = steps::lock(&mut tx, step).await?;
        let mut work = Work::on(self, tx, step).await?;
        let case = cases::held(&mut work.tx, case.id).await?;
        let state = actions::by_id(&mut work.tx, action).await?.state;
        if case.state == CaseState::Verifying && state == fallout_core::action::ActionState::Started {
            let why = format!("the step has not settled in time: it is {}", work.step.state);
            work.reopen(case, &why).await?;
        }
        work.commit().await
    }
}

impl Work<'_> {
    /// The step's end is recorded: its case is resolved by that, or once the downstream has shown it.
    pub async fn resolve_case(&mut self, why: &str) -> Result<(), DeskError> {
        let Some(mut case) = cases::active_of_step(&mut self.tx, self.step.key).await? else { return Ok(()) };
        if self.clears(&case) {
            event(&mut self.tx, &case, CaseEvent::Cleared, "desk", Some(why), &Value::Null).await?;
            move_case(&mut self.tx, &mut case, CaseEvent::Cleared).await?;
        }
        if case.state != CaseState::Verifying {
            event(&mut self.tx, &case, CaseEvent::SignalJoined, "desk", Some(why), &Value::Null).await?;
            return Ok(());
        }
        match self.read_needed().await? {
            Some((attempt, expects)) => self.ask_to_read(&case, attempt, expects).await,
            None => {
                let proof = self.proof().await?;
                self.resolved(case, proof, why).await
            }
        }
    }

    /// What people have a case about is over without an action of theirs, unless it is about what was done.
    fn clears(&self, case: &Case) -> bool {
        let about_effect = classification::CONTRADICTIONS.contains(&case.classification.as_str());
        let undo = case.classification == classification::UNDO_REQUIRED;
        case.state.is_with_people() && self.step.state.is_ended() && !about_effect && !undo
    }

    /// What no lookup has shown yet, where there is one.
    async fn read_needed(&mut self) -> Result<Option<(AttemptId, Shows)>, DeskError> {
        let (Some(lookup), Joined::Settled(attempt, outcome)) = (&self.op.lookup, join(&self.attempts)) else {
            return Ok(None);
        };
        let id = attempt.id;
        let applied = matches!(outcome, Outcome::Success { .. });
        let shown = attempt.reads.iter().any(|read| matches!(read.said, Said::Found { .. }));
        let left_out = matches!(self.step.state, StepState::Skipped | StepState::Cancelled) && !self.step.undone;
        Ok(match applied {
            true if self.step.state == StepState::Done && !shown => Some((id, Shows::Applied)),
            // Without a bound on late arrival "not found" would prove nothing.
            false if left_out && lookup.max_late_arrival_ms.is_some() => {
                attempts::attested_by(&mut self.tx, id).await?.map(|_| (id, Shows::Absent))
            }
            _ => None,
        })
    }

    pub(crate) async fn ask_to_read(
        &mut self,
        case: &Case,
        attempt: AttemptId,
        expects: Shows,
    ) -> Result<(), DeskError> {
        let delay = self.op.lookup.as_ref().map_or(0, |lookup| lookup.consistency_delay_ms);
        let action = self.action_of(case).await?;
        let within = match &action {
            Some(action) => self.desk.catalogue().verification.within(action.action, &self.op.name),
            None => self.desk.catalogue().verification.within(fallout_core::action::Action::RetryStep, &self.op.name),
        };
        let new = NewVerification {
            id: Uuid::now_v7(),
            action: action.map(|action| action.id),
            step: self.step.key,
            epoch: self.step.epoch,
            attempt,
            expects,
            shown_from: self.now + Duration::milliseconds(i64::from(delay)),
            deadline: self.now + within,
        };
        Ok(verification::ask(&mut self.tx, case, &new).await?)
    }

    /// The action that brought the step here, where it was for this case and is not over.
    async fn action_of(&mut self, case: &Case) -> Result<Option<actions::StoredAction>, DeskError> {
        let Some(last) = self.step.last_action else { return Ok(None) };
        let action = actions::by_id(&mut self.tx, last).await?;
        Ok(Some(action).filter(|action| action.case == case.id && !action.state.is_over()))
    }

    /// What is recorded, as proof.
    async fn proof(&mut self) -> Result<Proof, DeskError> {
        let last = self.attempts.last().map(|a| a.id);
        if let Some(last) = last
            && let Some(who) = attempts::attested_by(&mut self.tx, last).await?
        {
            return Ok(Proof { how: Verification::Attested, by: who });
        }
        let looked_up = self.attempts.iter().any(|a| a.reads.iter().any(|r| matches!(r.said, Said::Found { .. })));
        let by = match self.step.state {
            StepState::Done if looked_up => format!("a lookup at {}", self.op.downstream),
            StepState::Done | StepState::Rejected => format!("the answer of {}", self.op.downstream),
            _ => "the engine".to_owned(),
        };
        Ok(Proof { how: Verification::Machine, by })
    }

    pub(crate) async fn resolved(&mut self, mut case: Case, proof: Proof, why: &str) -> Result<(), DeskError> {
        if let Some(action) = self.action_of(&case).await? {
            complete_action(&mut self.tx, &case, action.id, why).await?;
        }
        let fixed = self.fixed(&case, proof).await?;
        let fixed = crate::lifecycle::Fixed { by: fixed.by.or_else(|| Some(why.to_owned())), ..fixed };
        resolve(&mut self.tx, &mut case, &fixed, "desk", why).await?;
        self.step.case = None;
        Ok(())
    }

    async fn read_for_case(&mut self, id: Uuid, said: Said, asked: Instant) -> Result<(), DeskError> {
        let Some(found) = verification::by_id(&mut self.tx, id).await?.filter(|found| found.is_due) else {
            return Ok(());
        };
        let case = cases::held(&mut self.tx, found.case).await?;
        if case.state != CaseState::Verifying || self.step.epoch != found.epoch {
            let why = format!("the case is {} and its step in epoch {}", case.state, self.step.epoch);
            return Ok(verification::end(&mut self.tx, id, "void", &why, None).await?);
        }
        let detail = serde_json::to_value(&said).unwrap_or_default();
        let tenant = self.step.identity.tenant.clone();
        attempts::append_evidence(&mut self.tx, &tenant, found.attempt, Source::Lookup, &detail).await?;
        let ago = Duration::from_std(asked.elapsed()).unwrap_or_default().min(Duration::days(1));
        let read = LookupRead { at: self.now - ago, said };
        if case.version != found.case_version {
            // What was read was read about the case as it is no more.
            return Ok(verification::add_read(&mut self.tx, id, &read, self.now, case.version).await?);
        }
        let Some(lookup) = &self.op.lookup else { return Ok(()) };
        let reads: Vec<LookupRead> = found.reads.iter().cloned().chain([read.clone()]).collect();
        let reading = Reading {
            lookup,
            expects: found.expects,
            reads: &reads,
            shown_from: found.shown_from,
            deadline: found.deadline,
            now: self.now,
        };
        match judge(&reading) {
            Judged::Proven => {
                let by = format!("a lookup at {}", self.op.downstream);
                let why = format!("{by} shows the effect as {}", found.expects);
                verification::end(&mut self.tx, id, "proven", &why, Some(&read)).await?;
                self.resolved(case, Proof { how: Verification::Machine, by }, &why).await
            }
            Judged::Again(at) => Ok(verification::add_read(&mut self.tx, id, &read, at, case.version).await?),
            Judged::Failed(why) => {
                verification::end(&mut self.tx, id, "failed", &why, Some(&read)).await?;
                self.reopen(case, &why).await
            }
        }
    }

    /// Not proven: the case is with its people again, which is counted.
    async fn reopen(&mut self, mut case: Case, why: &str) -> Result<(), DeskError> {
        let why = format!("not verified: {why}");
        if let Some(action) = self.action_of(&case).await? {
            fail_action(&mut self.tx, &case, action.id, &why).await?;
        }
        verification::void(&mut self.tx, case.id, &why).await?;
        cases::count_verification_failure(&mut self.tx, case.id).await?;
        event(&mut self.tx, &case, CaseEvent::Reopened, "verify", Some(&why), &json!({ "was": case.state })).await?;
        move_case(&mut self.tx, &mut case, CaseEvent::Reopened).await
    }
}
