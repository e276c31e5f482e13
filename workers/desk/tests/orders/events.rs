//! Events of the order's owner: each counts once and in order, starts nothing, and is what severity and customers go by.

use fallout_core::{context::OrderState, order::EventRefusal};
use fallout_desk::{Accepted, DeskError, EventTaken};
use serde_json::json;

use crate::rig::{House, OTHER, TENANT, document, task};

fn refused(answer: Result<EventTaken, DeskError>) -> &'static str {
    match answer {
        Err(DeskError::Event(refusal)) => refusal.name(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_event_counts_once_and_an_older_one_not_at_all() {
    let house = House::new().await;
    house.order("o-1").await;
    let held = || json!({ "id": "o-1", "state": "held" });
    assert_eq!(house.event("e-1", "StateChange", -5, held()).await.unwrap(), EventTaken::Applied);
    let later = json!({ "id": "o-1", "state": "inProgress" });
    assert_eq!(house.event("e-2", "StateChange", -3, later).await.unwrap(), EventTaken::Applied);
    assert_eq!(house.event("e-1", "StateChange", -5, held()).await.unwrap(), EventTaken::Already, "replayed");
    assert_eq!(refused(house.event("e-3", "StateChange", -4, held()).await), "outdatedEvent");
    assert_eq!(refused(house.event("e-4", "StateChange", 60, held()).await), "eventInTheFuture");
    let view = house.desk.order(TENANT, "o-1").await.unwrap();
    assert_eq!((view.context.state, view.state), (Some(OrderState::InProgress), Some(OrderState::InProgress)));
    assert_eq!(view.context.category.as_deref(), Some("residential"), "what the events did not name stays");
}

#[tokio::test]
async fn one_event_sent_by_many_at_once_is_applied_once() {
    let house = House::new().await;
    house.order("o-1").await;
    let event = house.read("e-1", "StateChange", -1, json!({ "id": "o-1", "state": "held" })).await;
    let sent = (0..20).map(|_| {
        let (desk, event) = (house.desk.clone(), event.clone());
        tokio::spawn(async move { desk.order_event(TENANT, "owner", &event).await.unwrap() })
    });
    let mut applied = 0;
    for answer in sent.collect::<Vec<_>>() {
        applied += usize::from(answer.await.unwrap() == EventTaken::Applied);
    }
    assert_eq!(applied, 1);
}

#[tokio::test]
async fn an_order_that_is_only_told_is_known_and_not_started_and_can_be_taken_in_later() {
    let mut house = House::new().await;
    assert_eq!(refused(house.event("e-0", "StateChange", -9, json!({ "id": "o-1" })).await), "unknownOrder");
    house.event("e-1", "Create", -8, document("o-1")).await.unwrap();
    let view = house.desk.order(TENANT, "o-1").await.unwrap();
    assert_eq!((view.state, view.run.is_none(), view.lines.len()), (None, true, 2));
    assert_eq!(house.texts("select kind from engine_command").await, [""; 0], "nothing was started");
    let moved = json!({ "id": "o-1", "expectedCompletionDate": "2091-01-01T00:00:00Z" });
    house.event("e-2", "AttributeValueChange", -7, moved).await.unwrap();
    assert!(matches!(house.accept(document("o-1")).await.unwrap(), Accepted::Started(_)));
    let context = house.desk.contexts(&[task("o-1")]).await.unwrap().remove(0);
    assert_eq!(context.document, document("o-1"), "rendered from what was taken in");
    let view = house.desk.order(TENANT, "o-1").await.unwrap();
    assert_eq!(view.context.promised.unwrap().to_rfc3339(), "2091-01-01T00:00:00+00:00", "shown as it is known now");
    assert_eq!(view.state, Some(OrderState::Acknowledged));
}

#[tokio::test]
async fn a_tenant_tells_nothing_about_an_order_of_another() {
    let house = House::new().await;
    house.order("o-1").await;
    let event = house.read("e-1", "StateChange", -1, json!({ "id": "o-1", "state": "cancelled" })).await;
    assert_eq!(refused(house.desk.order_event(OTHER, "owner", &event).await), "unknownOrder");
    let created = house.read("e-2", "Create", -1, json!({ "id": "o-1", "state": "rejected" })).await;
    house.desk.order_event(OTHER, "owner", &created).await.unwrap();
    assert_eq!(house.desk.order(TENANT, "o-1").await.unwrap().context.state, None);
    assert_eq!(house.desk.order(OTHER, "o-1").await.unwrap().context.state, Some(OrderState::Rejected));
    assert!(matches!(house.desk.order(OTHER, "o-2").await, Err(DeskError::NoSuchOrder(_))));
    // The same id is another event there.
    assert_eq!(house.event("e-2", "StateChange", -1, json!({ "id": "o-1" })).await.unwrap(), EventTaken::Applied);
}

#[tokio::test]
async fn an_event_never_changes_what_steps_are_rendered_from() {
    let house = House::new().await;
    house.order("o-1").await;
    let before = house.desk.contexts(&[task("o-1")]).await.unwrap().remove(0).document;
    assert_eq!(before.to_string(), document("o-1").to_string(), "byte for byte what came");
    let moved = json!({ "id": "o-1", "category": "government", "productOrderItem": [
        { "id": "1", "product": { "place": [{ "streetAddress": "Oak Street 1" }] } }] });
    house.event("e-1", "AttributeValueChange", -1, moved).await.unwrap();
    let after = house.desk.contexts(&[task("o-1")]).await.unwrap().remove(0).document;
    assert_eq!(after.to_string(), before.to_string());
}

#[tokio::test]
async fn a_moved_date_or_a_better_customer_makes_open_cases_graver_and_the_customer_sees_the_new_date() {
    let mut house = House::new().await;
    let run = house.order("o-1").await;
    let case = house.trouble(run).await;
    let severity = async |house: &House| house.desk.case(TENANT, case).await.unwrap().case.severity;
    assert_eq!(severity(&house).await, "SEV3");
    house.run("update case_sla set next_at = now() + interval '1 day'").await.unwrap();
    assert_eq!(house.desk.clocks_due(None, 10).await.unwrap(), []);
    let moved = json!({ "id": "o-1", "expectedCompletionDate": "2020-02-02T08:00:00Z" });
    house.event("e-1", "AttributeValueChange", -2, moved).await.unwrap();
    let due = house.desk.clocks_due(None, 10).await.unwrap();
    assert_eq!(due.len(), 1, "marked in the transaction of the event");
    assert!(house.desk.look_at_clock(due[0]).await.unwrap());
    assert_eq!(severity(&house).await, "SEV2");
    let status = house.desk.customer_status(TENANT, "o-1").await.unwrap();
    assert_eq!(status.promised.unwrap().to_string(), "2020-02-02");
    let judgement = house.desk.case_clock(TENANT, case).await.unwrap().judgement.unwrap();
    let promised = judgement.derived.reasons.iter().find(|r| r.factor.word() == "promised_delivery_date").unwrap();
    assert_eq!((promised.value.as_deref(), promised.assumed), (Some("2020-02-02T08:00:00Z"), false));
}

#[tokio::test]
async fn a_deleted_order_is_told_and_its_fulfilment_goes_on() {
    let house = House::new().await;
    house.order("o-1").await;
    house.event("e-1", "InformationRequired", -3, json!({ "id": "o-1", "state": "pending" })).await.unwrap();
    house.event("e-2", "Delete", -2, json!({ "id": "o-1" })).await.unwrap();
    let view = house.desk.order(TENANT, "o-1").await.unwrap();
    assert!(view.deleted_at.is_some());
    assert_eq!((view.context.state, view.state), (Some(OrderState::Pending), Some(OrderState::InProgress)));
    assert_eq!(refused(house.event("e-3", "StateChange", -3, json!({ "id": "o-1" })).await), "outdatedEvent");
}

#[tokio::test]
async fn an_order_grows_event_by_event_only_up_to_its_bound() {
    let house = House::new().await;
    house.order("o-1").await;
    let items = (0..999).map(|n| json!({ "id": format!("x-{n}"), "action": "add" })).collect::<Vec<_>>();
    let answer =
        house.event("e-1", "AttributeValueChange", -1, json!({ "id": "o-1", "productOrderItem": items })).await;
    assert!(matches!(answer, Err(DeskError::Event(EventRefusal::Invalid { .. }))), "{answer:?}");
    assert_eq!(house.desk.order(TENANT, "o-1").await.unwrap().lines.len(), 2, "nothing was written");
}
