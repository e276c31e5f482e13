//! `[database]`: where our Postgres is.

use fallout_store::Store;
use serde::{Deserialize, Serialize};

use super::{Problem, Secret};
use crate::codes::Failure;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DatabaseSettings {
    /// A secret, since it usually holds a password.
    pub url: Secret,
    /// The same database as the owner of our tables; empty: as `url`.
    pub owner_url: Secret,
    pub connections: u32,
}

impl DatabaseSettings {
    /// Connects to nothing yet. Refused when no database is named; inside a tokio runtime only.
    pub fn store(&self) -> Result<Store, Failure> {
        if self.url.is_empty() {
            let next =
                "set DATABASE_URL, for example postgres://fallout:...@host:5432/fallout; `fallout demo` brings its own";
            return Err(Failure::new("FO-001", "no database is named").next(next));
        }
        let refused = |key: &str| Failure::new("FO-001", format!("{key} cannot be read"));
        let store = Store::new(self.url.reveal(), self.connections).map_err(|e| refused("database.url").because(e))?;
        if self.owner_url.is_empty() {
            return Ok(store);
        }
        store.owned_by(self.owner_url.reveal()).map_err(|e| refused("database.owner_url").because(e))
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (key, url) in [("database.url", &self.url), ("database.owner_url", &self.owner_url)] {
            let url = url.reveal();
            if !url.is_empty() && !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
                problems.push(Problem::new(key, "expected an address that begins with postgres://"));
            }
        }
        // One is the listener's, one must be left for work; 500 is more than any PostgreSQL should serve to one process.
        if !(2..=500).contains(&self.connections) {
            problems.push(Problem::new("database.connections", "expected 2 to 500"));
        }
        problems
    }
}
