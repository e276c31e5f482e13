//! The history of cases and problems as it is sealed and checked. Reads never go by what a tampered row says of itself alone.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{StoreError, Tx, outbox::Place};

/// One entry of a timeline, a case's or a problem's, with everything that its digest covers.
#[derive(Clone, Debug)]
pub struct Entry {
    pub id: Uuid,
    pub tenant: String,
    /// The case, or the problem.
    pub about: Uuid,
    pub event_type: String,
    pub actor_type: String,
    pub actor: Option<String>,
    pub reason: Option<String>,
    /// As the database writes its jsonb: keys in its own order, no doubles.
    pub payload: Option<String>,
    pub at: DateTime<Utc>,
    pub place: Place,
}

#[derive(Clone, Debug)]
pub struct Seal {
    pub seq: i64,
    pub up_to: Place,
    pub entries: Vec<Uuid>,
    /// 32 bytes for each of the entries.
    pub digests: Vec<u8>,
    pub previous: Vec<u8>,
    pub head: Vec<u8>,
}

struct EntryRow {
    id: Uuid,
    tenant_id: String,
    about: Uuid,
    event_type: String,
    actor_type: String,
    actor_id: Option<String>,
    reason: Option<String>,
    payload: Option<String>,
    created_at: DateTime<Utc>,
    tx: i64,
    position: i64,
}

impl From<EntryRow> for Entry {
    fn from(r: EntryRow) -> Self {
        Entry {
            id: r.id,
            tenant: r.tenant_id,
            about: r.about,
            event_type: r.event_type,
            actor_type: r.actor_type,
            actor: r.actor_id,
            reason: r.reason,
            payload: r.payload,
            at: r.created_at,
            place: Place { tx: r.tx, position: r.position },
        }
    }
}

struct SealRow {
    seq: i64,
    up_to_tx: i64,
    up_to_position: i64,
    entries: Vec<Uuid>,
    digests: Vec<u8>,
    previous: Vec<u8>,
    head: Vec<u8>,
}

impl From<SealRow> for Seal {
    fn from(r: SealRow) -> Self {
        let up_to = Place { tx: r.up_to_tx, position: r.up_to_position };
        let SealRow { seq, entries, digests, previous, head, .. } = r;
        Seal { seq, up_to, entries, digests, previous, head }
    }
}

/// Everyone who has a history or seals, by name. Steps from tenant to tenant along the indexes: few, over many rows.
pub async fn tenants(tx: &mut Tx) -> Result<Vec<String>, StoreError> {
    let names = sqlx::query_scalar!(
        r#"with recursive t as (
               (select tenant_id from fallout_event order by tenant_id limit 1)
               union all
               select (select e.tenant_id from fallout_event e where e.tenant_id > t.tenant_id order by e.tenant_id limit 1)
               from t where t.tenant_id is not null),
           s as (
               (select tenant_id from audit_seal order by tenant_id limit 1)
               union all
               select (select a.tenant_id from audit_seal a where a.tenant_id > s.tenant_id order by a.tenant_id limit 1)
               from s where s.tenant_id is not null)
           select tenant_id as "tenant!" from t where tenant_id is not null
           union select tenant_id from s where tenant_id is not null order by 1"#
    );
    Ok(names.fetch_all(tx.conn()).await?)
}

/// The next entries to be sealed: after `place`, below the oldest transaction that still runs, since it may yet commit
/// entries that belong before later ones.
pub async fn unsealed(tx: &mut Tx, tenant: &str, place: Place, limit: i64) -> Result<Vec<Entry>, StoreError> {
    let rows = sqlx::query_as!(
        EntryRow,
        r#"select id as "id!", tenant_id as "tenant_id!", about as "about!", event_type as "event_type!", actor_type as "actor_type!",
                  actor_id, reason, payload::text as payload, created_at as "created_at!", e.tx::text::bigint as "tx!",
                  position as "position!"
           from (
               (select id, tenant_id, fallout_case_id as about, event_type, actor_type, actor_id, reason, payload, created_at, tx, position
                from fallout_event
                where tenant_id = $1 and (tx, position) > ($2::bigint::text::xid8, $3) and tx < pg_snapshot_xmin(pg_current_snapshot())
                order by tx, position limit $4)
               union all
               (select id, tenant_id, problem_id, event_type, actor_type, actor_id, reason, payload, created_at, tx, position
                from fallout_problem_event
                where tenant_id = $1 and (tx, position) > ($2::bigint::text::xid8, $3) and tx < pg_snapshot_xmin(pg_current_snapshot())
                order by tx, position limit $4)) e
           order by e.tx, e.position limit $4"#,
        tenant,
        place.tx,
        place.position,
        limit,
    );
    Ok(rows.fetch_all(tx.conn()).await?.into_iter().map(Entry::from).collect())
}

/// These entries as they stand now, whoever they say they belong to.
pub async fn entries(tx: &mut Tx, ids: &[Uuid]) -> Result<Vec<Entry>, StoreError> {
    let rows = sqlx::query_as!(
        EntryRow,
        r#"select id as "id!", tenant_id as "tenant_id!", fallout_case_id as "about!", event_type as "event_type!",
                  actor_type as "actor_type!", actor_id, reason, payload::text as payload, created_at as "created_at!",
                  tx::text::bigint as "tx!", position as "position!"
           from fallout_event where id = any($1)
           union all
           select id, tenant_id, problem_id, event_type, actor_type, actor_id, reason, payload::text, created_at,
                  tx::text::bigint, position
           from fallout_problem_event where id = any($1)"#,
        ids,
    );
    Ok(rows.fetch_all(tx.conn()).await?.into_iter().map(Entry::from).collect())
}

/// Entries between two seals that neither knows: they were put there afterwards. At most `limit`, enough to name them.
pub async fn slipped_in(
    tx: &mut Tx,
    tenant: &str,
    from: Place,
    seal: &Seal,
    limit: i64,
) -> Result<Vec<Uuid>, StoreError> {
    let ids = sqlx::query_scalar!(
        r#"select id as "id!" from (
             select id, tx, position from fallout_event
             where tenant_id = $1 and (tx, position) > ($2::bigint::text::xid8, $3) and (tx, position) <= ($4::bigint::text::xid8, $5)
               and id <> all($6)
             union all
             select id, tx, position from fallout_problem_event
             where tenant_id = $1 and (tx, position) > ($2::bigint::text::xid8, $3) and (tx, position) <= ($4::bigint::text::xid8, $5)
               and id <> all($6)) e
           order by tx, position limit $7"#,
        tenant,
        from.tx,
        from.position,
        seal.up_to.tx,
        seal.up_to.position,
        &seal.entries,
        limit,
    );
    Ok(ids.fetch_all(tx.conn()).await?)
}

/// How many entries no seal covers yet.
pub async fn count_unsealed(tx: &mut Tx, tenant: &str, place: Place) -> Result<i64, StoreError> {
    let count = sqlx::query_scalar!(
        r#"select (select count(*) from fallout_event where tenant_id = $1 and (tx, position) > ($2::bigint::text::xid8, $3))
                + (select count(*) from fallout_problem_event where tenant_id = $1 and (tx, position) > ($2::bigint::text::xid8, $3))
                as "count!""#,
        tenant,
        place.tx,
        place.position,
    );
    Ok(count.fetch_one(tx.conn()).await?)
}

/// A tenant's seals after `seq`, in order.
pub async fn seals(tx: &mut Tx, tenant: &str, seq: i64, limit: i64) -> Result<Vec<Seal>, StoreError> {
    let rows = sqlx::query_as!(
        SealRow,
        r#"select seq, up_to_tx::text::bigint as "up_to_tx!", up_to_position, entries, digests, previous, head
           from audit_seal where tenant_id = $1 and seq > $2 order by seq limit $3"#,
        tenant,
        seq,
        limit,
    );
    Ok(rows.fetch_all(tx.conn()).await?.into_iter().map(Seal::from).collect())
}

pub async fn last_seal(tx: &mut Tx, tenant: &str) -> Result<Option<Seal>, StoreError> {
    let row = sqlx::query_as!(
        SealRow,
        r#"select seq, up_to_tx::text::bigint as "up_to_tx!", up_to_position, entries, digests, previous, head
           from audit_seal where tenant_id = $1 order by seq desc limit 1"#,
        tenant,
    );
    Ok(row.fetch_optional(tx.conn()).await?.map(Seal::from))
}

/// False when another process wrote the seal of this number.
pub async fn insert_seal(tx: &mut Tx, tenant: &str, seal: &Seal) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "insert into audit_seal (tenant_id, seq, up_to_tx, up_to_position, entries, digests, previous, head)
         values ($1, $2, $3::bigint::text::xid8, $4, $5, $6, $7, $8) on conflict do nothing",
        tenant,
        seal.seq,
        seal.up_to.tx,
        seal.up_to.position,
        &seal.entries,
        seal.digests,
        seal.previous,
        seal.head,
    );
    Ok(done.execute(tx.conn()).await?.rows_affected() == 1)
}
