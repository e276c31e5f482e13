//! The ends that people give a case, and the way back: linked to another, closed with what was learnt, reopened.

use fallout_core::{
    case::{CaseEvent, CaseState, Resolution},
    ids::CaseNumber,
    people::text,
    step::StepState,
};
use fallout_store::{
    Tx,
    cases::{self, Case},
    lifecycle, steps,
};
use serde_json::json;

use crate::{
    Desk, DeskError,
    case_command::{CaseCommand, Entry, Stands, done, goes},
};

/// Why a case is no duplicate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotLink {
    #[error("a case is no duplicate of itself")]
    Itself,
    #[error("case {0} is {1}: nobody works on the trouble there; reopen it first, or link the other way round")]
    OriginalIsOver(CaseNumber, CaseState),
    #[error("case {0} is itself a duplicate in the end of case {1}; that would be a circle")]
    Circle(CaseNumber, CaseNumber),
    #[error("the step of case {0} is parked and waits for its own recovery; recover it, or let a problem hold both")]
    StepWaits(CaseNumber),
}

/// What is written down when a resolved case is closed.
#[derive(Clone, Copy, Debug)]
pub struct Closing<'a> {
    pub root_cause: &'a str,
    /// What ended it, where that is known better than the program could.
    pub resolution: Option<Resolution>,
    /// What is done so that it does not happen again.
    pub follow_up: Option<&'a str>,
}

impl Desk {
    /// The same trouble as another case, where it is worked on: this one keeps its timeline, and its signals go there.
    pub async fn link(&self, ask: &CaseCommand<'_>, original: CaseNumber, reason: &str) -> Result<Stands, DeskError> {
        let reason = text("the reason", reason)?;
        let (mut tx, case) = self.held(ask).await?;
        let found = cases::by_number(&mut tx, ask.tenant, original).await?.ok_or(DeskError::NoSuchCase(original))?;
        let original = cases::held(&mut tx, found.id).await?;
        if case.state == CaseState::Duplicate && lifecycle::linked_to(&mut tx, &case).await? == Some(original.id) {
            return Ok(Stands::already(&case));
        }
        let state = goes(&case, CaseEvent::LinkedAsDuplicate)?;
        may_link(&mut tx, &case, &original).await?;
        lifecycle::link(&mut tx, &case, original.id).await?;
        let payload = json!({ "original": original.number });
        let entry = Entry { by: ask.into(), event: CaseEvent::LinkedAsDuplicate, reason: Some(reason), payload };
        done(tx, case, &entry, state).await
    }

    /// Only what was verified: then what was learnt is written down.
    pub async fn close(&self, ask: &CaseCommand<'_>, closing: &Closing<'_>) -> Result<Stands, DeskError> {
        let root_cause = text("the root cause", closing.root_cause)?;
        let follow_up = closing.follow_up.map(|follow_up| text("the follow-up", follow_up)).transpose()?;
        let (mut tx, case) = self.held(ask).await?;
        if case.state == CaseState::Closed {
            return Ok(Stands::already(&case));
        }
        let state = goes(&case, CaseEvent::ClosedAfterVerification)?;
        lifecycle::close(&mut tx, &case, root_cause, closing.resolution, follow_up).await?;
        let resolution = lifecycle::resolution(&mut tx, &case).await?;
        let payload = json!({ "resolution": resolution, "followUp": follow_up });
        let event = CaseEvent::ClosedAfterVerification;
        let entry = Entry { by: ask.into(), event, reason: Some(root_cause), payload };
        done(tx, case, &entry, state).await
    }

    /// It was over and is not; a duplicate stands on its own again.
    pub async fn reopen(&self, ask: &CaseCommand<'_>, reason: &str) -> Result<Stands, DeskError> {
        let reason = text("the reason", reason)?;
        let (mut tx, case) = self.held(ask).await?;
        if case.state == CaseState::Reopened {
            return Ok(Stands::already(&case));
        }
        // Verification is the program's to fail, not a person's to cut short.
        if case.state.is_active() {
            let (state, event) = (case.state, CaseEvent::Reopened);
            return Err(fallout_core::case::IllegalTransition { state, event }.into());
        }
        let state = goes(&case, CaseEvent::Reopened)?;
        if let Some(other) = cases::in_the_way(&mut tx, &case).await? {
            return Err(DeskError::AnotherIsOpen { case: case.number, other });
        }
        cases::set_state(&mut tx, &case, state).await?;
        let payload = json!({ "was": case.state });
        let entry = Entry { by: ask.into(), event: CaseEvent::Reopened, reason: Some(reason), payload };
        done(tx, case, &entry, state).await
    }
}

async fn may_link(tx: &mut Tx, case: &Case, original: &Case) -> Result<(), DeskError> {
    if original.id == case.id {
        return Err(CannotLink::Itself.into());
    }
    // Before the rule about ends, which would hide it: a duplicate is over too.
    if lifecycle::original(tx, original.id).await? == case.id {
        return Err(CannotLink::Circle(original.number, case.number).into());
    }
    if !original.state.is_active() {
        return Err(CannotLink::OriginalIsOver(original.number, original.state).into());
    }
    if let Some(step) = case.step
        && steps::get(tx, step).await?.state == StepState::Parked
    {
        return Err(CannotLink::StepWaits(case.number).into());
    }
    Ok(())
}
