//! A case from its detection to its end: every field that it has by then, and everything that was told outside of it.

use fallout_core::{case::CaseState, ids::CaseNumber, order::read_orders};
use fallout_desk::{Accepted, Closing};
use serde_json::{Value, json};

use crate::house::{BOB, House, TENANT, by, task};

const CLOSING: Closing<'_> = Closing { root_cause: "a typo in the account", resolution: None, follow_up: None };

impl House {
    /// A case of a customer's order that Bob has taken.
    async fn taken(&self, order: &str) -> CaseNumber {
        let document = json!([{ "id": order, "relatedParty": [{ "id": "C-1", "role": "customer" }],
            "productOrderItem": [{ "id": "1", "action": "add" }, { "id": "2", "action": "add" }] }]);
        let read = read_orders("test", document.to_string().as_bytes()).unwrap().remove(0);
        let accepted = self.desk.accept_order(TENANT, &read, 1, "").await.unwrap();
        let Accepted::Started(run) = accepted else { panic!("{order} was taken in before") };
        self.desk.run_started(run, &format!("instance-of-{order}")).await.unwrap();
        let attempt = self.attempt(&task(order), 1).await;
        self.answered(attempt, 422, json!({ "code": "BILLING_ACCOUNT_INVALID" })).await;
        let line = self.desk.cases(TENANT, true, Some(order), 10).await.unwrap().remove(0);
        let case = line.case_number.parse().unwrap();
        self.desk.take(&by(BOB, case)).await.unwrap();
        case
    }

    /// A retry of the case's step, and what the downstream says to it.
    async fn retried(&self, case: CaseNumber, order: &str, generation: i32, status: u16, key: &str) {
        let mut again = task(order);
        again.action = Some(self.retry_with(case, key).await);
        let attempt = self.attempt(&again, generation).await;
        let body = if status == 201 { json!({ "id": "R-1" }) } else { json!({ "code": "BILLING_ACCOUNT_INVALID" }) };
        self.answered(attempt, status, body).await;
    }

    /// The case's row, as the database has it.
    async fn row(&mut self) -> Value {
        let row = self.text("select to_jsonb(c)::text from fallout_case c").await.unwrap();
        serde_json::from_str(&row).unwrap()
    }
}

#[tokio::test]
async fn a_case_has_every_field_from_its_detection_to_its_end() {
    let mut house = House::new().await;
    let case = house.taken("o-1").await;
    let open = house.row().await;
    let order = house.text("select id::text from product_order").await.unwrap();
    let number = case.to_string();
    for (field, expected) in [
        ("tenant_id", TENANT),
        ("case_number", number.as_str()),
        ("case_type", "BILLING"),
        ("severity", "SEV3"),
        ("status", "in_progress"),
        ("source", "fleet"),
        ("related_order_id", order.as_str()),
        ("root_process_instance_id", "instance-of-o-1"),
        ("process_instance_id", "step-of-o-1"),
        ("external_system", "payment"),
        ("business_key", "t:o-1:1"),
        ("customer_id", "C-1"),
        ("classification_code", "BILLING_ACCOUNT_INVALID"),
        ("assigned_group", "Billing Ops"),
        ("assigned_user", BOB),
    ] {
        assert_eq!(open[field], expected, "{field}: {open:#}");
    }
    assert_eq!(open["affected_line_ids"], json!(["1"]));
    let told =
        ["id", "source_event_id", "external_reference", "diagnostic_summary", "recommended_action", "sla_due_at"];
    for field in told.iter().chain(&["created_at", "updated_at"]) {
        assert!(open[field].as_str().is_some_and(|value| !value.is_empty()), "{field}: {open:#}");
    }
    assert!(open["resolved_at"].is_null() && open["closed_at"].is_null());

    house.retried(case, "o-1", 2, 201, "k").await;
    house.desk.close(&by(BOB, case), &CLOSING).await.unwrap();
    let closed = house.row().await;
    assert_eq!(closed["status"], "closed");
    assert!(closed["resolved_at"].is_string() && closed["closed_at"].is_string(), "{closed:#}");
    assert!(closed["version"].as_i64() > open["version"].as_i64(), "each change is another version");
    for kept in ["id", "case_number", "source", "source_event_id", "related_order_id", "created_at"] {
        assert_eq!(closed[kept], open[kept], "{kept}");
    }
}

/// Nothing that tells us of orders names their quote or change order; whoever does has the place for them.
#[tokio::test]
async fn a_case_has_a_place_for_its_quote_and_its_change_order() {
    let mut house = House::new().await;
    house.taken("o-1").await;
    let (quote, change) = ("0191f000-0000-7000-8000-000000000001", "0191f000-0000-7000-8000-000000000002");
    let named = format!("update fallout_case set related_quote_id = '{quote}', related_change_order_id = '{change}'");
    house.sql(&named).await;
    let row = house.row().await;
    assert_eq!((&row["related_quote_id"], &row["related_change_order_id"]), (&json!(quote), &json!(change)));
}

#[tokio::test]
async fn everything_that_happens_to_a_case_is_told_outside() {
    let mut house = House::new().await;
    let case = house.taken("o-1").await;
    house.desk.escalate(&by(BOB, case), "Senior Ops", "needs a decision").await.unwrap();
    let back = fallout_desk::Assignment { group: Some("Billing Ops"), user: None, reason: Some("decided") };
    house.desk.assign(&by(BOB, case), &back).await.unwrap();
    house.retried(case, "o-1", 2, 422, "first").await;
    house.retried(case, "o-1", 3, 201, "second").await;
    house.desk.close(&by(BOB, case), &CLOSING).await.unwrap();
    assert_eq!(house.desk.reopen(&by(BOB, case), "it is back").await.unwrap().state, CaseState::Reopened);
    let told = "select string_agg(distinct event_type, ' ' order by event_type) from event_outbox";
    let expected = "FalloutCaseAssigned FalloutCaseClassified FalloutCaseClosed FalloutCaseCreated FalloutCaseEscalated \
        FalloutCaseReopened FalloutCaseResolved FalloutRecoveryActionCompleted FalloutRecoveryActionFailed \
        FalloutRecoveryActionRequested FalloutRecoveryActionStarted";
    assert_eq!(house.text(told).await.as_deref(), Some(expected));
}
