//! Fetching and reading external tasks. What ends one is in `report`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde::{Deserialize, Serialize, Serializer};

use crate::{Engine, EngineError, MAX_ROWS, Variables};

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FetchRequest<'a> {
    /// The fencing token: the engine checks nothing else, so it must be unique per fetch (at most 255 characters).
    pub worker_id: &'a str,
    pub max_tasks: u32,
    pub use_priority: bool,
    /// How long the engine may keep an empty answer back (at most 30 min); `None` answers at once.
    #[serde(serialize_with = "millis_or_none", skip_serializing_if = "Option::is_none")]
    pub async_response_timeout: Option<Duration>,
    pub topics: &'a [Topic],
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Topic {
    pub topic_name: String,
    #[serde(serialize_with = "millis")]
    pub lock_duration: Duration,
    /// Only these come with the task: an absent list would load all of them, one by one.
    pub variables: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_definition_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_key: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockedTask {
    pub id: String,
    pub worker_id: String,
    pub topic_name: String,
    pub activity_id: String,
    pub activity_instance_id: String,
    pub execution_id: String,
    pub process_instance_id: String,
    pub process_definition_id: String,
    pub process_definition_key: String,
    pub process_definition_version_tag: Option<String>,
    pub business_key: Option<String>,
    pub tenant_id: Option<String>,
    /// `None` until the first failure was reported.
    pub retries: Option<i32>,
    pub priority: i64,
    pub error_message: Option<String>,
    /// On the engine's clock; the deadline to go by is the fetch's start on ours plus the lock duration.
    #[serde(deserialize_with = "crate::time::deserialize")]
    pub lock_expiration_time: DateTime<Utc>,
    pub variables: Variables,
}

/// An external task as a reader sees it: locked or not, whoever holds it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalTask {
    pub id: String,
    pub topic_name: String,
    /// Stays after a reported failure and after expiry; `None` only if never locked, or unlocked.
    pub worker_id: Option<String>,
    #[serde(default, with = "crate::time::option")]
    pub lock_expiration_time: Option<DateTime<Utc>>,
    pub activity_id: String,
    pub activity_instance_id: String,
    pub execution_id: String,
    pub process_instance_id: String,
    pub process_definition_id: String,
    pub process_definition_key: String,
    pub business_key: Option<String>,
    pub retries: Option<i32>,
    pub suspended: bool,
    pub error_message: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalTaskQuery<'a> {
    pub worker_id: Option<&'a str>,
    /// Only those whose lock has not expired.
    pub locked: Option<bool>,
    pub process_instance_id: Option<&'a str>,
    pub topic_name: Option<&'a str>,
    pub first_result: Option<u32>,
    pub max_results: Option<u32>,
}

impl Engine {
    /// A lost answer ([`EngineError::Unknown`]) may have locked tasks, also later, until the poll's own end: sweep with
    /// [`Engine::external_tasks`] by this worker id. Few tasks back does not mean that few exist.
    pub async fn fetch_and_lock(&self, request: &FetchRequest<'_>) -> Result<Vec<LockedTask>, EngineError> {
        let waiting = request.async_response_timeout.unwrap_or_default();
        self.ask(&["external-task", "fetchAndLock"], request, waiting).await
    }

    pub async fn external_task(&self, id: &str) -> Result<Option<ExternalTask>, EngineError> {
        self.find(&["external-task", id]).await
    }

    pub async fn external_tasks(&self, query: &ExternalTaskQuery<'_>) -> Result<Vec<ExternalTask>, EngineError> {
        let query = ExternalTaskQuery { max_results: query.max_results.or(Some(MAX_ROWS)), ..query.clone() };
        self.read_sorted(&["external-task"], &query, "id").await
    }

    /// Above 0 it resolves the task's incident; it does not wake a pending long poll.
    pub async fn set_external_task_retries(&self, id: &str, retries: u32) -> Result<(), EngineError> {
        let body = serde_json::json!({ "retries": retries });
        self.command(Method::PUT, &["external-task", id, "retries"], Some(&body)).await
    }
}

fn millis<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(crate::report::whole_millis(*duration))
}

#[expect(clippy::ref_option, reason = "the signature serde asks for")]
fn millis_or_none<S: Serializer>(duration: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    millis(&duration.unwrap_or_default(), to)
}
