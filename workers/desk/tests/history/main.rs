//! What is told of a case and what proves its history, against a real Postgres. One server for all, a database for each test.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod database;
mod events;
mod published;
mod sealing;
mod tampering;
