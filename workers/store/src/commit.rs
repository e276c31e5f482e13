//! Our own lost commits: when the connection breaks before the answer, the server is asked what became of the transaction.

use std::time::Duration;

use sqlx::{PgConnection, Postgres, Transaction, postgres::PgPool};
use tokio::time::{sleep, timeout};

use crate::StoreError;

/// A commit waits for the disk and perhaps for a standby; what takes longer than this has a broken connection.
const COMMIT_WITHIN: Duration = Duration::from_secs(10);
/// Long enough for a server that crashed to be back, short enough that the lock of a task outlives it.
const RESOLVE_WITHIN: Duration = Duration::from_secs(10);
const AGAIN_AFTER: Duration = Duration::from_millis(50);

/// What a transaction can be found by afterwards.
#[derive(Debug)]
pub(crate) struct Mark {
    pub number: String,
    pub backend: i32,
    /// The server's life that the number belongs to; `None` before the migration that brought `server_life`.
    pub life: Option<String>,
}

/// What the server says about a transaction.
enum Fate {
    Committed,
    Aborted,
    /// Its backend is still at work, or has not noticed that we are gone.
    InProgress,
    /// The server crashed meanwhile: it may have given the number to another transaction.
    Unknowable,
}

/// Notes on a new connection which life of the server it belongs to. A connection never outlives a crash of its server, so
/// it stays true; a database without our tables has none to note.
pub(crate) async fn learn_life(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    // Not checked queries: the table is missing until the first migration.
    let made = sqlx::query("insert into server_life default values on conflict do nothing").execute(&mut *conn).await;
    if made.is_ok() {
        sqlx::query("select set_config('fallout.life', id::text, false) from server_life").execute(conn).await?;
    }
    Ok(())
}

/// Gives the transaction its number, if it has none yet: one that only read writes a few bytes of log that nobody waits for.
pub(crate) async fn mark(conn: &mut PgConnection) -> Result<Mark, sqlx::Error> {
    let row = sqlx::query!(
        r#"select pg_current_xact_id()::text as "number!", pg_backend_pid() as "backend!",
                  current_setting('fallout.life', true) as life"#
    );
    let row = row.fetch_one(conn).await?;
    Ok(Mark { number: row.number, backend: row.backend, life: row.life })
}

pub(crate) async fn commit(tx: Transaction<'static, Postgres>, mark: &Mark, pool: &PgPool) -> Result<(), StoreError> {
    let broken = match timeout(COMMIT_WITHIN, tx.commit()).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(e)) => match StoreError::from(e) {
            StoreError::Away(e) => e,
            refused => return Err(refused),
        },
        Err(_) => sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()),
    };
    tracing::debug!(transaction = mark.number, error = %broken, "the answer to a commit is lost; asking the server");
    match timeout(RESOLVE_WITHIN, fate(mark, pool)).await {
        Ok(Fate::Committed) => Ok(()),
        Ok(Fate::Aborted) => Err(StoreError::NotCommitted(broken)),
        Ok(Fate::InProgress | Fate::Unknowable) | Err(_) => Err(StoreError::CommitUnknown(broken)),
    }
}

/// Asks until there is an answer; a backend that still waits for us is ended, which decides it.
async fn fate(mark: &Mark, pool: &PgPool) -> Fate {
    loop {
        match asked(mark, pool).await {
            Ok(Fate::InProgress) => drop(end(mark, pool).await),
            Ok(fate) => return fate,
            // The database is away: the caller's bound ends this.
            Err(_) => {}
        }
        sleep(AGAIN_AFTER).await;
    }
}

async fn asked(mark: &Mark, pool: &PgPool) -> Result<Fate, sqlx::Error> {
    let status = sqlx::query_scalar!(
        r#"select case when current_setting('fallout.life', true) = $2 then pg_xact_status($1::text::xid8) end as status"#,
        mark.number,
        mark.life.as_deref().unwrap_or_default(),
    );
    Ok(match status.fetch_one(pool).await?.as_deref() {
        Some("committed") => Fate::Committed,
        Some("aborted") => Fate::Aborted,
        Some("in progress") => Fate::InProgress,
        _ => Fate::Unknowable,
    })
}

/// Only that transaction's: by now the process id may be another's.
async fn end(mark: &Mark, pool: &PgPool) -> Result<(), sqlx::Error> {
    let ended = sqlx::query!(
        r#"select pg_terminate_backend(pid) as "ended!" from pg_stat_activity where pid = $1 and backend_xid = $2::text::xid8::xid"#,
        mark.backend,
        mark.number,
    );
    ended.fetch_optional(pool).await?;
    Ok(())
}
