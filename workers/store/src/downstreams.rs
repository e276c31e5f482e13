//! When downstreams are declared offline, who said so, and the cases that wait meanwhile.

use chrono::{DateTime, Utc};
use fallout_core::{
    ids::CaseId,
    offline::{LOOKUPS_FIRST_S, Window},
};
use serde::Serialize;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{StoreError, Tx};

/// A time that a downstream is offline, with what is kept of it.
#[derive(Clone, Debug)]
pub struct Kept {
    pub id: Uuid,
    pub window: Window,
    pub reason: String,
    pub declared_by: String,
    pub declared_for: String,
    /// Its controller has told of the beginning, of the end.
    pub began: bool,
    pub ended: bool,
}

struct Row {
    id: Uuid,
    downstream: String,
    operation: Option<String>,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    released_at: Option<DateTime<Utc>>,
    reason: String,
    declared_by: String,
    declared_for: String,
    began: bool,
    ended: bool,
}

impl From<Row> for Kept {
    fn from(r: Row) -> Kept {
        Kept {
            id: r.id,
            window: Window {
                downstream: r.downstream,
                operation: r.operation,
                starts_at: r.starts_at,
                ends_at: r.ends_at,
                released_at: r.released_at,
            },
            reason: r.reason,
            declared_by: r.declared_by,
            declared_for: r.declared_for,
            began: r.began,
            ended: r.ended,
        }
    }
}

/// The database's time, and every window that is in force: what each claim asks, so one round trip.
pub async fn moment(tx: &mut Tx) -> Result<(DateTime<Utc>, Vec<Window>), StoreError> {
    let row = sqlx::query!(
        r#"select t.now as "now!",
                  (select coalesce(jsonb_agg(jsonb_build_object('downstream', downstream, 'operation', operation,
                       'starts_at', starts_at, 'ends_at', ends_at, 'released_at', released_at)), '[]')
                   from downstream_window where released_at is null and starts_at <= t.now) as "windows!: Json<Vec<Window>>"
           from (select clock_timestamp() as now) t"#
    );
    let row = row.fetch_one(tx.conn()).await?;
    Ok((row.now, row.windows.0))
}

/// Nobody else declares anything until the transaction ends.
pub async fn lock(tx: &mut Tx) -> Result<(), StoreError> {
    sqlx::query_scalar!(r#"select pg_advisory_xact_lock(hashtext('fallout.downstream')) as "held: ()""#)
        .fetch_one(tx.conn())
        .await?;
    Ok(())
}

/// Those that are not over, the earliest first.
pub async fn open(tx: &mut Tx) -> Result<Vec<Kept>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id, downstream, operation, starts_at, ends_at, released_at, reason, declared_by, declared_for,
                  began_at is not null as "began!", ended_at is not null as "ended!"
           from downstream_window where released_at is null order by starts_at, id"#
    );
    Ok(rows.fetch_all(tx.conn()).await?.into_iter().map(Kept::from).collect())
}

/// Those that are over, the latest first.
pub async fn over(tx: &mut Tx, limit: i64) -> Result<Vec<Kept>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id, downstream, operation, starts_at, ends_at, released_at, reason, declared_by, declared_for,
                  began_at is not null as "began!", ended_at is not null as "ended!"
           from downstream_window where released_at is not null order by declared_at desc, id desc limit $1"#,
        limit,
    );
    Ok(rows.fetch_all(tx.conn()).await?.into_iter().map(Kept::from).collect())
}

/// The window, held until the transaction ends.
pub async fn held(tx: &mut Tx, id: Uuid) -> Result<Kept, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"select id, downstream, operation, starts_at, ends_at, released_at, reason, declared_by, declared_for,
                  began_at is not null as "began!", ended_at is not null as "ended!"
           from downstream_window where id = $1 for update"#,
        id,
    );
    Ok(row.fetch_one(tx.conn()).await?.into())
}

pub async fn insert(tx: &mut Tx, new: &Kept) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into downstream_window (id, downstream, operation, starts_at, ends_at, reason, declared_by, declared_for)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        new.id,
        new.window.downstream,
        new.window.operation,
        new.window.starts_at,
        new.window.ends_at,
        new.reason,
        new.declared_by,
        new.declared_for,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// It ends then. One whose end was told already goes on when that is later.
pub async fn move_end(tx: &mut Tx, id: Uuid, ends_at: DateTime<Utc>, reason: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "update downstream_window set ends_at = $2, reason = $3,
                ended_at = case when $2 <= clock_timestamp() then ended_at end where id = $1",
        id,
        ends_at,
        reason,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Now, or when it would have begun: one that was planned never begins.
pub async fn end_now(tx: &mut Tx, id: Uuid) -> Result<(), StoreError> {
    sqlx::query!(
        "update downstream_window set ends_at = greatest(starts_at, clock_timestamp()),
                released_at = case when starts_at > clock_timestamp() then starts_at end where id = $1",
        id,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub async fn set_began(tx: &mut Tx, id: Uuid) -> Result<(), StoreError> {
    sqlx::query!("update downstream_window set began_at = clock_timestamp() where id = $1", id)
        .execute(tx.conn())
        .await?;
    Ok(())
}

pub async fn set_ended(tx: &mut Tx, id: Uuid) -> Result<(), StoreError> {
    sqlx::query!("update downstream_window set ended_at = clock_timestamp() where id = $1", id)
        .execute(tx.conn())
        .await?;
    Ok(())
}

pub async fn set_released(tx: &mut Tx, id: Uuid) -> Result<(), StoreError> {
    sqlx::query!("update downstream_window set released_at = clock_timestamp() where id = $1", id)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Who said what about it; without a principal the program itself.
pub async fn note(tx: &mut Tx, id: Uuid, what: &str, said: Option<(&str, &str)>) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into downstream_entry (window_id, what, principal, reason) values ($1, $2, $3, $4)",
        id,
        what,
        said.map(|(principal, _)| principal),
        said.map(|(_, reason)| reason),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// One entry of a window's history.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    pub at: DateTime<Utc>,
    pub what: String,
    pub principal: Option<String>,
    pub reason: Option<String>,
}

pub async fn entries(tx: &mut Tx, id: Uuid) -> Result<Vec<Entry>, StoreError> {
    let rows = sqlx::query_as!(
        Entry,
        "select at, what, principal, reason from downstream_entry where window_id = $1 order by id",
        id,
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

/// Windows that have begun and that something is still to be done for: told, cases put to waiting or brought back.
pub async fn to_attend(tx: &mut Tx) -> Result<Vec<Uuid>, StoreError> {
    let ids = sqlx::query_scalar!(
        "select id from downstream_window w
         where starts_at <= clock_timestamp() and released_at is null
            or released_at is not null and exists (select from downstream_window_case c where c.window_id = w.id and c.returned_at is null)
         order by starts_at, id"
    );
    Ok(ids.fetch_all(tx.conn()).await?)
}

/// Cases with their people that are about these operations of a downstream, and that this window has not put to waiting.
pub async fn cases_to_wait(
    tx: &mut Tx,
    id: Uuid,
    downstream: &str,
    operation: Option<&str>,
    limit: i64,
) -> Result<Vec<CaseId>, StoreError> {
    let ids = sqlx::query_scalar!(
        "select c.id from fallout_case c
         where c.external_system = $2 and c.status in ('classified', 'assigned', 'in_progress', 'reopened')
           and ($3::text is null or exists (select from step s where s.id = c.step_id and s.operation = $3))
           and not exists (select from downstream_window_case w where w.window_id = $1 and w.fallout_case_id = c.id)
         order by c.id limit $4",
        id,
        downstream,
        operation,
        limit,
    );
    Ok(ids.fetch_all(tx.conn()).await?.into_iter().map(CaseId).collect())
}

/// False when it was put to waiting by this window before.
pub async fn take_case(tx: &mut Tx, id: Uuid, case: CaseId, tenant: &str) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "insert into downstream_window_case (window_id, fallout_case_id, tenant_id) values ($1, $2, $3) on conflict do nothing",
        id,
        case.0,
        tenant,
    );
    Ok(done.execute(tx.conn()).await?.rows_affected() == 1)
}

/// Cases that wait for this window.
pub async fn cases_to_return(tx: &mut Tx, id: Uuid, limit: i64) -> Result<Vec<CaseId>, StoreError> {
    let ids = sqlx::query_scalar!(
        "select fallout_case_id from downstream_window_case where window_id = $1 and returned_at is null
         order by fallout_case_id limit $2",
        id,
        limit,
    );
    Ok(ids.fetch_all(tx.conn()).await?.into_iter().map(CaseId).collect())
}

/// False when it was brought back before.
pub async fn return_case(tx: &mut Tx, id: Uuid, case: CaseId) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "update downstream_window_case set returned_at = clock_timestamp()
         where window_id = $1 and fallout_case_id = $2 and returned_at is null",
        id,
        case.0,
    );
    Ok(done.execute(tx.conn()).await?.rows_affected() == 1)
}

/// Whether a case waits for a downstream, and not for anything else that somebody said since.
pub async fn waits(tx: &mut Tx, case: CaseId) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"select exists (select from fallout_case where id = $1 and status = 'waiting' and waiting_for = 'downstream') as "found!""#,
        case.0,
    );
    Ok(found.fetch_one(tx.conn()).await?)
}

/// Whose orders are under way: all of them are told.
pub async fn tenants_at_work(tx: &mut Tx) -> Result<Vec<String>, StoreError> {
    let tenants =
        sqlx::query_scalar!("select distinct tenant_id from order_run where state in ('accepted', 'running')");
    Ok(tenants.fetch_all(tx.conn()).await?)
}

/// The end of the time that lookups have to themselves, at the latest.
pub async fn is_past_lookups(tx: &mut Tx, id: Uuid) -> Result<bool, StoreError> {
    let past = sqlx::query_scalar!(
        r#"select clock_timestamp() >= ends_at + make_interval(secs => $2) as "past!" from downstream_window where id = $1"#,
        id,
        LOOKUPS_FIRST_S as f64,
    );
    Ok(past.fetch_one(tx.conn()).await?)
}
