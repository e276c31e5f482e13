//! What the customer's view of an order is made of.

use chrono::{DateTime, Utc};
use fallout_core::{
    case::{CaseState, WaitsFor},
    ids::{CaseId, OrderKey},
};
use serde_json::Value;

use crate::{StoreError, Tx};

/// An order and its latest run.
#[derive(Clone, Debug)]
pub struct CustomerOrder {
    pub key: OrderKey,
    /// As it is known now, without what is personal.
    pub document: Value,
    /// `None`: its fulfilment was never started.
    pub run_state: Option<String>,
    /// The code of the reason that somebody has set for it.
    pub delay_reason: Option<String>,
}

pub async fn order(tx: &mut Tx, tenant: &str, external_id: &str) -> Result<Option<CustomerOrder>, StoreError> {
    let row = sqlx::query!(
        r#"select o.id, coalesce(x.document, o.document) as "document!", r.state as "state?", x.delay_reason as "delay_reason?"
           from product_order o left join order_run r on r.order_id = o.id left join order_context x on x.order_id = o.id
           where o.tenant_id = $1 and o.external_id = $2 order by r.run desc limit 1"#,
        tenant,
        external_id,
    );
    let row = row.fetch_optional(tx.conn()).await?;
    Ok(row.map(|r| CustomerOrder {
        key: OrderKey(r.id),
        document: r.document,
        run_state: r.state,
        delay_reason: r.delay_reason,
    }))
}

/// What counts of an open case.
#[derive(Clone, Debug)]
pub struct OpenCase {
    pub id: CaseId,
    pub classification: String,
    pub state: CaseState,
    pub waits_for: Option<WaitsFor>,
    pub due: Option<DateTime<Utc>>,
}

pub async fn open_cases(tx: &mut Tx, order: OrderKey) -> Result<Vec<OpenCase>, StoreError> {
    let rows = sqlx::query!(
        "select id, classification_code, status, waiting_for, sla_due_at from fallout_case
         where related_order_id = $1 and status not in ('resolved', 'closed', 'force_closed', 'duplicate') order by case_number",
        order.0,
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|r| {
        let classification = r.classification_code.unwrap_or_default();
        let waits_for = r.waiting_for.map(|word| word.parse()).transpose()?;
        Ok(OpenCase { id: CaseId(r.id), classification, state: r.status.parse()?, waits_for, due: r.sla_due_at })
    });
    rows.collect()
}
