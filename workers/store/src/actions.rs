//! Recovery actions.

use chrono::{DateTime, Utc};
use fallout_core::{
    action::{Action, ActionState, Terms},
    case::CaseState,
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
    pub state: ActionState,
    /// Of everything that was asked but the key.
    pub content_hash: &'a str,
    /// Where the case stood.
    pub case_was: CaseState,
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
    pub idempotency_key: String,
    /// `None`: from before it was kept.
    pub content_hash: Option<String>,
    /// What was answered beside the action's id.
    pub answer: Option<Value>,
    /// What the policies said of it.
    pub terms: Option<Terms>,
    pub case_was: Option<CaseState>,
    pub created_at: DateTime<Utc>,
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
    idempotency_key: String,
    content_hash: Option<String>,
    answer: Option<Value>,
    terms: Option<Value>,
    case_was: Option<String>,
    created_at: DateTime<Utc>,
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
            idempotency_key: r.idempotency_key,
            content_hash: r.content_hash,
            answer: r.answer,
            terms: r.terms.map(serde_json::from_value).transpose()?,
            case_was: r.case_was.map(|word| word.parse()).transpose()?,
            created_at: r.created_at,
        })
    }
}

pub async fn insert(tx: &mut Tx, new: &NewAction<'_>) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into fallout_recovery_action (id, tenant_id, fallout_case_id, action_type, requested_by, reason, idempotency_key,
             target_ref, status, content_hash, case_was)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        new.id.0, new.tenant, new.case.0, new.action.word(), new.requested_by, new.reason, new.idempotency_key, new.target,
        new.state.word(), new.content_hash, new.case_was.word(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The action that was stored under this key before.
pub async fn by_key(tx: &mut Tx, tenant: &str, idempotency_key: &str) -> Result<Option<StoredAction>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select id, fallout_case_id, action_type, status, reason, requested_by, target_ref, result_payload,
                idempotency_key, content_hash, answer, terms, case_was, created_at
         from fallout_recovery_action where tenant_id = $1 and idempotency_key = $2",
        tenant,
        idempotency_key,
    );
    row.fetch_optional(tx.conn()).await?.map(StoredAction::try_from).transpose()
}

pub async fn by_id(tx: &mut Tx, id: ActionId) -> Result<StoredAction, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select id, fallout_case_id, action_type, status, reason, requested_by, target_ref, result_payload,
                idempotency_key, content_hash, answer, terms, case_was, created_at
         from fallout_recovery_action where id = $1",
        id.0,
    );
    row.fetch_one(tx.conn()).await?.try_into()
}

/// An action of this tenant.
pub async fn find(tx: &mut Tx, tenant: &str, id: ActionId) -> Result<Option<StoredAction>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select id, fallout_case_id, action_type, status, reason, requested_by, target_ref, result_payload,
                idempotency_key, content_hash, answer, terms, case_was, created_at
         from fallout_recovery_action where tenant_id = $1 and id = $2",
        tenant,
        id.0,
    );
    row.fetch_optional(tx.conn()).await?.map(StoredAction::try_from).transpose()
}

/// The action that has the case and has not started: checked, waiting for approval, making its effect, or not seen in the engine yet.
pub async fn under_way(tx: &mut Tx, case: CaseId) -> Result<Option<StoredAction>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select id, fallout_case_id, action_type, status, reason, requested_by, target_ref, result_payload,
                idempotency_key, content_hash, answer, terms, case_was, created_at
         from fallout_recovery_action
         where fallout_case_id = $1 and status in ('checking', 'awaiting_approval', 'performing', 'requested')",
        case.0,
    );
    row.fetch_optional(tx.conn()).await?.map(StoredAction::try_from).transpose()
}

/// What the policies say of it, once it is accepted.
pub async fn set_terms(tx: &mut Tx, id: ActionId, terms: &Terms) -> Result<(), StoreError> {
    let terms = serde_json::to_value(terms)?;
    sqlx::query!("update fallout_recovery_action set terms = $2 where id = $1", id.0, terms).execute(tx.conn()).await?;
    Ok(())
}

/// What is answered to whoever repeats the command.
pub async fn set_answer(tx: &mut Tx, id: ActionId, answer: &Value) -> Result<(), StoreError> {
    sqlx::query!("update fallout_recovery_action set answer = $2 where id = $1", id.0, answer)
        .execute(tx.conn())
        .await?;
    Ok(())
}

pub async fn of_case(tx: &mut Tx, case: CaseId) -> Result<Vec<StoredAction>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "select id, fallout_case_id, action_type, status, reason, requested_by, target_ref, result_payload,
                idempotency_key, content_hash, answer, terms, case_was, created_at
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

/// By then its step has settled and was read.
pub async fn set_verify_by(tx: &mut Tx, id: ActionId, at: DateTime<Utc>) -> Result<(), StoreError> {
    sqlx::query!("update fallout_recovery_action set verify_by = $2 where id = $1", id.0, at)
        .execute(tx.conn())
        .await?;
    Ok(())
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
