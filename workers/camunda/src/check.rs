//! What must be known of an engine before work is taken from it: product, version, history level.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use crate::{Engine, EngineError};

/// One fixed id: the task is deleted at once, and its history row is the only trace ever left.
const PROBE_TASK: &str = "fallout-history-level-check";

#[derive(Deserialize)]
struct Version {
    version: String,
}

#[derive(Deserialize)]
struct Count {
    count: u64,
}

#[derive(Deserialize)]
struct Telemetry {
    product: Product,
}

#[derive(Deserialize)]
struct Product {
    name: String,
}

impl Engine {
    /// For example `7.24.0`.
    pub async fn version(&self) -> Result<String, EngineError> {
        Ok(self.read::<Version>(&["version"], &()).await?.version)
    }

    /// For example `Camunda BPM Runtime`; `None` where the engine keeps it from this user (only administrators see it).
    pub async fn product(&self) -> Result<Option<String>, EngineError> {
        match self.find::<Telemetry>(&["telemetry", "data"]).await {
            Ok(telemetry) => Ok(telemetry.map(|t| t.product.name)),
            Err(EngineError::Unauthorised { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// REST does not tell the level, but only `full` writes the external task log and the updates of variables. An
    /// engine that has done nothing yet is asked by a standalone task with one variable, which is deleted again. The
    /// level of a database never changes (the engine refuses to start on another), so an old trace counts.
    pub async fn history_level_is_full(&self) -> Result<bool, EngineError> {
        if self.count(&["history", "external-task-log", "count"], &[]).await? > 0 || self.probe_left_a_trace().await? {
            return Ok(true);
        }
        self.run_probe().await?;
        self.probe_left_a_trace().await
    }

    async fn probe_left_a_trace(&self) -> Result<bool, EngineError> {
        Ok(self.count(&["history", "detail", "count"], &[("taskId", PROBE_TASK)]).await? > 0)
    }

    async fn run_probe(&self) -> Result<(), EngineError> {
        let task = json!({ "id": PROBE_TASK, "name": "Fallout: is the history level full? (deleted at once)" });
        let variable = json!({ "value": "1", "type": "String" });
        // A fault or a missing task: another process runs the same probe, or ran it at a lower level. The trace decides.
        let harmless = |result| match result {
            Err(EngineError::Fault { .. } | EngineError::Conflict { .. } | EngineError::NotFound { .. }) => Ok(()),
            other => other,
        };
        harmless(self.command(Method::POST, &["task", "create"], Some(&task)).await)?;
        let variable_path = ["task", PROBE_TASK, "variables", "probe"];
        harmless(self.command(Method::PUT, &variable_path, Some(&variable)).await)?;
        harmless(self.command(Method::DELETE, &["task", PROBE_TASK], None::<&()>).await)
    }

    async fn count(&self, path: &[&str], query: &[(&str, &str)]) -> Result<u64, EngineError> {
        Ok(self.read::<Count>(path, query).await?.count)
    }
}
