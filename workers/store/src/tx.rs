//! The pool, and the only way to a connection: a transaction with a scope.

use std::{str::FromStr, time::Duration};

use chrono::{DateTime, Utc};
use sqlx::{
    PgConnection, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPool, PgPoolOptions},
};

use crate::StoreError;

/// On whose behalf a transaction runs; policies compare with it.
#[derive(Clone, Debug)]
pub enum Scope {
    Tenant(String),
    /// One of our own services, by name.
    System(&'static str),
}

/// Nobody waits for ever: not for a row that a vanished process still holds, and no transaction stays open without work.
const BOUNDS: [(&str, &str); 2] = [("lock_timeout", "10s"), ("idle_in_transaction_session_timeout", "30s")];

#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
}

#[derive(Debug)]
pub struct Tx {
    tx: Transaction<'static, Postgres>,
}

impl Store {
    /// A pool that connects when it is first needed: the database may be away at start. `connections` is at most what
    /// one process needs: its permits, its controllers and one listener.
    pub fn new(url: &str, connections: u32) -> Result<Store, StoreError> {
        let options = PgConnectOptions::from_str(url)?.application_name("fallout").options(BOUNDS);
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            // A caller that waits longer than this has a database that is away.
            .acquire_timeout(Duration::from_secs(5));
        Ok(Store { pool: pool.connect_lazy_with(options) })
    }

    pub async fn begin(&self, scope: &Scope) -> Result<Tx, StoreError> {
        let mut tx = self.pool.begin().await?;
        let (tenant, service) = match scope {
            Scope::Tenant(id) => (id.as_str(), ""),
            Scope::System(name) => ("", *name),
        };
        sqlx::query!("select set_config('fallout.tenant', $1, true) as tenant, set_config('fallout.service', $2, true) as service", tenant, service)
            .fetch_one(&mut *tx)
            .await?;
        Ok(Tx { tx })
    }

    pub async fn migrate(&self) -> Result<(), StoreError> {
        sqlx::migrate!("../../migrations").run(&self.pool).await?;
        Ok(())
    }

    pub async fn close(&self) {
        self.pool.close().await;
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }
}

impl Tx {
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.tx.commit().await?)
    }

    /// The transaction's time in the database: the only clock that decisions use.
    pub async fn now(&mut self) -> Result<DateTime<Utc>, StoreError> {
        Ok(sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#).fetch_one(self.conn()).await?)
    }

    /// A place to come back to: what fails after it can be undone alone.
    pub async fn savepoint(&mut self) -> Result<(), StoreError> {
        sqlx::query!("savepoint here").execute(self.conn()).await?;
        Ok(())
    }

    pub async fn back_to_savepoint(&mut self) -> Result<(), StoreError> {
        sqlx::query!("rollback to savepoint here").execute(self.conn()).await?;
        Ok(())
    }

    pub(crate) fn conn(&mut self) -> &mut PgConnection {
        &mut self.tx
    }
}
