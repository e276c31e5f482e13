//! Personal data lie apart, come back where requests are rendered, and are gone for good once erased.

use fallout_core::{
    order::read_orders,
    worklist::{Filter, Sort},
};
use fallout_desk::DeskError;
use serde_json::json;

use crate::rig::{House, OTHER, PERSONAL, TENANT, document, task};

/// An order that ran to its end; its request and the answer hold what is personal.
async fn fulfilled(house: &House, id: &str) -> fallout_core::ids::RunId {
    let run = house.order(id).await;
    let attempt = house.send(id).await;
    house.done(attempt).await;
    assert!(house.desk.run_ended(run, "completed", "orderCompleted").await.unwrap());
    run
}

fn kept(answer: Result<fallout_desk::Erased, DeskError>) -> String {
    match answer {
        Err(DeskError::NotErasable { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_personal_lies_apart_from_the_order_and_is_rendered_as_it_came() {
    let mut house = House::new().await;
    house.order("o-1").await;
    for value in PERSONAL {
        let places = house.places_of(value).await;
        let apart = |p: &String| {
            p.starts_with("order_personal") || p == "order_item.service_numbers" || p == "order_service_number.number"
        };
        assert!(!places.is_empty() && places.iter().all(apart), "{value}: {places:?}");
    }
    let context = house.desk.contexts(&[task("o-1")]).await.unwrap().remove(0);
    assert_eq!(context.document.to_string(), document("o-1").to_string());
    let lines = house.desk.order(TENANT, "o-1").await.unwrap().lines;
    assert_eq!(lines[0].item.service_numbers, ["+49 171 555 01"]);
}

#[tokio::test]
async fn after_an_erasure_no_personal_value_is_anywhere_and_who_did_it_is_kept() {
    let mut house = House::new().await;
    fulfilled(&house, "o-1").await;
    let moved = json!({ "id": "o-1", "note": [{ "text": "ring twice please" }, { "text": "moved to Oak Street 7" }] });
    house.event("e-1", "AttributeValueChange", -2, moved).await.unwrap();
    for value in PERSONAL.iter().chain(&["moved to Oak Street 7"]) {
        assert!(!house.places_of(value).await.is_empty(), "{value} could not be found at all");
    }
    assert!(house.places_of(PERSONAL[0]).await.contains(&"intent.request".to_owned()));
    let erased = house.desk.erase_order(TENANT, "local:dpo", "o-1", "asked for by letter 17").await.unwrap();
    assert!(erased.now && erased.fields > 5 && erased.archived_runs == 1, "{erased:?}");
    for value in PERSONAL.iter().chain(&["moved to Oak Street 7"]) {
        assert_eq!(house.places_of(value).await, [""; 0], "{value}");
    }
    let said = "select erased_by || ', ' || reason || ', ' || length(content_hash) from order_erasure";
    assert_eq!(house.texts(said).await, ["local:dpo, asked for by letter 17, 64"]);
    for sql in ["update order_erasure set reason = 'x'", "delete from order_erasure"] {
        assert_eq!(house.run(sql).await, Err("append_only".to_owned()), "{sql}");
    }
    let view = house.desk.order(TENANT, "o-1").await.unwrap();
    assert!(view.erased_at.is_some());
    assert_eq!(view.context.customer.as_deref(), Some("c-1"), "the id of the customer is no name");
    assert!(!house.desk.erase_order(TENANT, "local:dpo", "o-1", "again").await.unwrap().now);
}

#[tokio::test]
async fn an_erasure_stands_on_the_timeline_of_the_orders_cases_as_a_hash() {
    let mut house = House::new().await;
    let run = house.order("o-1").await;
    let case = house.trouble(run).await;
    house
        .run(
            "alter table fallout_case disable trigger user;
             update fallout_case set status = 'resolved', resolution_code = 'CLEARED', resolved_at = now();
             alter table fallout_case enable trigger user",
        )
        .await
        .unwrap();
    house.desk.erase_order(TENANT, "local:dpo", "o-1", "asked for").await.unwrap();
    let said = "select actor_id || ': ' || reason || ' ' || (payload ->> 'content_hash' = (select content_hash from order_erasure))
                from fallout_event order by created_at desc, position desc limit 1";
    let expected = "local:dpo: the personal data of order o-1 were erased: asked for true";
    assert_eq!(house.texts(said).await, [expected]);
    assert!(house.desk.case(TENANT, case).await.is_ok(), "the case stays");
    for value in PERSONAL {
        assert_eq!(house.places_of(value).await, [""; 0], "{value}");
    }
}

#[tokio::test]
async fn what_was_erased_does_not_come_back_by_an_event_a_new_start_or_by_hand() {
    let mut house = House::new().await;
    fulfilled(&house, "o-1").await;
    house.desk.erase_order(TENANT, "local:dpo", "o-1", "asked for").await.unwrap();
    house.event("e-1", "AttributeValueChange", -1, document("o-1")).await.unwrap();
    for value in PERSONAL {
        assert_eq!(house.places_of(value).await, [""; 0], "{value}");
    }
    let order = read_orders("test", json!([document("o-1")]).to_string().as_bytes()).unwrap().remove(0);
    let again = house.desk.accept_order(TENANT, &order, 2, "").await;
    assert!(matches!(again, Err(DeskError::OrderErased(_))), "{again:?}");
    let by_hand = "insert into order_personal select date_trunc('month', now())::date, id, 't', 'taken_in', '{}' from product_order";
    assert_eq!(house.run(by_hand).await, Err("personal_data_stays_erased".to_owned()));
}

#[tokio::test]
async fn an_order_that_runs_or_has_an_open_case_is_not_erased() {
    let mut house = House::new().await;
    let erase =
        async |house: &House, order: &str| house.desk.erase_order(TENANT, "local:dpo", order, "asked for").await;
    let run = house.order("o-1").await;
    assert_eq!(kept(erase(&house, "o-1").await), "its fulfilment has not ended");
    let attempt = house.send("o-1").await;
    house.desk.run_ended(run, "completed", "orderCompleted").await.unwrap();
    assert!(kept(erase(&house, "o-1").await).contains("is running"), "its step has not");
    house.done(attempt).await;
    let silent = house.order("o-2").await;
    let case = house.trouble(silent).await;
    assert!(kept(erase(&house, "o-2").await).contains(&format!("case {case} is ")));
    for value in PERSONAL {
        assert!(!house.places_of(value).await.is_empty(), "{value}");
    }
    let erased = erase(&house, "o-1").await.unwrap();
    assert!(erased.now);
    let foreign = house.desk.erase_order(OTHER, "local:dpo", "o-2", "not mine").await;
    assert!(matches!(foreign, Err(DeskError::NoSuchOrder(_))), "{foreign:?}");
    for reason in [" ", "a\u{1b}[2J", &"x".repeat(1 << 20)] {
        let refused = house.desk.erase_order(TENANT, "local:dpo", "o-2", reason).await;
        assert!(matches!(refused, Err(DeskError::NoReason | DeskError::BadText(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn a_case_is_found_by_a_service_number_of_its_order() {
    let house = House::new().await;
    let case = house.trouble(house.order("o-1").await).await;
    let found = async |tenant: &str, number: &str| {
        let filter = Filter { service_number: Some(number.into()), ..Filter::default() };
        let page = house.desk.worklist(tenant, &filter, Sort::Severity, 10, None).await.unwrap();
        page.cases.into_iter().map(|case| case.case_number).collect::<Vec<_>>()
    };
    assert_eq!(found(TENANT, "+49 171 555 01").await, [case.to_string()]);
    assert_eq!(found(TENANT, "+49 171 555").await, Vec::<String>::new(), "a number is compared whole");
    assert_eq!(found(OTHER, "+49 171 555 01").await, Vec::<String>::new());
}
