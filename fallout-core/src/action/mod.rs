//! Recovery actions: the words, what a person says with them, and who decides. What each is stands in [`catalogue`],
//! whether it may be taken in [`guard`](mod@guard), how it is asked for in [`command`].

pub mod approval;
pub mod catalogue;
pub mod check;
pub mod command;
pub mod correction;
pub mod guard;
mod refusal;
pub mod revision;
pub mod stopping;
pub mod terms;

use serde::{Deserialize, Serialize};

pub use catalogue::Declaration;
pub use guard::{Accepted, Asked, Expired, OnStep, Target, guard};
pub use refusal::Refusal;
pub use terms::{Commercial, Terms, terms};

use crate::words::words;

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
        /// Beside the eleven of the specification: what people did outside ends the case.
        ResolveOutside = "RESOLVE_OUTSIDE",
    }
}

impl Action {
    /// What it is, as people and rules read it.
    pub fn declaration(self) -> &'static Declaration {
        catalogue::declaration(self)
    }
}

words! {
    /// How far an action has come.
    ActionState {
        /// An exchange of its step is under way: nothing follows it, and at its end the guard is asked again.
        Stopping = "stopping",
        /// A downstream is asked first; the desk decides on its answer.
        Checking = "checking",
        /// Nothing is done before a second person has agreed.
        AwaitingApproval = "awaiting_approval",
        /// It makes an effect of its own first; the desk goes on when that is proven.
        Performing = "performing",
        /// Accepted; its command to the engine is not sent.
        Requested = "requested",
        /// Its effect was seen: the branch was taken, or the step runs again at the action's epoch.
        Started = "started",
        /// What it was for is proven.
        Completed = "completed",
        /// It changed nothing, or what it was for failed again.
        Failed = "failed",
        /// Taken back before anything was sent.
        Withdrawn = "withdrawn",
        /// The second person did not agree, or not in time.
        NotApproved = "not_approved",
    }
}

impl ActionState {
    /// Nothing more comes of it.
    pub fn is_over(self) -> bool {
        use ActionState as S;
        matches!(self, S::Completed | S::Failed | S::Withdrawn | S::NotApproved)
    }
}

/// What a person says about an effect that no lookup can prove. Kept as evidence of the principal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    pub applied: bool,
    /// Where the proof can be found: a ticket, a mail, a screen.
    pub reference: String,
}
