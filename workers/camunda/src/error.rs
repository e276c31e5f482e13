//! What one exchange with the engine proves. The variants are decisions, not causes; `judge` is the only place that
//! turns a status or a transport error into one of them.

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Documented as safe to repeat: the transaction was rolled back (engine error codes, `BuiltinExceptionCode`).
const OPTIMISTIC_LOCK: i64 = 1;
const DEADLOCK: i64 = 10_000;

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Nothing was applied: no connection, or a read that got no answer. Wait with backoff and call again.
    #[error("the engine cannot be reached")]
    Away { source: Option<reqwest::Error> },
    /// Sent, and no answer of the engine came: it may have been applied. Read back before sending again.
    #[error("the engine may or may not have done it: no answer came")]
    Unknown { source: Option<reqwest::Error> },
    /// The thing addressed does not exist (any more).
    #[error("the engine does not know it: {message}")]
    NotFound { message: String },
    /// 401 or 403: nothing was applied; the settings or the engine's authorisations must change.
    #[error("the engine does not allow this user to do it (HTTP {status}): {message}")]
    Unauthorised { status: u16, message: String },
    /// Nothing was applied, and the same call would be refused again.
    #[error("the engine refused ({kind}): {message}")]
    Refused { kind: String, message: String },
    /// Rolled back because of a concurrent change, or turned away before any work: the same call may be sent again.
    #[error("the engine was busy with the same data: {message}")]
    Conflict { message: String },
    /// The engine failed inside and rolled back. `code`: 10001 foreign key, 10002 value too long, 20000 and up the
    /// model's own, 0 anything else.
    #[error("the engine failed and rolled back ({kind}, code {code}): {message}")]
    Fault { code: i64, kind: String, message: String },
    /// A read was answered with something that is not the expected document.
    #[error("the answer is not what this engine version documents")]
    Unreadable { source: serde_json::Error },
}

/// Whether repeating a call could change something: decides what a missing answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Read,
    Effect,
}

#[derive(Debug)]
pub(crate) enum Exchange {
    /// Proven: no byte of the request left.
    NotSent(Option<reqwest::Error>),
    /// Sent at least in part, and no whole answer came back.
    Lost(Option<reqwest::Error>),
    Answered(Answer),
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// The engine's error document. A body without these fields was not written by the engine.
#[derive(Deserialize)]
struct ErrorBody {
    r#type: String,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    code: Option<i64>,
}

pub(crate) fn judge(purpose: Purpose, exchange: Exchange) -> Result<Answer, EngineError> {
    match exchange {
        Exchange::NotSent(source) => Err(EngineError::Away { source }),
        Exchange::Lost(source) => Err(unanswered(purpose, source)),
        Exchange::Answered(answer) if (200..300).contains(&answer.status) => Ok(answer),
        Exchange::Answered(answer) => Err(judge_refusal(purpose, &answer)),
    }
}

fn judge_refusal(purpose: Purpose, answer: &Answer) -> EngineError {
    let body: Option<ErrorBody> = serde_json::from_slice(&answer.body).ok();
    let known = body.is_some();
    let code = body.as_ref().and_then(|b| b.code).unwrap_or(0);
    let (kind, message) = match body {
        Some(b) => (b.r#type, b.message.unwrap_or_default()),
        None => (format!("HTTP {}", answer.status), "not an answer of the engine; check the engine address".to_owned()),
    };
    match answer.status {
        401 | 403 => EngineError::Unauthorised { status: answer.status, message },
        // A path that the server does not serve is not a task that is gone.
        404 if known && kind != "NotFoundException" => EngineError::NotFound { message },
        429 => EngineError::Conflict { message },
        // A gateway speaks: it may have passed the request on. The engine itself answers 500.
        408 | 502..=504 => unanswered(purpose, None),
        300..=499 => EngineError::Refused { kind, message },
        _ if known && matches!(code, OPTIMISTIC_LOCK | DEADLOCK) => EngineError::Conflict { message },
        _ if known => EngineError::Fault { code, kind, message },
        _ => unanswered(purpose, None),
    }
}

fn unanswered(purpose: Purpose, source: Option<reqwest::Error>) -> EngineError {
    match purpose {
        Purpose::Read => EngineError::Away { source },
        Purpose::Effect => EngineError::Unknown { source },
    }
}

impl Answer {
    /// An effect whose answer cannot be read may have happened, so that is `Unknown` and not `Unreadable`.
    pub(crate) fn json<T: DeserializeOwned>(&self, purpose: Purpose) -> Result<T, EngineError> {
        serde_json::from_slice(&self.body).map_err(|source| match purpose {
            Purpose::Read => EngineError::Unreadable { source },
            Purpose::Effect => EngineError::Unknown { source: None },
        })
    }

    pub(crate) fn empty(&self) -> Result<(), EngineError> {
        if self.status == 204 { Ok(()) } else { Err(EngineError::Unknown { source: None }) }
    }
}

impl Exchange {
    /// For logs: the status or the phase, never content.
    pub(crate) fn summary(&self) -> String {
        match self {
            Exchange::NotSent(_) => "not sent".to_owned(),
            Exchange::Lost(_) => "no answer".to_owned(),
            Exchange::Answered(answer) => answer.status.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCKING: &str = r#"{"type":"OptimisticLockingException","message":"m","code":1}"#;
    const DEADLOCKED: &str = r#"{"type":"ProcessEngineException","message":"m","code":10000}"#;
    const TOO_LONG: &str = r#"{"type":"ProcessEnginePersistenceException","message":"m","code":10002}"#;
    const QUEUE_FULL: &str = r#"{"type":"InvalidRequestException","message":"too many requests","code":null}"#;
    const GONE: &str = r#"{"type":"RestException","message":"External task with id x does not exist","code":null}"#;
    const NO_PATH: &str = r#"{"type":"NotFoundException","message":"HTTP 404 Not Found","code":null}"#;
    const SPRING: &str = r#"{"timestamp":"t","status":404,"error":"Not Found","path":"/x"}"#;
    const BAD: &str = r#"{"type":"InvalidRequestException","message":"","code":null}"#;
    const PERMISSION: &str = r#"{"type":"AuthorizationException","message":"m","code":0}"#;

    fn name(result: &Result<Answer, EngineError>) -> &'static str {
        match result {
            Ok(_) => "ok",
            Err(EngineError::Away { .. }) => "away",
            Err(EngineError::Unknown { .. }) => "unknown",
            Err(EngineError::NotFound { .. }) => "not found",
            Err(EngineError::Unauthorised { .. }) => "unauthorised",
            Err(EngineError::Refused { .. }) => "refused",
            Err(EngineError::Conflict { .. }) => "conflict",
            Err(EngineError::Fault { .. }) => "fault",
            Err(EngineError::Unreadable { .. }) => "unreadable",
        }
    }

    #[test]
    fn every_documented_answer_has_its_decision() {
        // status, body, decision for a read, decision for an effect
        let table = [
            (200, "[]", "ok", "ok"),
            (204, "", "ok", "ok"),
            (302, "", "refused", "refused"),
            (400, BAD, "refused", "refused"),
            (400, "<html>", "refused", "refused"),
            (401, "", "unauthorised", "unauthorised"),
            (403, PERMISSION, "unauthorised", "unauthorised"),
            (404, GONE, "not found", "not found"),
            (404, NO_PATH, "refused", "refused"),
            (404, SPRING, "refused", "refused"),
            (405, "", "refused", "refused"),
            (408, "", "away", "unknown"),
            (415, "", "refused", "refused"),
            (429, "", "conflict", "conflict"),
            (500, LOCKING, "conflict", "conflict"),
            (500, DEADLOCKED, "conflict", "conflict"),
            (500, TOO_LONG, "fault", "fault"),
            (500, QUEUE_FULL, "fault", "fault"),
            (500, "<html>", "away", "unknown"),
            (502, "", "away", "unknown"),
            (503, "", "away", "unknown"),
            (504, "", "away", "unknown"),
        ];
        for (status, body, read, effect) in table {
            let judged = |purpose| judge(purpose, Exchange::Answered(Answer { status, body: body.into() }));
            assert_eq!(name(&judged(Purpose::Read)), read, "read {status} {body}");
            assert_eq!(name(&judged(Purpose::Effect)), effect, "effect {status} {body}");
        }
    }

    #[test]
    fn a_missing_answer_is_harmless_only_for_reads_and_for_what_was_not_sent() {
        assert_eq!(name(&judge(Purpose::Effect, Exchange::NotSent(None))), "away");
        assert_eq!(name(&judge(Purpose::Read, Exchange::Lost(None))), "away");
        assert_eq!(name(&judge(Purpose::Effect, Exchange::Lost(None))), "unknown");
    }

    #[test]
    fn an_effect_with_an_unreadable_answer_may_have_happened() {
        let answer = Answer { status: 200, body: b"<html>".to_vec() };
        assert!(matches!(answer.json::<u8>(Purpose::Read), Err(EngineError::Unreadable { .. })));
        assert!(matches!(answer.json::<u8>(Purpose::Effect), Err(EngineError::Unknown { .. })));
        assert!(matches!(answer.empty(), Err(EngineError::Unknown { .. })));
    }
}
