//! The `fallout` program as a library: configuration, codes, telemetry and the command line.
//!
//! A command lives in `cli/<noun>.rs`; `cli::main` is the way of every command: parse, load the configuration, start
//! telemetry, run, say how it ended. Not here: rules (core), SQL (store), calls of the engine (camunda).

pub mod adapter;
pub mod cli;
pub mod codes;
pub mod config;
pub mod conformance;
pub mod demo;
pub mod exit;
mod handlers;
pub mod output;
pub mod roles;
pub mod telemetry;

pub use handlers::handler;
