//! The states of a case that need more than their word: whom it waits for, what resolved it, which one it repeats.

use chrono::{DateTime, Utc};
use fallout_core::{
    case::{Resolution, WaitsFor},
    ids::CaseId,
    verification::Verification,
};

use crate::{StoreError, Tx, cases::Case};

/// Proven. Without a resolution it is what resolved it before, and so is how that is known.
pub async fn resolve(
    tx: &mut Tx,
    case: &Case,
    resolution: Option<Resolution>,
    fixed_by: Option<&str>,
    known: Option<(Verification, &str)>,
) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "update fallout_case set status = 'resolved', resolved_at = now(), resolution_code = coalesce($3, resolution_code),
                fixing_action = coalesce($4, fixing_action), verification = coalesce($5, verification),
                verified_by = coalesce($6, verified_by), version = version + 1, updated_at = now()
         where id = $1 and version = $2",
        case.id.0,
        case.version,
        resolution.map(Resolution::word),
        fixed_by,
        known.map(|(how, _)| how.word()),
        known.map(|(_, by)| by),
    );
    one(done.execute(tx.conn()).await?.rows_affected())
}

/// A resolved case with what was learnt from it.
pub async fn close(
    tx: &mut Tx,
    case: &Case,
    root_cause: &str,
    resolution: Option<Resolution>,
    follow_up: Option<&str>,
) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "update fallout_case set status = 'closed', closed_at = now(), root_cause = $3, preventive_follow_up = $4,
                resolution_code = coalesce($5, resolution_code), version = version + 1, updated_at = now()
         where id = $1 and version = $2",
        case.id.0,
        case.version,
        root_cause,
        follow_up,
        resolution.map(Resolution::word),
    );
    one(done.execute(tx.conn()).await?.rows_affected())
}

/// Until a time, where there is one, it returns by itself.
pub async fn wait(
    tx: &mut Tx,
    case: &Case,
    waits_for: WaitsFor,
    reason: &str,
    until: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "update fallout_case set status = 'waiting', waiting_for = $3, wait_reason = $4, wait_until = $5,
                unresolved_reason = null, review_at = null, version = version + 1, updated_at = now()
         where id = $1 and version = $2",
        case.id.0,
        case.version,
        waits_for.word(),
        reason,
        until,
    );
    one(done.execute(tx.conn()).await?.rows_affected())
}

pub async fn leave_unresolved(
    tx: &mut Tx,
    case: &Case,
    reason: &str,
    review_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "update fallout_case set status = 'unresolved', unresolved_reason = $3, review_at = $4, waiting_for = null,
                wait_reason = null, wait_until = null, version = version + 1, updated_at = now()
         where id = $1 and version = $2",
        case.id.0,
        case.version,
        reason,
        review_at,
    );
    one(done.execute(tx.conn()).await?.rows_affected())
}

pub async fn link(tx: &mut Tx, case: &Case, original: CaseId) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "update fallout_case set status = 'duplicate', duplicate_of = $3, waiting_for = null, wait_reason = null,
                wait_until = null, unresolved_reason = null, review_at = null, version = version + 1, updated_at = now()
         where id = $1 and version = $2",
        case.id.0,
        case.version,
        original.0,
    );
    one(done.execute(tx.conn()).await?.rows_affected())
}

/// The case that signals about this one go to: itself, or where the links end.
pub async fn original(tx: &mut Tx, case: CaseId) -> Result<CaseId, StoreError> {
    let id = sqlx::query_scalar!(
        r#"with recursive linked (id, duplicate_of) as (
               select id, duplicate_of from fallout_case where id = $1
               union all
               select c.id, c.duplicate_of from fallout_case c join linked l on c.id = l.duplicate_of)
           select id as "id!" from linked where duplicate_of is null"#,
        case.0,
    );
    Ok(CaseId(id.fetch_one(tx.conn()).await?))
}

/// Cases whose time of waiting or of review has come, after this one.
pub async fn returning(tx: &mut Tx, after: Option<CaseId>, limit: i64) -> Result<Vec<CaseId>, StoreError> {
    let ids = sqlx::query_scalar!(
        r#"select id as "id!" from (
               select id from fallout_case where status = 'waiting' and wait_until <= clock_timestamp()
               union all
               select id from fallout_case where status = 'unresolved' and review_at <= clock_timestamp()) due
           where $1::uuid is null or id > $1 order by id limit $2"#,
        after.map(|a| a.0),
        limit,
    );
    Ok(ids.fetch_all(tx.conn()).await?.into_iter().map(CaseId).collect())
}

/// What a case that stands still was told, if its time has come.
#[derive(Clone, Debug)]
pub struct Return {
    pub reason: String,
    /// It was left unresolved, and this is the day of its review.
    pub is_review: bool,
}

/// Held until the transaction ends; `None` when somebody else has it, or it went on already.
pub async fn take_return(tx: &mut Tx, case: CaseId) -> Result<Option<Return>, StoreError> {
    let row = sqlx::query_as!(
        Return,
        r#"select coalesce(wait_reason, unresolved_reason, '') as "reason!", status = 'unresolved' as "is_review!"
           from fallout_case where id = $1
             and (status = 'waiting' and wait_until <= clock_timestamp() or status = 'unresolved' and review_at <= clock_timestamp())
           for update skip locked"#,
        case.0,
    );
    Ok(row.fetch_optional(tx.conn()).await?)
}

/// What a force close is answered for with.
#[derive(Clone, Debug)]
pub struct ForceClose<'a> {
    pub reason: &'a str,
    pub authority: &'a str,
    pub impact: &'a str,
    pub by: &'a str,
    pub approved_by: &'a str,
}

pub async fn force_close(tx: &mut Tx, case: &Case, close: &ForceClose<'_>) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "update fallout_case set status = 'force_closed', closed_at = now(), force_close_reason = $3, force_close_authority = $4,
                force_close_impact = $5, force_closed_by = $6, force_close_approved_by = $7, verification = 'none', verified_by = $7, version = version + 1, updated_at = now()
         where id = $1 and version = $2",
        case.id.0,
        case.version,
        close.reason,
        close.authority,
        close.impact,
        close.by,
        close.approved_by,
    );
    one(done.execute(tx.conn()).await?.rows_affected())
}

fn one(rows: u64) -> Result<(), StoreError> {
    if rows == 1 { Ok(()) } else { Err(StoreError::Stale("the case")) }
}

pub async fn linked_to(tx: &mut Tx, case: &Case) -> Result<Option<CaseId>, StoreError> {
    let id = sqlx::query_scalar!("select duplicate_of from fallout_case where id = $1", case.id.0);
    Ok(id.fetch_one(tx.conn()).await?.map(CaseId))
}

/// What resolved it.
pub async fn resolution(tx: &mut Tx, case: &Case) -> Result<Option<String>, StoreError> {
    let code = sqlx::query_scalar!("select resolution_code from fallout_case where id = $1", case.id.0);
    Ok(code.fetch_one(tx.conn()).await?)
}
