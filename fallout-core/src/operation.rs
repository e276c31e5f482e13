//! An operation: one call of a downstream, described by data, so that a new step needs no Rust.
//!
//! Durations carry their unit in the name. docs/OPERATIONS.md is the reference of every field, for those who fill it in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::answers::{Answers, On408, On409, On500, On503, Rejection};
pub use crate::outputs::Output;
pub use crate::undo::{PastReturn, Undo};
use crate::{
    outputs, short,
    step::{Direction, Outputs},
};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// The topic of the external task and the name in the ledger, e.g. `payment.authorize`.
    pub name: String,
    pub version: i32,
    pub downstream: String,
    /// The group of people that owns trouble with this call; `check` refuses none or one that the taxonomy does not know.
    #[serde(default)]
    pub owner_group: String,
    /// Whether the call changes anything outside.
    pub kind: Kind,
    /// Whether its effect is one of the order or takes one back.
    #[serde(default = "does")]
    pub direction: Direction,
    /// Who makes the call: a step of the model, or a recovery action itself.
    #[serde(default)]
    pub performed_by: PerformedBy,
    /// Who or what takes its effect back; an effect without it is refused.
    #[serde(default)]
    pub undo: Option<Undo>,
    /// Once it is done, what becomes of a cancellation of the order; absent: it is undone like any other.
    #[serde(default)]
    pub point_of_no_return: Option<PastReturn>,
    pub request: Request,
    pub idempotency: Idempotency,
    pub answers: Answers,
    /// Values that must be in a success answer, by name.
    #[serde(default, deserialize_with = "short::map")]
    pub outputs: BTreeMap<String, Output>,
    pub lookup: Option<Lookup>,
    /// Present when the downstream may answer 202 and finish later.
    pub accepted: Option<Accepted>,
    pub timeouts: Timeouts,
    pub retry: Retry,
    #[serde(default)]
    pub limits: Option<Limits>,
}

fn does() -> Direction {
    Direction::Do
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Effect,
    Read,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PerformedBy {
    /// Its name is a topic.
    #[default]
    Step,
    /// No topic: the controller of effects makes it. It stays when the order is cancelled, since it changed what is known of
    /// the order and fulfilled nothing.
    Action,
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
    /// Into the lookup's answer; must give every output of the operation.
    #[serde(default, deserialize_with = "short::map")]
    pub outputs: BTreeMap<String, Output>,
    /// How long an effect that exists may stay unseen by the lookup.
    pub consistency_delay_ms: u32,
    /// How long after the end of our exchange the request may still take effect: what lies in a queue, a proxy or a
    /// kernel's buffer. Without it nothing bounds that, and "not found" never proves absence.
    pub max_late_arrival_ms: Option<u32>,
    /// Reads before a person is asked.
    pub max_reads: u32,
    /// How long after the end of our exchange a person is asked at the latest, whatever reads are left.
    pub max_wait_ms: Option<u32>,
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

    /// The outputs of a success answer, or what is missing first.
    pub fn read_outputs(&self, body: &Value) -> Result<Outputs, String> {
        outputs::pick(&self.outputs, body)
    }

    /// What a rejection with this code of the downstream is to us.
    pub fn rejection(&self, body: &Value) -> Option<(&str, &Rejection)> {
        let (code, known) = self.answers.business.get_key_value(body.pointer(&self.answers.code_at)?.as_str()?)?;
        Some((code, known))
    }
}
