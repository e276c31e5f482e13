//! Telling the engine how a task ended, and what its answer to that proves.
//!
//! Only `complete` and `bpmn_error` may ever be sent a second time; a repeated `failure` writes a second log entry and
//! starts the retry timer anew. All of them check the worker id and nothing else: an expired lock that nobody else
//! took still counts.

use std::time::Duration;

use reqwest::Method;
use serde::Serialize;
use serde_json::json;

use crate::{Engine, EngineError, Variables};

/// The engine cuts error messages there (`MAX_EXCEPTION_MESSAGE_LENGTH`, in UTF-16 units, also through a character).
const MAX_MESSAGE_UNITS: usize = 666;
/// Engine error codes that say that the same call would fail again (`BuiltinExceptionCode`): a foreign key (10001) or a
/// column (10002) that does not fit, and from 20000 on what a model's own code chose to say.
fn is_permanent(code: i64) -> bool {
    matches!(code, 10_001 | 10_002) || code >= 20_000
}

/// The variants are what the fleet does next.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The task no longer exists: completed, cancelled, or caught. The history log says which.
    #[error("the task is gone")]
    Gone,
    /// Not ours any more: another worker holds it, or (`holder: None`) it was unlocked.
    #[error("the task is held by another worker")]
    Superseded { holder: Option<String> },
    /// Only from `extend_lock`: nobody else took the task yet, but anyone may.
    #[error("the lock had expired")]
    Expired,
    /// The instance is suspended: keep the report and wait.
    #[error("the process instance is suspended")]
    Suspended,
    /// Proven not applied and worth sending again unchanged.
    #[error("not applied, the same report may be sent again")]
    Retry {
        #[source]
        cause: EngineError,
    },
    /// 401 or 403: nothing is wrong with the step; our user or the engine's authorisations must change.
    #[error("the engine does not allow this user to report (HTTP {status}): {message}")]
    Unauthorised { status: u16, message: String },
    /// Not applied, and the engine would refuse it again. After a 400 that is not recognised here, read the task.
    #[error("the engine refused the report ({kind}): {message}")]
    Refused { kind: String, message: String },
    /// Something behind the task failed inside the same transaction; rolled back, the task is still locked. It may pass.
    #[error("the engine could not go on from this task (code {code}): {message}")]
    EngineFault { code: i64, message: String },
    /// The same, with a code that says that the same call would fail again.
    #[error("the engine cannot go on from this task (code {code}): {message}")]
    CannotAdvance { code: i64, message: String },
    /// Sent without an answer: read the task, then the history, before anything else.
    #[error("the report may or may not have been applied")]
    Unknown {
        #[source]
        cause: EngineError,
    },
}

#[derive(Debug, Clone, Copy)]
pub struct Failure<'a> {
    /// Cut to what the engine keeps.
    pub error_message: &'a str,
    /// Unlimited; `None` keeps the details of the failure before.
    pub error_details: Option<&'a str>,
    /// 0 raises an incident. Then `retry_timeout` should be zero, or raised retries stay invisible until it is over.
    pub retries: u32,
    pub retry_timeout: Duration,
    pub variables: &'a Variables,
}

impl Engine {
    /// Runs everything up to the next wait state inside the call.
    pub async fn complete(&self, task_id: &str, worker_id: &str, variables: &Variables) -> Result<(), ReportError> {
        self.report(task_id, "complete", &json!({ "workerId": worker_id, "variables": variables })).await
    }

    pub async fn failure(&self, task_id: &str, worker_id: &str, failure: Failure<'_>) -> Result<(), ReportError> {
        // The engine reads absent retries and timeouts as 0, that is as an incident: both are always sent.
        let body = json!({
            "workerId": worker_id,
            "errorMessage": cut(failure.error_message, MAX_MESSAGE_UNITS),
            "errorDetails": failure.error_details,
            "retries": failure.retries,
            "retryTimeout": whole_millis(failure.retry_timeout),
            "variables": failure.variables,
        });
        self.report(task_id, "failure", &body).await
    }

    /// The engine accepts a code that nobody catches and silently ends the path: ask the model first.
    pub async fn bpmn_error(
        &self,
        task_id: &str,
        worker_id: &str,
        error_code: &str,
        error_message: &str,
        variables: &Variables,
    ) -> Result<(), ReportError> {
        let body = json!({
            "workerId": worker_id,
            "errorCode": error_code,
            "errorMessage": cut(error_message, MAX_MESSAGE_UNITS),
            "variables": variables,
        });
        self.report(task_id, "bpmnError", &body).await
    }

    /// `new_duration` counts from now.
    pub async fn extend_lock(&self, task_id: &str, worker_id: &str, new_duration: Duration) -> Result<(), ReportError> {
        let body = json!({ "workerId": worker_id, "newDuration": whole_millis(new_duration) });
        self.report(task_id, "extendLock", &body).await
    }

    /// Checks no worker id, and works on suspended tasks: it can free the lock of another worker. Handing back one's
    /// own task without that risk is `extend_lock` by a millisecond, which wakes no poll.
    pub async fn unlock(&self, task_id: &str) -> Result<(), ReportError> {
        self.report(task_id, "unlock", &json!({})).await
    }

    async fn report(&self, task_id: &str, verb: &str, body: &impl Serialize) -> Result<(), ReportError> {
        self.command(Method::POST, &["external-task", task_id, verb], Some(body)).await.map_err(ReportError::from)
    }
}

impl From<EngineError> for ReportError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::NotFound { .. } => ReportError::Gone,
            EngineError::Refused { kind, message } => refused(kind, message),
            EngineError::Unauthorised { status, message } => ReportError::Unauthorised { status, message },
            EngineError::Fault { code, message, .. } if is_permanent(code) => {
                ReportError::CannotAdvance { code, message }
            }
            EngineError::Fault { code, message, .. } => ReportError::EngineFault { code, message },
            cause @ (EngineError::Away { .. } | EngineError::Conflict { .. }) => ReportError::Retry { cause },
            cause @ (EngineError::Unknown { .. } | EngineError::Unreadable { .. }) => ReportError::Unknown { cause },
        }
    }
}

/// The engine tells its reasons for a 400 apart in the message only.
fn refused(kind: String, message: String) -> ReportError {
    if let Some((_, rest)) = message.split_once("is locked by worker '") {
        let holder = rest.rsplit_once('\'').map_or(rest, |(holder, _)| holder);
        return ReportError::Superseded { holder: (holder != "null").then(|| holder.to_owned()) };
    }
    if message.ends_with("is suspended.") {
        return ReportError::Suspended;
    }
    if message.contains("Cannot extend a lock that expired") {
        return ReportError::Expired;
    }
    ReportError::Refused { kind, message }
}

/// At most what the engine keeps, on a character boundary, without the NUL that Postgres cannot store.
pub(crate) fn cut(message: &str, max_units: usize) -> String {
    let mut units = 0;
    let fits = |c: &char| {
        units += c.len_utf16();
        units <= max_units
    };
    message.chars().take_while(fits).map(|c| if c == '\0' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

pub(crate) fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Answer, Exchange, Purpose, judge};

    fn name(error: &ReportError) -> String {
        match error {
            ReportError::Gone => "gone".into(),
            ReportError::Superseded { holder } => {
                format!("superseded by {}", holder.as_deref().unwrap_or("nobody"))
            }
            ReportError::Expired => "expired".into(),
            ReportError::Suspended => "suspended".into(),
            ReportError::Retry { .. } => "retry".into(),
            ReportError::Unauthorised { status, .. } => format!("unauthorised {status}"),
            ReportError::CannotAdvance { code, .. } => format!("cannot advance {code}"),
            ReportError::Refused { kind, .. } => format!("refused: {kind}"),
            ReportError::EngineFault { code, .. } => format!("fault {code}"),
            ReportError::Unknown { .. } => "unknown".into(),
        }
    }

    #[test]
    fn every_answer_to_a_report_has_its_decision() {
        // status, type, message, code, decision; as answered by Camunda 7.24.0
        let table = [
            (404, "RestException", "External task with id t does not exist", 0, "gone"),
            (
                400,
                "RestException",
                "External Task t cannot be completed by worker 'a'. It is locked by worker 'b/1'.",
                0,
                "superseded by b/1",
            ),
            (
                400,
                "RestException",
                "The lock of the External Task t cannot be extended by worker 'a''. It is locked by worker 'null'.",
                0,
                "superseded by nobody",
            ),
            (400, "RestException", "ENGINE-03043 ExternalTask with id 't' is suspended.", 0, "suspended"),
            (
                400,
                "RestException",
                "Cannot extend a lock that expired: lockExpirationTime is not greater than or equal to 17",
                0,
                "expired",
            ),
            (400, "RestException", "Unsupported value type 'Nope'", 0, "refused: RestException"),
            (400, "InvalidRequestException", "Cannot convert value", 0, "refused: InvalidRequestException"),
            (401, "", "", 0, "unauthorised 401"),
            (403, "AuthorizationException", "no", 0, "unauthorised 403"),
            (500, "OptimisticLockingException", "", 1, "retry"),
            (500, "ProcessEngineException", "", 10_000, "retry"),
            (429, "", "", 0, "retry"),
            (500, "ProcessEnginePersistenceException", "", 10_001, "cannot advance 10001"),
            (500, "ProcessEnginePersistenceException", "", 10_002, "cannot advance 10002"),
            (500, "ProcessEngineException", "ENGINE-13033", 0, "fault 0"),
            (500, "ProcessEngineException", "own", 19_999, "fault 19999"),
            (500, "ProcessEngineException", "own", 20_000, "cannot advance 20000"),
            (500, "ProcessEngineException", "own", 22_222, "cannot advance 22222"),
            (502, "", "", 0, "unknown"),
            (503, "", "", 0, "unknown"),
            (504, "", "", 0, "unknown"),
        ];
        for (status, kind, message, code, expected) in table {
            let body = json!({ "type": kind, "message": message, "code": code }).to_string().into_bytes();
            let error = judge(Purpose::Effect, Exchange::Answered(Answer { status, body })).unwrap_err();
            assert_eq!(name(&error.into()), expected, "{status} {kind} {message}");
        }
    }

    #[test]
    fn a_report_that_left_without_an_answer_is_unknown_and_one_that_did_not_leave_may_be_repeated() {
        let judged = |exchange| name(&judge(Purpose::Effect, exchange).unwrap_err().into());
        assert_eq!(judged(Exchange::Lost(None)), "unknown");
        assert_eq!(judged(Exchange::NotSent(None)), "retry");
    }

    #[test]
    fn a_message_is_cut_as_the_engine_counts_but_never_through_a_character() {
        let cut = |message: &str| cut(message, MAX_MESSAGE_UNITS);
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"ä".repeat(700)).chars().count(), 666);
        // Two UTF-16 units each, after one: the 333rd would be cut in half.
        assert_eq!(cut(&format!("a{}", "\u{1F69A}".repeat(400))).chars().count(), 1 + 332);
        assert_eq!(cut("a\0b"), "a\u{FFFD}b");
    }
}
