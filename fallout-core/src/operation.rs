//! An operation: one call of a downstream, described by data, so that a new step needs no Rust.
//!
//! Durations carry their unit in the name. `on_503` has no default on purpose: proxies answer 503 after the origin
//! did the work, so only the downstream's owner can say what it means.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::step::Outputs;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// The topic of the external task and the name in the ledger, e.g. `payment.authorize`.
    pub name: String,
    pub version: i32,
    pub downstream: String,
    /// Whether the call changes anything outside.
    pub kind: Kind,
    pub request: Request,
    pub idempotency: Idempotency,
    pub answers: Answers,
    /// Values that must be in a success answer: name → JSON pointer.
    #[serde(default)]
    pub outputs: BTreeMap<String, String>,
    pub lookup: Option<Lookup>,
    /// Present when the downstream may answer 202 and finish later.
    pub accepted: Option<Accepted>,
    pub timeouts: Timeouts,
    pub retry: Retry,
    #[serde(default)]
    pub limits: Option<Limits>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Effect,
    Read,
}

/// The request as a template; see [`crate::template`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub method: Method,
    pub path: String,
    #[serde(default)]
    pub body: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

impl Method {
    pub fn word(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
        }
    }
}

/// How the downstream recognises a repeated request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Idempotency {
    /// It does not: every request that arrives may be another effect.
    None,
    /// The key travels in this header; the downstream keeps it for `retention_s`.
    KeyHeader { header: String, retention_s: u32 },
    /// The key is part of a PUT or DELETE path.
    NaturalKey { retention_s: u32 },
    /// The key travels in the body as our reference.
    ClientReference { retention_s: u32 },
}

impl Idempotency {
    /// For how long the downstream recognises the key, in seconds; `None` when it never does.
    pub fn retention_s(&self) -> Option<u32> {
        match self {
            Idempotency::None => None,
            Idempotency::KeyHeader { retention_s, .. }
            | Idempotency::NaturalKey { retention_s }
            | Idempotency::ClientReference { retention_s } => Some(*retention_s),
        }
    }
}

/// What the downstream's answers mean where HTTP leaves it open.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    pub on_503: On503,
    /// Whether a 500 may be replayed with the same key: true only when the downstream does not store its 500s.
    #[serde(default)]
    pub replay_500: bool,
    /// JSON pointer to the downstream's own code in an error body.
    #[serde(default = "code_pointer")]
    pub code_at: String,
    /// The downstream's code → our classification (which is also the BPMN error code).
    #[serde(default)]
    pub business: BTreeMap<String, String>,
}

fn code_pointer() -> String {
    "/code".into()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On503 {
    /// The origin itself answers 503 before it starts anything.
    NotProcessed,
    Unknown,
}

/// How to ask whether the effect of an intent exists. Not judged by the table of exchanges: only the answers declared
/// here count, everything else is no answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    pub path: String,
    pub found: Match,
    pub not_found: Match,
    pub in_flight: Option<Match>,
    /// The effect was refused after it had been accepted.
    pub rejected: Option<Match>,
    /// Name → JSON pointer into the lookup's answer; must give every output of the operation.
    #[serde(default)]
    pub outputs: BTreeMap<String, String>,
    /// How late an effect may become visible after the request ended.
    pub consistency_delay_ms: u32,
    /// Reads before a person is asked.
    pub max_reads: u32,
    /// Pause between two reads; grows by half with each.
    pub interval_ms: u32,
}

/// One kind of lookup answer: the status, and where needed a value in the body.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Match {
    pub status: u16,
    pub at: Option<String>,
    pub equals: Option<String>,
}

impl Match {
    pub fn matches(&self, status: u16, body: &Value) -> bool {
        let value = self.at.as_deref().and_then(|at| body.pointer(at)).and_then(Value::as_str);
        self.status == status && (self.at.is_none() || value == self.equals.as_deref())
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    pub poll_after_ms: u32,
    pub callback_deadline_ms: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    /// Shorter than `total_ms`, or a hanging connect could not be told from a lost answer.
    pub connect_ms: u32,
    /// From the first byte to the last; also how long after `send_before` a sender may still be at work.
    pub total_ms: u32,
    /// How long after the claim a first byte may leave.
    #[serde(default = "send_within")]
    pub send_within_ms: u32,
}

/// Enough to wait for a connection of a busy pool; short, since nobody else may send meanwhile.
fn send_within() -> u32 {
    5_000
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    pub attempts: u32,
    pub first_delay_ms: u32,
    pub max_delay_ms: u32,
}

/// What the downstream's owner allows one process to ask of this operation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Calls at the same time.
    pub in_flight: u32,
    /// Calls begun per second, over any longer time; absent: no limit.
    pub per_second: Option<f64>,
}

/// What a repetition of the same request can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repetition {
    /// Nothing: it is a read.
    Harmless,
    /// Nothing more, while the downstream keeps the key.
    Recognised,
    /// Another effect.
    Dangerous,
}

impl Operation {
    pub fn repetition(&self) -> Repetition {
        match (self.kind, &self.idempotency) {
            (Kind::Read, _) => Repetition::Harmless,
            (Kind::Effect, Idempotency::None) => Repetition::Dangerous,
            (Kind::Effect, _) => Repetition::Recognised,
        }
    }

    /// The outputs of a success answer, or the name of the first that is missing.
    pub fn read_outputs(&self, body: &Value) -> Result<Outputs, String> {
        pick(&self.outputs, body)
    }
}

/// Values by JSON pointer, or the name of the first that is missing.
pub(crate) fn pick(pointers: &BTreeMap<String, String>, body: &Value) -> Result<Outputs, String> {
    let one = |(name, at): (&String, &String)| match body.pointer(at) {
        None | Some(Value::Null) => Err(name.clone()),
        Some(value) => Ok((name.clone(), value.clone())),
    };
    pointers.iter().map(one).collect()
}
