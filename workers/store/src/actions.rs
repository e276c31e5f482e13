//! Recovery actions.

use fallout_core::{
    action::{Action, ActionState},
    ids::{ActionId, CaseId, StepKey},
};
use serde_json::Value;

use crate::{StoreError, Tx};

#[derive(Clone, Debug)]
pub struct NewAction<'a> {
    pub id: ActionId,
    pub tenant: &'a str,
    pub case: CaseId,
    pub action: Action,
    pub requested_by: &'a str,
    pub reason: &'a str,
    pub idempotency_key: &'a str,
    pub target: &'a Value,
}

#[derive(Clone, Debug)]
pub struct StoredAction {
    pub id: ActionId,
    pub case: CaseId,
    pub action: Action,
    pub state: ActionState,
    pub reason: String,
    pub requested_by: String,
    pub target: Value,
    pub result: Option<Value>,
}

struct Row {
    id: uuid::Uuid,
    fallout_case_id: uuid::Uuid,
    action_type: String,
    status: String,
    reason: String,
    requested_by: String,
    target_ref: Value,
    result_payload: Option<Value>,
}

impl TryFrom<Row> for StoredAction {
    type Error = StoreError;
    fn try_from(r: Row) -> Result<Self, StoreError> {
        Ok(StoredAction {
            id: ActionId(r.id),
            case: CaseId(r.fallout_case_id),
            action: r.action_type.parse()?,
            state: r.status.parse()?,
            reason: r.reason,
            requested_by: r.requested_by,
            target: r.target_ref,
            result: r.result_payload,
        })
    }
}

pub async fn insert(tx: &mut Tx, new: &NewAction<'_>) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into fallout_recovery_action (id, tenant_id, fallout_case_id, action_type, requested_by, reason, idempotency_key, target_ref)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        new.id.0, new.tenant, new.case.0, new.action.word(), new.requested_by, new.reason, new.idempotency_key, new.target,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The action that was stored under this key before.
pub async fn by_key(tx: &mut Tx, tenant: &str, idempotency_key: &str) -> Result<Option<StoredAction>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select id, fallout_case_id, action_type, status, reason, requested_by, target_ref, result_payload
         from fallout_recovery_action where tenant_id = $1 and idempotency_key = $2",
        tenant,
        idempotency_key,
    );
    row.fetch_optional(tx.conn()).await?.map(StoredAction::try_from).transpose()
}

pub async fn by_id(tx: &mut Tx, id: ActionId) -> Result<StoredAction, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select id, fallout_case_id, action_type, status, reason, requested_by, target_ref, result_payload
         from fallout_recovery_action where id = $1",
        id.0,
    );
    row.fetch_one(tx.conn()).await?.try_into()
}

pub async fn of_case(tx: &mut Tx, case: CaseId) -> Result<Vec<StoredAction>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "select id, fallout_case_id, action_type, status, reason, requested_by, target_ref, result_payload
         from fallout_recovery_action where fallout_case_id = $1 order by created_at",
        case.0,
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(StoredAction::try_from).collect()
}

/// Nothing in the engine waits for this step any more: its task is gone, and that was told to its case.
pub async fn is_stranded(tx: &mut Tx, step: StepKey, external_task_id: &str) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"select exists (select 1 from step s join fallout_external_signal f on f.tenant_id = s.tenant_id
               and f.source_system = 'fleet' and f.source_event_id = $2 || ':stranded' and f.step_id = s.id
               where s.id = $1) as "found!""#,
        step.0,
        external_task_id,
    );
    Ok(found.fetch_one(tx.conn()).await?)
}

pub async fn set_state(tx: &mut Tx, id: ActionId, state: ActionState, result: &Value) -> Result<(), StoreError> {
    sqlx::query!(
        "update fallout_recovery_action set status = $2, result_payload = $3,
                completed_at = case when $2 in ('completed', 'failed', 'withdrawn', 'not_approved') then now() end
         where id = $1 and completed_at is null",
        id.0,
        state.word(),
        result,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
