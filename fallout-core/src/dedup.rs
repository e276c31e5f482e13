//! One trouble, one case: what a signal means to the cases of its place. What belongs before or after a resolution is
//! decided by cause (epochs and attempts of the ledger), never by clocks.

use std::cmp::Ordering;

use crate::{case::CaseState, taxonomy::Precedence};

/// Whose word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// Found by the ledger itself under the step's lock: it is how the step stands now.
    Ledger,
    /// Noticed by anybody else.
    Outside,
    /// Something to know about the case, never a finding.
    Remark,
}

/// Where in a step's history something belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub epoch: i32,
    /// Number of the attempt, where that is known.
    pub attempt: Option<i32>,
}

/// How a signal's cause stands to what resolved a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Before,
    After,
    /// No causal id, or none that the ledger knows, or the very attempt that resolved it.
    Unknown,
}

/// `told_before`: a signal of the case named the same cause before it was resolved.
pub fn order(cause: Option<Position>, resolved: Option<Position>, told_before: bool) -> Order {
    let by_ledger = cause.zip(resolved).map(|(cause, resolved)| {
        let attempts = cause.attempt.zip(resolved.attempt).map(|(cause, resolved)| cause.cmp(&resolved));
        cause.epoch.cmp(&resolved.epoch).then(attempts.unwrap_or(Ordering::Equal))
    });
    match by_ledger {
        Some(Ordering::Greater) => Order::After,
        Some(Ordering::Less) => Order::Before,
        _ if told_before => Order::Before,
        _ => Order::Unknown,
    }
}

/// What stands at the signal's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Nothing,
    Active {
        state: CaseState,
        /// Of what the case is called and what the signal says.
        precedence: Precedence,
        /// Both are called the same.
        same: bool,
    },
    /// The latest that is over, and none is active.
    Over {
        state: CaseState,
        order: Order,
        /// The same trouble, so soon after the resolution that it was not solved.
        comes_back: bool,
    },
}

/// What to do with a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Open,
    Join {
        /// The signal names the case from now on.
        names: bool,
        /// It shows that the action that is being verified did not help.
        fails_action: bool,
    },
    /// Attach it to the case that is over, and change nothing.
    History,
    /// Attach it to the resolved case and check the resolution again.
    VerifyAgain,
    /// What resolved the case did not last.
    Reopen,
}

pub fn decide(voice: Voice, standing: Standing) -> Decision {
    match (standing, voice) {
        (Standing::Active { state, precedence, same }, _) => join(voice, state, precedence, same),
        (Standing::Over { state, order, comes_back }, Voice::Outside) => match (state, order) {
            (_, Order::Before) => Decision::History,
            (CaseState::Resolved, Order::Unknown) => Decision::VerifyAgain,
            (CaseState::Resolved, Order::After) if comes_back => Decision::Reopen,
            // Nobody verifies what a person has closed; the new case stands beside it.
            _ => Decision::Open,
        },
        (Standing::Over { .. }, Voice::Remark) => Decision::History,
        (Standing::Over { state: CaseState::Resolved, comes_back: true, .. }, Voice::Ledger) => Decision::Reopen,
        (Standing::Over { .. }, Voice::Ledger) | (Standing::Nothing, _) => Decision::Open,
    }
}

fn join(voice: Voice, state: CaseState, precedence: Precedence, same: bool) -> Decision {
    let replaces = precedence == Precedence::Replace;
    match voice {
        Voice::Remark => Decision::Join { names: false, fails_action: false },
        // After an action it is another try: what was found before it is history. Recovering: the pending action has the
        // step, and its own effect decides.
        Voice::Ledger => {
            let verifying = state == CaseState::Verifying;
            Decision::Join { names: replaces || verifying, fails_action: verifying }
        }
        // While an action is at work the ledger tells what comes of it.
        Voice::Outside => {
            let at_work = matches!(state, CaseState::Recovering | CaseState::Verifying);
            Decision::Join { names: replaces && !same && !at_work, fails_action: false }
        }
    }
}

#[cfg(test)]
#[path = "dedup_tests.rs"]
mod tests;
