//! Where the tokens of an instance stand, and the calls of last resort that move them: migration and modification.

use std::time::Duration;

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Engine, EngineError, Variable, Variables};

/// One activity that is under way, with what is under way inside it. The whole instance is the outermost one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivityInstance {
    pub id: String,
    pub activity_id: String,
    pub activity_type: String,
    #[serde(default)]
    pub execution_ids: Vec<String>,
    #[serde(default)]
    pub child_activity_instances: Vec<ActivityInstance>,
    #[serde(default)]
    pub child_transition_instances: Vec<TransitionInstance>,
}

/// A token that waits for its job right before or behind an activity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransitionInstance {
    pub id: String,
    pub activity_id: String,
    pub execution_id: String,
}

/// A variable of a running instance, with the activity that it belongs to (the instance itself for its own).
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "ScopedRow")]
pub struct ScopedVariable {
    pub name: String,
    pub value: Variable,
    pub activity_instance_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScopedRow {
    name: String,
    r#type: String,
    #[serde(default)]
    value: Value,
    activity_instance_id: Option<String>,
}

impl From<ScopedRow> for ScopedVariable {
    fn from(row: ScopedRow) -> Self {
        Self {
            name: row.name,
            value: Variable::typed(row.r#type, row.value),
            activity_instance_id: row.activity_instance_id,
        }
    }
}

/// One step of a modification; all of them are one transaction of the engine.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Instruction {
    /// Ends one activity instance; one that is not there any more fails the whole modification.
    #[serde(rename_all = "camelCase")]
    Cancel { activity_instance_id: String },
    /// The same for a token that waits for its job.
    #[serde(rename = "cancel", rename_all = "camelCase")]
    CancelTransition { transition_instance_id: String },
    #[serde(rename_all = "camelCase")]
    StartBeforeActivity { activity_id: String, variables: Variables },
    #[serde(rename_all = "camelCase")]
    StartAfterActivity { activity_id: String, variables: Variables },
}

impl ActivityInstance {
    /// From the outermost to the one that this execution stands in; empty when it stands in none.
    pub fn path_of(&self, execution_id: &str) -> Vec<&ActivityInstance> {
        for child in &self.child_activity_instances {
            let inner = child.path_of(execution_id);
            if !inner.is_empty() {
                return std::iter::once(self).chain(inner).collect();
            }
        }
        if self.execution_ids.iter().any(|id| id == execution_id) { vec![self] } else { Vec::new() }
    }

    /// It and everything inside it, from the outside in.
    pub fn all(&self) -> Vec<&ActivityInstance> {
        let inner = self.child_activity_instances.iter().flat_map(ActivityInstance::all);
        std::iter::once(self).chain(inner).collect()
    }
}

impl Engine {
    /// `None` when the instance is not running (any more).
    pub async fn activity_instances(&self, process_instance_id: &str) -> Result<Option<ActivityInstance>, EngineError> {
        self.find(&["process-instance", process_instance_id, "activity-instances"]).await
    }

    /// Every variable of a running instance, whatever scope it belongs to.
    pub async fn scoped_variables(&self, process_instance_id: &str) -> Result<Vec<ScopedVariable>, EngineError> {
        let query = [("processInstanceIdIn", process_instance_id), ("deserializeValues", "false")];
        self.read_rows(&["variable-instance"], &query).await
    }

    /// What belongs to this execution alone; `None` when it is gone.
    pub async fn local_variables(&self, execution_id: &str) -> Result<Option<Variables>, EngineError> {
        let query = [("deserializeValues", "false")];
        match self.read(&["execution", execution_id, "localVariables"], &query).await {
            Ok(variables) => Ok(Some(variables)),
            Err(error) if crate::runtime::missing_execution(&error) => Ok(None),
            Err(EngineError::NotFound { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// A variable of this execution alone: what others in the same instance see stays as it is.
    pub async fn put_local_variable(
        &self,
        execution_id: &str,
        name: &str,
        value: &Variable,
    ) -> Result<(), EngineError> {
        let path = ["execution", execution_id, "localVariables", name];
        match self.command(Method::PUT, &path, Some(value)).await {
            Err(error) if crate::runtime::missing_execution(&error) => {
                Err(EngineError::NotFound { message: format!("execution {execution_id}") })
            }
            other => other,
        }
    }

    /// Moves one instance to another definition, each activity to the one of the same id; all or nothing. One that runs
    /// the target already is `Refused`: read its definition before a second attempt.
    pub async fn migrate(&self, source: &str, target: &str, process_instance_id: &str) -> Result<(), EngineError> {
        let between = json!({ "sourceProcessDefinitionId": source, "targetProcessDefinitionId": target });
        let plan: Value = self.ask(&["migration", "generate"], &between, Duration::ZERO).await?;
        let body = json!({ "migrationPlan": plan, "processInstanceIds": [process_instance_id] });
        self.command(Method::POST, &["migration", "execute"], Some(&body)).await
    }

    /// Moves tokens past what the model says, all instructions in one transaction. Not idempotent by itself: read
    /// [`Engine::activity_instances`] before a second attempt.
    pub async fn modify(
        &self,
        process_instance_id: &str,
        instructions: &[Instruction],
        annotation: &str,
    ) -> Result<(), EngineError> {
        let body = json!({ "instructions": instructions, "annotation": annotation });
        self.command(Method::POST, &["process-instance", process_instance_id, "modification"], Some(&body)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(id: &str, executions: &[&str], inside: Vec<ActivityInstance>) -> ActivityInstance {
        ActivityInstance {
            id: id.to_owned(),
            activity_id: id.to_owned(),
            activity_type: "subProcess".to_owned(),
            execution_ids: executions.iter().map(|e| (*e).to_owned()).collect(),
            child_activity_instances: inside,
            child_transition_instances: Vec::new(),
        }
    }

    #[test]
    fn the_way_to_an_execution_leads_through_every_scope_around_it() {
        let lines = [("a", "1"), ("b", "2")].map(|(id, e)| instance(id, &["s"], vec![instance("wait", &[e], vec![])]));
        let root = instance("root", &["r"], lines.to_vec());
        let way = |e: &str| root.path_of(e).iter().map(|a| a.id.clone()).collect::<Vec<_>>();
        assert_eq!(way("2"), ["root", "b", "wait"]);
        assert_eq!(way("r"), ["root"]);
        assert_eq!(way("gone"), Vec::<String>::new());
        assert_eq!(root.all().len(), 5);
    }

    #[test]
    fn an_instruction_is_written_as_the_engine_reads_it() {
        let all = [
            Instruction::Cancel { activity_instance_id: "a".into() },
            Instruction::CancelTransition { transition_instance_id: "t".into() },
            Instruction::StartBeforeActivity { activity_id: "b".into(), variables: Variables::new().with("m", "1") },
            Instruction::StartAfterActivity { activity_id: "c".into(), variables: Variables::new() },
        ];
        let expected = json!([
            { "type": "cancel", "activityInstanceId": "a" },
            { "type": "cancel", "transitionInstanceId": "t" },
            { "type": "startBeforeActivity", "activityId": "b", "variables": { "m": { "type": "String", "value": "1" } } },
            { "type": "startAfterActivity", "activityId": "c", "variables": {} },
        ]);
        assert_eq!(json!(all), expected);
    }
}
