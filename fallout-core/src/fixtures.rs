//! Small things the tests of the rules share: operations from TOML, moments as seconds, attempts and outcomes.

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use crate::{
    attempt::AttemptFacts,
    claim::StepFacts,
    ids::{ActionId, AttemptId, IntentId, StepKey},
    lookup::{LookupRead, Said},
    operation::{Idempotency, Kind, Lookup, Method, Operation},
    outcome::Outcome,
    step::{Outputs, StepState},
};

/// An effect with a key, one output, one business code and three tries; no lookup and no 202.
const KEYED: &str = r#"
    name = "inventory.reserve"
    version = 1
    downstream = "inventory"
    owner_group = "Technical Ops"
    kind = "effect"
    undo = { by_hand = "Technical Ops" }
    request = { method = "POST", path = "/reservations", body = { order = "{order.id}" } }
    idempotency = { kind = "key_header", header = "Idempotency-Key", retention_s = 1000 }
    answers = { on_503 = "unknown", business = { NO_STOCK = "PRODUCT_NOT_AVAILABLE" } }
    outputs = { id = "/id" }
    timeouts = { connect_ms = 1000, total_ms = 10000 }
    retry = { attempts = 3, first_delay_ms = 1000, max_delay_ms = 8000 }
"#;

/// Late by up to 2 s, unseen for up to 3 s, five reads, one second apart at first.
const LOOKUP: &str = r#"
    path = "/reservations?key={key}"
    found = { status = 200, at = "/state", equals = "completed" }
    not_found = { status = 404 }
    in_flight = { status = 200, at = "/state", equals = "inProgress" }
    rejected = { status = 200, at = "/state", equals = "rejected" }
    outputs = { id = "/id" }
    consistency_delay_ms = 3000
    max_late_arrival_ms = 2000
    max_reads = 5
    interval_ms = 1000
"#;

pub fn operation(text: &str) -> Operation {
    toml::from_str(text).unwrap()
}

pub fn keyed() -> Operation {
    operation(KEYED)
}

pub fn unkeyed() -> Operation {
    Operation { idempotency: Idempotency::None, ..keyed() }
}

pub fn read_only() -> Operation {
    let mut op = Operation { kind: Kind::Read, undo: None, ..unkeyed() };
    op.request.method = Method::Get;
    op
}

pub fn lookup() -> Lookup {
    toml::from_str(LOOKUP).unwrap()
}

pub fn with_lookup(op: Operation) -> Operation {
    Operation { lookup: Some(lookup()), ..op }
}

/// `seconds` after the tests' zero.
pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

/// Opened at 0, no byte after 5, over at 15.
pub fn attempt(number: u128, outcome: impl Into<Option<Outcome>>) -> AttemptFacts {
    AttemptFacts {
        id: AttemptId(Uuid::from_u128(number)),
        intent: IntentId(Uuid::from_u128(1)),
        generation: 1,
        epoch: 0,
        opened_at: at(0),
        send_before: at(5),
        over_at: at(15),
        outcome: outcome.into(),
        reads: Vec::new(),
        callback_deadline: None,
    }
}

/// One attempt per outcome, numbered from 1.
pub fn attempts(outcomes: impl IntoIterator<Item = Option<Outcome>>) -> Vec<AttemptFacts> {
    (1..).zip(outcomes).map(|(number, outcome)| attempt(number, outcome)).collect()
}

/// A step in this state with these attempts, and nothing else special about it.
pub fn step(state: StepState, attempts: Vec<AttemptFacts>) -> StepFacts {
    StepFacts {
        key: StepKey(Uuid::from_u128(1)),
        state,
        epoch: 0,
        gate: None,
        stop: None,
        outputs: Outputs::new(),
        rejected_code: None,
        case: None,
        order_cancelled: false,
        stopped: None,
        outdated: false,
        undoes: None,
        generation: attempts.last().map_or(0, |a| a.generation),
        attempts,
        rerouted: false,
    }
}

pub fn action_id(number: u128) -> ActionId {
    ActionId(Uuid::from_u128(number))
}

pub fn reads(said: &[(i64, Said)]) -> Vec<LookupRead> {
    said.iter().map(|(second, said)| LookupRead { at: at(*second), said: said.clone() }).collect()
}

pub fn outputs() -> Outputs {
    Outputs::from([("id".to_owned(), json!("r-1"))])
}

pub fn success() -> Outcome {
    Outcome::Success { outputs: outputs() }
}

pub fn business() -> Outcome {
    Outcome::Business { code: "PRODUCT_NOT_AVAILABLE".into(), classification: None, message: "sold out".into() }
}

pub fn technical() -> Outcome {
    Outcome::Technical { reason: "no connection".into(), retry_after_ms: None }
}

pub fn defect() -> Outcome {
    Outcome::Defect { reason: "HTTP 400".into() }
}

pub fn unknown() -> Outcome {
    Outcome::Unknown { reason: "no answer".into() }
}

pub fn replayable() -> Outcome {
    Outcome::Replayable { reason: "no answer".into() }
}
