//! The one test binary: scenarios against a real Postgres and a real engine, and the rules of the house.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod amending;
mod authority;
mod behaviours;
mod bulk;
mod cancel_from_outside;
mod cancelling;
mod correcting;
mod embedded;
mod engine;
mod evidence;
mod faults;
mod guided;
mod happy;
mod history;
mod house;
mod interventions;
mod lines;
mod modification;
mod older_model;
mod orders;
mod penalties;
mod processes;
mod program;
mod publishing;
mod recovery;
mod relay_killed;
mod reports;
mod reroute;
mod revising;
mod rules;
mod scenarios;
mod standing_still;
mod stopping;
mod tenancy;
mod unblock;
