//! Corrections of orders: what was asked, what holds, and the values that steps are rendered from since.

use chrono::{DateTime, Utc};
use fallout_core::{
    ids::{ActionId, CaseId, OrderKey, StepKey},
    personal::Cut,
};
use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;

use crate::{
    StoreError, Tx,
    context::{self, Part},
};

/// What is corrected, before anybody has taken it.
#[derive(Clone, Debug)]
pub struct NewCorrection<'a> {
    pub action: ActionId,
    pub tenant: &'a str,
    pub order: OrderKey,
    pub case: CaseId,
    pub business_key: &'a str,
    pub field: &'a str,
    pub line: &'a str,
    pub pointer: Option<&'a str>,
    pub old: Option<&'a Value>,
    pub new: &'a Value,
    /// Of a personal value: the hashes of what it was and becomes, with the salt in them.
    pub personal: Option<Personal>,
    pub source: Option<&'a str>,
    pub reason: &'a str,
    pub by: &'a str,
    pub authority: &'a str,
}

#[derive(Clone, Debug)]
pub struct Personal {
    pub old_hash: String,
    pub new_hash: String,
    pub salt: String,
}

/// A correction with its value, wherever that lies; what was erased is null.
#[derive(Clone, Debug)]
pub struct Correction {
    pub order: OrderKey,
    pub field: String,
    pub line: String,
    pub pointer: Option<String>,
    pub new: Value,
    pub personal: bool,
    /// For people and the timeline: the values, or the hashes of personal ones.
    pub old_shown: Value,
    pub new_shown: Value,
    pub authority: String,
    /// The order's version at its owner, as it is known here.
    pub owner_version: i64,
}

/// Keeps what was asked. What is personal lies apart.
pub async fn insert(tx: &mut Tx, new: &NewCorrection<'_>) -> Result<(), StoreError> {
    let plain = new.personal.is_none();
    sqlx::query!(
        "insert into order_correction (action_id, tenant_id, order_id, fallout_case_id, business_key, field, line_id, pointer,
             old_value, new_value, old_hash, new_hash, source, reason, corrected_by, authority)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        new.action.0,
        new.tenant,
        new.order.0,
        new.case.0,
        new.business_key,
        new.field,
        new.line,
        new.pointer,
        new.old.filter(|_| plain),
        Some(new.new).filter(|_| plain),
        new.personal.as_ref().map(|p| p.old_hash.as_str()),
        new.personal.as_ref().map(|p| p.new_hash.as_str()),
        new.source,
        new.reason,
        new.by,
        new.authority,
    )
    .execute(tx.conn())
    .await?;
    let Some(personal) = &new.personal else { return Ok(()) };
    let of = |name: &str| format!("/{}/{name}", new.action);
    let values = [
        (of("old"), new.old.cloned().unwrap_or(Value::Null)),
        (of("new"), new.new.clone()),
        (of("salt"), Value::from(personal.salt.as_str())),
    ];
    context::add_personal(tx, new.tenant, new.order, Part::Corrections, &values.into()).await
}

pub async fn of_action(tx: &mut Tx, action: ActionId) -> Result<Option<Correction>, StoreError> {
    let row = sqlx::query!(
        r#"select c.order_id, c.field, c.line_id, c.pointer, c.new_value, c.new_hash is not null as "personal!",
                  coalesce(c.old_value, to_jsonb(c.old_hash), 'null') as "old_shown!",
                  coalesce(c.new_value, to_jsonb(c.new_hash), 'null') as "new_shown!", c.authority,
                  coalesce(x.owner_version, 1) as "owner_version!",
                  (select p.fields from order_personal p where p.month = o.personal_month and p.order_id = o.id and p.part = 'corrections')
                      as "fields: Json<Cut>"
           from order_correction c join product_order o on o.id = c.order_id
           left join order_context x on x.order_id = c.order_id where c.action_id = $1"#,
        action.0
    );
    Ok(row.fetch_optional(tx.conn()).await?.map(|r| {
        let apart = r.fields.and_then(|mut fields| fields.0.remove(&format!("/{action}/new")));
        Correction {
            order: OrderKey(r.order_id),
            field: r.field,
            line: r.line_id,
            pointer: r.pointer,
            new: r.new_value.or(apart).unwrap_or(Value::Null),
            personal: r.personal,
            old_shown: r.old_shown,
            new_shown: r.new_shown,
            authority: r.authority,
            owner_version: r.owner_version,
        }
    }))
}

/// It holds from here on: it is the next version of its order, and steps are rendered from it.
pub async fn apply(
    tx: &mut Tx,
    tenant: &str,
    action: ActionId,
    correction: &Correction,
    owner_version: Option<i64>,
    transition: &Value,
) -> Result<(), StoreError> {
    let order = correction.order;
    sqlx::query!("select id from product_order where id = $1 for no key update", order.0).fetch_one(tx.conn()).await?;
    sqlx::query!(
        "update order_correction set applied_at = clock_timestamp(), owner_version = $2, transition = $3,
             version = (select coalesce(max(version), 0) + 1 from order_correction where order_id = $4)
         where action_id = $1",
        action.0,
        owner_version,
        transition,
        order.0,
    )
    .execute(tx.conn())
    .await?;
    if let Some(version) = owner_version {
        context::set_owner_version(tx, order, version).await?;
    }
    let Some(pointer) = &correction.pointer else { return Ok(()) };
    if correction.personal {
        let value = Cut::from([(pointer.clone(), correction.new.clone())]);
        return context::add_personal(tx, tenant, order, Part::Corrected, &value).await;
    }
    sqlx::query!(
        "update order_context set corrected = corrected || jsonb_build_object($2::text, $3::jsonb), updated_at = clock_timestamp()
         where order_id = $1",
        order.0,
        pointer,
        correction.new,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What is corrected without any owner, as it stands.
#[derive(Clone, Debug)]
pub struct Ours {
    pub group: Option<String>,
    pub reference: Option<String>,
    pub delay_reason: Option<String>,
}

pub async fn ours(tx: &mut Tx, case: CaseId) -> Result<Ours, StoreError> {
    let row = sqlx::query_as!(
        Ours,
        "select c.assigned_group as group, c.external_reference as reference, x.delay_reason
         from fallout_case c left join order_context x on x.order_id = c.related_order_id where c.id = $1",
        case.0
    );
    Ok(row.fetch_one(tx.conn()).await?)
}

/// The downstream's own reference for what the case is about.
pub async fn set_reference(tx: &mut Tx, case: CaseId, reference: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "update fallout_case set external_reference = $2, updated_at = now() where id = $1",
        case.0,
        reference
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What the customer is told from now on, instead of the policy's reason.
pub async fn set_delay_reason(tx: &mut Tx, order: OrderKey, code: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "update order_context set delay_reason = $2, updated_at = clock_timestamp() where order_id = $1",
        order.0,
        code
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Fields of the order that were corrected after the latest intent of the step was decided.
pub async fn since_intent(tx: &mut Tx, step: StepKey) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query_scalar!(
        "select distinct c.field from step s join order_run r on r.id = s.order_run_id
         join order_correction c on c.order_id = r.order_id and (c.line_id = '' or c.line_id = s.line_id or s.line_id = '')
         where s.id = $1 and c.applied_at > (select max(i.created_at) from intent i where i.step_id = s.id)",
        step.0
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

/// One correction as people see it: the ten items of a controlled manual correction.
#[derive(Clone, Debug, Serialize)]
pub struct CorrectionLine {
    pub by: String,
    pub at: DateTime<Utc>,
    pub field: String,
    pub line: String,
    /// Of a personal value: its hash.
    pub old: Value,
    pub new: Value,
    pub personal: bool,
    pub reason: String,
    pub source: Option<String>,
    pub authority: String,
    pub case: String,
    pub process: String,
    /// None: it does not hold; what it was asked for failed, or is under way.
    pub version: Option<i32>,
    pub owner_version: Option<i64>,
    pub transition: Option<Value>,
}

pub async fn of_order(tx: &mut Tx, order: OrderKey) -> Result<Vec<CorrectionLine>, StoreError> {
    let rows = sqlx::query_as!(
        CorrectionLine,
        r#"select c.corrected_by as by, coalesce(c.applied_at, c.asked_at) as "at!", c.field, c.line_id as line,
                  coalesce(c.old_value, to_jsonb(c.old_hash), 'null') as "old!", coalesce(c.new_value, to_jsonb(c.new_hash), 'null') as "new!",
                  c.new_hash is not null as "personal!", c.reason, c.source, c.authority, k.case_number as case,
                  c.business_key as process, c.version, c.owner_version, c.transition
           from order_correction c join fallout_case k on k.id = c.fallout_case_id where c.order_id = $1 order by c.asked_at"#,
        order.0
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}
