//! Recovery actions and their guards: what may be done to a step as it stands, and why not.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    attempt::AttemptFacts,
    claim::StepFacts,
    decide::{Joined, join},
    operation::Operation,
    outcome::Outcome,
    step::{Outputs, StepState},
    words::words,
};

words! {
    /// The catalogue of recovery actions.
    Action {
        RetryStep = "RETRY_STEP",
        ReconcileStep = "RECONCILE_STEP",
        CorrectData = "CORRECT_DATA",
        RepriceQuote = "REPRICE_QUOTE",
        RebaseChange = "REBASE_CHANGE",
        ResumeWorkflow = "RESUME_WORKFLOW",
        SkipStep = "SKIP_STEP",
        RerouteStep = "REROUTE_STEP",
        CompensateStep = "COMPENSATE_STEP",
        CancelOrder = "CANCEL_ORDER",
        ForceClose = "FORCE_CLOSE",
    }
}

words! {
    /// How far an action has come.
    ActionState {
        /// Accepted; its command to the engine is not sent.
        Requested = "requested",
        /// Its effect was seen: the branch was taken, or the step runs again at the action's epoch.
        Started = "started",
        /// What it was for is proven.
        Completed = "completed",
        /// It changed nothing, or what it was for failed again.
        Failed = "failed",
    }
}

/// What a person says about an effect that no lookup can prove. Kept as evidence of the principal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attestation {
    pub applied: bool,
    /// Where the proof can be found: a ticket, a mail, a screen.
    pub reference: String,
}

/// Why an action is refused; the message says what to do instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{0} is not built yet; retry, resume, skip and cancel are")]
    NotBuilt(Action),
    #[error("an attempt is still open; wait until it has ended and try again")]
    AttemptOpen,
    #[error("another action has reserved the step; wait until it has taken effect")]
    ActionUnderWay,
    #[error("the step is {0}, not parked; there is nothing to recover")]
    NotParked(StepState),
    #[error("whether the effect exists is unknown; find out, then add --attest applied|not-applied --reference TEXT")]
    OutcomeUnknown,
    #[error("the effect exists; resume the workflow instead")]
    Applied,
    #[error("the effect does not exist; retry the step, or skip it if it was made outside")]
    NotApplied,
    #[error("nothing is unknown about this step; an attestation would contradict what is proven")]
    NothingToAttest,
    #[error("later steps need {0}; add --output {0}=VALUE")]
    OutputMissing(String),
    #[error("the definition that this order runs has no branch for {0}; deploy one, or choose another action")]
    NoBranch(Action),
    #[error("the effect has to be undone outside first; then skip with --attest not-applied --reference TEXT")]
    NotUndone,
    #[error("{}", only_skip(*.0))]
    OnlySkip(Action),
    #[error("the effect of {0} exists, and past it the order can no longer be cancelled")]
    PastNoReturn(String),
}

fn only_skip(action: Action) -> String {
    match action {
        Action::CancelOrder => "the order is cancelled already; undo the effect outside and skip".into(),
        other => format!("{other} does not apply to an effect that has to be undone; undo it outside and skip"),
    }
}

/// The case's step as the guard sees it.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    pub op: &'a Operation,
    pub step: &'a StepFacts,
    /// Actions that the definition this instance runs can take.
    pub branches: &'a BTreeSet<String>,
    /// The case asks for an applied effect of a cancelled order to be undone.
    pub is_undo: bool,
}

/// What an accepted action does to the ledger before anything is sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Accepted {
    /// Reserve the step and correlate the action; `settles` is the attested outcome of what was unknown.
    Correlate { settles: Option<Outcome> },
    /// The effect was undone outside: no message, the record is enough.
    RecordUndone,
}

/// Whether the action may be taken. `outputs` are the values given for later steps.
pub fn guard(
    action: Action,
    target: &Target<'_>,
    attested: Option<&Attestation>,
    outputs: &Outputs,
) -> Result<Accepted, Refusal> {
    let built = [Action::RetryStep, Action::ResumeWorkflow, Action::SkipStep, Action::CancelOrder];
    if !built.contains(&action) {
        return Err(Refusal::NotBuilt(action));
    }
    if target.is_undo {
        return undo(action, attested);
    }
    let step = target.step;
    // Whatever else is known: a sender is at work.
    if step.attempts.iter().any(AttemptFacts::is_open) {
        return Err(Refusal::AttemptOpen);
    }
    match step.state {
        StepState::Parked if step.gate.is_some() => Err(Refusal::ActionUnderWay),
        StepState::Parked if !target.branches.contains(action.word()) => Err(Refusal::NoBranch(action)),
        StepState::Parked => parked(action, target, attested, outputs),
        state => Err(Refusal::NotParked(state)),
    }
}

fn undo(action: Action, attested: Option<&Attestation>) -> Result<Accepted, Refusal> {
    match (action, attested) {
        (Action::SkipStep, Some(Attestation { applied: false, .. })) => Ok(Accepted::RecordUndone),
        (Action::SkipStep, _) => Err(Refusal::NotUndone),
        _ => Err(Refusal::OnlySkip(action)),
    }
}

/// A step that takes an effect back is left only when the effect is gone, however that came about.
fn undoing(action: Action, attested: Option<&Attestation>) -> Result<(), Refusal> {
    match (action, attested) {
        (Action::SkipStep, Some(Attestation { applied: false, .. })) => Ok(()),
        (Action::SkipStep, _) => Err(Refusal::NotUndone),
        (Action::CancelOrder, _) => Err(Refusal::OnlySkip(action)),
        _ => Ok(()),
    }
}

/// What is known about the effect, together with what is attested now.
enum Known {
    Applied,
    NotApplied,
}

fn parked(
    action: Action,
    target: &Target<'_>,
    attested: Option<&Attestation>,
    outputs: &Outputs,
) -> Result<Accepted, Refusal> {
    let (known, settles) = known(target, attested, outputs)?;
    match (action, known) {
        (Action::RetryStep | Action::SkipStep, Known::Applied) => return Err(Refusal::Applied),
        (Action::ResumeWorkflow, Known::NotApplied) => return Err(Refusal::NotApplied),
        (Action::SkipStep, Known::NotApplied) => outputs_given(target, outputs)?,
        _ => {}
    }
    if target.step.undoes.is_some() {
        undoing(action, attested)?;
    }
    Ok(Accepted::Correlate { settles })
}

fn known(
    target: &Target<'_>,
    attested: Option<&Attestation>,
    outputs: &Outputs,
) -> Result<(Known, Option<Outcome>), Refusal> {
    match (join(&target.step.attempts), attested) {
        (Joined::Open(_), _) => Err(Refusal::AttemptOpen),
        (Joined::Unresolved(..), None) => Err(Refusal::OutcomeUnknown),
        (Joined::Unresolved(..), Some(said)) => {
            let (known, outcome) = attest(target, said, outputs)?;
            Ok((known, Some(outcome)))
        }
        (Joined::Settled(_, Outcome::Success { .. }), None) => Ok((Known::Applied, None)),
        (Joined::Settled(_, Outcome::Success { .. }), Some(said)) if said.applied => Ok((Known::Applied, None)),
        (Joined::Settled(_, Outcome::Success { .. }), Some(_)) => Err(Refusal::NothingToAttest),
        (Joined::Settled(..) | Joined::Nothing, Some(said)) if said.applied => Err(Refusal::NothingToAttest),
        (Joined::Settled(..) | Joined::Nothing, _) => Ok((Known::NotApplied, None)),
    }
}

fn attest(target: &Target<'_>, said: &Attestation, outputs: &Outputs) -> Result<(Known, Outcome), Refusal> {
    if said.applied {
        outputs_given(target, outputs)?;
        return Ok((Known::Applied, Outcome::Success { outputs: outputs.clone() }));
    }
    let reason = format!("attested as not applied: {}", said.reference);
    Ok((Known::NotApplied, Outcome::Technical { reason, retry_after_ms: None }))
}

/// No step relies on what an undo gives.
fn outputs_given(target: &Target<'_>, given: &Outputs) -> Result<(), Refusal> {
    let mut needed = target.op.outputs.keys().filter(|_| target.step.undoes.is_none());
    match needed.find(|name| !given.contains_key(*name)) {
        Some(missing) => Err(Refusal::OutputMissing(missing.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "action_tests.rs"]
mod tests;
