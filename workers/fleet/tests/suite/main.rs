//! The fleet against a scripted engine, a scripted downstream and a ledger in memory: what the real ones cannot be made to
//! do on demand. What depends on the engine's own behaviour is tested on the real one, in `tests/`.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod bad_days;
mod draining;
mod engine;
mod fetching;
mod health;
mod http;
mod keeping;
mod ledger;
mod reporting;
mod rig;
mod town;
