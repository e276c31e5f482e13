//! A new case, with everything that begins with it: one statement.

use chrono::{DateTime, Utc};
use fallout_core::{
    action::Action,
    case::{CaseState, Severity},
    event::EventType,
    ids::{CaseId, CaseNumber, OrderKey, StepKey},
    severity::Derived,
    signal::SignalState,
    sla::{Policy, Standing},
};
use serde_json::Value;
use uuid::Uuid;

use crate::{StoreError, Tx, cases::parse_number, signals::Signal};

/// A case to be opened; its number comes from the database.
#[derive(Clone, Debug)]
pub struct NewCase<'a> {
    pub id: CaseId,
    pub tenant: &'a str,
    pub category: &'a str,
    pub order: Option<OrderKey>,
    pub customer: Option<&'a str>,
    pub step: Option<StepKey>,
    pub operation: &'a str,
    /// The order's own instance, and the called one that the step runs in.
    pub root_process_instance_id: Option<&'a str>,
    pub process_instance_id: &'a str,
    pub affected_lines: &'a [String],
    pub business_key: &'a str,
    pub external_system: &'a str,
    pub external_reference: Option<&'a str>,
    pub recommended: Option<Action>,
    pub group: &'a str,
    pub match_key: &'a str,
    pub clock: NewClock<'a>,
}

/// How grave it is and until when it should be over.
#[derive(Clone, Debug)]
pub struct NewClock<'a> {
    pub severity: Severity,
    pub derived: &'a Derived,
    pub policy: &'a Policy,
    pub standing: &'a Standing,
    pub at: DateTime<Utc>,
    /// When it has to be looked at.
    pub next: DateTime<Utc>,
}

/// Opens the case of a signal: the case with its key, severity, clock, timeline and what is told of it, and the signal.
/// `entries` are the ids of the two entries; `said` is the payload of the second.
pub async fn open(
    tx: &mut Tx,
    new: &NewCase<'_>,
    signal: &Signal,
    entries: [Uuid; 2],
    said: &Value,
) -> Result<CaseNumber, StoreError> {
    let clock = &new.clock;
    let paused_in: Vec<String> =
        clock.policy.paused_in.iter().map(|state: &CaseState| state.word().to_owned()).collect();
    let details = Value::from(EventType::CaseClassified.publishable(said));
    let number = sqlx::query_scalar!(
        r#"with opened as (
             insert into fallout_case (id, tenant_id, case_number, case_type, severity, status, source, classification_code, customer_id,
                 related_order_id, process_instance_id, business_key, external_system, external_reference, diagnostic_summary,
                 recommended_action, assigned_group, sla_due_at, step_id, match_key, root_process_instance_id, source_event_id,
                 affected_line_ids, operation, sla_jeopardy_at)
             values ($1, $2, 'fc-' || nextval('fallout_case_number'), $3, $4, 'classified', $5, $6, $7, $8, $9, $10, $11, $12, $13,
                 $14, $15, $16, $17, $18, $19, $20, $21, $22, $29)
             returning id, tenant_id, case_number, related_order_id, case_type, classification_code, severity, assigned_group),
         alias as (
             insert into case_alias (tenant_id, match_key, fallout_case_id) select tenant_id, $18, id from opened),
         severity as (
             insert into case_severity (fallout_case_id, tenant_id, derived, reasons, derived_at)
             select id, tenant_id, $23, $24, $25 from opened),
         clock as (
             insert into case_sla (fallout_case_id, tenant_id, policy, paused_in, response_due_at, jeopardy_at, next_at)
             select id, tenant_id, $26, $27, $28, $29, $30 from opened),
         segment as (
             insert into case_sla_segment (fallout_case_id, tenant_id, kind, from_at) select id, tenant_id, 'running', $25 from opened),
         entry as (
             insert into fallout_event (id, tenant_id, fallout_case_id, event_type, actor_type, actor_id, reason, payload)
             select e.id, o.tenant_id, o.id, e.event_type, 'system', e.actor, e.reason, e.payload
             from opened o, (values ($31::uuid, 'FalloutCaseCreated', $5, $13, 'null'::jsonb),
                                    ($32::uuid, 'FalloutCaseClassified', 'desk', null, $33)) e (id, event_type, actor, reason, payload)
             returning id, event_type, created_at),
         told as (
             insert into event_outbox (id, tenant_id, event_type, subject, occurred_at, data)
             select e.id, c.tenant_id, e.event_type, c.case_number, e.created_at,
                 case when e.event_type = 'FalloutCaseClassified' then $34 else '{}'::jsonb end || jsonb_strip_nulls(jsonb_build_object(
                    'case', c.case_number, 'order', o.external_id, 'category', c.case_type,
                    'classification', c.classification_code, 'severity', c.severity, 'group', c.assigned_group))
             from entry e cross join opened c left join product_order o on o.id = c.related_order_id),
         signal as (
             insert into fallout_external_signal as s (id, tenant_id, source_system, source_event_id, related_external_ref,
                 normalized_signal_type, payload, step_id, match_key, code, reason, occurred_at, cause_attempt, cause_epoch,
                 cause_task, cause_incident, fallout_case_id, state, processed_at)
             select $35, tenant_id, $5, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, id, $49, now() from opened
             on conflict (id) do update set state = excluded.state, processed_at = excluded.processed_at,
                 fallout_case_id = excluded.fallout_case_id)
         select case_number from opened"#,
        new.id.0,
        new.tenant,
        new.category,
        clock.severity.word(),
        signal.source,
        signal.kind,
        new.customer,
        new.order.map(|o| o.0),
        new.process_instance_id,
        new.business_key,
        new.external_system,
        new.external_reference,
        signal.reason,
        new.recommended.map(Action::word),
        new.group,
        clock.standing.due,
        new.step.map(|s| s.0),
        new.match_key,
        new.root_process_instance_id,
        signal.event,
        new.affected_lines,
        new.operation,
        clock.derived.severity.word(),
        serde_json::to_value(clock.derived)?,
        clock.at,
        clock.policy.code,
        &paused_in,
        clock.standing.response_due,
        clock.standing.jeopardy_at,
        clock.next,
        entries[0],
        entries[1],
        said,
        details,
        signal.id.0,
        signal.event,
        signal.reference,
        signal.kind,
        signal.payload,
        signal.step.map(|s| s.0),
        signal.key,
        signal.code,
        signal.reason,
        signal.occurred_at,
        signal.cause.attempt.map(|a| a.0),
        signal.cause.epoch,
        signal.cause.external_task_id,
        signal.cause.incident_id,
        SignalState::Opened.word(),
    );
    parse_number(&number.fetch_one(tx.conn()).await?)
}

/// The key that the case was opened with.
pub async fn match_key(tx: &mut Tx, case: CaseId) -> Result<String, StoreError> {
    let key = sqlx::query_scalar!("select match_key from fallout_case where id = $1", case.0);
    Ok(key.fetch_one(tx.conn()).await?)
}

/// One more key by which signals find the case.
pub async fn add_alias(tx: &mut Tx, tenant: &str, case: CaseId, key: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into case_alias (tenant_id, match_key, fallout_case_id) values ($1, $2, $3) on conflict do nothing",
        tenant,
        key,
        case.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
