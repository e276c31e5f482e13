//! Declared restores and failovers: which stretch of time may be missing, and what is assumed of a step because of it.

use chrono::{DateTime, Utc};
use fallout_core::{
    ids::{AttemptId, CommandId, IntentId, RunId, StepKey},
    restore::{Assumed, LostWindow},
};
use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;

use crate::{
    StoreError, Tx,
    attempts::{self, Source},
};

/// One declaration.
#[derive(Clone, Debug, Serialize)]
pub struct Declared {
    pub lost_from: DateTime<Utc>,
    pub lost_to: DateTime<Utc>,
    pub reason: String,
    pub declared_by: String,
    pub declared_at: DateTime<Utc>,
}

/// Every declaration, oldest first.
pub async fn declared(tx: &mut Tx) -> Result<Vec<Declared>, StoreError> {
    let rows = sqlx::query_as!(
        Declared,
        "select lost_from, lost_to, reason, declared_by, declared_at from restore_window order by id",
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

/// How many order runs a declaration touches; `None` when the same window was declared before.
pub async fn declare(tx: &mut Tx, lost: LostWindow, reason: &str, by: &str) -> Result<Option<u64>, StoreError> {
    let declared = sqlx::query!(
        "insert into restore_window (lost_from, lost_to, reason, declared_by) values ($1, $2, $3, $4) on conflict do nothing",
        lost.from,
        lost.to,
        reason,
        by,
    );
    if declared.execute(tx.conn()).await?.rows_affected() == 0 {
        return Ok(None);
    }
    let runs = sqlx::query!(
        "update order_run set lost_from = least(lost_from, $1), lost_to = greatest(lost_to, $2)
         where state in ('accepted', 'running') and created_at <= $2",
        lost.from,
        lost.to,
    );
    let runs = runs.execute(tx.conn()).await?.rows_affected();
    // Sent in the window, perhaps: anything above 0 means read before you send again.
    sqlx::query!(
        "update engine_command set tries = greatest(tries, 1) where state = 'pending' and created_at <= $1",
        lost.to
    )
    .execute(tx.conn())
    .await?;
    Ok(Some(runs))
}

/// The start of a run that is taken in now is read back before it is sent, wherever the ledger may have lost that it was
/// taken in before.
pub async fn read_before_start(tx: &mut Tx, command: CommandId) -> Result<(), StoreError> {
    sqlx::query!(
        "update engine_command set tries = 1 where id = $1 and exists (select 1 from restore_window)",
        command.0
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The engine runs the order already: whatever was lost in any window may have been a step of it.
pub async fn found_running(tx: &mut Tx, run: RunId) -> Result<(), StoreError> {
    sqlx::query!(
        "update order_run r set lost_from = w.lost_from, lost_to = w.lost_to
         from (select min(lost_from) as lost_from, max(lost_to) as lost_to from restore_window) w
         where r.id = $1 and w.lost_to is not null",
        run.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What an attempt that may be missing belongs to.
#[derive(Clone, Debug)]
pub struct Missing<'a> {
    pub tenant: &'a str,
    pub step: StepKey,
    pub intent: IntentId,
    pub epoch: i32,
    pub external_task_id: &'a str,
    /// The end of the window that it stands for.
    pub lost_to: DateTime<Utc>,
}

/// Puts the attempt that may be missing into the ledger, as unknown.
pub async fn assume(
    tx: &mut Tx,
    id: AttemptId,
    missing: &Missing<'_>,
    assumed: &Assumed,
    detail: &Value,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into attempt (id, tenant_id, step_id, intent_id, number, epoch, state, worker_id, external_task_id,
                              opened_at, send_before, over_at, outcome)
         select $1, $2, $3, $4, coalesce(max(number), 0) + 1, $5, 'unknown', 'lost', $6, $7, $8, $9, $10
         from attempt where step_id = $3",
        id.0,
        missing.tenant,
        missing.step.0,
        missing.intent.0,
        missing.epoch,
        missing.external_task_id,
        assumed.opened_at,
        assumed.send_before,
        assumed.over_at,
        Json(&assumed.outcome) as _,
    )
    .execute(tx.conn())
    .await?;
    attempts::append_evidence(tx, missing.tenant, id, Source::Crash, detail).await?;
    sqlx::query!("update step set restored_to = $2 where id = $1", missing.step.0, missing.lost_to)
        .execute(tx.conn())
        .await?;
    Ok(())
}
