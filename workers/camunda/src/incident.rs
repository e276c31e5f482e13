//! Incidents: the engine's own (failed jobs and tasks) and ours, which make a waiting case visible in Cockpit.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Engine, EngineError, MAX_ROWS, report::cut};

/// The engine's column; unlike the message of a failure it is not cut there, and a longer one fails the call.
const MAX_MESSAGE_UNITS: usize = 4_000;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    pub id: String,
    pub incident_type: String,
    #[serde(deserialize_with = "crate::time::deserialize")]
    pub incident_timestamp: DateTime<Utc>,
    pub process_instance_id: Option<String>,
    pub execution_id: Option<String>,
    pub activity_id: Option<String>,
    /// Of `failedExternalTask` the task's id, of `failedJob` the job's, of our own whatever we gave. Absent where a
    /// caller shows the incident of an instance it called, so a query by it finds the original only.
    pub configuration: Option<String>,
    pub incident_message: Option<String>,
    /// An incident in a called instance shows again in every caller, with the first one's id here.
    pub root_cause_incident_id: Option<String>,
    pub annotation: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IncidentQuery<'a> {
    pub incident_id: Option<&'a str>,
    pub process_instance_id: Option<&'a str>,
    pub execution_id: Option<&'a str>,
    pub incident_type: Option<&'a str>,
    pub configuration: Option<&'a str>,
    pub first_result: Option<u32>,
    pub max_results: Option<u32>,
}

impl Engine {
    /// The execution must stand in an activity (one found by [`Engine::executions`] does); one that is gone is `Refused`.
    /// The engine takes the same incident twice: read [`Engine::incidents`] before a second attempt.
    pub async fn create_incident(
        &self,
        execution_id: &str,
        incident_type: &str,
        configuration: &str,
        message: &str,
    ) -> Result<Incident, EngineError> {
        let message = cut(message, MAX_MESSAGE_UNITS);
        let body = json!({ "incidentType": incident_type, "configuration": configuration, "message": message });
        self.ask(&["execution", execution_id, "create-incident"], &body, Duration::ZERO).await
    }

    /// Oldest first.
    pub async fn incidents(&self, query: &IncidentQuery<'_>) -> Result<Vec<Incident>, EngineError> {
        let query = IncidentQuery { max_results: query.max_results.or(Some(MAX_ROWS)), ..query.clone() };
        self.read_sorted(&["incident"], &query, "incidentTimestamp").await
    }

    /// Only for incidents of our own type: the engine's are resolved by raising retries.
    pub async fn resolve_incident(&self, id: &str) -> Result<(), EngineError> {
        self.command(Method::DELETE, &["incident", id], None::<&()>).await
    }

    /// Replaces the annotation; an incident that is gone is `Refused`.
    pub async fn annotate_incident(&self, id: &str, annotation: &str) -> Result<(), EngineError> {
        let body = json!({ "annotation": annotation });
        self.command(Method::PUT, &["incident", id, "annotation"], Some(&body)).await
    }
}
