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
        let refused = |error| Failure::new("FO-001", "database.url cannot be read").because(error);
        Store::new(self.url.reveal(), self.connections).map_err(refused)
    }

    /// The store of the role that owns our tables: for migrations and for who may read. Inside a tokio runtime only.
    pub fn owner(&self) -> Result<Store, Failure> {
        if self.owner_url.is_empty() {
            return self.store();
        }
        let refused = |error| Failure::new("FO-001", "database.owner_url cannot be read").because(error);
        Store::new(self.owner_url.reveal(), 2).map_err(refused)
    }

    /// Brings the tables to what this program needs, and lets the program's role at them.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        let (program, owner) = (self.store()?.role(), self.owner()?);
        let done = owner.migrate_for(&program).await;
        owner.close().await;
        Ok(done?)
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
