//! Reads BPMN models: which error codes are caught where, which recoveries a model offers, and what must not be deployed.
//!
//! Pure: text in, facts out. Not here: files, the engine, and any decision about a running instance.

mod condition;
mod definition;
mod lint;
mod model;
mod reach;
mod read;

pub use condition::{Condition, Equals};
pub use definition::{definition, unreadable};
pub use lint::{Finding, Rule, TopicCodes, lint};
pub use model::{Call, ErrorCatch, Flow, Handed, Kind, Mapping, Model, Node, Position, Process};
pub use reach::Catches;
pub use read::BpmnError;

/// Process id of the shipped model that performs one step.
pub const STEP_PROCESS: &str = "recoverable-step";
/// Name of the message that carries a recovery into a waiting step.
pub const RECOVERY_MESSAGE: &str = "fallout.recovery";
/// Variable that names the chosen action; the literals it is compared with are the recoveries a model offers.
pub const RECOVERY_ACTION: &str = "recoveryAction";
/// The recovery that gives a step another topic; only a task that asks for its topic has it.
pub(crate) const REROUTE: &str = "REROUTE_STEP";
pub(crate) const TOPIC_EXPRESSION: &str = "${stepTopic}";
/// Variable in which a called step tells its caller how it ended.
pub const STEP_ENDING: &str = "stepEnding";
/// Variable that holds the code of a rejection.
pub const FALLOUT_CODE: &str = "falloutCode";
