//! Requests for the agreement of a second person.

use chrono::{DateTime, Utc};
use fallout_core::{
    action::approval::{ApprovalState, Request},
    ids::{ActionId, CaseId},
};
use uuid::Uuid;

use crate::{StoreError, Tx};

/// A request to be stored; it expires so many seconds from now.
#[derive(Clone, Debug)]
pub struct NewApproval<'a> {
    pub id: Uuid,
    pub tenant: &'a str,
    pub action: ActionId,
    pub case: CaseId,
    pub command_hash: &'a str,
    pub case_version: i32,
    pub requester: &'a str,
    /// As whom the requester is known.
    pub person: &'a str,
    /// Which rule asks for a second person.
    pub why: &'a str,
    pub valid_s: f64,
}

#[derive(Clone, Debug, serde::Serialize)]
pub struct Approval {
    pub id: Uuid,
    #[serde(skip)]
    pub tenant: String,
    pub action: ActionId,
    #[serde(skip)]
    pub case: CaseId,
    #[serde(skip)]
    pub command_hash: String,
    pub case_version: i32,
    pub requester: String,
    /// Which rule asks for a second person.
    pub why: String,
    pub state: ApprovalState,
    pub expires_at: DateTime<Utc>,
}

impl Approval {
    /// `requester_is`: as whom the requester is known.
    pub fn request<'a>(&'a self, requester_is: &'a [String]) -> Request<'a> {
        Request {
            state: self.state,
            requester: &self.requester,
            requester_is,
            command_hash: &self.command_hash,
            case_version: self.case_version,
            expires_at: self.expires_at,
        }
    }
}

struct Row {
    id: Uuid,
    tenant_id: String,
    action_id: Uuid,
    fallout_case_id: Uuid,
    command_hash: String,
    case_version: i32,
    requester: String,
    why: String,
    state: String,
    expires_at: DateTime<Utc>,
}

impl TryFrom<Row> for Approval {
    type Error = StoreError;
    fn try_from(r: Row) -> Result<Self, StoreError> {
        Ok(Approval {
            id: r.id,
            tenant: r.tenant_id,
            action: ActionId(r.action_id),
            case: CaseId(r.fallout_case_id),
            command_hash: r.command_hash,
            case_version: r.case_version,
            requester: r.requester,
            why: r.why,
            state: r.state.parse()?,
            expires_at: r.expires_at,
        })
    }
}

pub async fn insert(tx: &mut Tx, new: &NewApproval<'_>) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into approval (id, tenant_id, action_id, fallout_case_id, command_hash, case_version, requester, expires_at,
             requester_person, why)
         values ($1, $2, $3, $4, $5, $6, $7, now() + make_interval(secs => $8), $9, $10)",
        new.id,
        new.tenant,
        new.action.0,
        new.case.0,
        new.command_hash,
        new.case_version,
        new.requester,
        new.valid_s,
        new.person,
        new.why,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub async fn find(tx: &mut Tx, tenant: &str, id: Uuid) -> Result<Option<Approval>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select id, tenant_id, action_id, fallout_case_id, command_hash, case_version, requester, why, state, expires_at
         from approval where tenant_id = $1 and id = $2",
        tenant,
        id,
    );
    row.fetch_optional(tx.conn()).await?.map(Approval::try_from).transpose()
}

/// The request of an action, where it has one.
pub async fn of_action(tx: &mut Tx, action: ActionId) -> Result<Option<Approval>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select id, tenant_id, action_id, fallout_case_id, command_hash, case_version, requester, why, state, expires_at
         from approval where action_id = $1",
        action.0,
    );
    row.fetch_optional(tx.conn()).await?.map(Approval::try_from).transpose()
}

/// Fenced by its state: decided once. `by` is who granted or refused it, with the person that they are known as.
pub async fn decide(
    tx: &mut Tx,
    id: Uuid,
    state: ApprovalState,
    by: Option<(&str, &str)>,
    reason: Option<&str>,
) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "update approval set state = $2, approver = $3, approver_person = $4, reason = $5, decided_at = now()
         where id = $1 and state = 'requested'",
        id,
        state.word(),
        by.map(|(principal, _)| principal),
        by.map(|(_, person)| person),
        reason,
    );
    match done.execute(tx.conn()).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Stale("the approval")),
    }
}

/// Requests whose time is over: (tenant, approval).
pub async fn expired(tx: &mut Tx, limit: i64) -> Result<Vec<(String, Uuid)>, StoreError> {
    let rows = sqlx::query!(
        "select tenant_id, id from approval where state = 'requested' and expires_at <= clock_timestamp()
         order by expires_at limit $1",
        limit,
    );
    Ok(rows.fetch_all(tx.conn()).await?.into_iter().map(|r| (r.tenant_id, r.id)).collect())
}
