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
