//! What the relay sends to the engine: typed, stored before it is sent, read back before it is sent again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    action::Action,
    ids::{ActionId, AttemptId, CaseNumber, ModificationId, RunId, StepKey},
    modification::{Move, Token},
    step::{Direction, StepIdentity},
};

/// The message that recovery branches wait for.
pub const RECOVERY_MESSAGE: &str = "fallout.recovery";
/// The message that ends the wait for a downstream's result.
pub const CALLBACK_MESSAGE: &str = "fallout.callback";
/// The message that sends a cancelled order to its next undo.
pub const UNDO_MESSAGE: &str = "fallout.undo";
/// The variable that says which undo the order was sent to last; correlation compares and sets it.
pub const UNDO_VARIABLE: &str = "undoStep";
/// The message that ends the wait for the undoing of a cancelled order.
pub const UNDONE_MESSAGE: &str = "fallout.undone";
/// The message by which others ask the process of an order to be cancelled.
pub const CANCEL_MESSAGE: &str = "order.cancel";
/// The message that tells it what became of that.
pub const CANCEL_ANSWER_MESSAGE: &str = "fallout.cancel-answered";
/// The message by which others ask the process of an order to take its owner's changes in.
pub const AMEND_MESSAGE: &str = "order.amend";
/// The message that tells it what became of that.
pub const AMEND_ANSWER_MESSAGE: &str = "fallout.amend-answered";
/// The variable that correlation compares and sets.
pub const ACTION_VARIABLE: &str = "recoveryActionId";
/// Its value before the first action.
pub const NO_ACTION: &str = "none";
/// The type of the incident that makes a waiting case visible in Cockpit.
pub const INCIDENT_TYPE: &str = "fallout";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EngineCommand {
    /// Start the fulfilment of an order run; read back by business key.
    Start { run: RunId, process_key: String, business_key: String, variables: BTreeMap<String, StartValue> },
    /// Take a recovery branch, if the token still waits where the desk saw it.
    Recover {
        action: ActionId,
        step: StepKey,
        process_instance_id: String,
        seen: String,
        take: Action,
        #[serde(default)]
        undo: Option<String>,
        /// Whose token it is, where several steps wait in one instance.
        #[serde(default)]
        at: Option<Place>,
        /// The operation that performs the step from then on.
        #[serde(default)]
        route: Option<String>,
    },
    /// Hand a parked task out again, in a model without recovery branches. Whether it may send is decided at its claim.
    TaskRetries { action: ActionId, process_instance_id: String, external_task_id: String, seen: String, retries: u32 },
    /// The awaited result is known.
    Callback {
        attempt: AttemptId,
        process_instance_id: String,
        #[serde(default)]
        at: Option<Place>,
    },
    /// Take the effect of this step back, next in the loop of a cancelled order.
    Undo { undoes: StepKey, process_instance_id: String, line: String, step: String, operation: String },
    /// Every effect of a cancelled order is undone.
    Undone { run: RunId, process_instance_id: String },
    /// What became of a cancellation that was asked for in the engine, told to the execution that asked.
    CancelAnswered { process_instance_id: String, execution_id: String, refused: Option<String> },
    /// What became of an amendment that was asked for in the engine, told to the execution that asked.
    AmendAnswered { process_instance_id: String, execution_id: String, refused: Option<String> },
    /// Let what is suspended of an order run go on.
    Activate { business_key: String, by: String, reason: String },
    /// Let the jobs of an order run be tried again that the engine has given up.
    JobRetries { business_key: String, by: String, reason: String },
    /// Move an instance whose step is parked to the newest version of its definition.
    Migrate { process_instance_id: String, source: String, by: String, reason: String },
    /// Read what stands in an instance that is to be modified.
    Inspect { modification: ModificationId, process_instance_id: String },
    /// Move exactly these tokens, if they still stand as they did.
    Modify { modification: ModificationId, process_instance_id: String, moves: Vec<Move>, before: Vec<Token> },
    /// Name the case at an incident that the engine made.
    Annotate { case: CaseNumber, tenant: String, incident_id: String },
    /// What the gateways of an order's process read from now on.
    SetVariables { process_instance_id: String, variables: BTreeMap<String, StartValue> },
    /// Show a case in Cockpit where its token waits for `message`, once its task is gone.
    Incident {
        case: CaseNumber,
        process_instance_id: String,
        external_task_id: String,
        message: String,
        summary: String,
        #[serde(default)]
        at: Option<Place>,
    },
    /// The engine does not take the report of a step: show the case at its task, and tell when the task is gone.
    Unreported { case: CaseNumber, step: StepKey, external_task_id: String, summary: String },
}

/// Which of the steps that wait in one instance: what its model handed down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub line: String,
    pub step: String,
    pub direction: Direction,
}

impl Place {
    pub fn of(step: &StepIdentity) -> Place {
        Place { line: step.line.clone(), step: step.step.clone(), direction: step.direction }
    }
}

impl EngineCommand {
    /// Every kind there is.
    pub const KINDS: [&'static str; 16] = [
        "start",
        "recover",
        "task_retries",
        "callback",
        "undo",
        "undone",
        "cancel_answered",
        "activate",
        "job_retries",
        "migrate",
        "inspect",
        "modify",
        "annotate",
        "set_variables",
        "incident",
        "unreported",
    ];

    pub fn kind(&self) -> &'static str {
        match self {
            EngineCommand::Start { .. } => "start",
            EngineCommand::Recover { .. } => "recover",
            EngineCommand::TaskRetries { .. } => "task_retries",
            EngineCommand::Callback { .. } => "callback",
            EngineCommand::Undo { .. } => "undo",
            EngineCommand::Undone { .. } => "undone",
            EngineCommand::CancelAnswered { .. } => "cancel_answered",
            EngineCommand::AmendAnswered { .. } => "amend_answered",
            EngineCommand::Activate { .. } => "activate",
            EngineCommand::JobRetries { .. } => "job_retries",
            EngineCommand::Migrate { .. } => "migrate",
            EngineCommand::Inspect { .. } => "inspect",
            EngineCommand::Modify { .. } => "modify",
            EngineCommand::Annotate { .. } => "annotate",
            EngineCommand::SetVariables { .. } => "set_variables",
            EngineCommand::Incident { .. } => "incident",
            EngineCommand::Unreported { .. } => "unreported",
        }
    }
}

/// Small start variables: the engine's column for text holds 4,000 characters, the document stays with us.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum StartValue {
    Integer(i32),
    Text(String),
}
