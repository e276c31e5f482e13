//! `[database]`: where our Postgres is.

use fallout_store::Store;
use serde::{Deserialize, Serialize};

use super::{Problem, Secret};
use crate::codes::Failure;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DatabaseSettings {
    /// A secret, since it usually holds a password.
    pub url: Secret,
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

    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let url = self.url.reveal();
        if !url.is_empty() && !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            problems.push(Problem::new("database.url", "expected an address that begins with postgres://"));
        }
        // One is the listener's, one must be left for work; 500 is more than any PostgreSQL should serve to one process.
        if !(2..=500).contains(&self.connections) {
            problems.push(Problem::new("database.connections", "expected 2 to 500"));
        }
        problems
    }
}
