//! A fetched external task as the ledger needs it, and what the engine's models were found to say.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    decide::Catches,
    ids::ActionId,
    step::{Outputs, StepIdentity},
};

/// One fetched task with the identity its model handed down.
#[derive(Clone, Debug)]
pub struct TaskRef {
    pub step: StepIdentity,
    /// The topic: names the operation.
    pub operation: String,
    pub handled_codes: Vec<String>,
    /// The action that dispatched this task (variable `recoveryActionId`), when one did.
    pub action: Option<ActionId>,
    /// What the engine says is left; `None` before the first failure was reported.
    pub retries: Option<u32>,
    pub external_task_id: String,
    /// Unique per fetch: the fencing token.
    pub worker_id: String,
    pub process_definition_id: String,
    pub process_instance_id: String,
    pub activity_id: String,
}

/// What a handler renders from.
#[derive(Clone, Debug, Default)]
pub struct StepContext {
    /// The TMF622 document; `Null` when the order is not known here.
    pub document: Value,
    /// Outputs of the ended steps of the run: step id → outputs. Steps of a line count for their own line only.
    pub outputs: BTreeMap<String, Outputs>,
    /// Of a step that takes an effect back: that effect.
    pub effect: Option<Effect>,
    /// The generation that a new intent of this step would get.
    pub next_generation: i32,
    /// An intent exists and nothing asks for another: rendering can be skipped.
    pub has_intent: bool,
}

/// An effect as the request of its undo names it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Effect {
    /// The idempotency key that it was made with.
    pub key: String,
    pub outputs: Outputs,
}

/// What is known of a deployed process definition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    pub id: String,
    pub key: String,
    /// Activity id → the BPMN error codes that are caught there or above.
    pub catches: BTreeMap<String, Catches>,
    /// Recovery actions that it has a branch for.
    pub branches: BTreeSet<String>,
    /// Activity id → the branches of the subprocess that it stands in, for those that stand in one with branches of its own.
    #[serde(default)]
    pub embedded: BTreeMap<String, BTreeSet<String>>,
}

impl Definition {
    /// What may be chosen for the step of this activity.
    pub fn branches_at(&self, activity: &str) -> &BTreeSet<String> {
        self.embedded.get(activity).unwrap_or(&self.branches)
    }
}
