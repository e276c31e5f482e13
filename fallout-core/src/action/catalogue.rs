//! What each recovery action is: one declaration, read by the guard, the command line, the dry run and docs/ACTIONS.md.

use serde::Serialize;

use super::Action;
use crate::words::words;

words! {
    /// The rows of the table of authority, and what the program needs beside them; who holds each is reference data.
    Authority {
        ViewCase = "view_case",
        AssignCase = "assign_case",
        RetrySafeStep = "retry_safe_step",
        CorrectAddress = "correct_address",
        WaivePenalty = "waive_penalty",
        SkipStep = "skip_step",
        CompensateStep = "compensate_step",
        ForceClose = "force_close",
        ModifyProcess = "modify_process",
        /// Beside the action's own: to call the outcome of a dead worker's attempt unknown before it is found by itself.
        TakeOver = "take_over",
        /// Beyond the table: what people do with a case beside recovering it.
        WorkCase = "work_case",
        /// And who says who may what.
        Administer = "administer",
    }
}

words! {
    /// What has to be known about the step's effect.
    Wants {
        /// That it does not exist, or a key that the downstream still recognises.
        Absent = "not applied",
        /// That it exists.
        Present = "applied",
        /// One or the other.
        Known = "known",
        /// Neither: finding out is what the action is for.
        Unknown = "unknown",
        /// It does not matter.
        Anything = "anything",
    }
}

words! {
    /// Whether what was done can be taken back.
    Reversible {
        /// Nothing is changed that would have to be.
        Nothing = "nothing to reverse",
        UntilSent = "until the engine has it",
        ByAnother = "by another action",
        Never = "no",
    }
}

words! {
    /// What a downstream notices.
    Contact { None = "none", Reads = "asks", Sends = "sends" }
}

words! {
    /// Whether one person is enough.
    Approval { One = "one person", SecondPerson = "a second person" }
}

words! {
    /// What the relay tells the engine.
    Relay { Nothing = "nothing", Recover = "recover" }
}

words! {
    /// What has to be seen before the case may be resolved.
    Expected {
        StepDone = "the step is done at the action's epoch",
        EffectKnown = "a lookup proves the effect or its absence",
        StepSkipped = "the called step ended as skipped",
        StepCancelled = "the called step ended as cancelled",
        OrderCorrected = "the order owner shows the new value",
        NewQuote = "the quote system shows the new revision",
        NewBaseline = "the quote system shows the new baseline",
        StepRerouted = "the step is done by the other route",
        EffectUndone = "the effect is gone where it was made",
        SaidOutside = "a lookup shows it, or a named person says so",
        /// Nothing is verified; the case says so.
        Nothing = "nothing",
    }
}

/// From where to where something goes; the words of the ledger, and of TMF622 for item and order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Transitions {
    pub step: &'static str,
    pub item: &'static str,
    pub order: &'static str,
}

/// One recovery action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Declaration {
    pub action: Action,
    /// As it is typed: `case recover --action retry`.
    pub name: &'static str,
    pub meaning: &'static str,
    /// The guard in words.
    pub guard: &'static str,
    pub authority: Authority,
    pub does: &'static str,
    pub does_not: &'static str,
    pub wants: Wants,
    pub reversible: Reversible,
    pub contact: Contact,
    /// What changes in what a customer is told.
    pub customer: &'static str,
    pub approval: Approval,
    pub relay: Relay,
    /// The operation whose effect the action makes itself, where it makes one.
    pub performs: Option<&'static str>,
    pub transitions: Transitions,
    pub expected: Expected,
}

impl Declaration {
    /// The definition that the order runs must have a branch for it.
    pub fn needs_branch(&self) -> bool {
        self.relay == Relay::Recover
    }

    /// The step itself sends again.
    pub fn repeats(&self) -> bool {
        self.needs_branch() && self.contact == Contact::Sends && self.wants == Wants::Absent
    }
}

/// Every action, in the order of the catalogue.
pub fn all() -> impl Iterator<Item = &'static Declaration> {
    Action::ALL.iter().map(|action| declaration(*action))
}

/// The action that is typed so, or called so in a command.
pub fn named(text: &str) -> Option<&'static Declaration> {
    all().find(|d| d.name == text || d.action.word().eq_ignore_ascii_case(text))
}

pub(super) fn declaration(action: Action) -> &'static Declaration {
    match action {
        Action::RetryStep => &RETRY,
        Action::ReconcileStep => &RECONCILE,
        Action::CorrectData => &CORRECT,
        Action::RepriceQuote => &REPRICE,
        Action::RebaseChange => &REBASE,
        Action::ResumeWorkflow => &RESUME,
        Action::SkipStep => &SKIP,
        Action::RerouteStep => &REROUTE,
        Action::CompensateStep => &COMPENSATE,
        Action::CancelOrder => &CANCEL,
        Action::ForceClose => &FORCE_CLOSE,
        Action::ResolveOutside => &RESOLVE_OUTSIDE,
    }
}

const RETRY: Declaration = Declaration {
    action: Action::RetryStep,
    name: "retry",
    meaning: "Perform the same step again, safely.",
    guard: "The step is parked, no attempt is open, and an earlier effect is proven or attested not to exist, or the \
            downstream still recognises the key. Earlier results that the request uses are still valid. The order is not cancelled.",
    authority: Authority::RetrySafeStep,
    does: "Dispatches the step again. After a rejection or a defect the request is rendered anew under a new key; otherwise \
           the same bytes are sent under the same key.",
    does_not: "Send anything while the outcome of an earlier attempt is open or unknown. Touch other steps.",
    wants: Wants::Absent,
    reversible: Reversible::UntilSent,
    contact: Contact::Sends,
    customer: "Nothing until the step is done; then the delay ends.",
    approval: Approval::One,
    relay: Relay::Recover,
    performs: None,
    transitions: Transitions { step: "parked -> running", item: "held -> inProgress", order: "held -> inProgress" },
    expected: Expected::StepDone,
};

const RECONCILE: Declaration = Declaration {
    action: Action::ReconcileStep,
    name: "reconcile",
    meaning: "Ask the downstream what it really did.",
    guard: "The step is parked with an unknown outcome, and its operation has a lookup.",
    authority: Authority::RetrySafeStep,
    does: "Reads by the stored request, at once and again until \"not found\" counts. What is proven settles the attempts, \
           and the case says which action fits.",
    does_not: "Send an effect, move the order, or decide what comes next. No answer leaves the outcome unknown.",
    wants: Wants::Unknown,
    reversible: Reversible::Nothing,
    contact: Contact::Reads,
    customer: "Nothing.",
    approval: Approval::One,
    relay: Relay::Nothing,
    performs: None,
    transitions: Transitions { step: "parked", item: "held", order: "held" },
    expected: Expected::EffectKnown,
};

const CORRECT: Declaration = Declaration {
    action: Action::CorrectData,
    name: "correct",
    meaning: "Amend a field of the order that can be recovered.",
    guard: "The step is parked, no attempt is open, and whether its effect exists is known or attested. The field may be \
            corrected and the value is valid (docs/CORRECTIONS.md). No step that uses the field is open or unknown. The order is \
            not cancelled.",
    authority: Authority::CorrectAddress,
    does: "Writes the new value to the order owner, at the version of the order that is known here. Once it has it, the steps \
           still to be sent are rendered from it. What concerns only us (owner, delay reason, acknowledgement) is kept at once.",
    does_not: "Change anything that was sent. Change anything here when the owner refuses. Dispatch the step: that is a retry.",
    wants: Wants::Known,
    reversible: Reversible::ByAnother,
    contact: Contact::Sends,
    customer: "What was asked of the customer is taken back.",
    approval: Approval::One,
    relay: Relay::Nothing,
    performs: Some("order.correct"),
    transitions: Transitions { step: "parked", item: "held", order: "held" },
    expected: Expected::OrderCorrected,
};

const REPRICE: Declaration = Declaration {
    action: Action::RepriceQuote,
    name: "reprice",
    meaning: "Compute the price again after it has drifted.",
    guard: "The step is parked, no attempt is open, and its effect is proven or attested not to exist. The step's \
            request uses the order's quote, which is not accepted, or policy allows its revision, and its price is known. No step that uses the quote is open or \
            unknown. The order is not cancelled.",
    authority: Authority::WaivePenalty,
    does: "Asks the quote system for a new revision, up to the price that the policy or the customer's agreement allows. Once it \
           has made one, the steps still to be sent are rendered from it.",
    does_not: "Accept a price that neither policy nor customer has agreed to: then nothing is changed. Change anything that was \
               sent. Dispatch the step: that is a retry.",
    wants: Wants::Absent,
    reversible: Reversible::Never,
    contact: Contact::Sends,
    customer: "Nothing within the policy; a price above it has to be agreed with them before (--agreed).",
    approval: Approval::One,
    relay: Relay::Nothing,
    performs: Some("quote.revise"),
    transitions: Transitions { step: "parked", item: "held", order: "held" },
    expected: Expected::NewQuote,
};

const REBASE: Declaration = Declaration {
    action: Action::RebaseChange,
    name: "rebase",
    meaning: "Build baseline and target of a change order again.",
    guard: "The step is parked, no attempt is open, and its effect is proven or attested not to exist. The order changes or ends \
            what is installed, the step's request uses its baseline, and no effect of it exists that cannot be taken back. No step that uses the baseline, or that \
            could not be taken back, is open or unknown. The order is not cancelled.",
    authority: Authority::WaivePenalty,
    does: "Has the quote system build the change anew on what is installed now. Once it has, the steps still to be sent are \
           rendered from the new baseline.",
    does_not: "Undo what was fulfilled already. Change anything here when the change no longer fits. Dispatch the step: that is a \
               retry.",
    wants: Wants::Absent,
    reversible: Reversible::Never,
    contact: Contact::Sends,
    customer: "Dates may change.",
    approval: Approval::One,
    relay: Relay::Nothing,
    performs: Some("quote.rebase"),
    transitions: Transitions { step: "parked", item: "held", order: "held" },
    expected: Expected::NewBaseline,
};

const RESUME: Declaration = Declaration {
    action: Action::ResumeWorkflow,
    name: "resume",
    meaning: "Go on: the effect exists.",
    guard: "The step is parked, no attempt is open, and its effect is proven or attested to exist, with every output that \
            later steps need.",
    authority: Authority::RetrySafeStep,
    does: "Goes back to the task, which completes with the outputs of the ledger.",
    does_not: "Send anything to the downstream.",
    wants: Wants::Present,
    reversible: Reversible::UntilSent,
    contact: Contact::None,
    customer: "The delay ends.",
    approval: Approval::One,
    relay: Relay::Recover,
    performs: None,
    transitions: Transitions {
        step: "parked -> running -> done",
        item: "held -> inProgress",
        order: "held -> inProgress",
    },
    expected: Expected::StepDone,
};

const SKIP: Declaration = Declaration {
    action: Action::SkipStep,
    name: "skip",
    meaning: "Go on without the effect: it is not required.",
    guard: "The step is parked, no attempt is open, its effect is proven or attested not to exist, and every output that later \
            steps need is given. For an effect that has to be undone: it is attested to be gone.",
    authority: Authority::SkipStep,
    does: "Ends the called step as skipped; later steps use the values that were given.",
    does_not: "Send anything. Undo anything.",
    wants: Wants::Absent,
    reversible: Reversible::UntilSent,
    contact: Contact::None,
    customer: "The delay ends; what was skipped is not delivered by this order.",
    approval: Approval::One,
    relay: Relay::Recover,
    performs: None,
    transitions: Transitions { step: "parked -> skipped", item: "held -> inProgress", order: "held -> inProgress" },
    expected: Expected::StepSkipped,
};

const REROUTE: Declaration = Declaration {
    action: Action::RerouteStep,
    name: "reroute",
    meaning: "Fulfil the step by another path.",
    guard: "The step is parked, no attempt is open, its effect is proven or attested not to exist, and a policy permits another \
            route for its operation, this order and this finding. The order is not cancelled.",
    authority: Authority::SkipStep,
    does: "Dispatches the step as the other operation, under a new key. From then on it is that operation's: its retries, lookups \
           and undo.",
    does_not: "Send anything while an effect of the first route may exist. Undo what the first route left.",
    wants: Wants::Absent,
    reversible: Reversible::UntilSent,
    contact: Contact::Sends,
    customer: "Dates may change.",
    approval: Approval::One,
    relay: Relay::Recover,
    performs: None,
    transitions: Transitions { step: "parked -> running", item: "held -> inProgress", order: "held -> inProgress" },
    expected: Expected::StepRerouted,
};

const COMPENSATE: Declaration = Declaration {
    action: Action::CompensateStep,
    name: "compensate",
    meaning: "Take back an effect that exists, and leave the step out.",
    guard: "The step is parked, no attempt is open, its effect is proven or attested to exist, and its operation names a call \
            that takes it back. The values that later steps need are given.",
    authority: Authority::CompensateStep,
    does: "Runs the step's undo, with a recovery of its own; then the called step ends as skipped and the order goes on \
           without it, with the values that were given.",
    does_not: "Touch the effects of other steps. Cancel the order: that takes every effect back by itself.",
    wants: Wants::Present,
    reversible: Reversible::Never,
    contact: Contact::Sends,
    customer: "The change is being finalised.",
    approval: Approval::One,
    relay: Relay::Recover,
    performs: None,
    transitions: Transitions { step: "parked -> skipped", item: "held -> inProgress", order: "held -> inProgress" },
    expected: Expected::EffectUndone,
};

const CANCEL: Declaration = Declaration {
    action: Action::CancelOrder,
    name: "cancel",
    meaning: "Stop the order and clean up.",
    guard: "The step is parked, no attempt is open, and whether its effect exists is known or attested. No effect of the order is \
            past its point of no return, and the cancellation policy that fits the order allows it.",
    authority: Authority::CompensateStep,
    does: "Ends this step and every other parked step of the order that is known not to be applied. Steps not begun end as \
           cancelled, running ones settle. Then each effect that exists is undone, latest first, by its undo operation; one \
           without gets a case until people have undone it. The action keeps the penalty that is due by policy, or that it was \
           waived.",
    does_not: "Interrupt what is under way. Charge the penalty.",
    wants: Wants::Known,
    reversible: Reversible::Never,
    contact: Contact::Sends,
    customer: "The cancellation is being finalised, then the order is cancelled.",
    approval: Approval::One,
    relay: Relay::Recover,
    performs: None,
    transitions: Transitions {
        step: "parked -> cancelled",
        item: "held -> cancelled",
        order: "held -> pendingCancellation -> cancelled",
    },
    expected: Expected::StepCancelled,
};

const FORCE_CLOSE: Declaration = Declaration {
    action: Action::ForceClose,
    name: "force-close",
    meaning: "Close the case although not everything is resolved.",
    guard: "A reason, a statement of the impact and a second person. No order waits at the case's step, and no attempt is open.",
    authority: Authority::ForceClose,
    does: "Ends the case as force closed, with the names of both people. Nothing is claimed to be correct.",
    does_not: "Move the order or the engine. Prove, undo or send anything.",
    wants: Wants::Anything,
    reversible: Reversible::ByAnother,
    contact: Contact::None,
    customer: "Nothing by itself; the impact statement says what the customer has.",
    approval: Approval::SecondPerson,
    relay: Relay::Nothing,
    performs: None,
    transitions: Transitions { step: "as it is", item: "as it is", order: "as it is" },
    expected: Expected::Nothing,
};

const RESOLVE_OUTSIDE: Declaration = Declaration {
    action: Action::ResolveOutside,
    name: "resolve-outside",
    meaning: "End the case by what was done outside.",
    guard: "No order waits at the case's step, and no attempt is open. It is attested what there is now, with a reference; \
            nothing that is proven is contradicted.",
    authority: Authority::SkipStep,
    does: "Keeps what was done, its reference and its evidence under the name of who says so. Where the downstream has a lookup \
           it is asked whether it is so, else the word of that person is the verification; the case says which.",
    does_not: "Move the order or the engine. Send an effect. Free an order that waits: that is resume, skip or cancel.",
    wants: Wants::Anything,
    reversible: Reversible::ByAnother,
    contact: Contact::Reads,
    customer: "The delay ends.",
    approval: Approval::One,
    relay: Relay::Nothing,
    performs: None,
    transitions: Transitions { step: "as it is", item: "as it is", order: "as it is" },
    expected: Expected::SaidOutside,
};

#[cfg(test)]
#[path = "catalogue_tests.rs"]
mod tests;
