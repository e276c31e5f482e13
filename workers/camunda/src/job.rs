//! Jobs: asynchronous continuations and timers, as far as recovery needs them.

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use crate::{Engine, EngineError};

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    pub id: String,
    pub job_definition_id: Option<String>,
    pub process_instance_id: Option<String>,
    pub execution_id: Option<String>,
    pub retries: i32,
    pub exception_message: Option<String>,
    pub failed_activity_id: Option<String>,
    #[serde(default, with = "crate::time::option")]
    pub due_date: Option<DateTime<Utc>>,
    pub suspended: bool,
}

impl Engine {
    pub async fn jobs(&self, process_instance_id: &str) -> Result<Vec<Job>, EngineError> {
        self.read_rows(&["job"], &[("processInstanceId", process_instance_id)]).await
    }

    /// Above 0 it resolves the job's incident and the job executor tries again.
    pub async fn set_job_retries(&self, id: &str, retries: u32) -> Result<(), EngineError> {
        match self.command(Method::PUT, &["job", id, "retries"], Some(&json!({ "retries": retries }))).await {
            // The engine answers 500 here instead of 404.
            Err(EngineError::Fault { message, .. }) if message.contains("No job found") => {
                Err(EngineError::NotFound { message })
            }
            other => other,
        }
    }
}
