//! Process modifications: what was asked, who agreed, what stood before and after.

use chrono::{DateTime, Utc};
use fallout_core::{
    ids::{ModificationId, RunId},
    modification::{Answers, ModificationState, Move, Token},
};
use serde::Serialize;
use sqlx::types::Json;

use crate::{StoreError, Tx};

#[derive(Clone, Debug, Serialize)]
pub struct Modification {
    pub id: ModificationId,
    #[serde(skip)]
    pub tenant: String,
    #[serde(skip)]
    pub run: RunId,
    pub order: String,
    pub process_instance_id: String,
    pub moves: Vec<Move>,
    /// With every cancelled stay named.
    pub resolved: Option<Vec<Move>>,
    pub answers: Answers,
    pub requested_by: String,
    pub state: ModificationState,
    #[serde(skip)]
    pub content_hash: Option<String>,
    pub before: Option<Vec<Token>>,
    pub after: Option<Vec<Token>>,
    pub approver: Option<String>,
    pub refusal: Option<String>,
    pub message: Option<String>,
    pub requested_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
}

struct Row {
    id: uuid::Uuid,
    tenant_id: String,
    order_run_id: uuid::Uuid,
    external_id: String,
    process_instance_id: String,
    moves: Json<Vec<Move>>,
    resolved: Option<Json<Vec<Move>>>,
    answers: Json<Answers>,
    requested_by: String,
    state: String,
    content_hash: Option<String>,
    tokens_before: Option<Json<Vec<Token>>>,
    tokens_after: Option<Json<Vec<Token>>>,
    approver: Option<String>,
    refusal: Option<String>,
    message: Option<String>,
    requested_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Modification {
    type Error = StoreError;
    fn try_from(r: Row) -> Result<Self, StoreError> {
        Ok(Modification {
            id: ModificationId(r.id),
            tenant: r.tenant_id,
            run: RunId(r.order_run_id),
            order: r.external_id,
            process_instance_id: r.process_instance_id,
            moves: r.moves.0,
            resolved: r.resolved.map(|moves| moves.0),
            answers: r.answers.0,
            requested_by: r.requested_by,
            state: r.state.parse()?,
            content_hash: r.content_hash,
            before: r.tokens_before.map(|tokens| tokens.0),
            after: r.tokens_after.map(|tokens| tokens.0),
            approver: r.approver,
            refusal: r.refusal,
            message: r.message,
            requested_at: r.requested_at,
            expires_at: r.expires_at,
            ended_at: r.ended_at,
        })
    }
}

/// A request as it came; one that is refused at once says why.
#[derive(Clone, Debug)]
pub struct NewModification<'a> {
    pub id: ModificationId,
    pub tenant: &'a str,
    pub run: RunId,
    pub process_instance_id: &'a str,
    pub moves: &'a [Move],
    pub answers: &'a Answers,
    pub requested_by: &'a str,
    pub refused: Option<(&'a str, &'a str)>,
}

pub async fn insert(tx: &mut Tx, new: &NewModification<'_>) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into process_modification (id, tenant_id, order_run_id, process_instance_id, moves, answers, requested_by, state,
             refusal, message, ended_at)
         values ($1, $2, $3, $4, $5, $6, $7, case when $8::text is null then 'checking' else 'refused' end, $8, $9,
             case when $8::text is null then null else now() end)",
        new.id.0,
        new.tenant,
        new.run.0,
        new.process_instance_id,
        Json(new.moves) as _,
        Json(new.answers) as _,
        new.requested_by,
        new.refused.map(|(name, _)| name),
        new.refused.map(|(_, message)| message),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Held until the transaction ends.
pub async fn hold(tx: &mut Tx, id: ModificationId) -> Result<Option<Modification>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"select m.id, m.tenant_id, m.order_run_id, o.external_id, m.process_instance_id, m.moves as "moves: Json<Vec<Move>>",
                  m.resolved as "resolved: Json<Vec<Move>>", m.answers as "answers: Json<Answers>", m.requested_by, m.state,
                  m.content_hash, m.tokens_before as "tokens_before: Json<Vec<Token>>",
                  m.tokens_after as "tokens_after: Json<Vec<Token>>", m.approver, m.refusal, m.message, m.requested_at,
                  m.expires_at, m.ended_at
           from process_modification m join order_run r on r.id = m.order_run_id join product_order o on o.id = r.order_id
           where m.id = $1 for no key update of m"#,
        id.0,
    );
    row.fetch_optional(tx.conn()).await?.map(Modification::try_from).transpose()
}

/// Of an order, the newest first.
pub async fn of_order(tx: &mut Tx, tenant: &str, order: &str, limit: i64) -> Result<Vec<Modification>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select m.id, m.tenant_id, m.order_run_id, o.external_id, m.process_instance_id, m.moves as "moves: Json<Vec<Move>>",
                  m.resolved as "resolved: Json<Vec<Move>>", m.answers as "answers: Json<Answers>", m.requested_by, m.state,
                  m.content_hash, m.tokens_before as "tokens_before: Json<Vec<Token>>",
                  m.tokens_after as "tokens_after: Json<Vec<Token>>", m.approver, m.refusal, m.message, m.requested_at,
                  m.expires_at, m.ended_at
           from product_order o join order_run r on r.order_id = o.id join process_modification m on m.order_run_id = r.id
           where o.tenant_id = $1 and o.external_id = $2 order by m.requested_at desc, m.id limit $3"#,
        tenant,
        order,
        limit,
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Modification::try_from).collect()
}

/// The one that has the instance, if any.
pub async fn under_way(tx: &mut Tx, process_instance_id: &str) -> Result<Option<ModificationId>, StoreError> {
    let id = sqlx::query_scalar!(
        "select id from process_modification
         where process_instance_id = $1 and state in ('checking', 'awaiting_approval', 'requested')",
        process_instance_id,
    );
    Ok(id.fetch_optional(tx.conn()).await?.map(ModificationId))
}

/// Whether the instance is the run's own, or one that a step of it waits or works in.
pub async fn is_of_run(tx: &mut Tx, run: RunId, process_instance_id: &str) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"select exists (select 1 from order_run where id = $1 and process_instance_id = $2)
               or exists (select 1 from step where order_run_id = $1 and process_instance_id = $2) as "found!""#,
        run.0,
        process_instance_id,
    );
    Ok(found.fetch_one(tx.conn()).await?)
}

/// What stood there was read: a second person is asked, for so many seconds.
pub async fn await_approval(
    tx: &mut Tx,
    id: ModificationId,
    resolved: &[Move],
    before: &[Token],
    content_hash: &str,
    valid_s: f64,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update process_modification set state = 'awaiting_approval', resolved = $2, tokens_before = $3, content_hash = $4,
             expires_at = now() + make_interval(secs => $5)
         where id = $1 and state = 'checking'",
        id.0,
        Json(resolved) as _,
        Json(before) as _,
        content_hash,
        valid_s,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub async fn approve(tx: &mut Tx, id: ModificationId, approver: &str, reason: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "update process_modification set state = 'requested', approver = $2, approval_reason = $3, decided_at = now()
         where id = $1 and state = 'awaiting_approval'",
        id.0,
        approver,
        reason,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Over without effect.
pub async fn end(
    tx: &mut Tx,
    id: ModificationId,
    state: ModificationState,
    refusal: Option<&str>,
    message: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update process_modification set state = $2, refusal = $3, message = $4, ended_at = now() where id = $1 and ended_at is null",
        id.0,
        state.word(),
        refusal,
        message,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub async fn done(tx: &mut Tx, id: ModificationId, after: &[Token]) -> Result<(), StoreError> {
    sqlx::query!(
        "update process_modification set state = 'done', tokens_after = $2, ended_at = now() where id = $1 and state = 'requested'",
        id.0,
        Json(after) as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Requests that nobody decided in time.
pub async fn expired(tx: &mut Tx, limit: i64) -> Result<Vec<ModificationId>, StoreError> {
    let ids = sqlx::query_scalar!(
        "select id from process_modification where state = 'awaiting_approval' and expires_at <= now() order by expires_at limit $1",
        limit
    );
    Ok(ids.fetch_all(tx.conn()).await?.into_iter().map(ModificationId).collect())
}
