//! The life of a fallout case: one state machine, one `match`, refusals with a name.

use crate::words::words;

words! {
    /// Where a case stands.
    CaseState {
        Detected = "detected",
        Classified = "classified",
        Assigned = "assigned",
        InProgress = "in_progress",
        Waiting = "waiting",
        AwaitingApproval = "awaiting_approval",
        /// An action was accepted; its effect is not seen yet.
        Recovering = "recovering",
        /// The action took effect; whether it helped is not proven yet.
        Verifying = "verifying",
        Resolved = "resolved",
        Closed = "closed",
        ForceClosed = "force_closed",
        Unresolved = "unresolved",
        Reopened = "reopened",
        Duplicate = "duplicate",
    }
}

impl CaseState {
    /// Whether the trouble still needs someone: at most one active case stands per step.
    pub fn is_active(self) -> bool {
        !matches!(self, CaseState::Resolved | CaseState::Closed | CaseState::ForceClosed | CaseState::Duplicate)
    }
}

words! {
    /// Impact, not stack trace length.
    Severity { Sev1 = "SEV1", Sev2 = "SEV2", Sev3 = "SEV3", Sev4 = "SEV4" }
}

words! {
    /// What happens to a case; also the type of its entry in the timeline.
    CaseEvent {
        Created = "FalloutCaseCreated",
        Classified = "FalloutCaseClassified",
        /// The same trouble was seen again.
        SignalJoined = "FalloutSignalJoined",
        ActionRequested = "FalloutRecoveryActionRequested",
        /// The action's effect was seen in the engine.
        ActionStarted = "FalloutRecoveryActionStarted",
        ActionCompleted = "FalloutRecoveryActionCompleted",
        ActionFailed = "FalloutRecoveryActionFailed",
        /// What it was about was seen to be over, without an action.
        Cleared = "FalloutTroubleCleared",
        /// The customer was told how the order stands; the words are in the entry.
        CustomerTold = "FalloutCustomerTold",
        Resolved = "FalloutCaseResolved",
        Reopened = "FalloutCaseReopened",
        /// The impact grew, or a person judged it.
        SeverityChanged = "FalloutCaseSeverityChanged",
        /// What was promised will be missed unless somebody acts.
        SlaAtRisk = "FalloutSlaAtRisk",
        SlaBreached = "FalloutSlaBreached",
        /// Handed to those who are called when time runs out.
        Escalated = "FalloutCaseEscalated",
    }
}

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
    match (state, event) {
        (S::Detected, E::Classified) => Ok(S::Classified),
        (S::Recovering | S::Verifying, E::Classified) => Ok(S::Classified),
        (state, E::SignalJoined | E::Classified) if state.is_active() => Ok(state),
        (
            S::Classified | S::Assigned | S::InProgress | S::Waiting | S::Reopened | S::Unresolved,
            E::ActionRequested,
        ) => Ok(S::Recovering),
        (S::Classified | S::Assigned | S::InProgress | S::Waiting | S::Reopened | S::Unresolved, E::Cleared) => {
            Ok(S::Verifying)
        }
        (S::Recovering, E::ActionStarted) => Ok(S::Verifying),
        (S::Recovering, E::ActionCompleted) => Ok(S::Verifying),
        (S::Verifying, E::ActionCompleted) => Ok(S::Verifying),
        (S::Recovering | S::Verifying, E::ActionFailed) => Ok(S::Classified),
        (S::Verifying, E::Resolved) => Ok(S::Resolved),
        (S::Resolved | S::Closed | S::ForceClosed, E::Reopened) => Ok(S::Reopened),
        (state, event) => Err(IllegalTransition { state, event }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_classified_before_it_is_recovered_and_verified_before_it_is_resolved() {
        let illegal = |state, event| Err(IllegalTransition { state, event });
        assert_eq!(
            next(CaseState::Detected, CaseEvent::ActionRequested),
            illegal(CaseState::Detected, CaseEvent::ActionRequested)
        );
        assert_eq!(
            next(CaseState::Recovering, CaseEvent::Resolved),
            illegal(CaseState::Recovering, CaseEvent::Resolved)
        );
        let path = [CaseEvent::Classified, CaseEvent::ActionRequested, CaseEvent::ActionStarted, CaseEvent::Resolved];
        let end = path.iter().try_fold(CaseState::Detected, |state, event| next(state, *event));
        assert_eq!(end, Ok(CaseState::Resolved));
    }

    #[test]
    fn a_recovery_that_did_not_help_makes_the_case_recoverable_again() {
        for state in [CaseState::Recovering, CaseState::Verifying] {
            assert_eq!(next(state, CaseEvent::ActionFailed), Ok(CaseState::Classified));
        }
    }

    #[test]
    fn a_case_that_is_over_takes_nothing_but_a_reopening() {
        for state in CaseState::ALL.iter().filter(|s| !s.is_active()) {
            let taken: Vec<_> = CaseEvent::ALL.iter().filter(|e| next(*state, **e).is_ok()).collect();
            assert!(taken.iter().all(|e| **e == CaseEvent::Reopened), "{state}: {taken:?}");
        }
    }
}
