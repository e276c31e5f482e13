//! Identity, idempotency and what each operation writes into the book.

use fallout_sandbox::{Arrivals, StepKey};
use reqwest::Method;
use serde_json::json;

use crate::rig::{Rig, Seen, see};

#[tokio::test]
async fn a_replay_returns_the_stored_answer_and_has_no_effect() {
    let rig = Rig::new("").await;
    let first = rig.reserve("k").await;
    assert_eq!(first.status(), 201);
    assert_eq!(rig.reserve("k").await, first);
    assert_eq!(rig.effects().await.len(), 1);
    assert_ne!(rig.reserve("other").await.field("id"), first.field("id"));
}

#[tokio::test]
async fn a_letter_is_found_by_its_reference_and_sent_again_whenever_it_is_asked_for() {
    let rig = Rig::new("").await;
    let letter = || see(rig.request(Method::POST, "contract", "/letters").json(&json!({"reference": "k"})));
    assert_ne!(letter().await.field("id"), letter().await.field("id"));
    assert_eq!(rig.effects().await.len(), 2);
    let look_up = |key: &str| see(rig.request(Method::GET, "contract", &format!("/letters/by-reference/{key}")));
    assert_eq!(look_up("k").await.field("state"), "completed");
    assert_eq!(look_up("other").await.status(), 404);
}

#[tokio::test]
async fn an_empty_body_is_as_good_as_none() {
    let rig = Rig::new("").await;
    let seen = see(rig.request(Method::POST, "contract", "/notifications").body("")).await;
    assert_eq!(seen.status(), 200);
    assert_eq!(rig.effects().await.len(), 1);
}

#[tokio::test]
async fn the_same_key_with_another_payload_is_refused() {
    let rig = Rig::new("").await;
    rig.reserve("k").await;
    let request = rig.request(Method::POST, "inventory", "/reservations").header("Idempotency-Key", "k");
    let seen = see(request.json(&json!({"item": "copper"}))).await;
    assert_eq!((seen.status(), seen.field("code").as_str()), (422, "IDEMPOTENCY_KEY_REUSED"));
    assert_eq!(rig.effects().await.len(), 1);
}

#[tokio::test]
async fn a_downstream_that_breaks_its_promises_about_keys_can_be_had() {
    let rig = Rig::new("[[fault]]\nbehaviour = \"forget_key\"").await;
    let first = rig.reserve("k").await;
    assert_ne!(rig.reserve("k").await.field("id"), first.field("id"));
    assert_eq!(rig.effects().await.len(), 2);
    let rig = rig.restart("[[fault]]\nbehaviour = \"ignore_payload\"").await;
    let first = rig.reserve("l").await;
    let request = rig.request(Method::POST, "inventory", "/reservations").header("Idempotency-Key", "l");
    assert_eq!(see(request.json(&json!({"item": "copper"}))).await, first);
    assert_eq!(rig.effects().await.len(), 3);
}

#[tokio::test]
async fn two_requests_with_one_key_at_the_same_time_have_one_effect() {
    let rig = Rig::new("").await;
    let (a, b, c) = tokio::join!(rig.reserve("k"), rig.reserve("k"), rig.reserve("k"));
    assert_eq!((a.field("id"), a.field("id")), (b.field("id"), c.field("id")));
    assert_eq!(rig.effects().await.len(), 1);
}

#[tokio::test]
async fn keys_and_references_survive_a_restart() {
    let rig = Rig::new("").await;
    let first = rig.reserve("k").await;
    let rig = rig.restart("").await;
    assert_eq!(rig.look_up("k").await.field("id"), first.field("id"));
    assert_eq!(rig.reserve("k").await, first);
    assert_ne!(rig.reserve("other").await.field("id"), first.field("id"));
    let numbers: Vec<_> = rig.effects().await.iter().map(|effect| effect.seq).collect();
    assert_eq!(numbers, [1, 2]);
}

#[tokio::test]
async fn a_notification_knows_no_key_so_each_one_is_an_effect() {
    let rig = Rig::new("").await;
    for _ in 0..2 {
        let request = rig.request(Method::POST, "contract", "/notifications").header("Idempotency-Key", "k");
        assert_eq!(see(request.json(&json!({}))).await.status(), 200);
    }
    assert_eq!(rig.effects().await.len(), 2);
}

#[tokio::test]
async fn each_operation_answers_looks_up_and_books_as_its_own() {
    let rig = Rig::new("").await;
    // operation, downstream, method, path, collection (none: no lookup), status of a replay
    for (operation, downstream, method, path, collection, replayed) in [
        ("inventory.reserve", "inventory", Method::POST, "/reservations", Some("reservations"), 201),
        ("contract.notify", "contract", Method::POST, "/notifications", None, 200),
        ("provisioning.add", "provisioning", Method::POST, "/service-orders", Some("service-orders"), 201),
        ("provisioning.modify", "provisioning", Method::POST, "/service-orders", Some("service-orders"), 201),
        ("provisioning.cease", "provisioning", Method::POST, "/service-orders", Some("service-orders"), 201),
        ("billing.activate", "billing", Method::PUT, "/activations/billing.activate", Some("activations"), 200),
        ("payment.authorize", "payment", Method::POST, "/authorizations", Some("authorizations"), 201),
        ("payment.deposit", "payment", Method::POST, "/deposits", Some("deposits"), 201),
        ("payment.capture", "payment", Method::POST, "/captures", Some("captures"), 201),
        ("partner.connect", "partner", Method::POST, "/connections", Some("connections"), 201),
        ("partner.disconnect", "partner", Method::POST, "/disconnections", Some("disconnections"), 201),
    ] {
        let action = operation.rsplit('.').next().unwrap();
        let body = json!({"reference": operation, "action": action, "amount": {"unit": "EUR", "value": 20}});
        let ask =
            || see(rig.request(method.clone(), downstream, path).header("Idempotency-Key", operation).json(&body));
        let first = ask().await;
        let effect = rig.effects().await.pop().unwrap();
        assert_eq!((effect.operation.as_str(), effect.downstream.as_str()), (operation, downstream));
        assert_eq!(first.field("id"), effect.reference, "{operation}");
        assert_eq!(ask().await.status(), replayed, "{operation}");
        if let Some(collection) = collection {
            let found =
                see(rig.bare(Method::GET, downstream, &format!("/{collection}/by-reference/{operation}"))).await;
            assert_eq!(found, Seen::Json(200, json!({"state": "completed", "id": effect.reference})));
        }
    }
}

#[tokio::test]
async fn the_owner_of_orders_changes_what_is_at_the_version_that_is_named_and_says_the_next_one() {
    let rig = Rig::new("").await;
    let correct = |key: &str, version: u64, postcode: &str| {
        let value = json!({ "postcode": postcode });
        let body = json!({ "reference": key, "version": version, "field": "service-address", "value": value });
        rig.request(Method::POST, "orders", "/product-orders/o-1/corrections").json(&body)
    };
    let rows = [
        ("k-1", 1, "8001", 201, json!({ "id": "COR-000001", "version": 2 })),
        // The same again.
        ("k-1", 1, "8001", 201, json!({ "id": "COR-000001", "version": 2 })),
        (
            "k-2",
            1,
            "8002",
            409,
            json!({ "code": "VERSION_CONFLICT", "message": "the order is at version 2", "version": 2 }),
        ),
        ("k-3", 2, "00000", 422, json!({ "code": "VALUE_REFUSED", "message": "value refused" })),
        ("k-4", 2, "8003", 201, json!({ "id": "COR-000002", "version": 3 })),
    ];
    for (key, version, postcode, status, body) in rows {
        assert_eq!(see(correct(key, version, postcode)).await, Seen::Json(status, body), "{key}");
    }
    let found = see(rig.bare(Method::GET, "orders", "/corrections/by-reference/k-1")).await;
    assert_eq!(found, Seen::Json(200, json!({ "state": "completed", "id": "COR-000001", "version": 2 })));
    let asked: Vec<_> = rig.effects().await.iter().map(|effect| effect.asked["value"]["postcode"].clone()).collect();
    assert_eq!(asked, [json!("8001"), json!("8003")]);
}

#[tokio::test]
async fn a_quote_is_revised_at_its_version_up_to_the_price_that_is_allowed_also_after_a_restart() {
    let rig = Rig::new("").await;
    let revise = |rig: &Rig, key: &str, version: u64, limit: f64| {
        let price = json!({ "unit": "EUR", "value": 100.0 });
        let body = json!({ "reference": key, "version": version, "price": price, "limit": limit });
        see(rig.request(Method::POST, "quote", "/quotes/q-1/revisions").json(&body))
    };
    let first = revise(&rig, "k-1", 1, 103.0).await;
    let Seen::Json(201, made) = &first else { panic!("{first:?}") };
    assert_eq!((&made["version"], &made["price"]), (&json!(2), &json!({ "unit": "EUR", "value": 102.0 })));
    let late = json!({ "code": "VERSION_CONFLICT", "message": "the quote is at version 2", "version": 2 });
    assert_eq!(revise(&rig, "k-2", 1, 103.0).await, Seen::Json(409, late));
    let dear = json!({ "code": "PRICE_ABOVE_LIMIT", "message": "the price would be 102.00 EUR, above 101.00" });
    assert_eq!(revise(&rig, "k-3", 2, 101.0).await, Seen::Json(422, dear));
    let rig = rig.restart("").await;
    assert_eq!(revise(&rig, "k-1", 1, 103.0).await, first);
    let found = see(rig.bare(Method::GET, "quote", "/quote-revisions/by-reference/k-1")).await;
    let mut expected = made.clone();
    expected["state"] = json!("completed");
    assert_eq!(found, Seen::Json(200, expected));
    assert_eq!(rig.effects().await.len(), 1);
}

#[tokio::test]
async fn a_change_is_built_anew_as_often_as_it_is_asked_for() {
    let rig = Rig::new("").await;
    let rebase = |key: &str| {
        let body = json!({ "reference": key, "baseline": { "id": "BSL-0" } });
        see(rig.request(Method::POST, "quote", "/product-orders/o-1/baselines").json(&body))
    };
    for (key, id, version) in [("k-1", "BSL-000001", 2), ("k-1", "BSL-000001", 2), ("k-2", "BSL-000002", 3)] {
        assert_eq!(rebase(key).await, Seen::Json(201, json!({ "id": id, "version": version })), "{key}");
    }
    let found = see(rig.bare(Method::GET, "quote", "/baselines/by-reference/k-2")).await;
    assert_eq!(found, Seen::Json(200, json!({ "state": "completed", "id": "BSL-000002", "version": 3 })));
}

#[tokio::test]
async fn any_text_may_be_an_order_id_and_a_key() {
    let rig = Rig::new("").await;
    let request = rig
        .bare(Method::PUT, "billing", "/activations/a%2Fb%20%D0%B7")
        .header("X-Order", "%D0%B7%D0%B0%D0%BA%D0%B0%D0%B7-17")
        .header("X-Line", "PO%2F1")
        .header("X-Step", "bill")
        .header("X-Direction", "undo")
        .header("X-Generation", "3");
    assert_eq!(see(request.json(&json!({}))).await.status(), 201);
    let effect = rig.effects().await.pop().unwrap();
    assert_eq!((effect.order.as_str(), effect.line.as_str(), effect.key.as_str()), ("заказ-17", "PO/1", "a/b з"));
    assert_eq!((effect.direction.as_str(), effect.generation), ("undo", 3));
    let found = see(rig.bare(Method::GET, "billing", "/activations/by-reference/a%2Fb%20%D0%B7")).await;
    assert_eq!(found.field("state"), "completed");
}

#[tokio::test]
async fn who_does_not_keep_to_the_interface_is_refused_and_not_counted() {
    let rig = Rig::new("").await;
    let post = |path: &str| rig.bare(Method::POST, "inventory", path).json(&json!({})).header("Idempotency-Key", "k");
    for (request, code) in [
        (post("/reservations").header("X-Order", "o"), "MISSING_IDENTITY"),
        (post("/reservations").header("X-Step", "s"), "MISSING_IDENTITY"),
        (
            post("/reservations").header("X-Order", "o").header("X-Step", "s").header("X-Direction", "up"),
            "MISSING_IDENTITY",
        ),
        (rig.request(Method::POST, "inventory", "/reservations").json(&json!({})), "MISSING_IDEMPOTENCY_KEY"),
        (rig.request(Method::POST, "inventory", "/reservations").header("Idempotency-Key", "k").body("{"), "MALFORMED"),
        (rig.request(Method::POST, "provisioning", "/service-orders").json(&json!({"action": "add"})), "MALFORMED"),
    ] {
        let seen = see(request).await;
        assert_eq!((seen.status(), seen.field("code").as_str()), (400, code));
    }
    assert!(rig.sandbox.arrivals().is_empty());
}

#[tokio::test]
async fn the_sandbox_counts_attempts_and_lookups_per_step_itself() {
    let rig = Rig::new("[[fault]]\nattempt='1-2'\nbehaviour='unavailable_before'").await;
    let statuses = [rig.reserve("k").await.status(), rig.reserve("k").await.status(), rig.reserve("k").await.status()];
    rig.look_up("k").await;
    assert_eq!(statuses, [503, 503, 201]);
    let key = StepKey { order: "ord-1".into(), line: String::new(), step: "reserve".into(), direction: "do".into() };
    assert_eq!(rig.sandbox.arrivals()[&key], Arrivals { attempts: 3, lookups: 1 });
}
