//! What can go wrong with an embedded server: what happened, to what, and what to do next.

use std::{io, path::PathBuf};

/// Every variant has a code with a runbook page (`fallout explain FO-1xx`).
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error(
        "no PostgreSQL server (15 or newer) found in {searched}: run `make setup`, or name the folder that holds `initdb`, `postgres` and `psql` in PG_BIN"
    )]
    NoPostgres { searched: String },
    #[error(
        "the data directory {} was made by PostgreSQL {data_major}, but only version {found} is installed: install PostgreSQL {data_major}, or move the directory away to start with an empty one", data.display()
    )]
    OtherMajor { data: PathBuf, data_major: u32, found: String },
    #[error(
        "user {user} has no entry in the passwd file, and PostgreSQL does not start without one: run as a user that has one"
    )]
    NoPasswdEntry { user: String },
    #[error("the directory {} is in use by {by}: stop that first, or choose another directory", dir.display())]
    InUse { dir: PathBuf, by: String },
    #[error("PostgreSQL did not start: {reason}. Its log: {}", log.display())]
    PostgresDidNotStart { reason: String, log: PathBuf },
    #[error(
        "port {port} for {what} is taken on 127.0.0.1: stop what listens there, or choose another port (0 takes a free one)"
    )]
    PortTaken { port: u16, what: String },
    #[error("no Java found ({searched}): run `make setup`, or set JAVA_HOME to a JDK 17 or newer")]
    NoJava { searched: String },
    #[error("the engine host of {product} is not built ({} is missing): run `make setup`, for Operaton `scripts/engine.sh operaton`", missing.display())]
    EngineNotBuilt { product: &'static str, missing: PathBuf },
    #[error("the engine ({product}) did not start: {reason}. Its log: {}", log.display())]
    EngineDidNotStart { product: &'static str, reason: String, log: PathBuf },
    #[error("the Kafka broker is not there ({} is missing): run `scripts/kafka.sh`", missing.display())]
    BrokerNotBuilt { missing: PathBuf },
    #[error("the Kafka broker did not start: {reason}. Its log: {}", log.display())]
    BrokerDidNotStart { reason: String, log: PathBuf },
    #[error(
        "we run as root, so servers run as user {user}, who cannot enter {}: choose a directory that others may enter, for example below /var/lib", blocked.display()
    )]
    Unreachable { user: String, blocked: PathBuf },
    #[error("could not {doing}: check that the directory exists, belongs to this user and has space")]
    Io { doing: String, source: io::Error },
}

impl EmbeddedError {
    /// The code an operator looks up.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoPostgres { .. } => "FO-101",
            Self::OtherMajor { .. } => "FO-102",
            Self::NoPasswdEntry { .. } => "FO-103",
            Self::InUse { .. } => "FO-104",
            Self::PostgresDidNotStart { .. } => "FO-105",
            Self::PortTaken { .. } => "FO-106",
            Self::NoJava { .. } => "FO-107",
            Self::EngineNotBuilt { .. } => "FO-108",
            Self::EngineDidNotStart { .. } => "FO-109",
            Self::Unreachable { .. } => "FO-110",
            Self::Io { .. } => "FO-111",
            Self::BrokerNotBuilt { .. } => "FO-120",
            Self::BrokerDidNotStart { .. } => "FO-121",
        }
    }

    /// For `map_err`: gives an I/O error the words for what was being done.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}
