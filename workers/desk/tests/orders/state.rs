//! How an order and its lines stand, from ledger and cases alone: no engine is asked, so what its history forgets is not missed.

use fallout_core::{
    context::{ItemState, OrderState},
    evidence::Evidence,
};
use serde_json::json;

use crate::rig::{House, TENANT, document};

#[tokio::test]
async fn an_order_stands_as_its_steps_and_cases_say_and_is_not_completed_while_a_case_is_open() {
    let mut house = House::new().await;
    let run = house.order("o-1").await;
    let stands = async |house: &House| {
        let view = house.desk.order(TENANT, "o-1").await.unwrap();
        (view.state.unwrap(), view.lines.iter().map(|l| l.state.unwrap()).collect::<Vec<_>>())
    };
    assert_eq!(stands(&house).await, (OrderState::InProgress, vec![ItemState::Acknowledged, ItemState::Acknowledged]));
    let attempt = house.send("o-1").await;
    assert_eq!(stands(&house).await.1, [ItemState::InProgress, ItemState::Acknowledged]);
    let rejection = Evidence::answered(422, json!({ "code": "NOT_KNOWN" }));
    house.desk.record(attempt, &rejection, &Err("an answer".into())).await.unwrap();
    assert_eq!(stands(&house).await, (OrderState::Held, vec![ItemState::Held, ItemState::Acknowledged]));
    let view = house.desk.order(TENANT, "o-1").await.unwrap();
    assert_eq!(view.lines[0].cases.len(), 1);
    assert_eq!(view.lines[0].steps[0].step, "capture");
    house.desk.run_ended(run, "completed", "orderCompleted").await.unwrap();
    assert_eq!(stands(&house).await.0, OrderState::Held, "not completed while a case is open");
    // What people read over the views is the same.
    let bound = "insert into reader_login (login, tenant) select session_user, 't' on conflict do nothing";
    house.run(bound).await.unwrap();
    assert_eq!(house.texts("select state || ' ' || open_cases from fallout_v1.orders").await, ["held 1"]);
    assert_eq!(house.texts("select state from fallout_v1.order_items order by line_id").await, ["held", "completed"]);
}

#[tokio::test]
async fn everything_that_an_open_case_is_shown_with_is_in_our_tables() {
    let house = House::new().await;
    house.order("o-1").await;
    let attempt = house.send("o-1").await;
    let rejection = Evidence::answered(422, json!({ "code": "NOT_KNOWN" }));
    house.desk.record(attempt, &rejection, &Err("an answer".into())).await.unwrap();
    let line = house.desk.cases(TENANT, true, Some("o-1"), 10).await.unwrap().remove(0);
    let case = house.desk.case(TENANT, line.case_number.parse().unwrap()).await.unwrap();
    let shown = serde_json::to_value(&case).unwrap();
    for field in ["classification", "category", "severity", "summary", "group", "order"] {
        assert!(shown.get(field).is_some_and(|v| v.as_str().is_some_and(|v| !v.is_empty())), "{field}: {shown:#}");
    }
    assert!(!case.timeline.is_empty() && !case.actions.is_empty());
    assert_eq!(case.attempts.len(), 1);
    assert!(!case.attempts[0].evidence.is_empty() && case.attempts[0].outcome.is_some());
    let order = house.desk.order(TENANT, "o-1").await.unwrap();
    assert_eq!(order.context.external_references, ["WEB-o-1"]);
    assert_eq!(order.run.unwrap().process_instance_id.as_deref(), Some("instance-of-o-1"));
    assert_eq!(order.lines.len(), document("o-1")["productOrderItem"].as_array().unwrap().len());
}
