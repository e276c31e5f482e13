//! Clocks of cases and their segments. Segments are written by the database itself when a case changes its state.

use chrono::{DateTime, Utc};
use fallout_core::{
    case::CaseState,
    ids::CaseId,
    sla::{Segment, Standing, Told},
};

use crate::{StoreError, Tx, cases::Case};

/// A clock with everything that its standing is computed from.
#[derive(Clone, Debug)]
pub struct Clock {
    pub policy: String,
    pub answered: bool,
    pub told: Told,
    pub segments: Vec<Segment>,
}

/// `None`: the case was opened before there were clocks.
pub async fn clock(tx: &mut Tx, case: CaseId) -> Result<Option<Clock>, StoreError> {
    let row = sqlx::query!(
        r#"select policy, answered_at is not null as "answered!", told_response_breach, told_jeopardy, told_breach, escalations
           from case_sla where fallout_case_id = $1"#,
        case.0,
    );
    let Some(r) = row.fetch_optional(tx.conn()).await? else { return Ok(None) };
    let told = Told {
        response_breach: r.told_response_breach,
        jeopardy: r.told_jeopardy,
        breach: r.told_breach,
        escalations: r.escalations.unsigned_abs() as usize,
    };
    Ok(Some(Clock { policy: r.policy, answered: r.answered, told, segments: segments(tx, case).await? }))
}

async fn segments(tx: &mut Tx, case: CaseId) -> Result<Vec<Segment>, StoreError> {
    let rows = sqlx::query!(
        "select kind, from_at, to_at from case_sla_segment where fallout_case_id = $1 order by from_at, id",
        case.0,
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    rows.map(|r| Ok(Segment { kind: r.kind.parse()?, from: r.from_at, to: r.to_at })).collect()
}

/// Where the clock stands now and what was told of it.
pub async fn keep(
    tx: &mut Tx,
    case: CaseId,
    standing: &Standing,
    told: &Told,
    next: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "with clock as (
             update case_sla set response_due_at = $2, jeopardy_at = $3, told_response_breach = $4, told_jeopardy = $5,
                 told_breach = $6, escalations = $7, next_at = $8 where fallout_case_id = $1)
         update fallout_case set sla_due_at = $9, sla_jeopardy_at = $3
             where id = $1 and (sla_due_at, sla_jeopardy_at) is distinct from ($9, $3)",
        case.0,
        standing.response_due,
        standing.jeopardy_at,
        told.response_breach,
        told.jeopardy,
        told.breach,
        told.escalations as i32,
        next,
        standing.due,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The clock of a case that is over: looked at again when the case comes back.
pub async fn rest(tx: &mut Tx, case: CaseId) -> Result<(), StoreError> {
    sqlx::query!("update case_sla set next_at = null where fallout_case_id = $1", case.0).execute(tx.conn()).await?;
    Ok(())
}

/// Cases whose clock has to be looked at, after this one.
pub async fn due(tx: &mut Tx, after: Option<CaseId>, limit: i64) -> Result<Vec<CaseId>, StoreError> {
    let ids = sqlx::query_scalar!(
        "select fallout_case_id from case_sla
         where next_at <= clock_timestamp() and ($1::uuid is null or fallout_case_id > $1) order by fallout_case_id limit $2",
        after.map(|a| a.0),
        limit,
    );
    Ok(ids.fetch_all(tx.conn()).await?.into_iter().map(CaseId).collect())
}

/// Has every case of this trouble looked at, but those that somebody changes right now: whoever has two of them must not
/// wait for another who has.
pub async fn look_at_all(
    tx: &mut Tx,
    tenant: &str,
    external_system: &str,
    classification: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update case_sla set next_at = clock_timestamp() where fallout_case_id in (
             select s.fallout_case_id from fallout_case c join case_sla s on s.fallout_case_id = c.id
             where c.tenant_id = $1 and c.external_system = $2 and c.classification_code = $3
               and c.status not in ('resolved', 'closed', 'force_closed', 'duplicate') and s.next_at > clock_timestamp()
             for update of s skip locked)",
        tenant,
        external_system,
        classification,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Holds the case until the transaction ends; false when somebody else has looked meanwhile.
pub async fn take(tx: &mut Tx, case: CaseId) -> Result<bool, StoreError> {
    let row = sqlx::query_scalar!(
        "select c.id from fallout_case c join case_sla s on s.fallout_case_id = c.id
         where c.id = $1 and s.next_at <= clock_timestamp() for update",
        case.0,
    );
    Ok(row.fetch_optional(tx.conn()).await?.is_some())
}

/// Hands the case to a group; a person who had it is not asked.
pub async fn escalate(
    tx: &mut Tx,
    case: &mut Case,
    state: CaseState,
    group: &str,
) -> Result<Option<String>, StoreError> {
    let before = sqlx::query_scalar!(
        "update fallout_case c set assigned_group = $3, assigned_user = null, status = $4, version = c.version + 1, updated_at = now()
         from fallout_case before where c.id = $1 and c.version = $2 and before.id = c.id returning before.assigned_group",
        case.id.0,
        case.version,
        group,
        state.word(),
    );
    let before = before.fetch_optional(tx.conn()).await?.ok_or(StoreError::Stale("the case"))?;
    case.version += 1;
    case.state = state;
    Ok(before)
}
