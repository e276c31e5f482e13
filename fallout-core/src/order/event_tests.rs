//! Events of the order's owner: what is taken, what is refused by which name, and what a change leaves of what was known.

use serde_json::json;

use super::*;

fn event(change: impl FnOnce(&mut Value)) -> Result<OrderEvent, EventRefusal> {
    let mut event = json!({ "eventId": "e-1", "eventTime": "2026-11-27T10:00:00+01:00",
        "eventType": "ProductOrderStateChangeEvent", "event": { "productOrder": { "id": "o-1", "state": "held" } } });
    change(&mut event);
    read_event(OrderEventKind::StateChange, event.to_string().as_bytes())
}

#[test]
fn an_event_is_read_with_its_order_and_its_time() {
    let read = event(|_| ()).unwrap();
    assert_eq!((read.id.as_str(), read.order.as_str()), ("e-1", "o-1"));
    assert_eq!(read.at.to_rfc3339(), "2026-11-27T09:00:00+00:00");
    assert!(event(|e| drop(e.as_object_mut().unwrap().remove("eventType"))).is_ok(), "the path says it");
    assert_eq!(event_kind("productOrderStateChangeEvent"), Ok(OrderEventKind::StateChange));
}

#[test]
fn what_is_no_event_is_refused_by_field() {
    let order = |change: Value| event(move |e| e["event"]["productOrder"] = change);
    let rows: [(Result<OrderEvent, EventRefusal>, &str); 15] = [
        (event(|e| *e = json!([])), ": expected an event object"),
        (event(|e| e["eventId"] = json!(null)), "eventId: expected an id"),
        (event(|e| e["eventId"] = json!(7)), "eventId: expected text in quotes, found 7"),
        (event(|e| e["eventId"] = json!("a\u{1b}b")), "eventId: expected an id without control characters"),
        (event(|e| e["eventId"] = json!("x".repeat(10_000))), "eventId: expected at most 180 characters"),
        (event(|e| e["eventTime"] = json!("yesterday")), "eventTime: expected a date-time"),
        (event(|e| e["eventType"] = json!("ProductOrderCreateEvent")), "eventType: expected ProductOrderStateChange"),
        (event(|e| e["event"] = json!({})), "event.productOrder: expected a product order object"),
        (order(json!({ "state": "held" })), "event.productOrder.id: expected an id"),
        (order(json!({ "id": "o\u{7}" })), "event.productOrder.id: expected an id without control characters"),
        (order(json!({ "id": "o", "state": "lost" })), "event.productOrder.state: expected a state of TMF622"),
        (order(json!({ "id": "o", "productOrderItem": 7 })), "productOrderItem: expected an array of items"),
        (
            order(json!({ "id": "o", "productOrderItem": [{ "state": "held" }] })),
            "productOrderItem[0].id: expected an id",
        ),
        (
            order(json!({ "id": "o", "productOrderItem": [{ "id": "1", "state": "partial" }] })),
            "productOrderItem.state: expected a state of TMF622 v4, found \\\"partial\\\"",
        ),
        (order(json!({ "id": "o", "x": "\u{0}" })), "U+0000"),
    ];
    for (read, says) in rows {
        let refused = read.unwrap_err();
        assert_eq!(refused.name(), "invalidEvent", "{refused}");
        assert!(refused.to_string().contains(says), "{refused}\ndoes not say\n{says}");
    }
    let broken = read_event(OrderEventKind::Create, b"{\"eventId\": ").unwrap_err();
    assert_eq!(broken.name(), "notJson");
    assert_eq!(event_kind("productOrderGrewEvent\u{1b}").unwrap_err().name(), "unknownEventType");
}

#[test]
fn what_is_older_than_what_is_known_or_not_yet_is_refused() {
    let event = event(|_| ()).unwrap();
    let at = |minutes: i64| event.at + Duration::minutes(minutes);
    let name = |known: Option<i64>, now: i64| event.in_order(known.map(at), at(now)).map_err(|e| e.name());
    assert_eq!(name(None, 0), Ok(()));
    assert_eq!(name(Some(0), 0), Ok(()), "two of the same moment are two");
    assert_eq!(name(Some(1), 2), Err("outdatedEvent"));
    assert_eq!(name(None, -5), Ok(()), "clocks differ");
    assert_eq!(name(None, -6), Err("eventInTheFuture"));
}

#[test]
fn a_change_leaves_what_it_does_not_name() {
    let known = json!({ "id": "o", "category": "business", "note": [{ "text": "a" }], "productOrderItem": [
        { "id": "1", "action": "add", "productOrderItem": [{ "id": "1.1", "action": "add" }] }, { "id": "2" }] });
    let change = json!({ "id": "o", "note": null, "expectedCompletionDate": "2026-12-01T00:00:00Z", "productOrderItem": [
        { "id": "1", "state": "held", "productOrderItem": [{ "id": "1.1", "state": "pending" }] }, { "id": "3" }] });
    let expected = json!({ "id": "o", "category": "business", "expectedCompletionDate": "2026-12-01T00:00:00Z",
        "productOrderItem": [
            { "id": "1", "action": "add", "state": "held",
              "productOrderItem": [{ "id": "1.1", "action": "add", "state": "pending" }] },
            { "id": "2" }, { "id": "3" }] });
    assert_eq!(merged(&known, &change), expected);
    assert_eq!(merged(&expected, &change), expected, "twice is once");
    assert_eq!(merged(&Value::Null, &known), known);
}

#[test]
fn an_order_that_events_make_grow_is_refused_beyond_its_bounds() {
    let items = |from: usize| (from..from + 600).map(|n| json!({ "id": n.to_string() })).collect::<Vec<_>>();
    let once = merged_within(&Value::Null, &json!({ "id": "o", "productOrderItem": items(0) })).unwrap();
    let refused = merged_within(&once, &json!({ "id": "o", "productOrderItem": items(600) })).unwrap_err();
    assert!(refused.to_string().contains("at most 1000 items"), "{refused}");
    let refused = merged_within(&once, &json!({ "x": "y".repeat(ORDER_BYTES_MAX) })).unwrap_err();
    assert!(refused.to_string().contains("bytes in all"), "{refused}");
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        for kind in OrderEventKind::ALL {
            let _ = read_event(*kind, &bytes);
        }
    }
}
