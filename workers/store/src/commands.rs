//! Commands to the engine, waiting for the relay.

use fallout_core::{
    command::EngineCommand,
    ids::{ActionId, CommandId},
};
use sqlx::types::Json;

use crate::{StoreError, Tx};

#[derive(Clone, Debug)]
pub struct Pending {
    pub id: CommandId,
    pub command: EngineCommand,
    /// Sends before this one: anything above 0 means read before you send again.
    pub tries: i32,
    /// How often the engine answered that nobody waits for it.
    pub misses: i32,
}

pub async fn insert(
    tx: &mut Tx,
    id: CommandId,
    tenant: &str,
    command: &EngineCommand,
    action: Option<ActionId>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into engine_command (id, tenant_id, kind, payload, action_id) values ($1, $2, $3, $4, $5)",
        id.0,
        tenant,
        command.kind(),
        Json(command) as _,
        action.map(|a| a.0),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes due commands for a lease of `seconds`: if we die, they are due again once it has passed.
pub async fn take(tx: &mut Tx, seconds: f64, limit: i64) -> Result<Vec<Pending>, StoreError> {
    let rows = sqlx::query!(
        r#"with due as (select id from engine_command where state = 'pending' and not_before <= now()
                        order by not_before limit $2 for update skip locked)
           update engine_command c set not_before = now() + make_interval(secs => $1), tries = c.tries + 1
           from due where c.id = due.id
           returning c.id, c.payload as "payload: Json<EngineCommand>", c.tries - 1 as "tries!", c.misses"#,
        seconds,
        limit,
    );
    let taken = rows.fetch_all(tx.conn()).await?.into_iter();
    Ok(taken.map(|r| Pending { id: CommandId(r.id), command: r.payload.0, tries: r.tries, misses: r.misses }).collect())
}

pub async fn end(tx: &mut Tx, id: CommandId, done: bool, note: Option<&str>) -> Result<(), StoreError> {
    sqlx::query!(
        "update engine_command set state = case when $2 then 'done' else 'failed' end, last_error = $3, ended_at = now()
         where id = $1 and state = 'pending'",
        id.0, done, note,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Many that are done.
pub async fn end_all(tx: &mut Tx, ids: &[CommandId]) -> Result<(), StoreError> {
    let ids: Vec<uuid::Uuid> = ids.iter().map(|id| id.0).collect();
    sqlx::query!(
        "update engine_command set state = 'done', last_error = null, ended_at = now() where id = any($1) and state = 'pending'",
        &ids,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub async fn again(tx: &mut Tx, id: CommandId, seconds: f64, why: &str, missed: bool) -> Result<(), StoreError> {
    sqlx::query!(
        "update engine_command set not_before = now() + make_interval(secs => $2), last_error = $3, misses = misses + $4::bool::int
         where id = $1 and state = 'pending'",
        id.0, seconds, why, missed,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes back what no relay has taken; false when one has, or when there is nothing to take back.
pub async fn withdraw(tx: &mut Tx, action: ActionId, why: &str) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "update engine_command set state = 'withdrawn', last_error = $2, ended_at = now()
         where action_id = $1 and state = 'pending' and tries = 0",
        action.0,
        why,
    );
    Ok(done.execute(tx.conn()).await?.rows_affected() > 0)
}

/// Whether a command of this kind for this instance is under way.
pub async fn is_pending(tx: &mut Tx, kind: &str, process_instance_id: &str) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"select exists (select 1 from engine_command where state = 'pending' and kind = $1
                          and payload ->> 'process_instance_id' = $2) as "found!""#,
        kind,
        process_instance_id,
    );
    Ok(found.fetch_one(tx.conn()).await?)
}

/// Whether a command of this kind for this order run is under way.
pub async fn is_pending_for_run(tx: &mut Tx, kind: &str, business_key: &str) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"select exists (select 1 from engine_command where state = 'pending' and kind = $1
                          and payload ->> 'business_key' = $2) as "found!""#,
        kind,
        business_key,
    );
    Ok(found.fetch_one(tx.conn()).await?)
}

/// How many wait.
pub async fn pending(tx: &mut Tx) -> Result<i64, StoreError> {
    let count = sqlx::query_scalar!(r#"select count(*) as "count!" from engine_command where state = 'pending'"#);
    Ok(count.fetch_one(tx.conn()).await?)
}
