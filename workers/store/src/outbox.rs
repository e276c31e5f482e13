//! Events on their way out, written in the transaction of what they tell of.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use fallout_core::event::{Event, EventType};
use serde_json::Value;
use uuid::Uuid;

use crate::{StoreError, Tx};

/// Where a row stands for readers: by its transaction, then by itself. Both only rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Place {
    pub tx: i64,
    pub position: i64,
}

/// What happened to something that is no case; an entry of a case's timeline brings its event itself. Only what may leave
/// is kept of `payload`.
pub async fn append(
    tx: &mut Tx,
    id: Uuid,
    tenant: &str,
    kind: EventType,
    subject: &str,
    payload: &Value,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into event_outbox (id, tenant_id, event_type, subject, occurred_at, data) values ($1, $2, $3, $4, clock_timestamp(), $5)",
        id,
        tenant,
        kind.word(),
        subject,
        Value::Object(kind.publishable(payload)),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// As it is typed and sent: where to go on.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.tx, self.position)
    }
}

/// A text that is no place.
#[derive(Debug, thiserror::Error)]
#[error("a place is two numbers with a dash between them")]
pub struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;
    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let number = |text: &str| match text.bytes().all(|b| b.is_ascii_digit()) {
            true => text.parse::<i64>().map_err(|_| NoPlace),
            false => Err(NoPlace),
        };
        let (tx, position) = text.split_once('-').ok_or(NoPlace)?;
        Ok(Place { tx: number(tx)?, position: number(position)? })
    }
}

struct Row {
    id: Uuid,
    tenant_id: String,
    event_type: String,
    subject: String,
    occurred_at: DateTime<Utc>,
    data: Value,
    tx: i64,
    position: i64,
}

impl TryFrom<Row> for (Place, Event) {
    type Error = StoreError;
    fn try_from(r: Row) -> Result<Self, StoreError> {
        let Value::Object(data) = r.data else {
            return Err(StoreError::Corrupt(format!("event {} has no object as data", r.id)));
        };
        let (kind, subject, at) = (r.event_type.parse()?, r.subject, r.occurred_at);
        Ok((Place { tx: r.tx, position: r.position }, Event { id: r.id, tenant: r.tenant_id, kind, subject, at, data }))
    }
}

/// The events after `place`, all tenants, in order. Stops below the oldest transaction that still runs: it may yet commit
/// events that belong before later ones.
pub async fn after(tx: &mut Tx, place: Place, limit: i64) -> Result<Vec<(Place, Event)>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id, tenant_id, event_type, subject, occurred_at, data, tx::text::bigint as "tx!", position
           from event_outbox
           where (tx, position) > ($1::bigint::text::xid8, $2) and tx < pg_snapshot_xmin(pg_current_snapshot())
           order by event_outbox.tx, position limit $3"#,
        place.tx,
        place.position,
        limit,
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Row::try_into).collect()
}

/// The same of one tenant.
pub async fn of_tenant(tx: &mut Tx, tenant: &str, place: Place, limit: i64) -> Result<Vec<(Place, Event)>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id, tenant_id, event_type, subject, occurred_at, data, tx::text::bigint as "tx!", position
           from event_outbox
           where tenant_id = $4 and (tx, position) > ($1::bigint::text::xid8, $2) and tx < pg_snapshot_xmin(pg_current_snapshot())
           order by event_outbox.tx, position limit $3"#,
        place.tx,
        place.position,
        limit,
        tenant,
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Row::try_into).collect()
}

/// How far a reader is, when it is ours for so many seconds from now on; `None`: another one holds it.
pub async fn hold_reader(tx: &mut Tx, name: &str, holder: Uuid, lease_s: f64) -> Result<Option<Place>, StoreError> {
    let held = sqlx::query!(
        r#"select tx::text::bigint as "tx!", position from event_reader
           where name = $1 and holder = $2 and lease_until > clock_timestamp() + make_interval(secs => $3::float8 / 2)"#,
        name,
        holder,
        lease_s,
    );
    // Written only when half of the lease is over.
    if let Some(r) = held.fetch_optional(tx.conn()).await? {
        return Ok(Some(Place { tx: r.tx, position: r.position }));
    }
    sqlx::query!("insert into event_reader (name) values ($1) on conflict (name) do nothing", name)
        .execute(tx.conn())
        .await?;
    let taken = sqlx::query!(
        r#"update event_reader set holder = $2, lease_until = clock_timestamp() + make_interval(secs => $3)
           where name = $1 and (holder is null or holder = $2 or lease_until <= clock_timestamp())
           returning tx::text::bigint as "tx!", position"#,
        name,
        holder,
        lease_s,
    );
    Ok(taken.fetch_optional(tx.conn()).await?.map(|r| Place { tx: r.tx, position: r.position }))
}

/// Fenced: false when another one holds it by now, or it stands elsewhere.
pub async fn move_reader(tx: &mut Tx, name: &str, holder: Uuid, from: Place, to: Place) -> Result<bool, StoreError> {
    let moved = sqlx::query!(
        "update event_reader set tx = $5::bigint::text::xid8, position = $6, moved_at = clock_timestamp()
         where name = $1 and holder = $2 and tx = $3::bigint::text::xid8 and position = $4",
        name,
        holder,
        from.tx,
        from.position,
        to.tx,
        to.position,
    );
    Ok(moved.execute(tx.conn()).await?.rows_affected() == 1)
}

/// Up to where the events of a tenant were deleted; before the first one when none was.
pub async fn pruned(tx: &mut Tx, tenant: &str) -> Result<Place, StoreError> {
    let kept =
        sqlx::query!(r#"select tx::text::bigint as "tx!", position from event_pruned where tenant_id = $1"#, tenant);
    let kept = kept.fetch_optional(tx.conn()).await?;
    Ok(kept.map(|r| Place { tx: r.tx, position: r.position }).unwrap_or_default())
}

/// Deletes up to `limit` of the oldest events, all tenants: those older than `days` that every reader has handed on.
pub async fn prune(tx: &mut Tx, days: i32, limit: i64) -> Result<i64, StoreError> {
    // Only the head is looked at: where it is young, so is the rest.
    let gone = sqlx::query_scalar!(
        r#"with gone as (
               delete from event_outbox where id in (
                   select h.id from (
                       select id, occurred_at, tx, position from event_outbox
                       where tx < pg_snapshot_xmin(pg_current_snapshot()) order by event_outbox.tx, position limit $2) h
                   where h.occurred_at < clock_timestamp() - make_interval(days => $1)
                     and not exists (select from event_reader r where (r.tx, r.position) < (h.tx, h.position)))
               returning tenant_id, tx, position),
           told as (
               insert into event_pruned (tenant_id, tx, position)
               select distinct on (tenant_id) tenant_id, tx, position from gone order by tenant_id, tx desc, position desc
               on conflict (tenant_id) do update set tx = excluded.tx, position = excluded.position
               where (event_pruned.tx, event_pruned.position) < (excluded.tx, excluded.position))
           select count(*) as "count!" from gone"#,
        days,
        limit,
    );
    Ok(gone.fetch_one(tx.conn()).await?)
}
