//! Recovery commands against a real Postgres as the program's own role: what is taken, what is refused by name, what is kept.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod amending;
mod approving;
mod authority;
mod bulks;
mod checking;
mod commands;
mod correcting;
mod effects;
mod holding;
mod house;
mod offline;
mod outside;
mod overtaking;
mod racing;
mod revising;
mod stopping;
mod verifying;
mod withdrawing;
