//! Cases and their timeline. A case of a step changes only under the step's row lock: one order of locks, no deadlock.

use chrono::{DateTime, Utc};
use fallout_core::{
    action::Action,
    case::{CaseEvent, CaseState},
    event::EventType,
    ids::{CaseId, CaseNumber, StepKey},
};
use serde_json::Value;

use crate::{StoreError, Tx};

/// The case as the desk decides on it.
#[derive(Clone, Debug)]
pub struct Case {
    pub id: CaseId,
    pub number: CaseNumber,
    pub tenant: String,
    pub state: CaseState,
    pub classification: String,
    pub step: Option<StepKey>,
    pub version: i32,
}

pub(crate) fn parse_number(text: &str) -> Result<CaseNumber, StoreError> {
    text.parse().map_err(|e: fallout_core::ids::NotACaseNumber| StoreError::Corrupt(e.to_string()))
}

struct Row {
    id: uuid::Uuid,
    case_number: String,
    tenant_id: String,
    status: String,
    classification_code: Option<String>,
    step_id: Option<uuid::Uuid>,
    version: i32,
}

impl TryFrom<Row> for Case {
    type Error = StoreError;
    fn try_from(r: Row) -> Result<Self, StoreError> {
        Ok(Case {
            id: CaseId(r.id),
            number: parse_number(&r.case_number)?,
            tenant: r.tenant_id,
            state: r.status.parse()?,
            classification: r.classification_code.unwrap_or_default(),
            step: r.step_id.map(StepKey),
            version: r.version,
        })
    }
}

/// The step's active case.
pub async fn active_of_step(tx: &mut Tx, step: StepKey) -> Result<Option<Case>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select id, case_number, tenant_id, status, classification_code, step_id, version from fallout_case
         where step_id = $1 and status not in ('resolved', 'closed', 'force_closed', 'duplicate') ",
        step.0,
    );
    row.fetch_optional(tx.conn()).await?.map(Case::try_from).transpose()
}

pub async fn by_number(tx: &mut Tx, tenant: &str, number: CaseNumber) -> Result<Option<Case>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select id, case_number, tenant_id, status, classification_code, step_id, version from fallout_case
         where tenant_id = $1 and case_number = $2",
        tenant,
        number.to_string(),
    );
    row.fetch_optional(tx.conn()).await?.map(Case::try_from).transpose()
}

/// Ours until the transaction ends.
pub async fn held(tx: &mut Tx, id: CaseId) -> Result<Case, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select id, case_number, tenant_id, status, classification_code, step_id, version from fallout_case where id = $1
         for no key update",
        id.0,
    );
    row.fetch_one(tx.conn()).await?.try_into()
}

/// The same for many, in the order of their ids. Cases of steps are held after their steps.
pub async fn held_all(tx: &mut Tx, ids: &[CaseId]) -> Result<Vec<Case>, StoreError> {
    let ids: Vec<uuid::Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query_as!(
        Row,
        "select id, case_number, tenant_id, status, classification_code, step_id, version from fallout_case where id = any($1)
         order by id for no key update",
        &ids,
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Case::try_from).collect()
}

/// The steps of these cases that nobody else has now, held until the transaction ends.
pub async fn hold_steps(tx: &mut Tx, ids: &[CaseId]) -> Result<Vec<(CaseId, StepKey)>, StoreError> {
    let ids: Vec<uuid::Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select c.id, s.id as step from fallout_case c join step s on s.id = c.step_id where c.id = any($1)
           order by s.id for no key update of s skip locked"#,
        &ids,
    );
    Ok(rows.fetch_all(tx.conn()).await?.into_iter().map(|r| (CaseId(r.id), StepKey(r.step))).collect())
}

/// The active case that stands where this one would, if it were active again.
pub async fn in_the_way(tx: &mut Tx, case: &Case) -> Result<Option<CaseNumber>, StoreError> {
    let number = sqlx::query_scalar!(
        "select other.case_number from fallout_case c join fallout_case other on other.id <> c.id
             and (other.step_id = c.step_id
                  or c.step_id is null and other.step_id is null and other.tenant_id = c.tenant_id and other.match_key = c.match_key)
         where c.id = $1 and other.status not in ('resolved', 'closed', 'force_closed', 'duplicate')",
        case.id.0,
    );
    number.fetch_optional(tx.conn()).await?.map(|number| parse_number(&number)).transpose()
}

pub async fn by_id(tx: &mut Tx, id: CaseId) -> Result<Case, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select id, case_number, tenant_id, status, classification_code, step_id, version from fallout_case where id = $1",
        id.0,
    );
    row.fetch_one(tx.conn()).await?.try_into()
}

/// A state that needs nothing beside its word; what an earlier one needed goes. What resolved it stays while it is
/// proven again. The states that need more are written by [`crate::lifecycle`].
pub async fn set_state(tx: &mut Tx, case: &Case, state: CaseState) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "update fallout_case set status = $3, version = version + 1, updated_at = now(), resolved_at = null, closed_at = null,
                waiting_for = null, wait_reason = null, wait_until = null, unresolved_reason = null, review_at = null,
                duplicate_of = null, resolution_code = case when $3 = 'verifying' then resolution_code end,
                fixing_action = case when $3 = 'verifying' then fixing_action end,
                verification = case when $3 = 'verifying' then verification end,
                verified_by = case when $3 = 'verifying' then verified_by end
         where id = $1 and version = $2",
        case.id.0,
        case.version,
        state.word(),
    );
    match done.execute(tx.conn()).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Stale("the case")),
    }
}

/// A proof was asked for and not given.
pub async fn count_verification_failure(tx: &mut Tx, id: CaseId) -> Result<(), StoreError> {
    sqlx::query!("update fallout_case set verification_failures = verification_failures + 1 where id = $1", id.0)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// What to do now, where that is known better than when the case was classified.
pub async fn set_recommended(tx: &mut Tx, case: &Case, action: Action) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "update fallout_case set recommended_action = $3, version = version + 1, updated_at = now() where id = $1 and version = $2",
        case.id.0,
        case.version,
        action.word(),
    );
    match done.execute(tx.conn()).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Stale("the case")),
    }
}

/// What is found now: another classification of the same trouble, or the same with other words.
#[derive(Clone, Debug)]
pub struct Finding<'a> {
    pub category: &'a str,
    pub classification: &'a str,
    pub summary: &'a str,
    pub recommended: Option<Action>,
    pub group: &'a str,
}

/// Its owner and its severity follow beside it, where it is another classification.
pub async fn set_finding(tx: &mut Tx, id: CaseId, found: &Finding<'_>) -> Result<(), StoreError> {
    sqlx::query!(
        "update fallout_case set case_type = $2, classification_code = $3, diagnostic_summary = $4, recommended_action = $5, version = version + 1,
                updated_at = now() where id = $1",
        id.0, found.category, found.classification, found.summary, found.recommended.map(Action::word),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A person's classification.
#[derive(Clone, Debug)]
pub struct Classified<'a> {
    pub category: &'a str,
    pub classification: &'a str,
    pub recommended: Option<Action>,
    pub state: CaseState,
}

/// What was found is left as it was said.
pub async fn classify(tx: &mut Tx, case: &Case, new: &Classified<'_>) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "update fallout_case set case_type = $3, classification_code = $4, recommended_action = $5, status = $6,
                version = version + 1, updated_at = now() where id = $1 and version = $2",
        case.id.0,
        case.version,
        new.category,
        new.classification,
        new.recommended.map(Action::word),
        new.state.word(),
    );
    match done.execute(tx.conn()).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Stale("the case")),
    }
}

/// Who did it: one of our services, or a person.
#[derive(Clone, Copy, Debug)]
pub enum Actor<'a> {
    System(&'a str),
    User(&'a str),
}

/// Adds to the timeline, and to the outbox what the outside is told of it.
pub async fn append_event(
    tx: &mut Tx,
    id: uuid::Uuid,
    case: &Case,
    event: CaseEvent,
    actor: Actor<'_>,
    reason: Option<&str>,
    payload: &Value,
) -> Result<(), StoreError> {
    let (kind, who) = match actor {
        Actor::System(name) => ("system", name),
        Actor::User(name) => ("user", name),
    };
    let published = EventType::of(event);
    let details = published.map_or_else(Value::default, |kind| kind.publishable(payload).into());
    // One round trip for the entry and what is told of it. CASE_FACTS names what is read here.
    sqlx::query!(
        "with entry as (
             insert into fallout_event (id, tenant_id, fallout_case_id, event_type, actor_type, actor_id, reason, payload)
             values ($1, $2, $3, $4, $5, $6, $7, $8) returning id, tenant_id, created_at)
         insert into event_outbox (id, tenant_id, event_type, subject, occurred_at, data)
         select e.id, e.tenant_id, $9, c.case_number, e.created_at, $10 || jsonb_strip_nulls(jsonb_build_object(
                    'case', c.case_number, 'order', o.external_id, 'category', c.case_type,
                    'classification', c.classification_code, 'severity', c.severity, 'group', c.assigned_group))
         from entry e join fallout_case c on c.id = $3 left join product_order o on o.id = c.related_order_id
         where $9::text is not null",
        id,
        case.tenant,
        case.id.0,
        event.word(),
        kind,
        who,
        reason,
        payload,
        published.map(EventType::word),
        details,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// One row of a worklist.
#[derive(Clone, Debug, serde::Serialize, sqlx::FromRow)]
pub struct CaseLine {
    #[serde(skip)]
    pub id: uuid::Uuid,
    #[serde(rename = "case")]
    pub case_number: String,
    pub category: String,
    pub classification: Option<String>,
    pub severity: String,
    pub status: String,
    pub order: Option<String>,
    pub line: Option<String>,
    pub step: Option<String>,
    pub group: Option<String>,
    pub assignee: Option<String>,
    pub recommended_action: Option<String>,
    pub summary: Option<String>,
    pub external_system: Option<String>,
    pub external_reference: Option<String>,
    pub business_key: Option<String>,
    pub process_instance_id: Option<String>,
    pub customer: Option<String>,
    pub sla_due_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub version: i32,
}

pub async fn line(tx: &mut Tx, tenant: &str, number: CaseNumber) -> Result<Option<CaseLine>, StoreError> {
    let row = sqlx::query_as!(
        CaseLine,
        r#"select c.id, c.case_number, c.case_type as category, c.classification_code as classification, c.severity, c.status,
                  o.external_id as "order?", s.line_id as "line?", s.step_code as "step?", c.assigned_group as "group",
                  c.assigned_user as assignee, c.recommended_action, c.diagnostic_summary as summary, c.external_system,
                  c.external_reference, c.business_key, c.process_instance_id, c.customer_id as customer, c.sla_due_at,
                  c.created_at, c.updated_at, c.version
           from fallout_case c left join product_order o on o.id = c.related_order_id left join step s on s.id = c.step_id
           where c.tenant_id = $1 and c.case_number = $2"#,
        tenant,
        number.to_string(),
    );
    Ok(row.fetch_optional(tx.conn()).await?)
}

/// One entry of a case's timeline.
#[derive(Clone, Debug, serde::Serialize)]
pub struct EventLine {
    pub at: DateTime<Utc>,
    pub event: String,
    pub actor: Option<String>,
    pub reason: Option<String>,
    pub payload: Option<Value>,
}

/// The newest entries, oldest of them first, and how many there are.
pub async fn timeline(tx: &mut Tx, case: CaseId, limit: i64) -> Result<(Vec<EventLine>, i64), StoreError> {
    let rows = sqlx::query!(
        r#"select created_at as at, event_type as event, actor_id as actor, reason, payload,
                  (select count(*) from fallout_event where fallout_case_id = $1) as "total!"
           from fallout_event where fallout_case_id = $1 order by created_at desc, position desc limit $2"#,
        case.0,
        limit,
    );
    let rows = rows.fetch_all(tx.conn()).await?;
    let total = rows.first().map_or(0, |r| r.total);
    let lines = rows.into_iter().rev().map(|r| EventLine {
        at: r.at,
        event: r.event,
        actor: r.actor,
        reason: r.reason,
        payload: r.payload,
    });
    Ok((lines.collect(), total))
}

/// Whether something was done with this key: its entry keeps it.
pub async fn has_done(tx: &mut Tx, case: CaseId, key: &str) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"select exists (select from fallout_event where fallout_case_id = $1 and actor_type = 'user'
               and payload ->> 'key' = $2) as "found!""#,
        case.0,
        key,
    );
    Ok(found.fetch_one(tx.conn()).await?)
}
