//! Events on their way out, written in the transaction of what they tell of.

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

/// The events after `place`, all tenants, in order. Stops below the oldest transaction that still runs: it may yet commit
/// events that belong before later ones.
pub async fn after(tx: &mut Tx, place: Place, limit: i64) -> Result<Vec<(Place, Event)>, StoreError> {
    let rows = sqlx::query!(
        r#"select id, tenant_id, event_type, subject, occurred_at, data, tx::text::bigint as "tx!", position
           from event_outbox
           where (tx, position) > ($1::bigint::text::xid8, $2) and tx < pg_snapshot_xmin(pg_current_snapshot())
           order by event_outbox.tx, position limit $3"#,
        place.tx,
        place.position,
        limit,
    );
    let read = rows.fetch_all(tx.conn()).await?.into_iter().map(|r| {
        let Value::Object(data) = r.data else {
            return Err(StoreError::Corrupt(format!("event {} has no object as data", r.id)));
        };
        let (kind, subject, at) = (r.event_type.parse()?, r.subject, r.occurred_at);
        Ok((Place { tx: r.tx, position: r.position }, Event { id: r.id, tenant: r.tenant_id, kind, subject, at, data }))
    });
    read.collect()
}
