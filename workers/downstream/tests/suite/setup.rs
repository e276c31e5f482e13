//! An operation, its requests and a sender, as small as the tests need them.

use std::{collections::BTreeMap, time::Duration};

use fallout_core::{
    attempt::StoredRequest,
    evidence::{Evidence, Phase},
    operation::{Method, Operation},
    outcome::{Outcome, classify},
};
use fallout_downstream::{Address, Downstreams, Secret};
use tokio::time::Instant;

/// Long against what loopback needs, short against a test.
pub const TOTAL_MS: u32 = 400;
pub const CONNECT_MS: u32 = 150;

const OPERATION: &str = r#"
name = "test.effect"
version = 1
downstream = "test"
kind = "effect"
idempotency = { kind = "key_header", header = "X-Idempotency-Key", retention_s = 3600 }
outputs = { reference = "/id" }
request = { method = "POST", path = "/things" }
answers = { on_503 = "unknown", business = { NO_STOCK = "PRODUCT_NOT_AVAILABLE" } }
retry = { attempts = 3, first_delay_ms = 1, max_delay_ms = 1 }
[lookup]
path = "/things/by-reference/{key}?order={body.order}"
found = { status = 200, at = "/state", equals = "completed" }
not_found = { status = 404, at = "/code", equals = "NOT_FOUND" }
in_flight = { status = 200, at = "/state", equals = "inProgress" }
outputs = { reference = "/id" }
consistency_delay_ms = 1
max_reads = 3
interval_ms = 1
"#;

pub fn operation() -> Operation {
    let timeouts = format!("[timeouts]\nconnect_ms = {CONNECT_MS}\ntotal_ms = {TOTAL_MS}\n");
    toml::from_str(&format!("{OPERATION}{timeouts}")).unwrap()
}

pub fn request(method: Method, body: Option<&str>) -> StoredRequest {
    let headers = [("X-Order", "ord-1"), ("X-Step", "reserve"), ("X-Idempotency-Key", "k.1")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    StoredRequest { method, path: "/things".into(), headers, body: body.map(str::to_owned) }
}

pub fn post() -> StoredRequest {
    request(Method::Post, Some(r#"{"order":"ord 1"}"#))
}

pub fn downstreams(url: &str) -> Downstreams {
    let address = Address { url: url.to_owned(), bearer: Some(Secret::new("geheim")) };
    Downstreams::new(BTreeMap::from([("test".to_owned(), address)])).unwrap()
}

/// Time enough that it does not matter.
pub fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Whether the rules take this evidence for proof that there is no effect.
pub fn proves_not_applied(evidence: &Evidence) -> bool {
    classify(&operation(), evidence, &Err("reference".into()), false).is_not_applied()
}

pub fn outcome(evidence: &Evidence) -> Outcome {
    let body = match &evidence.phase {
        Phase::Answered { body, .. } => body.json().clone(),
        _ => serde_json::Value::Null,
    };
    classify(&operation(), evidence, &operation().read_outputs(&body), false)
}
