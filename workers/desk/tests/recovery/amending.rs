//! An order that its owner changed: what was corrected holds until the owner tells something else there, and what was decided
//! before is not sent again as it was.

use fallout_core::{
    action::Action,
    attempt::{Prepared, StoredRequest},
    claim::Claim,
    decide::Verdict,
    evidence::{Evidence, Phase},
    operation::{Method, Operation},
    order::{event_kind, read_event},
    task::TaskRef,
};
use fallout_desk::{AskedOutside, EventTaken};
use serde_json::{Value, json};

use crate::{
    correcting::{address, answered, city_rendered, correct, sends, uses_address},
    house::{House, TENANT, command, task},
};

impl House {
    /// The owner tells fields of the order's first line.
    async fn told(&self, order: &str, event: &str, line: Value) {
        let mut line = line;
        line["id"] = json!("1");
        let body = json!({ "eventId": event, "eventTime": "2026-01-01T00:00:00Z",
            "event": { "productOrder": { "id": order, "productOrderItem": [line, { "id": "2", "action": "add" }] } } });
        let kind = event_kind("ProductOrderAttributeValueChangeEvent").unwrap();
        let event = read_event(kind, body.to_string().as_bytes()).unwrap();
        assert_eq!(self.desk.order_event(TENANT, "owner", &event).await.unwrap(), EventTaken::Applied);
    }

    /// Asks for the amendment; how many were taken in and answered by now.
    async fn amended(&mut self, order: &str) -> (i64, i64) {
        let instance = format!("instance-of-{order}");
        let asked = AskedOutside {
            process_instance_id: &instance,
            execution_id: "an execution",
            by: Some("crm"),
            reason: Some("agreed anew"),
        };
        self.desk.amend_asked(&asked).await.unwrap();
        self.sql("update engine_command set state = 'done', ended_at = now() where kind = 'amend_answered' and state = 'pending'").await;
        let answers = self.count("select count(*) from engine_command where kind = 'amend_answered'").await;
        (self.count("select count(*) from order_amendment").await, answers)
    }
}

fn lives_in(city: &str) -> Value {
    let mut place = address(city);
    place["role"] = json!("installationAddress");
    json!({ "action": "add", "product": { "place": [place] } })
}

#[tokio::test]
async fn what_was_corrected_holds_through_an_amendment_until_the_owner_tells_something_else_there() {
    let mut house = House::new(uses_address).await;
    let case = house.rejected("o-1").await;
    let taken = house.give(&correct(case, "k", "service-address", address("Zürich"))).await.unwrap();
    let (attempt, _) = sends(&house, taken.action).await;
    answered(&house, attempt, 201, json!({ "id": "COR-1", "version": 2 })).await;
    assert_eq!(house.amended("o-1").await, (0, 1), "the correction is no news of the owner's");

    house.told("o-1", "e-1", json!({ "quantity": 3 })).await;
    assert_eq!(house.amended("o-1").await, (1, 2));
    assert_eq!(city_rendered(&house, "o-1").await, json!("Zürich"));

    house.told("o-1", "e-2", lives_in("Basel")).await;
    assert_eq!(house.amended("o-1").await, (2, 3));
    assert_eq!(city_rendered(&house, "o-1").await, json!("Basel"));
    assert_eq!(house.count("select count(*) from order_personal where part = 'corrected'").await, 0);
}

#[tokio::test]
async fn what_failed_before_an_amendment_is_rendered_anew_after_an_action_and_amended_only_when_it_has_parked() {
    fn once(op: &mut Operation) {
        uses_address(op);
        op.retry.attempts = 2;
    }
    let mut house = House::new(once).await;
    house.order("o-1").await;
    let attempt = house.attempt(&task("o-1", "1")).await;
    let lost = Evidence::of(Phase::NotConnected);
    let recorded = house.desk.record(attempt, &lost, &Err("an answer".into())).await.unwrap();
    assert!(matches!(recorded.verdict, Some(Verdict::RetryAfter { .. })), "{recorded:?}");
    house.told("o-1", "e-1", lives_in("Basel")).await;
    assert_eq!(house.amended("o-1").await, (0, 0), "its next try sends the old address");

    let again = TaskRef { external_task_id: "next".into(), ..task("o-1", "1") };
    let attempt = house.attempt(&again).await;
    let recorded = house.desk.record(attempt, &lost, &Err("an answer".into())).await.unwrap();
    assert!(matches!(recorded.verdict, Some(Verdict::Park { .. })), "{recorded:?}");
    assert_eq!(house.amended("o-1").await, (1, 1));
    let case = recorded.case.unwrap();
    let retry = house.give(&command(case, Action::RetryStep, "retry")).await.unwrap();
    let after = TaskRef { action: Some(retry.action), external_task_id: "after".into(), ..task("o-1", "1") };
    let request =
        StoredRequest { method: Method::Post, path: "/captures".into(), headers: Vec::new(), body: Some("{}".into()) };
    let claim = house.desk.claim(&after, Some(Ok(Prepared { request, generation: 2 }))).await.unwrap();
    let Claim::Fresh(permission) = claim else { panic!("{claim:?}") };
    assert_eq!(permission.generation, 2, "the same bytes would be those of the order as it was");
}
