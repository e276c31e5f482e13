//! What a downstream does with the socket once it has made up its mind, and the bodies it sends.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A client that has not given up after this long will not: its connection is cut.
const LONGEST_SILENCE: Duration = Duration::from_secs(120);

/// Marks a response that must never be written: the connection is closed instead (see serve.rs).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    Json(StatusCode, Value),
    Text(StatusCode, &'static str),
    /// Close the connection before any byte of an answer.
    Cut,
    /// Never answer.
    Silence,
}

impl Reply {
    pub(crate) fn succeeded(&self) -> bool {
        matches!(self, Self::Json(status, _) if status.is_success())
    }

    pub(crate) async fn send(self) -> Result<Response, Infallible> {
        Ok(match self {
            Self::Json(status, body) => (status, Json(body)).into_response(),
            Self::Text(status, body) => (status, body).into_response(),
            Self::Cut => cut(),
            Self::Silence => {
                tokio::time::sleep(LONGEST_SILENCE).await;
                cut()
            }
        })
    }
}

fn cut() -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(Cut);
    response
}

pub(crate) fn rejected(code: &str) -> Reply {
    rejected_since(code, code.to_lowercase().replace('_', " "))
}

pub(crate) fn rejected_since(code: &str, message: String) -> Reply {
    Reply::Json(StatusCode::UNPROCESSABLE_ENTITY, json!({"code": code, "message": message}))
}

/// What was changed since; the version that it has now is said with it.
pub(crate) fn conflict(what: &str, version: u64) -> Reply {
    let message = format!("the {what} is at version {version}");
    Reply::Json(StatusCode::CONFLICT, json!({"code": "VERSION_CONFLICT", "message": message, "version": version}))
}

/// A request that the sandbox itself refuses: its sender does not keep to the interface.
pub(crate) fn refused(code: &str, message: impl Into<String>) -> Reply {
    Reply::Json(StatusCode::BAD_REQUEST, json!({"code": code, "message": message.into()}))
}

pub(crate) fn failed(status: StatusCode, message: &str) -> Reply {
    Reply::Json(status, json!({"message": message}))
}
