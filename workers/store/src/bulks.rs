//! Recoveries of many cases: the bulk, its cases with what became of each, and its history.

use chrono::{DateTime, Utc};
use fallout_core::{
    action::Action,
    bulk::{BulkCaseState, BulkState, Ended, Pace, Tokens},
    ids::{ActionId, BulkNumber, CaseId, CaseNumber},
};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{StoreError, Tx, cases::parse_number};

#[derive(Clone, Debug, Serialize)]
pub struct Bulk {
    #[serde(skip)]
    pub id: Uuid,
    #[serde(skip)]
    pub tenant: String,
    #[serde(rename = "bulk")]
    pub number: BulkNumber,
    pub action: Action,
    pub reason: String,
    pub requested_by: String,
    #[serde(skip)]
    pub content_hash: String,
    pub selection: Value,
    pub pace: Pace,
    pub state: BulkState,
    pub approver: Option<String>,
    pub approval_until: Option<DateTime<Utc>>,
    #[serde(skip)]
    pub tokens: Tokens,
    /// By the database's clock.
    #[serde(skip)]
    pub read_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
}

struct Row {
    id: Uuid,
    tenant_id: String,
    bulk_number: String,
    action_type: String,
    reason: String,
    requested_by: String,
    content_hash: String,
    selection: Value,
    per_second: i32,
    at_once: i32,
    stop_at_percent: i32,
    state: String,
    approver: Option<String>,
    approval_until: Option<DateTime<Utc>>,
    tokens: f64,
    tokens_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    read_at: DateTime<Utc>,
}

impl TryFrom<Row> for Bulk {
    type Error = StoreError;
    fn try_from(r: Row) -> Result<Self, StoreError> {
        let count = |n: i32| u32::try_from(n).map_err(|e| StoreError::Corrupt(format!("bulk {}: {e}", r.bulk_number)));
        Ok(Bulk {
            id: r.id,
            tenant: r.tenant_id,
            action: r.action_type.parse()?,
            reason: r.reason,
            requested_by: r.requested_by,
            content_hash: r.content_hash,
            selection: r.selection,
            pace: Pace {
                per_second: count(r.per_second)?,
                at_once: count(r.at_once)?,
                stop_at_percent: count(r.stop_at_percent)?,
            },
            state: r.state.parse()?,
            approver: r.approver,
            approval_until: r.approval_until,
            read_at: r.read_at,
            tokens: Tokens { left: r.tokens, at: r.tokens_at },
            created_at: r.created_at,
            ended_at: r.ended_at,
            number: r
                .bulk_number
                .parse()
                .map_err(|e: fallout_core::ids::NotABulkNumber| StoreError::Corrupt(e.to_string()))?,
        })
    }
}

/// A bulk to be stored, with its cases in their order; an excluded one says why.
#[derive(Clone, Debug)]
pub struct NewBulk<'a> {
    pub id: Uuid,
    pub tenant: &'a str,
    pub action: Action,
    pub reason: &'a str,
    pub requested_by: &'a str,
    pub idempotency_key: &'a str,
    pub content_hash: &'a str,
    pub selection: &'a Value,
    pub pace: Pace,
    pub state: BulkState,
    /// How long a second person may agree, where one has to.
    pub approval_s: Option<f64>,
}

pub async fn insert(tx: &mut Tx, new: &NewBulk<'_>) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into bulk (id, tenant_id, bulk_number, action_type, reason, requested_by, idempotency_key, content_hash, selection,
             per_second, at_once, stop_at_percent, state, approval_until)
         values ($1, $2, 'bk-' || nextval('bulk_number'), $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
             clock_timestamp() + make_interval(secs => $13::float8))",
        new.id,
        new.tenant,
        new.action.word(),
        new.reason,
        new.requested_by,
        new.idempotency_key,
        new.content_hash,
        new.selection,
        new.pace.per_second as i32,
        new.pace.at_once as i32,
        new.pace.stop_at_percent as i32,
        new.state.word(),
        new.approval_s,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Its cases, in the order that they are named; those with a reason are excluded. False when one of them is not there.
pub async fn insert_cases(
    tx: &mut Tx,
    bulk: Uuid,
    tenant: &str,
    cases: &[(CaseNumber, Option<String>)],
) -> Result<bool, StoreError> {
    let numbers: Vec<String> = cases.iter().map(|(number, _)| number.to_string()).collect();
    let whys: Vec<Option<String>> = cases.iter().map(|(_, why)| why.clone()).collect();
    let done = sqlx::query!(
        "insert into bulk_case (bulk_id, fallout_case_id, tenant_id, position, state, why)
         select $1, c.id, c.tenant_id, t.position, case when t.why is null then 'pending' else 'excluded' end, t.why
         from unnest($3::text[], $4::text[]) with ordinality as t (number, why, position)
         join fallout_case c on c.tenant_id = $2 and c.case_number = t.number on conflict do nothing",
        bulk,
        tenant,
        &numbers,
        &whys as &[Option<String>],
    );
    Ok(done.execute(tx.conn()).await?.rows_affected() == cases.len() as u64)
}

pub async fn by_number(tx: &mut Tx, tenant: &str, number: BulkNumber) -> Result<Option<Bulk>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"select id, tenant_id, bulk_number, action_type, reason, requested_by, content_hash, selection, per_second, at_once,
                stop_at_percent, state, approver, approval_until, tokens, tokens_at, created_at, ended_at, clock_timestamp() as "read_at!"
         from bulk where tenant_id = $1 and bulk_number = $2"#,
        tenant,
        number.to_string(),
    );
    row.fetch_optional(tx.conn()).await?.map(Bulk::try_from).transpose()
}

/// The one that was asked for with this key before.
pub async fn by_key(tx: &mut Tx, tenant: &str, key: &str) -> Result<Option<Bulk>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"select id, tenant_id, bulk_number, action_type, reason, requested_by, content_hash, selection, per_second, at_once,
                stop_at_percent, state, approver, approval_until, tokens, tokens_at, created_at, ended_at, clock_timestamp() as "read_at!"
         from bulk where tenant_id = $1 and idempotency_key = $2"#,
        tenant,
        key,
    );
    row.fetch_optional(tx.conn()).await?.map(Bulk::try_from).transpose()
}

/// Held until the transaction ends.
pub async fn held(tx: &mut Tx, id: Uuid) -> Result<Bulk, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"select id, tenant_id, bulk_number, action_type, reason, requested_by, content_hash, selection, per_second, at_once,
                stop_at_percent, state, approver, approval_until, tokens, tokens_at, created_at, ended_at, clock_timestamp() as "read_at!"
         from bulk where id = $1 for update"#,
        id,
    );
    row.fetch_one(tx.conn()).await?.try_into()
}

/// The same, or `None` while somebody else has it.
pub async fn held_if_free(tx: &mut Tx, id: Uuid) -> Result<Option<Bulk>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"select id, tenant_id, bulk_number, action_type, reason, requested_by, content_hash, selection, per_second, at_once,
                stop_at_percent, state, approver, approval_until, tokens, tokens_at, created_at, ended_at, clock_timestamp() as "read_at!"
         from bulk where id = $1 for update skip locked"#,
        id,
    );
    row.fetch_optional(tx.conn()).await?.map(Bulk::try_from).transpose()
}

/// The latest first.
pub async fn list(tx: &mut Tx, tenant: &str, limit: i64) -> Result<Vec<Bulk>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id, tenant_id, bulk_number, action_type, reason, requested_by, content_hash, selection, per_second, at_once,
                stop_at_percent, state, approver, approval_until, tokens, tokens_at, created_at, ended_at, clock_timestamp() as "read_at!"
         from bulk where tenant_id = $1 order by created_at desc, id desc limit $2"#,
        tenant,
        limit,
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Bulk::try_from).collect()
}

/// Those that something is to be done for: cases to begin, results to take, a request that expires.
pub async fn at_work(tx: &mut Tx) -> Result<Vec<Uuid>, StoreError> {
    let ids = sqlx::query_scalar!(
        "select id from bulk b where state = 'running' or state = 'awaiting_approval' and approval_until <= clock_timestamp()
            or state in ('paused', 'halted', 'stopped')
               and exists (select from bulk_case c where c.bulk_id = b.id and c.state in ('taken', 'recovering'))
         order by id"
    );
    Ok(ids.fetch_all(tx.conn()).await?)
}

/// `by` is who agreed or did not.
pub async fn set_state(tx: &mut Tx, id: Uuid, state: BulkState, by: Option<&str>) -> Result<(), StoreError> {
    sqlx::query!(
        "update bulk set state = $2, approver = coalesce($3, approver),
                ended_at = case when $2 in ('stopped', 'done', 'not_approved') then clock_timestamp() end,
                counted_from = case when $2 = 'running' then clock_timestamp() else counted_from end,
                tokens = 0, tokens_at = clock_timestamp() where id = $1",
        id,
        state.word(),
        by,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub async fn set_tokens(tx: &mut Tx, id: Uuid, tokens: Tokens) -> Result<(), StoreError> {
    sqlx::query!("update bulk set tokens = $2, tokens_at = $3 where id = $1", id, tokens.left, tokens.at)
        .execute(tx.conn())
        .await?;
    Ok(())
}

pub async fn note(
    tx: &mut Tx,
    bulk: &Bulk,
    what: &str,
    principal: Option<&str>,
    reason: Option<&str>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into bulk_entry (bulk_id, tenant_id, what, principal, reason) values ($1, $2, $3, $4, $5)",
        bulk.id,
        bulk.tenant,
        what,
        principal,
        reason,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    pub at: DateTime<Utc>,
    pub what: String,
    pub principal: Option<String>,
    pub reason: Option<String>,
}

pub async fn entries(tx: &mut Tx, bulk: Uuid) -> Result<Vec<Entry>, StoreError> {
    let rows = sqlx::query_as!(
        Entry,
        "select at, what, principal, reason from bulk_entry where bulk_id = $1 order by id",
        bulk
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

/// How many of its cases stand how.
pub async fn counts(tx: &mut Tx, bulk: Uuid) -> Result<Vec<(BulkCaseState, i64)>, StoreError> {
    let rows =
        sqlx::query!(r#"select state, count(*) as "count!" from bulk_case where bulk_id = $1 group by state"#, bulk);
    rows.fetch_all(tx.conn()).await?.into_iter().map(|r| Ok((r.state.parse()?, r.count))).collect()
}

/// One case with what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct CaseOfBulk {
    pub case: CaseNumber,
    pub state: BulkCaseState,
    pub why: Option<String>,
    pub action: Option<ActionId>,
}

/// In their order, after this place.
pub async fn cases(tx: &mut Tx, bulk: Uuid, after: i32, limit: i64) -> Result<Vec<CaseOfBulk>, StoreError> {
    let rows = sqlx::query!(
        "select c.case_number, b.state, b.why, b.action_id from bulk_case b join fallout_case c on c.id = b.fallout_case_id
         where b.bulk_id = $1 and b.position > $2 order by b.position limit $3",
        bulk,
        after,
        limit,
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|r| {
        let case = parse_number(&r.case_number)?;
        Ok(CaseOfBulk { case, state: r.state.parse()?, why: r.why, action: r.action_id.map(ActionId) })
    });
    rows.collect()
}

/// Cases under way.
pub async fn under_way(tx: &mut Tx, bulk: Uuid) -> Result<i64, StoreError> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from bulk_case where bulk_id = $1 and state in ('taken', 'recovering')"#,
        bulk
    );
    Ok(count.fetch_one(tx.conn()).await?)
}

/// A case whose command is to be given.
#[derive(Clone, Copy, Debug)]
pub struct TakenCase {
    pub id: CaseId,
    pub number: CaseNumber,
}

/// The next so many, for `seconds`.
pub async fn take(tx: &mut Tx, bulk: Uuid, seconds: f64, limit: i64) -> Result<Vec<TakenCase>, StoreError> {
    let rows = sqlx::query!(
        "with due as (select fallout_case_id from bulk_case where bulk_id = $1 and state = 'pending' order by position limit $3)
         update bulk_case b set state = 'taken', taken_until = clock_timestamp() + make_interval(secs => $2)
         from due, fallout_case c where b.bulk_id = $1 and b.fallout_case_id = due.fallout_case_id and c.id = due.fallout_case_id
         returning c.id, c.case_number",
        bulk,
        seconds,
        limit,
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    rows.map(|r| Ok(TakenCase { id: CaseId(r.id), number: parse_number(&r.case_number)? })).collect()
}

/// Under which the command of a case is given.
pub fn key(bulk: Uuid, case: CaseNumber) -> String {
    format!("bulk:{bulk}:{case}")
}

/// Those that somebody took and never said anything about: their action shows whether the command was given; else it is
/// given when their turn comes again.
pub async fn settle_left_behind(tx: &mut Tx, bulk: &Bulk) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "update bulk_case b set state = case when a.id is null then 'pending' else 'recovering' end, action_id = a.id, taken_until = null
         from fallout_case c left join fallout_recovery_action a on a.tenant_id = $2
             and a.idempotency_key = 'bulk:' || $1::uuid::text || ':' || c.case_number
         where b.bulk_id = $1 and b.state = 'taken' and b.taken_until <= clock_timestamp() and c.id = b.fallout_case_id",
        bulk.id,
        bulk.tenant,
    );
    Ok(done.execute(tx.conn()).await?.rows_affected())
}

/// What giving a command came to.
#[derive(Clone, Debug)]
pub enum Given {
    Recovering(ActionId),
    Refused(String),
}

/// For many at once; what has an answer already keeps it.
pub async fn given(tx: &mut Tx, bulk: Uuid, all: &[(CaseId, Given)]) -> Result<(), StoreError> {
    let cases: Vec<Uuid> = all.iter().map(|(case, _)| case.0).collect();
    let actions: Vec<Option<Uuid>> = all
        .iter()
        .map(|(_, given)| match given {
            Given::Recovering(action) => Some(action.0),
            Given::Refused(_) => None,
        })
        .collect();
    let whys: Vec<Option<String>> = all
        .iter()
        .map(|(_, given)| match given {
            Given::Recovering(_) => None,
            Given::Refused(why) => Some(why.clone()),
        })
        .collect();
    sqlx::query!(
        "update bulk_case b set state = case when t.action is null then 'refused' else 'recovering' end, action_id = t.action,
                why = t.why, taken_until = null, ended_at = case when t.action is null then clock_timestamp() end
         from unnest($2::uuid[], $3::uuid[], $4::text[]) as t (id, action, why)
         where b.bulk_id = $1 and b.fallout_case_id = t.id and b.state = 'taken'",
        bulk,
        &cases,
        &actions as &[Option<Uuid>],
        &whys as &[Option<String>],
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes the results of actions that are over; how many there were.
pub async fn collect(tx: &mut Tx, bulk: Uuid) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "update bulk_case b set state = case when a.status = 'completed' then 'recovered' else 'failed' end, ended_at = clock_timestamp(),
                why = case when a.status = 'completed' then null else coalesce(a.result_payload ->> 'why', a.status) end
         from fallout_recovery_action a
         where b.bulk_id = $1 and b.state = 'recovering' and a.id = b.action_id and a.completed_at is not null",
        bulk,
    );
    Ok(done.execute(tx.conn()).await?.rows_affected())
}

/// How its recoveries ended since it was begun or went on.
pub async fn ended(tx: &mut Tx, bulk: Uuid) -> Result<Ended, StoreError> {
    let row = sqlx::query!(
        r#"select count(*) filter (where c.state = 'recovered') as "recovered!", count(*) filter (where c.state = 'failed') as "failed!"
           from bulk_case c join bulk b on b.id = c.bulk_id
           where c.bulk_id = $1 and c.state in ('recovered', 'failed') and c.ended_at >= b.counted_from"#,
        bulk,
    );
    let r = row.fetch_one(tx.conn()).await?;
    Ok(Ended { recovered: r.recovered.unsigned_abs(), failed: r.failed.unsigned_abs() })
}

/// Whether any case has no result yet.
pub async fn has_open_cases(tx: &mut Tx, bulk: Uuid) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"select exists (select from bulk_case where bulk_id = $1 and state = 'pending')
               or exists (select from bulk_case where bulk_id = $1 and state in ('taken', 'recovering')) as "found!""#,
        bulk,
    );
    Ok(found.fetch_one(tx.conn()).await?)
}
