//! Orders and their runs.

use chrono::{DateTime, Utc};
use fallout_core::ids::{OrderKey, RunId};
use serde_json::Value;

use crate::{StoreError, Tx};

#[derive(Clone, Debug)]
pub struct Run {
    pub id: RunId,
    pub order: OrderKey,
    pub tenant: String,
    /// The order id as the outside knows it.
    pub external_id: String,
    pub customer: Option<String>,
    pub business_key: String,
    pub process_instance_id: Option<String>,
    pub state: String,
    pub cancel_requested: bool,
    pub end_event: Option<String>,
    pub created_at: DateTime<Utc>,
}

impl Run {
    pub fn ended(&self) -> bool {
        matches!(self.state.as_str(), "completed" | "cancelled" | "ended")
    }
}

/// The row as the database gives it.
struct Row {
    id: uuid::Uuid,
    order_id: uuid::Uuid,
    tenant_id: String,
    external_id: String,
    customer_id: Option<String>,
    business_key: String,
    process_instance_id: Option<String>,
    state: String,
    cancel_requested: bool,
    end_event: Option<String>,
    created_at: DateTime<Utc>,
}

impl From<Row> for Run {
    fn from(r: Row) -> Self {
        Run {
            id: RunId(r.id),
            order: OrderKey(r.order_id),
            tenant: r.tenant_id,
            external_id: r.external_id,
            customer: r.customer_id,
            business_key: r.business_key,
            process_instance_id: r.process_instance_id,
            state: r.state,
            cancel_requested: r.cancel_requested,
            end_event: r.end_event,
            created_at: r.created_at,
        }
    }
}

/// An order that is taken in.
#[derive(Clone, Copy, Debug)]
pub struct Upserted {
    pub key: OrderKey,
    /// It has no run yet: what is taken in is what its steps will be rendered from.
    pub fresh: bool,
    pub erased: bool,
}

/// The order's id, whether it was there already or not. The document of one that was started stays.
pub async fn upsert_order(
    tx: &mut Tx,
    new: OrderKey,
    tenant: &str,
    external_id: &str,
    customer: Option<&str>,
    document: &Value,
) -> Result<Upserted, StoreError> {
    let row = sqlx::query!(
        r#"insert into product_order as o (id, tenant_id, external_id, customer_id, document) values ($1, $2, $3, $4, $5)
           on conflict (tenant_id, external_id) do update set
               document = case when exists (select from order_run r where r.order_id = o.id) then o.document else excluded.document end,
               customer_id = case when exists (select from order_run r where r.order_id = o.id) then o.customer_id else excluded.customer_id end
           returning id, erased_at is not null as "erased!",
               not exists (select from order_run r where r.order_id = o.id) as "fresh!""#,
        new.0,
        tenant,
        external_id,
        customer,
        document,
    );
    let r = row.fetch_one(tx.conn()).await?;
    Ok(Upserted { key: OrderKey(r.id), fresh: r.fresh, erased: r.erased })
}

/// False when this run exists: a second intake of the same order run starts nothing.
pub async fn insert_run(
    tx: &mut Tx,
    id: RunId,
    tenant: &str,
    order: OrderKey,
    run: i32,
    business_key: &str,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "insert into order_run (id, tenant_id, order_id, run, business_key) values ($1, $2, $3, $4, $5) on conflict do nothing",
        id.0,
        tenant,
        order.0,
        run,
        business_key,
    );
    Ok(done.execute(tx.conn()).await?.rows_affected() == 1)
}

pub async fn run_by_business_key(tx: &mut Tx, business_key: &str) -> Result<Option<Run>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"select r.id, r.order_id, r.tenant_id, o.external_id, o.customer_id, r.business_key, r.process_instance_id, r.state,
                  r.cancel_requested, r.end_event, r.created_at
           from order_run r join product_order o on o.id = r.order_id where r.business_key = $1"#,
        business_key,
    );
    Ok(row.fetch_optional(tx.conn()).await?.map(Run::from))
}

pub async fn run(tx: &mut Tx, id: RunId) -> Result<Option<Run>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"select r.id, r.order_id, r.tenant_id, o.external_id, o.customer_id, r.business_key, r.process_instance_id, r.state,
                  r.cancel_requested, r.end_event, r.created_at
           from order_run r join product_order o on o.id = r.order_id where r.id = $1"#,
        id.0,
    );
    Ok(row.fetch_optional(tx.conn()).await?.map(Run::from))
}

/// The run that a process instance belongs to as its root.
pub async fn run_of_instance(tx: &mut Tx, process_instance_id: &str) -> Result<Option<RunId>, StoreError> {
    let id = sqlx::query_scalar!("select id from order_run where process_instance_id = $1", process_instance_id);
    Ok(id.fetch_optional(tx.conn()).await?.map(RunId))
}

/// No effect when the run was started before: the first instance stays the one.
pub async fn set_started(tx: &mut Tx, id: RunId, process_instance_id: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "update order_run set state = 'running', process_instance_id = $2, started_at = now() where id = $1 and state = 'accepted'",
        id.0, process_instance_id,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub async fn set_ended(tx: &mut Tx, id: RunId, state: &str, end_event: Option<&str>) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "update order_run set state = $2, end_event = $3, ended_at = now() where id = $1 and state = 'running'",
        id.0,
        state,
        end_event,
    );
    Ok(done.execute(tx.conn()).await?.rows_affected() == 1)
}

/// Holds the run for whoever takes several of its steps: two such transactions must not meet half-way.
pub async fn lock(tx: &mut Tx, step: fallout_core::ids::StepKey) -> Result<(), StoreError> {
    sqlx::query!(
        "select r.id from order_run r join step s on s.order_run_id = r.id where s.id = $1 for no key update of r",
        step.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(())
}

/// Holds the run itself: what is sent to its process next is decided by one transaction at a time.
pub async fn hold(tx: &mut Tx, id: RunId) -> Result<(), StoreError> {
    sqlx::query!("select id from order_run where id = $1 for no key update", id.0).fetch_optional(tx.conn()).await?;
    Ok(())
}

/// No effect when it was asked for before: who was first stays the one.
pub async fn request_cancel(tx: &mut Tx, id: RunId, by: &str, reason: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "update order_run set cancel_requested = true, cancelled_by = $2, cancel_reason = $3, cancelled_at = now()
         where id = $1 and not cancel_requested",
        id.0,
        by,
        reason,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Runs that have begun and not ended, oldest first.
pub async fn running(tx: &mut Tx, after: Option<RunId>, limit: i64) -> Result<Vec<Run>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select r.id, r.order_id, r.tenant_id, o.external_id, o.customer_id, r.business_key, r.process_instance_id, r.state,
                  r.cancel_requested, r.end_event, r.created_at
           from order_run r join product_order o on o.id = r.order_id
           where r.state = 'running' and ($1::uuid is null or r.id > $1) order by r.id limit $2"#,
        after.map(|a| a.0),
        limit,
    );
    Ok(rows.fetch_all(tx.conn()).await?.into_iter().map(Run::from).collect())
}

/// Every run of one tenant, in the order they came.
pub async fn of_tenant(tx: &mut Tx, tenant: &str) -> Result<Vec<Run>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select r.id, r.order_id, r.tenant_id, o.external_id, o.customer_id, r.business_key, r.process_instance_id, r.state,
                  r.cancel_requested, r.end_event, r.created_at
           from order_run r join product_order o on o.id = r.order_id where r.tenant_id = $1 order by r.created_at"#,
        tenant,
    );
    Ok(rows.fetch_all(tx.conn()).await?.into_iter().map(Run::from).collect())
}
