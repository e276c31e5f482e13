//! What the customer is told about an order: read here, decided by the policy, and kept on the timelines when it was told.

use chrono::{DateTime, NaiveDate};
use fallout_core::{
    action::catalogue::Authority,
    case::CaseEvent,
    customer::{CustomerStatus, OpenCase, OrderFacts, Progress},
    ids::CaseNumber,
};
use fallout_store::{
    StoreError, Tx,
    cases::{self, Actor},
    customer,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Desk, DeskError, authority::At};

/// TMF622 dates of an order, what was promised before what was wished.
const PROMISED: [&str; 2] = ["expectedCompletionDate", "requestedCompletionDate"];

impl Desk {
    /// Over all open cases of the order, by the number that the customer knows.
    pub async fn customer_status(&self, tenant: &str, order: &str) -> Result<CustomerStatus, DeskError> {
        let tx = self.tenant(tenant).await?;
        let mut tx = self.visible(tx, tenant, At::Order(order)).await?;
        let (status, _) = self.status_of(&mut tx, tenant, order).await?;
        tx.commit().await?;
        Ok(status)
    }

    /// Somebody passes the present status on: it is kept, word by word, on the timeline of every open case of the order.
    pub async fn tell_customer(
        &self,
        tenant: &str,
        order: &str,
        principal: &str,
        channel: &str,
    ) -> Result<(CustomerStatus, Vec<CaseNumber>), DeskError> {
        let tx = self.tenant(tenant).await?;
        let mut tx = self.authorised(tx, tenant, principal, Authority::WorkCase, At::Order(order)).await?;
        let (status, open) = self.status_of(&mut tx, tenant, order).await?;
        let payload = json!({
            "channel": channel, "order": status.order, "status": status.status, "message": status.message,
            "delay_reason": status.delay_reason.as_ref().map(|r| &r.code),
            "promised_at": status.promised, "new_date": status.new_date,
        });
        let mut noted = Vec::new();
        for case in open {
            let case = cases::by_id(&mut tx, case.id).await?;
            let (id, who) = (Uuid::now_v7(), Actor::User(principal));
            cases::append_event(&mut tx, id, &case, CaseEvent::CustomerTold, who, None, &payload).await?;
            noted.push(case.number);
        }
        tx.commit().await?;
        Ok((status, noted))
    }

    pub(crate) async fn status_of(
        &self,
        tx: &mut Tx,
        tenant: &str,
        order: &str,
    ) -> Result<(CustomerStatus, Vec<customer::OpenCase>), DeskError> {
        let found = customer::order(tx, tenant, order).await?;
        let found = found.ok_or_else(|| DeskError::NoSuchOrder(order.to_owned()))?;
        let rows = customer::open_cases(tx, found.key).await?;
        let open: Vec<OpenCase> = rows.iter().map(counted).collect();
        let facts = OrderFacts {
            order,
            progress: progress(found.run_state.as_deref()),
            promised: promised(&found.document),
            delay_reason: found.delay_reason.as_deref(),
        };
        let status = self.catalogue.customer.status(&facts, &open, self.taxonomy(tenant));
        let status = status.ok_or_else(|| StoreError::Corrupt("the customer policy is empty".into()))?;
        Ok((status, rows))
    }
}

fn counted(case: &customer::OpenCase) -> OpenCase {
    let due = case.due.map(|at| at.date_naive());
    OpenCase { classification: case.classification.clone(), state: case.state, waits_for: case.waits_for, due }
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
