//! The life of a fallout case: one state machine, one `match`, refusals with a name. docs/CASES.md draws it, and
//! migrations/0016_cases.sql holds it for whoever writes by hand; tests compare all three.

use super::{CaseEvent, CaseState};

/// A transition that the lifecycle does not know.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a case that is {state} cannot take {event}")]
pub struct IllegalTransition {
    pub state: CaseState,
    pub event: CaseEvent,
}

/// The state after an event.
pub fn next(state: CaseState, event: CaseEvent) -> Result<CaseState, IllegalTransition> {
    use CaseEvent as E;
    use CaseState as S;
    let open = state.is_active();
    let people = state.is_with_people();
    match (state, event) {
        // What the action was for is in the order now; what comes next is for its people.
        (S::Recovering, E::DataCorrected) => Ok(S::Classified),
        // Entries that tell something and leave the case where it stands; of one that is over, only these two.
        (_, E::Noted) => Ok(state),
        (_, E::SignalJoined) if state != S::Duplicate => Ok(state),
        (_, E::SeverityChanged | E::SlaAtRisk | E::SlaBreached | E::CustomerTold) if open => Ok(state),
        (_, E::DataCorrected | E::JoinedProblem) if open => Ok(state),

        (S::Detected, E::Classified) => Ok(S::Classified),
        (_, E::Classified) if open => Ok(state),

        // Owners. Nothing that is under way or waited for ends because another has the case.
        (S::InProgress, E::Escalated | E::HandedOver) => Ok(S::Assigned),
        (_, E::Escalated) if open => Ok(state),
        (S::Classified | S::Assigned | S::InProgress | S::Reopened, E::Assigned) => Ok(S::Assigned),
        (S::Classified | S::Assigned | S::InProgress | S::Reopened, E::Taken) => Ok(S::InProgress),
        (_, E::Assigned | E::Taken | E::HandedOver) if open && state != S::Detected => Ok(state),

        // Standing still, with a reason.
        (_, E::Waiting) if people => Ok(S::Waiting),
        (_, E::LeftUnresolved) if people => Ok(S::Unresolved),
        (S::Waiting | S::Unresolved, E::WaitEnded) => Ok(S::Assigned),
        (_, E::ApprovalRequested) if people => Ok(S::AwaitingApproval),
        // What is being verified goes on while somebody is asked; its end ends the asking.
        (S::Verifying, E::ApprovalRequested | E::ApprovalGranted | E::ApprovalRefused) => Ok(S::Verifying),
        (S::AwaitingApproval, E::ApprovalGranted | E::ApprovalRefused | E::ActionWithdrawn) => Ok(S::InProgress),

        // Recovery, and the proof that it helped.
        (_, E::ActionRequested) if people || state == S::Verifying => Ok(S::Recovering),
        // The step is at work, and goes on as it would have until what is under way has ended.
        (_, E::StopRequested | E::ActionRefused) if people || state == S::Verifying => Ok(state),
        (S::Recovering, E::ActionStarted | E::ActionCompleted) => Ok(S::Verifying),
        (S::Verifying, E::ActionCompleted) => Ok(S::Verifying),
        (S::Recovering | S::Verifying, E::ActionFailed) => Ok(S::Classified),
        (S::Recovering, E::ActionWithdrawn | E::Reconciled) => Ok(S::Classified),
        (_, E::ActionWithdrawn) if people || state == S::Verifying => Ok(state),
        (_, E::Cleared) if people => Ok(S::Verifying),
        (S::Resolved | S::Closed, E::VerifyAgain) => Ok(S::Verifying),
        (S::Verifying, E::Resolved) => Ok(S::Resolved),

        // Ends, and the way back.
        (S::Resolved, E::ClosedAfterVerification) => Ok(S::Closed),
        (S::AwaitingApproval | S::Verifying, E::ForceClosed) => Ok(S::ForceClosed),
        (_, E::ForceClosed) if people => Ok(S::ForceClosed),
        (_, E::LinkedAsDuplicate) if people => Ok(S::Duplicate),
        (S::Verifying | S::Resolved | S::Closed | S::ForceClosed | S::Duplicate, E::Reopened) => Ok(S::Reopened),

        (state, event) => Err(IllegalTransition { state, event }),
    }
}
