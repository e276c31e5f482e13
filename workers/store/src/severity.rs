//! How grave cases are, and what that is derived from.

use chrono::{DateTime, Utc};
use fallout_core::{
    case::Severity,
    ids::{CaseId, OrderKey},
    severity::Derived,
};
use serde_json::Value;

use crate::{StoreError, Tx, cases::Case};

/// What of a case bears on its severity.
#[derive(Clone, Debug)]
pub struct Weight {
    pub order: Option<OrderKey>,
    pub external_system: String,
    pub category: String,
    pub classification: String,
    pub severity: Severity,
    /// What was derived when a person lowered it.
    pub lowered_from: Option<Severity>,
    pub opened_at: DateTime<Utc>,
}

pub async fn weight(tx: &mut Tx, case: CaseId) -> Result<Weight, StoreError> {
    let row = sqlx::query!(
        r#"select c.related_order_id, c.external_system, c.case_type, c.classification_code, c.severity, c.created_at,
                  s.lowered_from as "lowered_from?"
           from fallout_case c left join case_severity s on s.fallout_case_id = c.id where c.id = $1"#,
        case.0,
    );
    let r = row.fetch_one(tx.conn()).await?;
    Ok(Weight {
        order: r.related_order_id.map(OrderKey),
        external_system: r.external_system.unwrap_or_default(),
        category: r.case_type,
        classification: r.classification_code.unwrap_or_default(),
        severity: r.severity.parse()?,
        lowered_from: r.lowered_from.map(|s| s.parse()).transpose()?,
        opened_at: r.created_at,
    })
}

/// What surrounds a trouble.
#[derive(Clone, Debug)]
pub struct Impact {
    /// The order as it is known now, without what is personal.
    pub document: Option<Value>,
    /// Orders with an active case of this classification at this system, the one in question included.
    pub affected_orders: i64,
    pub now: DateTime<Utc>,
}

/// Counts no further than `enough`.
pub async fn impact(
    tx: &mut Tx,
    tenant: &str,
    order: Option<OrderKey>,
    external_system: &str,
    classification: &str,
    enough: i64,
) -> Result<Impact, StoreError> {
    let row = sqlx::query_as!(
        Impact,
        r#"select (select coalesce(x.document, o.document) from product_order o left join order_context x on x.order_id = o.id
                          where o.id = $2) as document,
                  1 + coalesce(
                      -- of a problem that is large enough nobody counts the cases again
                      (select max(orders) from fallout_problem
                       where taking and tenant_id = $1 and downstream = $3 and classification_code = $4 and orders >= $5::bigint),
                      (select count(*) from (
                      select distinct related_order_id from fallout_case
                      where tenant_id = $1 and external_system = $3 and classification_code = $4
                        and status not in ('resolved', 'closed', 'force_closed', 'duplicate')
                        and related_order_id is not null and ($2::uuid is null or related_order_id <> $2)
                      limit $5) others)) as "affected_orders!",
                  clock_timestamp() as "now!""#,
        tenant,
        order.map(|o| o.0),
        external_system,
        classification,
        enough,
    );
    Ok(row.fetch_one(tx.conn()).await?)
}

/// What is derived now, with its reasons.
pub async fn put(tx: &mut Tx, case: &Case, derived: &Derived, at: DateTime<Utc>) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into case_severity (fallout_case_id, tenant_id, derived, reasons, derived_at) values ($1, $2, $3, $4, $5)
         on conflict (fallout_case_id) do update set derived = excluded.derived, reasons = excluded.reasons,
             derived_at = excluded.derived_at",
        case.id.0,
        case.tenant,
        derived.severity.word(),
        serde_json::to_value(derived)?,
        at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The case's version stays: nobody's command was made for another severity.
pub async fn raise(tx: &mut Tx, case: CaseId, to: Severity) -> Result<(), StoreError> {
    sqlx::query!("update fallout_case set severity = $2, updated_at = now() where id = $1", case.0, to.word())
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// A person's decision; what was derived stays beside it.
pub async fn lower(tx: &mut Tx, case: &Case, to: Severity, principal: &str, reason: &str) -> Result<(), StoreError> {
    let judged = sqlx::query!(
        "update case_severity set lowered_from = derived, lowered_to = $2, lowered_by = $3, lowered_reason = $4
         where fallout_case_id = $1",
        case.id.0,
        to.word(),
        principal,
        reason,
    );
    if judged.execute(tx.conn()).await?.rows_affected() != 1 {
        return Err(StoreError::Stale("the severity of the case"));
    }
    let done = sqlx::query!(
        "update fallout_case set severity = $3, version = version + 1, updated_at = now() where id = $1 and version = $2",
        case.id.0,
        case.version,
        to.word(),
    );
    match done.execute(tx.conn()).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Stale("the case")),
    }
}

/// Why a case is as grave as it is, for people.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Judgement {
    pub derived: Derived,
    pub derived_at: DateTime<Utc>,
    pub lowered_to: Option<String>,
    pub lowered_by: Option<String>,
    pub lowered_reason: Option<String>,
}

pub async fn judgement(tx: &mut Tx, case: CaseId) -> Result<Option<Judgement>, StoreError> {
    let row = sqlx::query!(
        "select reasons, derived_at, lowered_to, lowered_by, lowered_reason from case_severity where fallout_case_id = $1",
        case.0,
    );
    let Some(r) = row.fetch_optional(tx.conn()).await? else { return Ok(None) };
    Ok(Some(Judgement {
        derived: serde_json::from_value(r.reasons)?,
        derived_at: r.derived_at,
        lowered_to: r.lowered_to,
        lowered_by: r.lowered_by,
        lowered_reason: r.lowered_reason,
    }))
}
