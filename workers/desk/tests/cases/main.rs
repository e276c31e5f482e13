//! What people do with cases, against a real Postgres as the program's own role: who may, what is written, what is not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod bulk;
mod endings;
mod house;
mod people;
mod refusals;
mod waiting;
mod whole;
