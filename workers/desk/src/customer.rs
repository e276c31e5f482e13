//! What the customer is told about an order: read here, decided by the policy.

use chrono::{DateTime, NaiveDate};
use fallout_core::customer::{CustomerStatus, OpenCase, OrderFacts, Progress};
use fallout_store::{StoreError, customer};
use serde_json::Value;

use crate::{Desk, DeskError};

/// TMF622 dates of an order, what was promised before what was wished.
const PROMISED: [&str; 2] = ["expectedCompletionDate", "requestedCompletionDate"];

impl Desk {
    /// Over all open cases of the order, by the number that the customer knows.
    pub async fn customer_status(&self, tenant: &str, order: &str) -> Result<CustomerStatus, DeskError> {
        let mut tx = self.tenant(tenant).await?;
        let found = customer::order(&mut tx, tenant, order).await?;
        let found = found.ok_or_else(|| DeskError::NoSuchOrder(order.to_owned()))?;
        let open = customer::open_cases(&mut tx, found.key).await?;
        tx.commit().await?;
        let open: Vec<OpenCase> = open
            .into_iter()
            .map(|(classification, state, due)| OpenCase { classification, state, due: due.map(|at| at.date_naive()) })
            .collect();
        let facts =
            OrderFacts { order, progress: progress(found.run_state.as_deref()), promised: promised(&found.document) };
        let status = self.catalogue.customer.status(&facts, &open, self.taxonomy(tenant));
        status.ok_or_else(|| DeskError::Store(StoreError::Corrupt("the customer policy is empty".into())))
    }
}

fn progress(run_state: Option<&str>) -> Progress {
    match run_state {
        Some("completed") => Progress::Completed,
        Some("cancelled") => Progress::Cancelled,
        Some("ended") => Progress::Unclear,
        _ => Progress::Running,
    }
}

/// The day in UTC; a date that cannot be read is none.
fn promised(document: &Value) -> Option<NaiveDate> {
    let text = PROMISED.iter().find_map(|field| document.get(field)?.as_str())?;
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc().date_naive())
}
