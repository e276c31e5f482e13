//! Message correlation: how a recovery or a callback reaches a waiting instance.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Engine, EngineError, Variables};

/// Always with a process instance: without one the engine may pick another, or a start event of the same name.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageCorrelation<'a> {
    pub message_name: &'a str,
    pub process_instance_id: &'a str,
    /// Variables that must have these values: what makes a replayed correlation a no-match instead of a second one.
    pub correlation_keys: &'a Variables,
    /// Set in the same transaction.
    pub process_variables: &'a Variables,
}

#[derive(Debug, Clone)]
pub enum Correlation {
    Correlated(Correlated),
    /// Nobody waits for it: not there yet, already gone, keys differ, or the instance is suspended. Nothing was applied.
    NoMatch {
        message: String,
    },
}

#[derive(Debug, Clone)]
pub struct Correlated {
    pub execution_id: String,
    pub process_instance_id: String,
}

/// Of the two result types only `Execution` can come: start events need a call without process instance or a message
/// name shared with one, and our messages have names of their own.
#[derive(Deserialize)]
struct ResultRow {
    execution: Option<ExecutionRow>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecutionRow {
    id: String,
    process_instance_id: String,
}

impl Engine {
    /// Not idempotent by itself. After [`EngineError::Unknown`] read the instance's variables before sending again.
    pub async fn correlate_message(&self, message: &MessageCorrelation<'_>) -> Result<Correlation, EngineError> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            #[serde(flatten)]
            message: &'a MessageCorrelation<'a>,
            result_enabled: bool,
        }
        let body = Body { message, result_enabled: true };
        match self.ask::<Vec<ResultRow>>(&["message"], &body, Duration::ZERO).await {
            Ok(rows) => correlated(rows),
            Err(EngineError::Refused { message, .. }) if message.contains("MismatchingMessageCorrelationException") => {
                Ok(Correlation::NoMatch { message })
            }
            Err(other) => Err(other),
        }
    }
}

fn correlated(rows: Vec<ResultRow>) -> Result<Correlation, EngineError> {
    match rows.into_iter().find_map(|row| row.execution) {
        Some(ExecutionRow { id, process_instance_id }) => {
            Ok(Correlation::Correlated(Correlated { execution_id: id, process_instance_id }))
        }
        // Something was correlated that was not the instance addressed: only a read can tell what.
        None => Err(EngineError::Unknown { source: None }),
    }
}
