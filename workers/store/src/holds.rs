//! Orders and lines for which nothing is sent until they are released.

use chrono::{DateTime, Utc};
use fallout_core::ids::RunId;
use serde::Serialize;
use uuid::Uuid;

use crate::{StoreError, Tx};

/// A hold as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct Hold {
    #[serde(skip)]
    pub id: Uuid,
    /// Empty: the whole order.
    pub line: String,
    pub reason: String,
    pub held_by: String,
    pub held_at: DateTime<Utc>,
}

/// Those of a run that are not released.
pub async fn of_run(tx: &mut Tx, run: RunId) -> Result<Vec<Hold>, StoreError> {
    let rows = sqlx::query_as!(
        Hold,
        "select id, line_id as line, reason, held_by, held_at from order_hold
         where order_run_id = $1 and released_at is null order by held_at, id",
        run.0,
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

/// False when it is held already.
pub async fn insert(
    tx: &mut Tx,
    id: Uuid,
    tenant: &str,
    run: RunId,
    line: &str,
    reason: &str,
    by: &str,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "insert into order_hold (id, tenant_id, order_run_id, line_id, reason, held_by) values ($1, $2, $3, $4, $5, $6)
         on conflict (order_run_id, line_id) where released_at is null do nothing",
        id,
        tenant,
        run.0,
        line,
        reason,
        by,
    );
    Ok(done.execute(tx.conn()).await?.rows_affected() == 1)
}

/// False when it is not held.
pub async fn release(tx: &mut Tx, run: RunId, line: &str, reason: &str, by: &str) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "update order_hold set released_at = clock_timestamp(), released_by = $4, release_reason = $3
         where order_run_id = $1 and line_id = $2 and released_at is null",
        run.0,
        line,
        reason,
        by,
    );
    Ok(done.execute(tx.conn()).await?.rows_affected() == 1)
}
