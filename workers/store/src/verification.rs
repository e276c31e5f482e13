//! Reads that a case waits for before it is resolved.

use chrono::{DateTime, Duration, Utc};
use fallout_core::{
    attempt::StoredRequest,
    ids::{ActionId, AttemptId, CaseId, StepKey},
    lookup::LookupRead,
    verification::Shows,
};
use sqlx::types::Json;
use uuid::Uuid;

use crate::{StoreError, Tx, cases::Case};

/// A read to be asked for, about the step as it stands.
#[derive(Clone, Debug)]
pub struct NewVerification {
    pub id: Uuid,
    pub action: Option<ActionId>,
    pub step: StepKey,
    pub epoch: i32,
    pub attempt: AttemptId,
    pub expects: Shows,
    pub shown_from: DateTime<Utc>,
    pub deadline: DateTime<Utc>,
}

/// One that was asked for.
#[derive(Clone, Debug)]
pub struct Verification {
    pub case: CaseId,
    pub step: StepKey,
    pub epoch: i32,
    pub attempt: AttemptId,
    pub case_version: i32,
    pub expects: Shows,
    pub is_due: bool,
    pub shown_from: DateTime<Utc>,
    pub deadline: DateTime<Utc>,
    pub reads: Vec<LookupRead>,
}

/// The first read is at once; what was asked for before is void.
pub async fn ask(tx: &mut Tx, case: &Case, new: &NewVerification) -> Result<(), StoreError> {
    void(tx, case.id, "asked for anew").await?;
    sqlx::query!(
        "insert into verification (id, tenant_id, fallout_case_id, action_id, step_id, epoch, attempt_id, case_version, expects,
                                   next_read_at, shown_from, deadline)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, now(), $10, $11)",
        new.id,
        case.tenant,
        case.id.0,
        new.action.map(|a| a.0),
        new.step.0,
        new.epoch,
        new.attempt.0,
        case.version,
        new.expects.word(),
        new.shown_from,
        new.deadline,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A read whose time has come, with what a lookup needs.
#[derive(Clone, Debug)]
pub struct DueVerification {
    pub id: Uuid,
    pub operation: String,
    pub key: String,
    pub request: StoredRequest,
}

/// Takes due reads for `lease`: another process takes others meanwhile, and these again once it has passed.
pub async fn take_due(tx: &mut Tx, lease: Duration, limit: i64) -> Result<Vec<DueVerification>, StoreError> {
    let rows = sqlx::query!(
        r#"with due as (select id from verification where state = 'due' and next_read_at <= now()
                        order by next_read_at limit $2 for update skip locked)
           update verification v set next_read_at = now() + make_interval(secs => $1)
           from due, attempt a join intent i on i.id = a.intent_id
           where v.id = due.id and a.id = v.attempt_id
           returning v.id, i.operation, i.idempotency_key, i.request as "request: Json<StoredRequest>""#,
        lease.num_milliseconds() as f64 / 1_000.0,
        limit,
    );
    let due = rows.fetch_all(tx.conn()).await?.into_iter().map(|r| DueVerification {
        id: r.id,
        operation: r.operation,
        key: r.idempotency_key,
        request: r.request.0,
    });
    Ok(due.collect())
}

pub async fn by_id(tx: &mut Tx, id: Uuid) -> Result<Option<Verification>, StoreError> {
    let row = sqlx::query!(
        r#"select fallout_case_id, step_id, epoch, attempt_id, case_version, expects, state = 'due' as "is_due!", shown_from,
                  deadline, reads as "reads: Json<Vec<LookupRead>>"
           from verification where id = $1"#,
        id,
    );
    let Some(r) = row.fetch_optional(tx.conn()).await? else { return Ok(None) };
    Ok(Some(Verification {
        case: CaseId(r.fallout_case_id),
        step: StepKey(r.step_id),
        epoch: r.epoch,
        attempt: AttemptId(r.attempt_id),
        case_version: r.case_version,
        expects: r.expects.parse()?,
        is_due: r.is_due,
        shown_from: r.shown_from,
        deadline: r.deadline,
        reads: r.reads.0,
    }))
}

/// One answer more, and when to ask again, for the case as it is now.
pub async fn add_read(
    tx: &mut Tx,
    id: Uuid,
    read: &LookupRead,
    next: DateTime<Utc>,
    case_version: i32,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update verification set reads = reads || $2, next_read_at = $3, case_version = $4 where id = $1",
        id,
        Json(read) as _,
        next,
        case_version,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Over, with its last answer; `state` is `proven`, `failed` or `void`.
pub async fn end(
    tx: &mut Tx,
    id: Uuid,
    state: &str,
    result: &str,
    read: Option<&LookupRead>,
) -> Result<(), StoreError> {
    let read: Vec<&LookupRead> = read.into_iter().collect();
    sqlx::query!(
        "update verification set state = $2, result = $3, reads = reads || $4, ended_at = now() where id = $1 and state = 'due'",
        id,
        state,
        result,
        Json(read) as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub async fn void(tx: &mut Tx, case: CaseId, why: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "update verification set state = 'void', result = $2, ended_at = now() where fallout_case_id = $1 and state = 'due'",
        case.0,
        why,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Actions whose time is over while their case waits for the step to settle.
pub async fn overdue(tx: &mut Tx, limit: i64) -> Result<Vec<ActionId>, StoreError> {
    let rows = sqlx::query_scalar!(
        "select a.id from fallout_recovery_action a join fallout_case c on c.id = a.fallout_case_id
         where a.status = 'started' and a.verify_by <= now() and c.status = 'verifying'
           and not exists (select from verification v where v.fallout_case_id = c.id and v.state = 'due')
         order by a.verify_by limit $1",
        limit,
    );
    Ok(rows.fetch_all(tx.conn()).await?.into_iter().map(ActionId).collect())
}
