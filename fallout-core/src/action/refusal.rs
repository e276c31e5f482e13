//! Why an action is refused; the message says what to do instead, the name is what is audited.

use chrono::{DateTime, Utc};

use super::{Action, correction::NotCorrectable, revision::Revised};
use crate::step::StepState;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "an attempt is still open; wait until it has ended and try again, or take the step over once its sender is gone (--takeover)"
    )]
    AttemptOpen,
    #[error("no attempt is open: there is nothing to take over; leave --takeover out")]
    NothingToTakeOver,
    #[error("its sender may be at work until {}; only then can the step be taken over", .0.format("%Y-%m-%d %H:%M:%S UTC"))]
    SenderAtWork(DateTime<Utc>),
    #[error("another action has reserved the step; wait until it has taken effect")]
    ActionUnderWay,
    #[error("an action of this case waits for a second person; see fallout case show")]
    ApprovalUnderWay,
    #[error("the step is {0}, not parked; there is nothing to recover")]
    NotParked(StepState),
    #[error("the case belongs to no step; only a force close, or what was done outside, ends it")]
    NoStep,
    #[error(
        "whether the effect exists is unknown; add --check to have the downstream asked first, or find out and add --attest applied|not-applied --reference TEXT"
    )]
    OutcomeUnknown,
    #[error(
        "whether the effect exists is unknown, and the downstream keeps the key no longer: the same request could make it twice; find out, then add --attest applied|not-applied --reference TEXT"
    )]
    KeyForgotten,
    #[error("the effect exists; resume the workflow instead")]
    Applied,
    #[error("the effect does not exist; retry the step, or skip it if it was made outside")]
    NotApplied,
    #[error("nothing is unknown about this step; an attestation would contradict what is proven")]
    NothingToAttest,
    #[error("nothing is unknown about this step: its effect {}", if *.applied { "exists; resume the workflow" } else { "does not exist; retry the step" })]
    NothingUnknown { applied: bool },
    #[error(
        "this operation has no lookup; ask the downstream's people, then add --attest applied|not-applied --reference TEXT"
    )]
    NoLookup,
    #[error("later steps need {0}; add --output {0}=VALUE")]
    OutputMissing(String),
    #[error("{output} of step {step} was valid until {}; it has to be renewed by step {step} before this step may use it", until.format("%Y-%m-%d %H:%M:%S UTC"))]
    Expired { step: String, output: String, until: DateTime<Utc> },
    #[error(
        "the definition that this order runs has no branch for {0}; choose another action, or move the order to a newer definition that has one (fallout order migrate)"
    )]
    NoBranch(Action),
    #[error(
        "{0} is declared offline, so nothing is sent to it or asked of it; fallout downstream list says until when"
    )]
    Offline(String),
    #[error("the order or its line is held; release it first (fallout order release), or cancel the order")]
    Held,
    #[error(
        "the order is being cancelled; nothing new is done for it: cancel this step as well, or resume it if its effect exists"
    )]
    OrderCancelled,
    #[error("the effect of {0} exists, and past it the order can no longer be cancelled")]
    PastNoReturn(String),
    #[error("policy {policy} does not allow this order to be cancelled: {because}")]
    NotCancellable { policy: String, because: String },
    #[error("the penalty of policy {0} is never waived; cancel without --waive-penalty")]
    NotWaivable(String),
    #[error("nothing is due for this cancellation, so there is nothing to waive; cancel without --waive-penalty")]
    NothingToWaive,
    #[error(
        "no policy permits another route for {0} here (fallout policy list --kind route); retry once the cause is gone, or skip and fulfil it outside"
    )]
    NoRoute(String),
    #[error("the order names no quote; what it costs is agreed where it was taken in")]
    NoQuote,
    #[error(
        "the customer has accepted the quote, and policy {0} does not allow it to be revised then; cancel the order and quote anew"
    )]
    QuoteAccepted(String),
    #[error("what the order costs is not known here, so nobody can say how far it may rise; amend the order first")]
    PriceUnknown,
    #[error("{0} asks for no price; leave --agreed out")]
    NoPriceAsked(Action),
    #[error("the order changes nothing that is installed; there is no baseline to build again")]
    NoChange,
    #[error(
        "the effect of {0} exists and cannot be taken back; the baseline stays, change what is left by an order of its own"
    )]
    Irreversible(String),
    #[error("the step's request does not use the {0} of the order, so a new one would not help it")]
    NotUsed(Revised),
    #[error("{step} relies on it, and what it has sent is {is}; wait or find out first")]
    InUse { step: String, is: &'static str },
    #[error("route {said} is not permitted here; permitted: {known}")]
    OtherRoute { said: String, known: String },
    #[error("the process instance has ended, so the step cannot run again; cancel or skip it to say so in the ledger")]
    InstanceGone,
    #[error("the effect has to be undone outside first; then skip with --attest not-applied --reference TEXT")]
    NotUndone,
    #[error(
        "no call takes this effect back; {0} do it by hand: resume the workflow, or cancel the order and they get a case"
    )]
    NoUndo(String),
    #[error("{}", only_skip(*.0))]
    OnlySkip(Action),
    #[error(
        "the order still waits at this step and would wait for ever without a case; cancel, skip or resume it, or leave the case unresolved"
    )]
    StillParked,
    #[error("say what there is now and where that can be seen: --attest applied|not-applied --reference TEXT")]
    NotAttested,
    #[error("the step is {0} and goes on by itself; what it does next is not known yet")]
    AtWork(StepState),
    #[error("{0}")]
    NotCorrectable(NotCorrectable),
    #[error("a force close needs --impact TEXT: what the customer has and has not, and what it costs")]
    NoImpact,
}

impl Refusal {
    /// What it is called in the audit.
    pub fn name(&self) -> &'static str {
        match self {
            Refusal::AttemptOpen => "attempt_open",
            Refusal::NothingToTakeOver => "nothing_to_take_over",
            Refusal::SenderAtWork(_) => "sender_at_work",
            Refusal::ActionUnderWay => "action_under_way",
            Refusal::ApprovalUnderWay => "approval_under_way",
            Refusal::NotParked(_) => "not_parked",
            Refusal::NoStep => "no_step",
            Refusal::OutcomeUnknown => "outcome_unknown",
            Refusal::KeyForgotten => "key_forgotten",
            Refusal::Applied => "applied",
            Refusal::NotApplied => "not_applied",
            Refusal::NothingToAttest => "nothing_to_attest",
            Refusal::NothingUnknown { .. } => "nothing_unknown",
            Refusal::NoLookup => "no_lookup",
            Refusal::OutputMissing(_) => "output_missing",
            Refusal::Expired { .. } => "result_expired",
            Refusal::NoBranch(_) => "no_branch",
            Refusal::Offline(_) => "downstream_offline",
            Refusal::Held => "order_held",
            Refusal::OrderCancelled => "order_cancelled",
            Refusal::PastNoReturn(_) => "past_no_return",
            Refusal::NotCancellable { .. } => "cancellation_policy",
            Refusal::NotWaivable(_) => "penalty_not_waivable",
            Refusal::NothingToWaive => "nothing_to_waive",
            Refusal::NoRoute(_) => "no_route",
            Refusal::NoQuote => "no_quote",
            Refusal::QuoteAccepted(_) => "quote_accepted",
            Refusal::PriceUnknown => "price_unknown",
            Refusal::NoPriceAsked(_) => "no_price_asked",
            Refusal::NoChange => "no_change",
            Refusal::Irreversible(_) => "irreversible",
            Refusal::NotUsed(_) => "not_used",
            Refusal::InUse { .. } => "in_use",
            Refusal::OtherRoute { .. } => "other_route",
            Refusal::InstanceGone => "instance_gone",
            Refusal::NotUndone => "not_undone",
            Refusal::NoUndo(_) => "no_undo",
            Refusal::OnlySkip(_) => "only_skip",
            Refusal::StillParked => "still_parked",
            Refusal::NotAttested => "not_attested",
            Refusal::AtWork(_) => "at_work",
            Refusal::NotCorrectable(e) => e.name(),
            Refusal::NoImpact => "no_impact",
        }
    }
}

fn only_skip(action: Action) -> String {
    match action {
        Action::CancelOrder => "the order is cancelled already; undo the effect outside and skip".into(),
        other => format!("{other} does not apply to an effect that has to be undone; undo it outside and skip"),
    }
}
