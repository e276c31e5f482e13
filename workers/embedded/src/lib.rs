//! Postgres, the engine and a Kafka broker as supervised children: for the binary, the tests and the benches.
//!
//! They are real servers from installed programs, and they end with us, even after kill -9. The API blocks (std only):
//! a caller inside tokio starts it on a blocking thread. Not here: SQL of ours, migrations, deployments, the sandbox,
//! and anything that knows what an order is. `DATABASE_URL` and `CAMUNDA_URL` replace this crate.

mod account;
mod binaries;
mod broker;
mod child;
mod cluster;
mod directory;
mod engine;
mod engine_log;
mod error;
mod http;
mod jvm;
mod port;
mod postgres;
mod postgres_launch;
mod postmaster;

pub use account::suitable_dir;
pub use broker::{Broker, BrokerOptions};
pub use engine::{Engine, EngineDatabase, EngineOptions, Product};
pub use error::EmbeddedError;
pub use postgres::{Postgres, PostgresOptions};
