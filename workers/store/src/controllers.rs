//! How the controllers get on: the last run of each.

use chrono::{DateTime, Utc};
use fallout_core::controller::Run;

use crate::{StoreError, Tx};

/// The last run of a controller that was written down.
#[derive(Clone, Debug)]
pub struct Last {
    pub controller: String,
    pub process: String,
    pub ran_at: DateTime<Utc>,
    pub outcome: String,
    pub detail: Option<String>,
    pub changed: i64,
    pub changed_at: Option<DateTime<Utc>>,
    pub changed_total: i64,
    pub next_at: DateTime<Utc>,
}

/// Writes down a run. Not worth a durable commit: the next one says more.
pub async fn ran(tx: &mut Tx, controller: &str, process: &str, run: &Run) -> Result<(), StoreError> {
    sqlx::query!("set local synchronous_commit = off").execute(tx.conn()).await?;
    sqlx::query!(
        "insert into controller_run as r
            (controller, process, ran_at, outcome, detail, changed, changed_at, changed_total, next_at)
         values ($1, $2, clock_timestamp(), $3, $4, $5::bigint, case when $5::bigint > 0 then clock_timestamp() end, $5::bigint,
            clock_timestamp() + make_interval(secs => $6))
         on conflict (controller) do update set
            process = excluded.process, ran_at = excluded.ran_at, outcome = excluded.outcome, detail = excluded.detail,
            changed = case when excluded.changed > 0 then excluded.changed else r.changed end,
            changed_at = coalesce(excluded.changed_at, r.changed_at),
            changed_total = r.changed_total + excluded.changed_total, next_at = excluded.next_at",
        controller,
        process,
        run.outcome.word(),
        run.detail,
        i64::try_from(run.changed).unwrap_or(i64::MAX),
        run.pause.as_secs_f64(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Of all that ever ran.
pub async fn all(tx: &mut Tx) -> Result<Vec<Last>, StoreError> {
    let rows = sqlx::query_as!(
        Last,
        "select controller, process, ran_at, outcome, detail, changed, changed_at, changed_total, next_at
         from controller_run order by controller"
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}
