//! Orders that their owner changed while they are fulfilled.

use fallout_core::ids::{OrderKey, RunId, StepKey};
use serde_json::Value;
use uuid::Uuid;

use crate::{StoreError, Tx};

/// Who asked for it, and why.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    pub who: &'a str,
    pub reason: &'a str,
}

/// From here on steps are rendered from `document`, without what is personal of it; what it was is kept. The version.
pub async fn amend(
    tx: &mut Tx,
    id: Uuid,
    (order, run): (OrderKey, RunId),
    document: &Value,
    by: By<'_>,
) -> Result<i32, StoreError> {
    let version = sqlx::query_scalar!(
        r#"insert into order_amendment (id, tenant_id, order_run_id, version, was, asked_by, reason)
           select $1, o.tenant_id, $3, 1 + (select count(*) from order_amendment where order_run_id = $3)::int, o.document, $4, $5
           from product_order o where o.id = $2 returning version"#,
        id,
        order.0,
        run.0,
        by.who,
        by.reason,
    );
    let version = version.fetch_one(tx.conn()).await?;
    sqlx::query!("update product_order set document = $2 where id = $1", order.0, document).execute(tx.conn()).await?;
    Ok(version)
}

/// Whether the order was amended after the latest intent of the step was decided.
pub async fn since_intent(tx: &mut Tx, step: StepKey) -> Result<bool, StoreError> {
    let since = sqlx::query_scalar!(
        r#"select exists (select from step s join order_amendment a on a.order_run_id = s.order_run_id
               where s.id = $1 and a.amended_at > (select max(i.created_at) from intent i where i.step_id = s.id)) as "since!""#,
        step.0
    );
    Ok(since.fetch_one(tx.conn()).await?)
}
