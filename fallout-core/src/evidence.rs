//! What one exchange with a downstream proved. A type of its own: nothing turns a transport error into an outcome;
//! only [`crate::outcome::classify`] reads evidence.

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    pub phase: Phase,
    /// What the transport said, for people; no rule reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    pub elapsed_ms: u64,
}

/// How far the exchange came, said only as strongly as it is proven.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reached", rename_all = "snake_case")]
pub enum Phase {
    /// The request could not be built: nothing left, and it never will.
    NotBuilt,
    /// `send_before` passed before the first byte: nothing left.
    TooLate,
    /// No connection (name, refused, TLS, connect timeout): no request byte exists.
    NotConnected,
    /// The request was handed back before it was serialised.
    NotSerialised,
    /// The body was never polled and is not empty: at most header bytes left.
    BodyNotPolled,
    /// Some of the body left, or its end is not known to have left.
    BodyPartlySent,
    /// Everything left, no status line came.
    Sent,
    /// A status line came; the body may have been cut.
    Answered {
        status: u16,
        body: Body,
        /// Whether the whole request had left when the answer came; 408 means less when it had.
        request_sent: bool,
    },
    /// The sender died, panicked or never said: anything may have happened.
    Unproven,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum Body {
    Json(Value),
    Empty,
    /// Complete, but not JSON: the first characters, for people.
    Text(String),
    /// The connection ended inside the body.
    Cut,
    /// Longer than we read.
    TooLong,
}

impl Body {
    /// The JSON value, `Null` for everything else.
    pub fn json(&self) -> &Value {
        match self {
            Body::Json(value) => value,
            _ => &Value::Null,
        }
    }
}

impl Evidence {
    /// Evidence without any timing or transport detail, as the rules see it.
    pub fn of(phase: Phase) -> Self {
        Evidence { phase, error: None, retry_after_ms: None, elapsed_ms: 0 }
    }

    pub fn answered(status: u16, body: Value) -> Self {
        Self::of(Phase::Answered { status, body: Body::Json(body), request_sent: true })
    }

    /// One line for people: what is known, not what it means.
    pub fn summary(&self) -> String {
        let said = match &self.phase {
            Phase::NotBuilt => "the request could not be built".into(),
            Phase::TooLate => "the time to send had passed before the first byte".into(),
            Phase::NotConnected => "no connection".into(),
            Phase::NotSerialised => "handed back before it was written".into(),
            Phase::BodyNotPolled => "no byte of the body left".into(),
            Phase::BodyPartlySent => "part of the request left, then nothing".into(),
            Phase::Sent => "the whole request left, no answer came".into(),
            Phase::Answered { status, body: Body::Cut, .. } => format!("HTTP {status}, then the answer was cut"),
            Phase::Answered { status, .. } => format!("HTTP {status}"),
            Phase::Unproven => "the sender ended without saying how far it came".into(),
        };
        match &self.error {
            Some(error) => format!("{said} ({error})"),
            None => said,
        }
    }
}
