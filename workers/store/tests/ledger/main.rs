//! The ledger against a real Postgres: what the database refuses whoever writes, in whatever order, who sees what, and what
//! we know after a broken connection. One server for all, a database for each test.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod cases;
mod commits;
mod database;
mod modifications;
mod orders;
mod races;
mod rules;
mod taxonomy;
mod tenancy;
mod tombstones;
