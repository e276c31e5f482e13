//! The listener of order events, and everything that is not one.

use fallout_core::{context::OrderState, token::TokenScope};
use reqwest::StatusCode;
use serde_json::json;
use sqlx::{Connection, PgConnection};

use crate::rig::{OTHER, Rig, TENANT, token_of};

const STATE: &str = "productOrderStateChangeEvent";

#[tokio::test]
async fn an_event_is_applied_once_and_a_replay_says_so() {
    let rig = Rig::new().await;
    rig.order("o-1").await;
    let event = rig.event("e-1", -5, json!({ "id": "o-1", "state": "held" })).await;
    assert_eq!(rig.send(STATE, &event).await, (StatusCode::CREATED, "applied".into()));
    assert_eq!(rig.send(STATE, &event).await, (StatusCode::OK, "already".into()));
    assert_eq!(rig.send("ProductOrderStateChangeEvent", &event).await.1, "already", "whatever its case");
    let view = rig.desk.order(TENANT, "o-1").await.unwrap();
    assert_eq!(view.context.state, Some(OrderState::Held));
    for (kind, id) in [
        ("productOrderAttributeValueChangeEvent", "e-2"),
        ("productOrderInformationRequiredEvent", "e-3"),
        ("productOrderDeleteEvent", "e-4"),
    ] {
        let event = rig.event(id, -4, json!({ "id": "o-1", "category": "business" })).await;
        assert_eq!(rig.send(kind, &event).await.1, "applied", "{kind}");
    }
    let view = rig.desk.order(TENANT, "o-1").await.unwrap();
    assert_eq!((view.context.category.as_deref(), view.deleted_at.is_some()), (Some("business"), true));
}

#[tokio::test]
async fn only_a_token_with_the_scope_comes_in_and_it_sees_its_own_tenant() {
    let rig = Rig::new().await;
    rig.order("o-1").await;
    let event = rig.event("e-1", -5, json!({ "id": "o-1", "state": "held" })).await.to_string().into_bytes();
    let unauthorized = (StatusCode::UNAUTHORIZED, "unauthorized".to_owned());
    let long = "x".repeat(10_000);
    let wrong = format!("{}0", &rig.token[..rig.token.len() - 1]);
    for token in [None, Some(""), Some("x"), Some(wrong.as_str()), Some(long.as_str())] {
        // The last one may by chance be the right one.
        if token != Some(rig.token.as_str()) {
            assert_eq!(rig.send_as(token, STATE, event.clone()).await, unauthorized, "{token:?}");
        }
    }
    let reader = token_of(&rig.desk, TENANT, TokenScope::Read).await;
    let answer = rig.send_as(Some(&reader), STATE, event.clone()).await;
    assert_eq!(answer, (StatusCode::FORBIDDEN, "scopeMissing".into()));
    let foreign = token_of(&rig.desk, OTHER, TokenScope::OrdersWrite).await;
    let answer = rig.send_as(Some(&foreign), STATE, event.clone()).await;
    assert_eq!(answer, (StatusCode::NOT_FOUND, "unknownOrder".into()));
    assert_eq!(rig.desk.order(TENANT, "o-1").await.unwrap().context.state, None, "nothing was written");
    assert!(rig.desk.revoke_token(TENANT, "local:test", "t-orders.write").await.unwrap());
    assert_eq!(rig.send_as(Some(&rig.token), STATE, event).await, unauthorized, "revoked");
}

#[tokio::test]
async fn what_is_no_event_is_refused_by_name_and_nothing_is_written() {
    let rig = Rig::new().await;
    rig.order("o-1").await;
    let held = || json!({ "id": "o-1", "state": "held" });
    let send = async |kind: &str, body: Vec<u8>| rig.send_as(Some(&rig.token), kind, body).await;
    let told = |status: u16, code: &str| (StatusCode::from_u16(status).unwrap(), code.to_owned());
    let mut huge = rig.event("e-1", -5, held()).await;
    huge["event"]["productOrder"]["note"] = json!([{ "text": "x".repeat(10 << 20) }]);
    assert_eq!(rig.send(STATE, &huge).await, told(413, "tooLarge"));
    assert_eq!(send(STATE, b"{\"eventId\": \"e".to_vec()).await, told(400, "notJson"));
    assert_eq!(send(STATE, b"\xff\xfe".to_vec()).await, told(400, "notJson"));
    assert_eq!(send(STATE, Vec::new()).await, told(400, "notJson"));
    assert_eq!(send(STATE, "[".repeat(100_000).into_bytes()).await, told(400, "notJson"));
    assert_eq!(rig.send(STATE, &json!({})).await, told(400, "invalidEvent"));
    let control = rig.event("e\u{7}", -5, held()).await;
    assert_eq!(rig.send(STATE, &control).await, told(400, "invalidEvent"));
    let control = rig.event("e-1", -5, json!({ "id": "o-1\u{1b}[2J" })).await;
    assert_eq!(rig.send(STATE, &control).await, told(400, "invalidEvent"));
    assert_eq!(rig.send(STATE, &rig.event("e-1", -5, json!({ "id": "o-9" })).await).await, told(404, "unknownOrder"));
    assert_eq!(rig.send(STATE, &rig.event("e-1", 60, held()).await).await, told(400, "eventInTheFuture"));
    let event = rig.event("e-1", -5, held()).await;
    assert_eq!(rig.send("productOrderGrewEvent", &event).await, told(404, "unknownEventType"));
    assert_eq!(rig.send("productOrderGrew%1b%00Event", &event).await, told(404, "unknownEventType"));
    assert_eq!(rig.desk.order(TENANT, "o-1").await.unwrap().as_of, None, "nothing was written");
    assert_eq!(rig.send(STATE, &event).await, told(201, "applied"));
    assert_eq!(rig.send(STATE, &rig.event("e-2", -6, held()).await).await, told(409, "outdatedEvent"));
}

#[tokio::test]
async fn an_unknown_order_is_known_once_it_was_created_and_nothing_is_started() {
    let rig = Rig::new().await;
    let order = json!({ "id": "o-7", "category": "government", "productOrderItem": [{ "id": "1", "action": "add" }] });
    let event = rig.event("e-1", -5, order).await;
    assert_eq!(rig.send("productOrderCreateEvent", &event).await.1, "applied");
    let view = rig.desk.order(TENANT, "o-7").await.unwrap();
    assert!(view.run.is_none() && view.state.is_none());
    assert!(rig.desk.runs(TENANT).await.unwrap().is_empty());
}

#[tokio::test]
async fn other_doors_say_that_they_are_none_and_health_needs_the_database() {
    let rig = Rig::new().await;
    assert_eq!(rig.get("/").await, StatusCode::NOT_FOUND);
    assert_eq!(rig.get("/tmf-api/productOrderingManagement/v4/listener/x").await, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(rig.get("/health").await, StatusCode::OK);
    let mut admin = PgConnection::connect(&rig.admin_url).await.unwrap();
    let away = "do $$ begin execute format('alter database %I connection limit 0', current_database()); end $$;
                select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
    sqlx::raw_sql(away).execute(&mut admin).await.unwrap();
    // Whatever the pool still believes to be a connection is found out.
    while rig.get("/health").await == StatusCode::OK {}
    assert_eq!(rig.get("/health").await, StatusCode::SERVICE_UNAVAILABLE);
}
