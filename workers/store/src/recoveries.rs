//! Recoveries of many steps in a handful of statements: what the guard reads of each, and what an accepted one writes.

use std::collections::BTreeSet;

use fallout_core::{
    action::Action,
    case::{CaseEvent, CaseState},
    command::EngineCommand,
    event::EventType,
    ids::{ActionId, CommandId, StepKey},
};
use serde_json::Value;
use uuid::Uuid;

use crate::{StoreError, Tx, cases::Case, requests::NewRequest, steps::Step};

/// Which of these keys were used before.
pub async fn used_keys(tx: &mut Tx, tenant: &str, keys: &[String]) -> Result<BTreeSet<String>, StoreError> {
    let rows = sqlx::query_scalar!(
        "select idempotency_key from fallout_recovery_action where tenant_id = $1 and idempotency_key = any($2)",
        tenant,
        keys,
    );
    Ok(rows.fetch_all(tx.conn()).await?.into_iter().collect())
}

/// Those of these steps that nothing in the engine waits for any more.
pub async fn stranded(tx: &mut Tx, steps: &[Step]) -> Result<BTreeSet<StepKey>, StoreError> {
    let ids: Vec<Uuid> = steps.iter().map(|s| s.key.0).collect();
    let events: Vec<String> = steps.iter().map(|s| format!("{}:stranded", s.external_task_id)).collect();
    let tenants: Vec<String> = steps.iter().map(|s| s.identity.tenant.clone()).collect();
    let rows = sqlx::query_scalar!(
        r#"select t.step as "step!" from unnest($1::uuid[], $2::text[], $3::text[]) as t (step, event, tenant)
           join fallout_external_signal f on f.tenant_id = t.tenant and f.source_system = 'fleet'
               and f.source_event_id = t.event and f.step_id = t.step"#,
        &ids,
        &events,
        &tenants,
    );
    Ok(rows.fetch_all(tx.conn()).await?.into_iter().map(StepKey).collect())
}

/// One accepted recovery of many that are of one action, one person and one reason.
#[derive(Clone, Debug)]
pub struct Accepted<'a> {
    pub action: ActionId,
    pub case: &'a Case,
    pub step: StepKey,
    pub key: String,
    pub content_hash: String,
    pub target: Value,
    /// Its entry in the timeline.
    pub event: Uuid,
    pub payload: Value,
    pub command_id: CommandId,
    pub command: EngineCommand,
    pub request: NewRequest<'a>,
}

/// What is the same for all of them.
#[derive(Clone, Copy, Debug)]
pub struct Common<'a> {
    pub tenant: &'a str,
    pub action: Action,
    pub by: &'a str,
    pub reason: &'a str,
}

/// Stores the actions, tells of them, reserves case and step, and hands the relay its commands. All or nothing: a case or a
/// step that is not as it was read is a bug of the caller, which holds them.
pub async fn accept(tx: &mut Tx, common: &Common<'_>, all: &[Accepted<'_>]) -> Result<(), StoreError> {
    insert_actions(tx, common, all).await?;
    tell(tx, common, all).await?;
    reserve(tx, all).await?;
    insert_commands(tx, common.tenant, all).await?;
    let requests: Vec<&NewRequest<'_>> = all.iter().map(|one| &one.request).collect();
    crate::requests::insert_all(tx, &requests).await
}

async fn insert_actions(tx: &mut Tx, common: &Common<'_>, all: &[Accepted<'_>]) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into fallout_recovery_action (id, tenant_id, fallout_case_id, action_type, requested_by, reason, idempotency_key,
             target_ref, status, content_hash, case_was)
         select id, $1, case_id, $2, $3, $4, key, target, 'requested', hash, was
         from unnest($5::uuid[], $6::uuid[], $7::text[], $8::jsonb[], $9::text[], $10::text[]) as t (id, case_id, key, target, hash, was)",
        common.tenant,
        common.action.word(),
        common.by,
        common.reason,
        &all.iter().map(|one| one.action.0).collect::<Vec<_>>(),
        &all.iter().map(|one| one.case.id.0).collect::<Vec<_>>(),
        &all.iter().map(|one| one.key.clone()).collect::<Vec<_>>(),
        &all.iter().map(|one| one.target.clone()).collect::<Vec<_>>(),
        &all.iter().map(|one| one.content_hash.clone()).collect::<Vec<_>>(),
        &all.iter().map(|one| one.case.state.word().to_owned()).collect::<Vec<_>>(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The entry of each, and what is told of it outside: as [`crate::cases::append_event`] does for one.
async fn tell(tx: &mut Tx, common: &Common<'_>, all: &[Accepted<'_>]) -> Result<(), StoreError> {
    let kind = EventType::ActionRequested;
    let details = |one: &Accepted<'_>| Value::Object(kind.publishable(&one.payload));
    sqlx::query!(
        "with said as (
             select * from unnest($1::uuid[], $2::uuid[], $3::jsonb[], $4::jsonb[]) as t (id, case_id, payload, details)),
         entry as (
             insert into fallout_event (id, tenant_id, fallout_case_id, event_type, actor_type, actor_id, reason, payload)
             select id, $5, case_id, $6, 'user', $7, $8, payload from said returning id, created_at)
         insert into event_outbox (id, tenant_id, event_type, subject, occurred_at, data)
         select e.id, $5, $9, c.case_number, e.created_at, s.details || jsonb_strip_nulls(jsonb_build_object(
                    'case', c.case_number, 'order', o.external_id, 'category', c.case_type,
                    'classification', c.classification_code, 'severity', c.severity, 'group', c.assigned_group))
         from entry e join said s on s.id = e.id join fallout_case c on c.id = s.case_id
         left join product_order o on o.id = c.related_order_id",
        &all.iter().map(|one| one.event).collect::<Vec<_>>(),
        &all.iter().map(|one| one.case.id.0).collect::<Vec<_>>(),
        &all.iter().map(|one| one.payload.clone()).collect::<Vec<_>>(),
        &all.iter().map(details).collect::<Vec<_>>(),
        common.tenant,
        CaseEvent::ActionRequested.word(),
        common.by,
        common.reason,
        kind.word(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The case is being recovered, and its step waits for the action.
async fn reserve(tx: &mut Tx, all: &[Accepted<'_>]) -> Result<(), StoreError> {
    let cases = sqlx::query!(
        "update fallout_case c set status = $3, version = c.version + 1, updated_at = now(), waiting_for = null, wait_reason = null,
                wait_until = null, unresolved_reason = null, review_at = null
         from unnest($1::uuid[], $2::int[]) as t (id, version) where c.id = t.id and c.version = t.version",
        &all.iter().map(|one| one.case.id.0).collect::<Vec<_>>(),
        &all.iter().map(|one| one.case.version).collect::<Vec<_>>(),
        CaseState::Recovering.word(),
    );
    let cases = cases.execute(tx.conn()).await?.rows_affected();
    let steps = sqlx::query!(
        "update step s set gate = t.action, outputs = '{}', rejected_code = null, updated_at = now()
         from unnest($1::uuid[], $2::uuid[]) as t (id, action) where s.id = t.id and s.state = 'parked' and s.gate is null",
        &all.iter().map(|one| one.step.0).collect::<Vec<_>>(),
        &all.iter().map(|one| one.action.0).collect::<Vec<_>>(),
    );
    let steps = steps.execute(tx.conn()).await?.rows_affected();
    let wanted = all.len() as u64;
    if (cases, steps) == (wanted, wanted) { Ok(()) } else { Err(StoreError::Stale("a case of a bulk")) }
}

async fn insert_commands(tx: &mut Tx, tenant: &str, all: &[Accepted<'_>]) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into engine_command (id, tenant_id, kind, payload, action_id)
         select id, $1, kind, payload, action from unnest($2::uuid[], $3::text[], $4::jsonb[], $5::uuid[]) as t (id, kind, payload, action)",
        tenant,
        &all.iter().map(|one| one.command_id.0).collect::<Vec<_>>(),
        &all.iter().map(|one| one.command.kind().to_owned()).collect::<Vec<_>>(),
        &all.iter().map(|one| serde_json::to_value(&one.command).unwrap_or_default()).collect::<Vec<_>>(),
        &all.iter().map(|one| one.action.0).collect::<Vec<_>>(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
