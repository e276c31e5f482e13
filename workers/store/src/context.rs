//! What is known of orders besides their steps, their personal data, and the events of their owners.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use fallout_core::{
    action::correction::put as put_value,
    context::{OrderContext, RunState},
    ids::{OrderKey, RunId},
    order::OrderEvent,
    personal::{Cut, put_back},
    step::StepState,
};
use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{StoreError, Tx};

/// Which of the two documents of an order personal data were cut out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    TakenIn,
    /// As the owner's events have it.
    Newest,
    /// What stands in corrected places now.
    Corrected,
    /// What each correction was from and to.
    Corrections,
}

impl Part {
    fn word(self) -> &'static str {
        match self {
            Part::TakenIn => "taken_in",
            Part::Newest => "newest",
            Part::Corrected => "corrected",
            Part::Corrections => "corrections",
        }
    }
}

/// An order as it is known now, whole.
#[derive(Clone, Debug)]
pub struct Known {
    pub key: OrderKey,
    pub document: Value,
    pub as_of: Option<DateTime<Utc>>,
    pub deleted_at: Option<DateTime<Utc>>,
    pub erased_at: Option<DateTime<Utc>>,
    pub taken_in_at: DateTime<Utc>,
}

/// By the id of the outside. With `hold`, nobody else changes it until the transaction ends.
pub async fn known(tx: &mut Tx, tenant: &str, external_id: &str, hold: bool) -> Result<Option<Known>, StoreError> {
    if hold {
        sqlx::query!(
            "select id from product_order where tenant_id = $1 and external_id = $2 for no key update",
            tenant,
            external_id
        )
        .fetch_optional(tx.conn())
        .await?;
    }
    let row = sqlx::query!(
        r#"select o.id, coalesce(x.document, o.document) as "document!", x.as_of as "as_of?", x.deleted_at as "deleted_at?", o.erased_at, o.created_at,
                  (select p.fields from order_personal p where p.month = o.personal_month and p.order_id = o.id
                   and p.part = case when x.document is null then 'taken_in' else 'newest' end) as "fields: Json<Cut>"
           from product_order o left join order_context x on x.order_id = o.id where o.tenant_id = $1 and o.external_id = $2"#,
        tenant,
        external_id,
    );
    let row = row.fetch_optional(tx.conn()).await?;
    Ok(row.map(|r| Known {
        key: OrderKey(r.id),
        document: whole(r.document, r.fields),
        as_of: r.as_of,
        deleted_at: r.deleted_at,
        erased_at: r.erased_at,
        taken_in_at: r.created_at,
    }))
}

/// A stored document with what is personal in its places.
pub(crate) fn whole(mut document: Value, fields: Option<Json<Cut>>) -> Value {
    if let Some(Json(fields)) = fields {
        put_back(&mut document, &fields);
    }
    document
}

/// Keeps the facts of an order. `newest` is its document by an event of that time; none: it is as it was taken in, and facts
/// that events have told stay.
pub async fn put(
    tx: &mut Tx,
    tenant: &str,
    order: OrderKey,
    facts: &OrderContext,
    newest: Option<(&Value, DateTime<Utc>)>,
) -> Result<(), StoreError> {
    let (document, as_of) = newest.unzip();
    let put = sqlx::query!(
        "insert into order_context (order_id, tenant_id, customer_id, category, value_amount, value_unit, promised_at, requested_at,
             priority, external_references, owner_state, document, as_of)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         on conflict (order_id) do update set customer_id = excluded.customer_id, category = excluded.category,
             value_amount = excluded.value_amount, value_unit = excluded.value_unit, promised_at = excluded.promised_at,
             requested_at = excluded.requested_at, priority = excluded.priority,
             external_references = excluded.external_references, owner_state = excluded.owner_state,
             document = excluded.document, as_of = excluded.as_of, deleted_at = null, updated_at = clock_timestamp()
         where excluded.as_of is not null or order_context.as_of is null",
        order.0,
        tenant,
        facts.customer,
        facts.category,
        facts.value,
        facts.unit,
        facts.promised,
        facts.requested,
        facts.priority,
        &facts.external_references,
        facts.state.map(|s| s.word()),
        document,
        as_of,
    );
    if put.execute(tx.conn()).await?.rows_affected() == 0 {
        return Ok(());
    }
    put_items(tx, tenant, order, facts).await
}

async fn put_items(tx: &mut Tx, tenant: &str, order: OrderKey, facts: &OrderContext) -> Result<(), StoreError> {
    let items = &facts.items;
    let texts = |of: fn(&fallout_core::context::ItemContext) -> &str| -> Vec<String> {
        items.iter().map(|i| of(i).to_owned()).collect()
    };
    let maybe = |of: fn(&fallout_core::context::ItemContext) -> Option<&str>| -> Vec<Option<String>> {
        items.iter().map(|i| of(i).map(str::to_owned)).collect()
    };
    // An array of arrays must be rectangular, so the numbers travel as JSON.
    let numbers: Vec<Value> = items.iter().map(|i| Value::from(i.service_numbers.clone())).collect();
    sqlx::query!(
        "insert into order_item (order_id, tenant_id, line_id, position, parent_line_id, action, offering_id, offering_name, quantity,
             owner_state, service_numbers)
         select $1, $2, line, position, parent, action, offering, name, quantity, state,
                array(select jsonb_array_elements_text(numbers))
         from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::float8[], $9::text[], $10::jsonb[])
              with ordinality as t (line, parent, action, offering, name, quantity, state, numbers, position)
         on conflict (order_id, line_id) do update set position = excluded.position, parent_line_id = excluded.parent_line_id,
             action = excluded.action, offering_id = excluded.offering_id, offering_name = excluded.offering_name,
             quantity = excluded.quantity, owner_state = excluded.owner_state, service_numbers = excluded.service_numbers",
        order.0,
        tenant,
        &texts(|i| &i.line),
        &maybe(|i| i.parent.as_deref()) as &[Option<String>],
        &texts(|i| &i.action),
        &maybe(|i| i.offering.as_deref()) as &[Option<String>],
        &maybe(|i| i.offering_name.as_deref()) as &[Option<String>],
        &items.iter().map(|i| i.quantity).collect::<Vec<_>>() as &[Option<f64>],
        &maybe(|i| i.state.map(|s| s.word())) as &[Option<String>],
        &numbers,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Keeps what was cut out of one document of an order, in the place of what was kept of it before.
pub async fn put_personal(
    tx: &mut Tx,
    tenant: &str,
    order: OrderKey,
    part: Part,
    fields: &Cut,
) -> Result<(), StoreError> {
    if fields.is_empty() {
        sqlx::query!("delete from order_personal where order_id = $1 and part = $2", order.0, part.word())
            .execute(tx.conn())
            .await?;
        return Ok(());
    }
    let month = month_of(tx, order).await?;
    sqlx::query!(
        "with known as (update product_order set personal_month = $1 where id = $2 and personal_month is distinct from $1)
         insert into order_personal (month, order_id, tenant_id, part, fields) values ($1, $2, $3, $4, $5)
         on conflict (month, order_id, part) do update set fields = excluded.fields",
        month,
        order.0,
        tenant,
        part.word(),
        serde_json::to_value(fields)?,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Keeps these beside what is kept of this part.
pub async fn add_personal(
    tx: &mut Tx,
    tenant: &str,
    order: OrderKey,
    part: Part,
    fields: &Cut,
) -> Result<(), StoreError> {
    let month = month_of(tx, order).await?;
    sqlx::query!(
        "with known as (update product_order set personal_month = $1 where id = $2 and personal_month is distinct from $1)
         insert into order_personal as p (month, order_id, tenant_id, part, fields) values ($1, $2, $3, $4, $5)
         on conflict (month, order_id, part) do update set fields = p.fields || excluded.fields",
        month,
        order.0,
        tenant,
        part.word(),
        serde_json::to_value(fields)?,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The month that the order's personal data lie under, with its partition.
async fn month_of(tx: &mut Tx, order: OrderKey) -> Result<chrono::NaiveDate, StoreError> {
    // The month it lies under, as long as its partition is there; else this one.
    let month = sqlx::query_scalar!(
        r#"select case when to_regclass('order_personal_' || to_char(personal_month, 'YYYY_MM')) is null
                       then date_trunc('month', now() at time zone 'UTC')::date else personal_month end as "month!"
           from product_order where id = $1"#,
        order.0,
    );
    let month = month.fetch_one(tx.conn()).await?;
    sqlx::query!("select make_order_personal($1)", month).fetch_one(tx.conn()).await?;
    Ok(month)
}

/// The owner's version of an order, as far as it has told; what is older changes nothing.
pub async fn set_owner_version(tx: &mut Tx, order: OrderKey, version: i64) -> Result<(), StoreError> {
    sqlx::query!(
        "update order_context set owner_version = $2, updated_at = clock_timestamp() where order_id = $1 and owner_version < $2",
        order.0,
        version
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What an order's steps are rendered from.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// As it was taken in, or as its owner amended it.
    pub taken_in: Value,
    /// What was corrected since, by JSON pointer.
    pub corrected: Cut,
    /// The same of what is personal.
    pub corrected_personal: Cut,
    pub erased: bool,
}

impl Rendered {
    /// With what was corrected in it.
    pub fn document(&self) -> Value {
        let mut document = self.taken_in.clone();
        put_values(&mut document, &self.corrected);
        put_values(&mut document, &self.corrected_personal);
        document
    }
}

pub async fn rendered(tx: &mut Tx, order: OrderKey) -> Result<Rendered, StoreError> {
    let row = sqlx::query!(
        r#"select o.document, o.erased_at is not null as "erased!", x.corrected as "corrected?: Json<Cut>",
                  p.fields as "fields?: Json<Cut>", c.fields as "again?: Json<Cut>"
           from product_order o left join order_context x on x.order_id = o.id
           left join order_personal p on p.month = o.personal_month and p.order_id = o.id and p.part = 'taken_in'
           left join order_personal c on c.month = o.personal_month and c.order_id = o.id and c.part = 'corrected'
           where o.id = $1"#,
        order.0
    );
    let r = row.fetch_one(tx.conn()).await?;
    let cut = |part: Option<Json<Cut>>| part.map_or_else(Cut::new, |Json(cut)| cut);
    Ok(Rendered {
        taken_in: whole(r.document, r.fields),
        corrected: cut(r.corrected),
        corrected_personal: cut(r.again),
        erased: r.erased,
    })
}

/// What stands in corrected places from here on; what is personal of it apart.
pub async fn set_corrected(
    tx: &mut Tx,
    tenant: &str,
    order: OrderKey,
    corrected: &Cut,
    personal: &Cut,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update order_context set corrected = $2, updated_at = clock_timestamp() where order_id = $1 and corrected <> $2",
        order.0,
        serde_json::to_value(corrected)?,
    )
    .execute(tx.conn())
    .await?;
    put_personal(tx, tenant, order, Part::Corrected, personal).await
}

/// A document with what was corrected in it.
pub(crate) fn corrected(mut document: Value, corrections: [Option<Json<Cut>>; 2]) -> Value {
    corrections.into_iter().flatten().for_each(|Json(values)| put_values(&mut document, &values));
    document
}

fn put_values(document: &mut Value, values: &Cut) {
    values.iter().for_each(|(pointer, value)| put_value(document, pointer, value));
}

/// Whether an event counts: false when it was taken before.
pub async fn take_event(
    tx: &mut Tx,
    tenant: &str,
    order: OrderKey,
    event: &OrderEvent,
    told_by: &str,
) -> Result<bool, StoreError> {
    let taken = sqlx::query!(
        "insert into order_event (tenant_id, event_id, order_id, event_type, event_at, told_by) values ($1, $2, $3, $4, $5, $6)
         on conflict do nothing",
        tenant,
        event.id,
        order.0,
        event.kind.word(),
        event.at,
        told_by,
    );
    Ok(taken.execute(tx.conn()).await?.rows_affected() == 1)
}

/// Whether an event of this id was taken before.
pub async fn event_is_known(tx: &mut Tx, tenant: &str, event: &str) -> Result<bool, StoreError> {
    let known = sqlx::query_scalar!(
        r#"select exists (select from order_event where tenant_id = $1 and event_id = $2) as "known!""#,
        tenant,
        event,
    );
    Ok(known.fetch_one(tx.conn()).await?)
}

/// The owner has no such order any more.
pub async fn set_deleted(tx: &mut Tx, order: OrderKey, at: DateTime<Utc>) -> Result<(), StoreError> {
    sqlx::query!(
        "update order_context set deleted_at = $2, as_of = $2, updated_at = clock_timestamp() where order_id = $1",
        order.0,
        at
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Has every active case of an order looked at: what it weighs has changed.
pub async fn look_at_cases(tx: &mut Tx, order: OrderKey) -> Result<u64, StoreError> {
    let looked = sqlx::query!(
        "update case_sla set next_at = clock_timestamp() where fallout_case_id in (
             select s.fallout_case_id from fallout_case c join case_sla s on s.fallout_case_id = c.id
             where c.related_order_id = $1 and c.status not in ('resolved', 'closed', 'force_closed', 'duplicate')
             order by s.fallout_case_id for update of s)",
        order.0,
    );
    Ok(looked.execute(tx.conn()).await?.rows_affected())
}

/// The latest run of an order.
#[derive(Clone, Debug, Serialize)]
pub struct LatestRun {
    #[serde(skip)]
    pub id: RunId,
    pub run: i32,
    pub state: RunState,
    pub cancel_requested: bool,
    pub process_instance_id: Option<String>,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub archived_at: Option<DateTime<Utc>>,
}

pub async fn latest_run(tx: &mut Tx, order: OrderKey) -> Result<Option<LatestRun>, StoreError> {
    let row = sqlx::query!(
        "select id, run, state, cancel_requested, process_instance_id, started_at, ended_at, archived_at
         from order_run where order_id = $1 order by run desc limit 1",
        order.0,
    );
    let Some(r) = row.fetch_optional(tx.conn()).await? else { return Ok(None) };
    Ok(Some(LatestRun {
        id: RunId(r.id),
        run: r.run,
        state: r.state.parse()?,
        cancel_requested: r.cancel_requested,
        process_instance_id: r.process_instance_id,
        started_at: r.started_at,
        ended_at: r.ended_at,
        archived_at: r.archived_at,
    }))
}

/// A step of an order as its state follows from it.
#[derive(Clone, Debug, Serialize)]
pub struct OrderStep {
    pub line: String,
    pub step: String,
    pub direction: String,
    pub operation: String,
    pub state: StepState,
    /// Whether its effect exists is not known.
    pub unknown: bool,
}

pub async fn steps(tx: &mut Tx, run: RunId) -> Result<Vec<OrderStep>, StoreError> {
    let rows = sqlx::query!(
        r#"select s.line_id, s.step_code, s.direction, s.operation, s.state,
                  exists (select from attempt a where a.step_id = s.id and a.state = 'unknown') as "unknown!"
           from step s where s.order_run_id = $1 order by s.created_at, s.id"#,
        run.0,
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|r| {
        Ok(OrderStep {
            line: r.line_id,
            step: r.step_code,
            direction: r.direction,
            operation: r.operation,
            state: r.state.parse()?,
            unknown: r.unknown,
        })
    });
    rows.collect()
}

/// A case of an order.
#[derive(Clone, Debug, Serialize)]
pub struct OrderCase {
    #[serde(skip)]
    pub id: Uuid,
    pub number: String,
    /// None: it is about the whole order.
    pub line: Option<String>,
    pub severity: String,
    pub status: String,
    pub open: bool,
    pub classification: Option<String>,
    pub summary: Option<String>,
}

pub async fn cases(tx: &mut Tx, order: OrderKey) -> Result<Vec<OrderCase>, StoreError> {
    let rows = sqlx::query_as!(
        OrderCase,
        r#"select c.id, c.case_number as number, nullif(s.line_id, '') as "line?", c.severity, c.status,
                  c.status not in ('resolved', 'closed', 'force_closed', 'duplicate') as "open!",
                  c.classification_code as classification, c.diagnostic_summary as summary
           from fallout_case c left join step s on s.id = c.step_id where c.related_order_id = $1 order by c.created_at"#,
        order.0,
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

/// Everything personal that is kept of an order, by document.
pub async fn personal(tx: &mut Tx, order: OrderKey) -> Result<BTreeMap<String, Cut>, StoreError> {
    let rows =
        sqlx::query!(r#"select part, fields as "fields: Json<Cut>" from order_personal where order_id = $1"#, order.0);
    Ok(rows.fetch_all(tx.conn()).await?.into_iter().map(|r| (r.part, r.fields.0)).collect())
}

/// Forgets which events were taken longer ago than so many months; how many.
pub async fn forget_events(tx: &mut Tx, months: i32, limit: i64) -> Result<u64, StoreError> {
    let gone = sqlx::query!(
        "delete from order_event where (tenant_id, event_id) in (
             select tenant_id, event_id from order_event where received_at < now() - make_interval(months => $1) limit $2)",
        months,
        limit,
    );
    Ok(gone.execute(tx.conn()).await?.rows_affected())
}

/// Makes the partitions of this month and the next ones; how many were not there.
pub async fn make_months(tx: &mut Tx, ahead: i32) -> Result<i64, StoreError> {
    let made = sqlx::query_scalar!(
        r#"select count(*) filter (where make_order_personal(((now() at time zone 'UTC') + make_interval(months => n))::date)) as "made!"
           from generate_series(0, $1) n"#,
        ahead,
    );
    Ok(made.fetch_one(tx.conn()).await?)
}

/// Ended runs that were not archived, of orders whose personal data are older than so many months.
pub async fn runs_past(
    tx: &mut Tx,
    months: i32,
    after: Option<RunId>,
    limit: i64,
) -> Result<Vec<(RunId, String)>, StoreError> {
    let rows = sqlx::query!(
        r#"select r.id, r.tenant_id from order_run r
           where r.archived_at is null and r.ended_at is not null and ($2::uuid is null or r.id > $2)
             and r.order_id in (select p.order_id from order_personal p
                 where p.month < (date_trunc('month', now() at time zone 'UTC') - make_interval(months => $1))::date)
           order by r.id limit $3"#,
        months,
        after.map(|a| a.0),
        limit,
    );
    Ok(rows.fetch_all(tx.conn()).await?.into_iter().map(|r| (RunId(r.id), r.tenant_id)).collect())
}

/// Drops the oldest partition that is older than so many months; false: there is none.
pub async fn drop_month(tx: &mut Tx, months: i32) -> Result<bool, StoreError> {
    let dropped = sqlx::query_scalar!(
        r#"select drop_order_personal((date_trunc('month', now() at time zone 'UTC') - make_interval(months => $1))::date) as "dropped!""#,
        months,
    );
    Ok(dropped.fetch_one(tx.conn()).await?)
}

/// What is kept of an erasure.
#[derive(Clone, Debug)]
pub struct Erasure<'a> {
    pub by: &'a str,
    pub reason: &'a str,
    pub fields: i32,
    pub content_hash: &'a str,
    pub archived_runs: i32,
}

/// Takes the personal data of an order away for good, and says who did.
pub async fn erase(tx: &mut Tx, tenant: &str, order: OrderKey, erasure: &Erasure<'_>) -> Result<(), StoreError> {
    sqlx::query!("delete from order_personal where order_id = $1", order.0).execute(tx.conn()).await?;
    sqlx::query!(
        "with items as (update order_item set service_numbers = '{}' where order_id = $1 and service_numbers <> '{}'),
         marked as (update product_order set erased_at = clock_timestamp(), personal_month = null where id = $1)
         insert into order_erasure (order_id, tenant_id, erased_by, reason, fields, content_hash, archived_runs)
         values ($1, $2, $3, $4, $5, $6, $7)",
        order.0,
        tenant,
        erasure.by,
        erasure.reason,
        erasure.fields,
        erasure.content_hash,
        erasure.archived_runs,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Runs of an order that were not archived, with whether they have ended.
pub async fn runs_left(tx: &mut Tx, order: OrderKey) -> Result<Vec<(RunId, bool)>, StoreError> {
    let rows = sqlx::query!(
        r#"select id, ended_at is not null as "ended!" from order_run where order_id = $1 and archived_at is null order by run"#,
        order.0,
    );
    Ok(rows.fetch_all(tx.conn()).await?.into_iter().map(|r| (RunId(r.id), r.ended)).collect())
}
