//! The one test binary: scenarios against a real Postgres and a real engine, and the rules of the house.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod behaviours;
mod cancel_from_outside;
mod cancelling;
mod engine;
mod evidence;
mod faults;
mod happy;
mod history;
mod house;
mod interventions;
mod lines;
mod orders;
mod processes;
mod program;
mod recovery;
mod reports;
mod rules;
mod tenancy;
mod unblock;
