//! The pool, and the only way to a connection: a transaction with a scope.

use std::{str::FromStr, time::Duration};

use chrono::{DateTime, Utc};
use sqlx::{
    AssertSqlSafe, Connection, PgConnection, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPool, PgPoolOptions},
};

use crate::{
    StoreError,
    commit::{self, Mark},
};

/// On whose behalf a transaction runs; policies compare with it.
#[derive(Clone, Debug)]
pub enum Scope {
    Tenant(String),
    /// One of our own services, by name.
    System(&'static str),
}

/// Nobody waits for ever: not for a row that a vanished process still holds, and no transaction stays open without work.
const BOUNDS: [(&str, &str); 3] = [
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "30s"),
    // Not a bound, but what `literal` rests on.
    ("standard_conforming_strings", "on"),
];

/// A connection that lay idle for longer may have died meanwhile.
const RESTED: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
    /// As the role that owns the tables, where that is another one.
    owner: Option<PgPool>,
}

#[derive(Debug)]
pub struct Tx {
    tx: Transaction<'static, Postgres>,
    /// Learned at the latest before the commit.
    mark: Option<Mark>,
    pool: PgPool,
}

impl Store {
    /// A pool that connects when it is first needed: the database may be away at start. `connections` is at most what
    /// one process needs: its permits, its controllers and one listener.
    pub fn new(url: &str, connections: u32) -> Result<Store, StoreError> {
        Ok(Store { pool: pool(url, connections)?, owner: None })
    }

    /// The same database, whose tables belong to the role of `url`: migrations and who may read go that way.
    pub fn owned_by(self, url: &str) -> Result<Store, StoreError> {
        // One for a migration, one for what is asked before it.
        Ok(Store { owner: Some(pool(url, 2)?), ..self })
    }

    /// This database as the owner of its tables.
    pub fn owner(&self) -> Store {
        Store { pool: self.owner.as_ref().unwrap_or(&self.pool).clone(), owner: None }
    }

    /// One round trip: the scope is set in the words that begin.
    pub async fn begin(&self, scope: &Scope) -> Result<Tx, StoreError> {
        let (tenant, service) = match scope {
            Scope::Tenant(id) => (id.as_str(), ""),
            Scope::System(name) => ("", *name),
        };
        let begin = format!(
            "begin; set local fallout.tenant = {}; set local fallout.service = {}",
            literal(tenant),
            literal(service)
        );
        let tx = self.pool.begin_with(AssertSqlSafe(begin)).await?;
        Ok(Tx { tx, mark: None, pool: self.pool.clone() })
    }

    pub async fn close(&self) {
        self.pool.close().await;
        if let Some(owner) = &self.owner {
            owner.close().await;
        }
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }
}

/// Quoted, for a word that takes no parameters. A backslash is itself: `standard_conforming_strings` is among the bounds.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn pool(url: &str, connections: u32) -> Result<PgPool, StoreError> {
    let options = PgConnectOptions::from_str(url)?.application_name("fallout").options(BOUNDS);
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .after_connect(|conn, _| Box::pin(commit::learn_life(conn)))
        // Each was asked when it came back; one that has rested since is asked again before it is used. Asking every time is
        // a round trip more for each transaction.
        .test_before_acquire(false)
        .before_acquire(|conn, about| {
            let rested = about.idle_for > RESTED;
            Box::pin(async move { Ok(!rested || conn.ping().await.is_ok()) })
        })
        // A caller that waits longer than this has a database that is away.
        .acquire_timeout(Duration::from_secs(5));
    Ok(pool.connect_lazy_with(options))
}

impl Tx {
    /// Committed, or not, or not known: a connection that breaks meanwhile is no answer, so the server is asked again.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        let mark = match self.mark.take() {
            Some(mark) => mark,
            None => commit::mark(&mut self.tx).await?,
        };
        commit::commit(self.tx, &mark, &self.pool).await
    }

    /// A statement brought along what the transaction is found by, which saves asking for it.
    pub(crate) fn is_marked(&mut self, mark: Mark) {
        self.mark = Some(mark);
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

    /// The same place, moved to here: many of them in a row are not nested.
    pub async fn savepoint_again(&mut self) -> Result<(), StoreError> {
        sqlx::raw_sql("release savepoint here; savepoint here").execute(self.conn()).await?;
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
