//! What is known of orders, against a real Postgres and without any engine: one server for all, a database for each test, and
//! the desk works as the program's role, which owns nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod events;
mod personal;
mod retention;
mod rig;
mod state;
mod tokens;
