//! What the engine remembers. The log of external tasks exists only at history level full (see `check`).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Engine, EngineError, MAX_ROWS, Variable};

#[derive(Debug, Clone, Deserialize)]
#[serde(from = "LogRow")]
pub struct TaskLogEntry {
    pub event: TaskLogEvent,
    pub external_task_id: String,
    /// Whoever held the task at that moment.
    pub worker_id: Option<String>,
    /// As they stood before the event.
    pub retries: Option<i32>,
    pub error_message: Option<String>,
    pub timestamp: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskLogEvent {
    Created,
    Failed,
    Completed,
    /// Cancelled, interrupted by a message, or ended by a BPMN error: the log does not say which.
    Deleted,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogRow {
    external_task_id: String,
    worker_id: Option<String>,
    retries: Option<i32>,
    error_message: Option<String>,
    #[serde(deserialize_with = "crate::time::deserialize")]
    timestamp: DateTime<Utc>,
    failure_log: bool,
    success_log: bool,
    deletion_log: bool,
}

impl From<LogRow> for TaskLogEntry {
    fn from(row: LogRow) -> Self {
        let event = match (row.failure_log, row.success_log, row.deletion_log) {
            (true, _, _) => TaskLogEvent::Failed,
            (_, true, _) => TaskLogEvent::Completed,
            (_, _, true) => TaskLogEvent::Deleted,
            _ => TaskLogEvent::Created,
        };
        Self {
            event,
            external_task_id: row.external_task_id,
            worker_id: row.worker_id,
            retries: row.retries,
            error_message: row.error_message,
            timestamp: row.timestamp,
        }
    }
}

/// The last value of a variable, also after its instance ended; or one of its earlier values.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "VariableRow")]
pub struct HistoricVariable {
    /// Of the variable; for an earlier value, of that update.
    pub id: String,
    pub name: String,
    pub value: Variable,
    pub process_instance_id: Option<String>,
    pub execution_id: Option<String>,
    /// The scope that it belongs to: the instance itself, or an activity in it.
    pub activity_instance_id: Option<String>,
}

/// A variable carries its type as `type`; an update is of type `variableUpdate` and carries it as `variableType`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VariableRow {
    id: String,
    #[serde(alias = "variableName")]
    name: String,
    r#type: String,
    variable_type: Option<String>,
    #[serde(default)]
    value: serde_json::Value,
    process_instance_id: Option<String>,
    execution_id: Option<String>,
    activity_instance_id: Option<String>,
}

impl From<VariableRow> for HistoricVariable {
    fn from(row: VariableRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            value: Variable::typed(row.variable_type.unwrap_or(row.r#type), row.value),
            process_instance_id: row.process_instance_id,
            execution_id: row.execution_id,
            activity_instance_id: row.activity_instance_id,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InstanceState {
    Active,
    Suspended,
    /// An end event was reached; which one is in the activity instances.
    Completed,
    /// Deleted from outside (Cockpit, API).
    ExternallyTerminated,
    /// Ended by the model (terminate event, interrupted call).
    InternallyTerminated,
    #[serde(other)]
    Other,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoricProcessInstance {
    pub id: String,
    pub business_key: Option<String>,
    pub process_definition_id: String,
    pub process_definition_key: String,
    pub state: InstanceState,
    #[serde(deserialize_with = "crate::time::deserialize")]
    pub start_time: DateTime<Utc>,
    #[serde(default, with = "crate::time::option")]
    pub end_time: Option<DateTime<Utc>>,
    pub delete_reason: Option<String>,
    pub super_process_instance_id: Option<String>,
    pub root_process_instance_id: Option<String>,
}

/// Ended instances come in order of their end, others of their start, page by page. The engine does not say here at which end
/// event: see [`Engine::historic_activity_instances`].
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoricInstanceQuery<'a> {
    /// Called instances that were given the same key are found too: add the definition key.
    pub process_instance_business_key: Option<&'a str>,
    pub process_definition_key: Option<&'a str>,
    pub super_process_instance_id: Option<&'a str>,
    pub finished: Option<bool>,
    /// Exclusive, in milliseconds: overlap the windows and drop what is known.
    #[serde(with = "crate::time::option")]
    pub finished_after: Option<DateTime<Utc>>,
    pub first_result: Option<u32>,
    pub max_results: Option<u32>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoricActivityInstance {
    pub id: String,
    pub activity_id: String,
    pub activity_name: Option<String>,
    /// As the engine names them: `serviceTask`, `noneEndEvent`, `callActivity` …
    pub activity_type: String,
    pub execution_id: String,
    pub process_instance_id: String,
    pub called_process_instance_id: Option<String>,
    #[serde(deserialize_with = "crate::time::deserialize")]
    pub start_time: DateTime<Utc>,
    #[serde(default, with = "crate::time::option")]
    pub end_time: Option<DateTime<Utc>>,
    pub canceled: bool,
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoricActivityQuery<'a> {
    pub process_instance_id: Option<&'a str>,
    pub activity_id: Option<&'a str>,
    pub activity_type: Option<&'a str>,
    pub finished: Option<bool>,
    pub canceled: Option<bool>,
    pub first_result: Option<u32>,
    pub max_results: Option<u32>,
}

impl Engine {
    /// Oldest first. The process instance is needed for speed: the table has no index on the task.
    pub async fn history_external_task_log(
        &self,
        external_task_id: &str,
        process_instance_id: &str,
    ) -> Result<Vec<TaskLogEntry>, EngineError> {
        let query = [
            ("externalTaskId", external_task_id),
            ("processInstanceId", process_instance_id),
            ("sortBy", "timestamp"),
            ("sortOrder", "asc"),
        ];
        self.read_rows(&["history", "external-task-log"], &query).await
    }

    /// Current and last values by name, one row per scope that has the variable.
    pub async fn historic_variables(
        &self,
        process_instance_id: &str,
        name: &str,
    ) -> Result<Vec<HistoricVariable>, EngineError> {
        let query =
            [("processInstanceId", process_instance_id), ("variableName", name), ("deserializeValues", "false")];
        self.read_rows(&["history", "variable-instance"], &query).await
    }

    /// The same of many instances (at most some hundred: their ids travel in the address).
    pub async fn historic_variables_of(
        &self,
        process_instance_ids: &[&str],
        name: &str,
    ) -> Result<Vec<HistoricVariable>, EngineError> {
        let ids = process_instance_ids.join(",");
        let query = [("processInstanceIdIn", ids.as_str()), ("variableName", name), ("deserializeValues", "false")];
        self.read_rows(&["history", "variable-instance"], &query).await
    }

    /// Those of these instances (at most some hundred) that history knows.
    pub async fn historic_process_instances_of(
        &self,
        ids: &[&str],
    ) -> Result<Vec<HistoricProcessInstance>, EngineError> {
        let ids = ids.join(",");
        self.read_rows(&["history", "process-instance"], &[("processInstanceIds", ids.as_str())]).await
    }

    /// Every value that this variable (a [`HistoricVariable::id`]) ever had, oldest first; only at history level full.
    pub async fn historic_variable_updates(&self, variable_id: &str) -> Result<Vec<HistoricVariable>, EngineError> {
        let query = [
            ("variableInstanceId", variable_id),
            ("variableUpdates", "true"),
            ("deserializeValues", "false"),
            ("sortBy", "time"),
            ("sortOrder", "asc"),
        ];
        self.read_rows(&["history", "detail"], &query).await
    }

    pub async fn historic_process_instance(&self, id: &str) -> Result<Option<HistoricProcessInstance>, EngineError> {
        self.find(&["history", "process-instance", id]).await
    }

    pub async fn historic_process_instances(
        &self,
        query: &HistoricInstanceQuery<'_>,
    ) -> Result<Vec<HistoricProcessInstance>, EngineError> {
        let query = HistoricInstanceQuery { max_results: query.max_results.or(Some(MAX_ROWS)), ..query.clone() };
        let ended = query.finished_after.is_some() || query.finished == Some(true);
        self.read_sorted(&["history", "process-instance"], &query, if ended { "endTime" } else { "startTime" }).await
    }

    /// One activity instance by its own id; `None` when the engine does not remember it.
    pub async fn historic_activity_instance(&self, id: &str) -> Result<Option<HistoricActivityInstance>, EngineError> {
        self.find(&["history", "activity-instance", id]).await
    }

    pub async fn historic_activity_instances(
        &self,
        query: &HistoricActivityQuery<'_>,
    ) -> Result<Vec<HistoricActivityInstance>, EngineError> {
        let query = HistoricActivityQuery { max_results: query.max_results.or(Some(MAX_ROWS)), ..query.clone() };
        self.read_sorted(&["history", "activity-instance"], &query, "startTime").await
    }
}
