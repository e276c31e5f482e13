//! The doors over real HTTP and a real Postgres: who comes in, what is taken, what is refused by which name.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod events;
mod listener;
mod rig;
mod signals;
mod stopping;
