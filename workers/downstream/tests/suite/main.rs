//! One exchange against a server that does exactly what it is told, and the shipped operations.
#![expect(clippy::unwrap_used, reason = "a test whose set-up fails has failed")]

mod answers;
mod cuts;
mod deadlines;
mod hanging_up;
mod lookups;
mod operations;
mod server;
mod setup;
