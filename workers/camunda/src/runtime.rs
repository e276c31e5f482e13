//! Running instances: start, read, suspend, delete, their variables, and what they wait for.

use std::time::Duration;

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Engine, EngineError, MAX_ROWS, Variable, Variables};

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessInstance {
    pub id: String,
    pub definition_id: String,
    pub business_key: Option<String>,
    pub suspended: bool,
    /// True only in the answer to a start that ran through to the end.
    pub ended: bool,
    pub tenant_id: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessInstanceQuery<'a> {
    /// Called instances that were given the same key are found too: add the definition key.
    pub business_key: Option<&'a str>,
    pub process_definition_key: Option<&'a str>,
    /// The instance whose call activity called these.
    pub super_process_instance: Option<&'a str>,
    pub first_result: Option<u32>,
    pub max_results: Option<u32>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Execution {
    pub id: String,
    pub process_instance_id: String,
}

/// Something that waits for a message.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventSubscription {
    pub id: String,
    pub event_name: Option<String>,
    pub activity_id: Option<String>,
    /// `None` for a message start event of a definition.
    pub execution_id: Option<String>,
    pub process_instance_id: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventSubscriptionQuery<'a> {
    /// The message's name.
    pub event_name: Option<&'a str>,
    pub process_instance_id: Option<&'a str>,
    pub execution_id: Option<&'a str>,
    pub activity_id: Option<&'a str>,
    pub first_result: Option<u32>,
    pub max_results: Option<u32>,
}

impl Engine {
    /// The latest version of the definition. The engine takes the same business key twice: after
    /// [`EngineError::Unknown`] look for the instance by its key before starting again.
    pub async fn start_by_key(
        &self,
        key: &str,
        business_key: &str,
        variables: &Variables,
    ) -> Result<ProcessInstance, EngineError> {
        let body = json!({ "businessKey": business_key, "variables": variables });
        self.ask(&["process-definition", "key", key, "start"], &body, Duration::ZERO).await
    }

    pub async fn process_instance(&self, id: &str) -> Result<Option<ProcessInstance>, EngineError> {
        self.find(&["process-instance", id]).await
    }

    pub async fn process_instances(
        &self,
        query: &ProcessInstanceQuery<'_>,
    ) -> Result<Vec<ProcessInstance>, EngineError> {
        let query = ProcessInstanceQuery { max_results: query.max_results.or(Some(MAX_ROWS)), ..query.clone() };
        self.read_sorted(&["process-instance"], &query, "instanceId").await
    }

    /// The engine answers the same for an instance that does not exist.
    pub async fn suspend_process_instance(&self, id: &str) -> Result<(), EngineError> {
        self.set_suspended(id, true).await
    }

    /// The engine answers the same for an instance that does not exist; it does not wake a pending long poll.
    pub async fn activate_process_instance(&self, id: &str) -> Result<(), EngineError> {
        self.set_suspended(id, false).await
    }

    async fn set_suspended(&self, id: &str, suspended: bool) -> Result<(), EngineError> {
        let body = json!({ "suspended": suspended });
        self.command(Method::PUT, &["process-instance", id, "suspended"], Some(&body)).await
    }

    pub async fn delete_process_instance(&self, id: &str) -> Result<(), EngineError> {
        self.command(Method::DELETE, &["process-instance", id], None::<&()>).await
    }

    /// `None` when the instance is not running (any more).
    pub async fn process_instance_variables(&self, id: &str) -> Result<Option<Variables>, EngineError> {
        let query = [("deserializeValues", "false")];
        match self.read(&["process-instance", id, "variables"], &query).await {
            Ok(variables) => Ok(Some(variables)),
            Err(error) if missing_execution(&error) => Ok(None),
            Err(other) => Err(other),
        }
    }

    pub async fn put_variable(
        &self,
        process_instance_id: &str,
        name: &str,
        value: &Variable,
    ) -> Result<(), EngineError> {
        let path = ["process-instance", process_instance_id, "variables", name];
        match self.command(Method::PUT, &path, Some(value)).await {
            Err(error) if missing_execution(&error) => {
                Err(EngineError::NotFound { message: format!("process instance {process_instance_id}") })
            }
            other => other,
        }
    }

    /// Passes a message to the one execution that waits for it. Not idempotent by itself: look at its subscriptions before
    /// sending again.
    pub async fn trigger_message(
        &self,
        execution_id: &str,
        name: &str,
        variables: &Variables,
    ) -> Result<(), EngineError> {
        let path = ["execution", execution_id, "messageSubscriptions", name, "trigger"];
        self.command(Method::POST, &path, Some(&json!({ "variables": variables }))).await
    }

    /// The executions of one instance that wait for this message.
    pub async fn executions(
        &self,
        process_instance_id: &str,
        message_event_subscription_name: &str,
    ) -> Result<Vec<Execution>, EngineError> {
        let query = [
            ("processInstanceId", process_instance_id),
            ("messageEventSubscriptionName", message_event_subscription_name),
        ];
        self.read_rows(&["execution"], &query).await
    }

    /// Message subscriptions, oldest first.
    pub async fn event_subscriptions(
        &self,
        query: &EventSubscriptionQuery<'_>,
    ) -> Result<Vec<EventSubscription>, EngineError> {
        let query = EventSubscriptionQuery { max_results: query.max_results.or(Some(MAX_ROWS)), ..query.clone() };
        let path = ["event-subscription"];
        let fixed = [("eventType", "message"), ("sortBy", "created"), ("sortOrder", "asc")];
        self.read_answer(&path, self.request(Method::GET, &path).query(&query).query(&fixed)).await
    }
}

/// The engine answers 500 here instead of 404.
pub(crate) fn missing_execution(error: &EngineError) -> bool {
    matches!(error, EngineError::Fault { message, .. } if message.ends_with("execution is null"))
}
