//! What a caller can decide on when the database did not do what was asked.

use fallout_core::{ids::StepKey, words::UnknownWord};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing was written, or it is not known: wait and try again.
    #[error("the database is away")]
    Away(#[source] sqlx::Error),
    /// The server never had our commit: nothing was written, and the same may be done again.
    #[error("the connection broke before the commit; nothing was written")]
    NotCommitted(#[source] sqlx::Error),
    /// The answer to our commit is lost and could not be read back: do the same again, or read what stands there.
    #[error("the connection broke at the commit; whether it was written is not known")]
    CommitUnknown(#[source] sqlx::Error),
    /// Its tombstone is all there is: it is never performed again.
    #[error("step {0} was archived with its order run")]
    Archived(StepKey),
    /// Another transaction was first, or a rule of the schema refused it.
    #[error("the database refused it: {0}")]
    Refused(String, #[source] sqlx::Error),
    /// The row was not in the state that the update was made for.
    #[error("{0} was changed by someone else meanwhile")]
    Stale(&'static str),
    /// A stored value that this version does not understand.
    #[error("a stored value cannot be read: {0}")]
    Corrupt(String),
    #[error("the schema could not be migrated")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    #[error("the database did not do it")]
    Other(#[source] sqlx::Error),
}

impl StoreError {
    /// Whether waiting and doing it again can help.
    pub fn is_away(&self) -> bool {
        matches!(self, StoreError::Away(_) | StoreError::NotCommitted(_) | StoreError::CommitUnknown(_))
    }

    /// Somebody held what it needed, or both held what the other needed: the same may be done again.
    pub fn is_crossed(&self) -> bool {
        let (StoreError::Refused(_, e) | StoreError::Other(e)) = self else { return false };
        let code = e.as_database_error().and_then(|db| db.code().map(|code| code.into_owned())).unwrap_or_default();
        ["40", "55"].iter().any(|class| code.starts_with(class))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(e: sqlx::Error) -> Self {
        match &e {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Tls(_) => {
                StoreError::Away(e)
            }
            sqlx::Error::Database(db) => {
                // Class 08: connection; 57P: the server is stopping or starting; 53: out of resources; 25006: a standby.
                let class = db.code().unwrap_or_default().into_owned();
                let away = ["08", "57P", "53", "25006"].iter().any(|prefix| class.starts_with(prefix));
                let refused = ["23", "P0", "40", "55"].iter().any(|prefix| class.starts_with(prefix));
                match (away, refused) {
                    (true, _) => StoreError::Away(e),
                    (_, true) => StoreError::Refused(db.message().to_owned(), e),
                    _ => StoreError::Other(e),
                }
            }
            _ => StoreError::Other(e),
        }
    }
}

impl From<UnknownWord> for StoreError {
    fn from(e: UnknownWord) -> Self {
        StoreError::Corrupt(e.to_string())
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(e: serde_json::Error) -> Self {
        StoreError::Corrupt(e.to_string())
    }
}
