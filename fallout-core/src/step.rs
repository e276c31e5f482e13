//! A step: one effectful activity of one order run, its states and its endings.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ids::ActionId, words::words};

/// Named values that later steps need (a reservation id, an authorisation id).
pub type Outputs = BTreeMap<String, Value>;

/// What makes a step itself, handed down by the model as immutable variables and never derived from engine ids:
/// those change on every re-dispatch, and the effect must not.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StepIdentity {
    pub tenant: String,
    /// The order id as the outside knows it.
    pub order: String,
    pub run: i32,
    /// Empty when the step belongs to the whole order.
    pub line: String,
    /// The step id of the model.
    pub step: String,
    pub direction: Direction,
}

/// How the name of a step begins that is the effect of an action; no id of a model can have a colon.
const ACTION: &str = "action:";

impl StepIdentity {
    /// The step that is the effect of an action itself: of the whole order, made by a controller and not by a task.
    pub fn of_action(tenant: &str, order: &str, run: i32, action: ActionId) -> StepIdentity {
        let step = format!("{ACTION}{action}");
        let (tenant, order, line) = (tenant.to_owned(), order.to_owned(), String::new());
        StepIdentity { tenant, order, run, line, step, direction: Direction::Do }
    }

    /// The action whose own effect it is; none: it is a step of the model.
    pub fn action(&self) -> Option<ActionId> {
        self.step.strip_prefix(ACTION)?.parse().ok()
    }

    /// Whether it is called like the effect of an action, which no step of a model may be.
    pub fn is_called_like_an_action(&self) -> bool {
        self.step.starts_with(ACTION)
    }

    /// The step whose effect this one takes back.
    pub fn undone(&self) -> StepIdentity {
        StepIdentity { direction: Direction::Do, ..self.clone() }
    }

    /// The step that takes the effect of this one back.
    pub fn undoing(&self) -> StepIdentity {
        StepIdentity { direction: Direction::Undo, ..self.clone() }
    }

    /// The business key of the order run: `<tenant>:<order id>:<run>`.
    pub fn business_key(&self) -> String {
        business_key(&self.tenant, &self.order, self.run)
    }
}

/// The business key of one order run.
pub fn business_key(tenant: &str, order: &str, run: i32) -> String {
    format!("{tenant}:{order}:{run}")
}

impl fmt::Display for StepIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.direction == Direction::Undo { "undo of step" } else { "step" };
        write!(f, "{what} {} of order {}", self.step, self.order)?;
        if !self.line.is_empty() {
            write!(f, " line {}", self.line)?;
        }
        Ok(())
    }
}

words! {
    /// Whether a step makes its effect or takes it back.
    Direction { Do = "do", Undo = "undo" }
}

words! {
    /// Where a step stands. A crash leaves `running`; the next claim or the gone-tasks controller picks it up.
    StepState {
        /// Known, nothing decided yet.
        New = "new",
        /// An intent exists; an attempt is open, unknown or waiting for its retry.
        Running = "running",
        /// Accepted by the downstream (202): the result comes later, no permit and no lock is held.
        AwaitingCallback = "awaiting_callback",
        /// Waiting for a recovery: always with an open case.
        Parked = "parked",
        Done = "done",
        Skipped = "skipped",
        Cancelled = "cancelled",
        /// Rejected with a code that the caller handles itself.
        Rejected = "rejected",
    }
}

impl StepState {
    /// Can still move by itself; a parked or ended step only takes evidence.
    pub fn is_live(self) -> bool {
        matches!(self, StepState::New | StepState::Running | StepState::AwaitingCallback)
    }

    /// Nothing more will be tried without an action.
    pub fn is_ended(self) -> bool {
        matches!(self, StepState::Done | StepState::Skipped | StepState::Cancelled | StepState::Rejected)
    }

    /// Whether a step that stands here may stand there next. The database holds every writer to the same
    /// (`step_may_become`); an action that ends a parked step lets it run first, in the same transaction.
    pub fn may_become(self, next: StepState) -> bool {
        use StepState::*;
        match self {
            // A read is done or rejected without having run: it opens no attempt.
            New => !matches!(next, New | AwaitingCallback | Skipped),
            Running => !matches!(next, New | Running),
            AwaitingCallback => matches!(next, Running | Parked | Done | Cancelled | Rejected),
            Parked => next == Running,
            Done | Skipped | Cancelled | Rejected => false,
        }
    }
}

words! {
    /// How a called step ended for its caller (variable `stepEnding`).
    Ending { Done = "DONE", Skipped = "SKIPPED", Cancelled = "CANCELLED", Rejected = "REJECTED" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back_as_it_was_written() {
        for state in StepState::ALL {
            assert_eq!(state.word().parse(), Ok(*state));
        }
        let refused = "FAILED".parse::<StepState>().unwrap_err().to_string();
        assert!(refused.starts_with("\"FAILED\" is none of new, running, "), "{refused}");
    }
}
