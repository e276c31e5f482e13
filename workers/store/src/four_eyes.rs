//! Four eyes: what of a case bears on them, whether they are switched off, and who agreed to that.

use chrono::{DateTime, Utc};
use fallout_core::{
    action::{Action, approval::ApprovalState},
    case::Severity,
    ids::CaseId,
};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{StoreError, Tx};

/// How grave a case is, and its order as it is known now.
pub async fn weight(tx: &mut Tx, case: CaseId) -> Result<(Severity, Option<Value>), StoreError> {
    let row = sqlx::query!(
        r#"select c.severity, coalesce(x.document, o.document) as document
           from fallout_case c left join product_order o on o.id = c.related_order_id left join order_context x on x.order_id = o.id
           where c.id = $1"#,
        case.0,
    );
    let r = row.fetch_one(tx.conn()).await?;
    Ok((r.severity.parse()?, r.document))
}

/// Whether one person is enough for the action for now, by the agreement of two.
pub async fn is_off(tx: &mut Tx, tenant: &str, action: Action) -> Result<bool, StoreError> {
    let off = sqlx::query_scalar!(
        r#"select exists (select from four_eyes_switch where tenant_id = $1 and action = $2 and state = 'granted'
                          and off_until > clock_timestamp()) as "off!""#,
        tenant,
        action.word(),
    );
    Ok(off.fetch_one(tx.conn()).await?)
}

/// A request to be stored; it expires so many seconds from now.
#[derive(Clone, Debug)]
pub struct NewSwitch<'a> {
    pub id: Uuid,
    pub tenant: &'a str,
    pub action: Action,
    pub command_hash: &'a str,
    pub rules_version: i32,
    pub hours: i32,
    pub reason: &'a str,
    pub requester: &'a str,
    pub requester_person: &'a str,
    pub valid_s: f64,
}

/// A request to do without a second person for a while, and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Switch {
    pub id: Uuid,
    pub action: Action,
    #[serde(skip)]
    pub command_hash: String,
    pub rules_version: i32,
    pub hours: i32,
    pub reason: String,
    pub requester: String,
    pub state: ApprovalState,
    pub requested_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub approver: Option<String>,
    pub off_until: Option<DateTime<Utc>>,
}

struct Row {
    id: Uuid,
    action: String,
    command_hash: String,
    rules_version: i32,
    hours: i32,
    reason: String,
    requester: String,
    state: String,
    requested_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    approver: Option<String>,
    off_until: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Switch {
    type Error = StoreError;
    fn try_from(r: Row) -> Result<Self, StoreError> {
        Ok(Switch {
            id: r.id,
            action: r.action.parse()?,
            command_hash: r.command_hash,
            rules_version: r.rules_version,
            hours: r.hours,
            reason: r.reason,
            requester: r.requester,
            state: r.state.parse()?,
            requested_at: r.requested_at,
            expires_at: r.expires_at,
            approver: r.approver,
            off_until: r.off_until,
        })
    }
}

pub async fn insert(tx: &mut Tx, new: &NewSwitch<'_>) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into four_eyes_switch (id, tenant_id, action, command_hash, rules_version, hours, reason, requester,
             requester_person, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, now() + make_interval(secs => $10))",
        new.id,
        new.tenant,
        new.action.word(),
        new.command_hash,
        new.rules_version,
        new.hours,
        new.reason,
        new.requester,
        new.requester_person,
        new.valid_s,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Ours until the transaction ends.
pub async fn held(tx: &mut Tx, tenant: &str, id: Uuid) -> Result<Option<Switch>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select id, action, command_hash, rules_version, hours, reason, requester, state, requested_at, expires_at, approver, off_until
         from four_eyes_switch where tenant_id = $1 and id = $2 for no key update",
        tenant,
        id,
    );
    row.fetch_optional(tx.conn()).await?.map(Switch::try_from).transpose()
}

/// The latest first.
pub async fn list(tx: &mut Tx, tenant: &str, limit: i64) -> Result<Vec<Switch>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "select id, action, command_hash, rules_version, hours, reason, requester, state, requested_at, expires_at, approver, off_until
         from four_eyes_switch where tenant_id = $1 order by requested_at desc, id desc limit $2",
        tenant,
        limit,
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Switch::try_from).collect()
}

/// Who decided on a switch, as whom they are known.
#[derive(Clone, Copy, Debug)]
pub struct Decider<'a> {
    pub principal: &'a str,
    pub person: &'a str,
    pub reason: &'a str,
}

/// Fenced by its state: decided once. Granted, it is off for its hours from now.
pub async fn decide(tx: &mut Tx, id: Uuid, state: ApprovalState, by: &Decider<'_>) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "update four_eyes_switch set state = $2, approver = $3, approver_person = $4, decision = $5, decided_at = now(),
                off_until = case when $2 = 'granted' then now() + make_interval(hours => hours) end
         where id = $1 and state = 'requested'",
        id,
        state.word(),
        by.principal,
        by.person,
        by.reason,
    );
    match done.execute(tx.conn()).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Stale("the switch of four eyes")),
    }
}

/// Two people are asked for again from now on; how many switches that ended.
pub async fn on_again(tx: &mut Tx, tenant: &str, action: Action) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "update four_eyes_switch set off_until = clock_timestamp()
         where tenant_id = $1 and action = $2 and state = 'granted' and off_until > clock_timestamp()",
        tenant,
        action.word(),
    );
    Ok(done.execute(tx.conn()).await?.rows_affected())
}
