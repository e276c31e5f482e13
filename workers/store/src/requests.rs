//! Every request about a recovery with its answer, refused ones too; appended, never changed.

use chrono::{DateTime, Utc};
use fallout_core::ids::ActionId;
use uuid::Uuid;

use crate::{StoreError, Tx};

/// What was asked, as it was given; the caller cuts what is too long.
#[derive(Clone, Debug)]
pub struct NewRequest<'a> {
    pub id: Uuid,
    pub tenant: &'a str,
    /// recover, withdraw, approve or refuse_approval
    pub kind: &'a str,
    pub principal: &'a str,
    pub requested_by: &'a str,
    pub case: &'a str,
    pub action: &'a str,
    pub reason: &'a str,
    pub idempotency_key: &'a str,
    pub content_hash: &'a str,
    /// accepted, repeated or refused
    pub answer: &'a str,
    /// Name and message.
    pub refusal: Option<(&'a str, &'a str)>,
    pub action_id: Option<ActionId>,
}

pub async fn insert(tx: &mut Tx, new: &NewRequest<'_>) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into recovery_request (id, tenant_id, kind, principal, requested_by, fallout_case, action, reason,
             idempotency_key, content_hash, answer, refusal, message, action_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        new.id,
        new.tenant,
        new.kind,
        new.principal,
        new.requested_by,
        new.case,
        new.action,
        new.reason,
        new.idempotency_key,
        new.content_hash,
        new.answer,
        new.refusal.map(|(name, _)| name),
        new.refusal.map(|(_, message)| message),
        new.action_id.map(|a| a.0),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Many that were accepted.
pub async fn insert_all(tx: &mut Tx, all: &[&NewRequest<'_>]) -> Result<(), StoreError> {
    let texts =
        |of: for<'r> fn(&'r NewRequest<'r>) -> &'r str| all.iter().map(|r| of(r).to_owned()).collect::<Vec<_>>();
    sqlx::query!(
        "insert into recovery_request (id, tenant_id, kind, principal, requested_by, fallout_case, action, reason,
             idempotency_key, content_hash, answer, action_id)
         select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
             $9::text[], $10::text[], $11::text[], $12::uuid[])",
        &all.iter().map(|r| r.id).collect::<Vec<_>>(),
        &texts(|r| r.tenant),
        &texts(|r| r.kind),
        &texts(|r| r.principal),
        &texts(|r| r.requested_by),
        &texts(|r| r.case),
        &texts(|r| r.action),
        &texts(|r| r.reason),
        &texts(|r| r.idempotency_key),
        &texts(|r| r.content_hash),
        &texts(|r| r.answer),
        &all.iter().map(|r| r.action_id.map(|a| a.0)).collect::<Vec<_>>() as &[Option<Uuid>],
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// One request as it is read back.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RequestLine {
    pub at: DateTime<Utc>,
    pub kind: String,
    pub principal: String,
    pub case: String,
    pub action: String,
    pub answer: String,
    pub refusal: Option<String>,
    pub message: Option<String>,
}

/// The latest of a case, as it was typed, newest first.
pub async fn of_case(tx: &mut Tx, tenant: &str, case: &str, limit: i64) -> Result<Vec<RequestLine>, StoreError> {
    let rows = sqlx::query_as!(
        RequestLine,
        r#"select requested_at as at, kind, principal, fallout_case as "case", action, answer, refusal, message
           from recovery_request where tenant_id = $1 and fallout_case = $2 order by requested_at desc, id desc limit $3"#,
        tenant,
        case,
        limit,
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}
