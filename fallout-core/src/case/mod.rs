//! The words of a fallout case: where it stands, how grave it is, what happens to it. [`next`] is its life.

mod lifecycle;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub use lifecycle::{IllegalTransition, next};

use crate::{action::Action, words::words};

words! {
    /// Where a case stands.
    CaseState {
        Detected = "detected",
        Classified = "classified",
        /// It has an owner who does not work on it at the moment.
        Assigned = "assigned",
        /// Somebody works on it.
        InProgress = "in_progress",
        /// Nobody of ours can do anything until somebody else has, or until a time.
        Waiting = "waiting",
        /// A second person has to agree.
        AwaitingApproval = "awaiting_approval",
        /// An action was accepted; its effect is not seen yet.
        Recovering = "recovering",
        /// The action took effect; whether it helped is not proven yet.
        Verifying = "verifying",
        /// It helped, and that was seen.
        Resolved = "resolved",
        /// Resolved, and what can be learnt from it is written down.
        Closed = "closed",
        /// Ended by authority, without proof.
        ForceClosed = "force_closed",
        /// Cannot be resolved for now; it has an owner, a reason and a day on which it is looked at again.
        Unresolved = "unresolved",
        Reopened = "reopened",
        /// Another case is about the same trouble; that one is worked on.
        Duplicate = "duplicate",
    }
}

impl CaseState {
    /// Whether the trouble still needs someone: at most one active case stands per step.
    pub fn is_active(self) -> bool {
        !matches!(self, CaseState::Resolved | CaseState::Closed | CaseState::ForceClosed | CaseState::Duplicate)
    }

    /// Where a case that stood here goes when what was asked for is taken back: to its people again. A wait that was ended
    /// for it is over.
    pub fn returns_to(self) -> CaseState {
        use CaseState as S;
        match self {
            S::Assigned | S::InProgress => self,
            S::Waiting | S::Unresolved => S::Assigned,
            _ => S::Classified,
        }
    }

    /// Classified, and with no action, approval or verification under way: people decide what comes next.
    pub fn is_with_people(self) -> bool {
        use CaseState as S;
        matches!(self, S::Classified | S::Assigned | S::InProgress | S::Waiting | S::Reopened | S::Unresolved)
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
        /// It got another owner, a group or a person of it.
        Assigned = "FalloutCaseAssigned",
        /// Somebody works on it from here on.
        Taken = "FalloutCaseTaken",
        /// Who had it gave it to another person of the group.
        HandedOver = "FalloutCaseHandedOver",
        /// Handed to those who are called when it needs more than its group can do, or when time runs out.
        Escalated = "FalloutCaseEscalated",
        Noted = "FalloutNoteAdded",
        Waiting = "FalloutWaitStarted",
        /// What was waited for came, or the time did.
        WaitEnded = "FalloutWaitEnded",
        LeftUnresolved = "FalloutCaseLeftUnresolved",
        ApprovalRequested = "FalloutApprovalRequested",
        ApprovalGranted = "FalloutApprovalGranted",
        ApprovalRefused = "FalloutApprovalRefused",
        ActionRequested = "FalloutRecoveryActionRequested",
        /// Its step is at work: the action waits for the end of what is under way, which nothing follows.
        StopRequested = "FalloutStopRequested",
        /// What was under way has ended, and over what is known now the action is not allowed.
        ActionRefused = "FalloutRecoveryActionRefused",
        /// The action's effect was seen in the engine.
        ActionStarted = "FalloutRecoveryActionStarted",
        ActionCompleted = "FalloutRecoveryActionCompleted",
        ActionFailed = "FalloutRecoveryActionFailed",
        /// It was taken back before anything was sent.
        ActionWithdrawn = "FalloutRecoveryActionWithdrawn",
        /// A downstream was asked and said what is true of the effect.
        Reconciled = "FalloutOutcomeReconciled",
        /// What it was about was seen to be over, without an action.
        Cleared = "FalloutTroubleCleared",
        /// A signal came after the end, and nothing tells whether it belongs before: what was proven is proven again.
        VerifyAgain = "FalloutVerificationRepeated",
        /// A field was corrected for it.
        DataCorrected = "FalloutDataCorrected",
        /// Other cases have the same cause.
        JoinedProblem = "FalloutProblemJoined",
        /// The customer was told how the order stands; the words are in the entry.
        CustomerTold = "FalloutCustomerTold",
        Resolved = "FalloutCaseResolved",
        ClosedAfterVerification = "FalloutCaseClosed",
        ForceClosed = "FalloutCaseForceClosed",
        LinkedAsDuplicate = "FalloutCaseLinkedAsDuplicate",
        Reopened = "FalloutCaseReopened",
        /// The impact grew, or a person judged it.
        SeverityChanged = "FalloutCaseSeverityChanged",
        /// What was promised will be missed unless somebody acts.
        SlaAtRisk = "FalloutSlaAtRisk",
        SlaBreached = "FalloutSlaBreached",
    }
}

words! {
    /// What ended the trouble.
    Resolution {
        Retried = "RETRIED",
        Reconciled = "RECONCILED",
        Corrected = "CORRECTED",
        Repriced = "REPRICED",
        Rebased = "REBASED",
        Resumed = "RESUMED",
        Skipped = "SKIPPED",
        Rerouted = "REROUTED",
        Compensated = "COMPENSATED",
        Cancelled = "CANCELLED",
        /// It went away, and that was seen.
        Cleared = "CLEARED",
        /// A person undid the effect outside and attested it.
        UndoneOutside = "UNDONE_OUTSIDE",
        /// People did outside what was missing.
        ResolvedOutside = "RESOLVED_OUTSIDE",
    }
}

impl Resolution {
    /// What a verified action of this kind means for its case; a force close resolves nothing.
    pub fn of(action: Action) -> Option<Resolution> {
        use Action as A;
        Some(match action {
            A::RetryStep => Resolution::Retried,
            A::ReconcileStep => Resolution::Reconciled,
            A::CorrectData => Resolution::Corrected,
            A::RepriceQuote => Resolution::Repriced,
            A::RebaseChange => Resolution::Rebased,
            A::ResumeWorkflow => Resolution::Resumed,
            A::SkipStep => Resolution::Skipped,
            A::RerouteStep => Resolution::Rerouted,
            A::CompensateStep => Resolution::Compensated,
            A::CancelOrder => Resolution::Cancelled,
            A::ResolveOutside => Resolution::ResolvedOutside,
            A::ForceClose => return None,
        })
    }
}

words! {
    /// Whom or what a waiting case waits for.
    WaitsFor { Customer = "customer", Downstream = "downstream", Until = "until" }
}
