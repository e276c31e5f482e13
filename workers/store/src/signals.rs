//! Detections, kept whether or not their case could be written.

use fallout_core::ids::{CaseId, SignalId, StepKey};
use serde_json::Value;

use crate::{StoreError, Tx};

#[derive(Clone, Debug)]
pub struct Signal {
    pub id: SignalId,
    pub tenant: String,
    pub source: String,
    pub kind: String,
    pub step: Option<StepKey>,
    pub payload: Value,
}

/// False when this source said the same before.
pub async fn insert(tx: &mut Tx, signal: &Signal, source_event_id: &str) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "insert into fallout_external_signal (id, tenant_id, source_system, source_event_id, normalized_signal_type, payload, step_id)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing",
        signal.id.0, signal.tenant, signal.source, source_event_id, signal.kind, signal.payload, signal.step.map(|s| s.0),
    );
    Ok(done.execute(tx.conn()).await?.rows_affected() == 1)
}

pub async fn set_processed(tx: &mut Tx, id: SignalId, case: Option<CaseId>) -> Result<(), StoreError> {
    sqlx::query!(
        "update fallout_external_signal set processed_at = now(), fallout_case_id = $2 where id = $1",
        id.0,
        case.map(|c| c.0),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The next signal after this one whose case is missing; ids rise with time.
pub async fn next_unprocessed(tx: &mut Tx, after: Option<SignalId>) -> Result<Option<SignalId>, StoreError> {
    let id = sqlx::query_scalar!(
        "select id from fallout_external_signal where processed_at is null and ($1::uuid is null or id > $1) order by id limit 1",
        after.map(|a| a.0),
    );
    Ok(id.fetch_optional(tx.conn()).await?.map(SignalId))
}

/// The signal, held until the transaction ends; `None` when another process has it or had it.
pub async fn take(tx: &mut Tx, id: SignalId) -> Result<Option<Signal>, StoreError> {
    let row = sqlx::query!(
        "select id, tenant_id, source_system, normalized_signal_type, step_id, payload from fallout_external_signal
         where id = $1 and processed_at is null for update skip locked",
        id.0,
    );
    Ok(row.fetch_optional(tx.conn()).await?.map(|r| Signal {
        id: SignalId(r.id),
        tenant: r.tenant_id,
        source: r.source_system,
        kind: r.normalized_signal_type,
        step: r.step_id.map(StepKey),
        payload: r.payload,
    }))
}
