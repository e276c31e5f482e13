//! Signals of other services: each has its answer, a bad one takes no other with it, and nobody speaks as somebody else.

use fallout_core::token::TokenScope;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::rig::{OTHER, Rig, TENANT, token_of};

fn signal(event: &str, order: &str) -> Value {
    json!({ "event": event, "finding": { "classification": "ORDER_STUCK" }, "place": { "order": order }, "reason": "it hangs" })
}

async fn told(rig: &Rig, token: &str, body: &Value) -> (StatusCode, Value) {
    rig.post(Some(token), "/signals", body.to_string().into_bytes()).await
}

#[tokio::test]
async fn a_batch_is_answered_one_by_one_and_the_same_again_has_the_same_answer() {
    let rig = Rig::new().await;
    rig.order("o-1").await;
    let token = token_of(&rig.desk, TENANT, TokenScope::SignalsWrite).await;
    let mut late = signal("e-3", "o-1");
    late["occurred_at"] = json!(rig.at(60).await);
    let batch = json!([signal("e-1", "o-1"), signal("e-2", "nowhere"), late, signal("e-4", "o-1")]);
    let (status, answers) = told(&rig, &token, &batch).await;
    assert_eq!(status, StatusCode::OK);
    let results: Vec<_> = answers.as_array().unwrap().iter().map(|a| a["result"].as_str().unwrap()).collect();
    assert_eq!(results, ["opened", "refused", "refused", "joined"], "{answers}");
    assert_eq!(
        (&answers[1]["refusal"]["code"], &answers[2]["refusal"]["code"]),
        (&json!("unknown_order"), &json!("from_the_future"))
    );
    assert_eq!((&answers[0]["case"], &answers[0]["event"]), (&answers[3]["case"], &json!("e-1")));
    let (_, again) = told(&rig, &token, &signal("e-1", "o-1")).await;
    assert_eq!((&again[0]["repeated"], &again[0]["case"]), (&json!(true), &answers[0]["case"]));
    let kept = rig.desk.signals_told(TENANT, None, false, 10).await.unwrap();
    assert_eq!(kept.len(), 4, "refused ones too");
}

#[tokio::test]
async fn who_tells_is_the_token_and_it_tells_its_own_tenant() {
    let rig = Rig::new().await;
    rig.order("o-1").await;
    let token = token_of(&rig.desk, TENANT, TokenScope::SignalsWrite).await;
    let mut posing = signal("e-1", "o-1");
    posing["source"] = json!("sla");
    assert_eq!(told(&rig, &token, &posing).await.0, StatusCode::OK);
    let kept = rig.desk.signals_told(TENANT, None, false, 10).await.unwrap();
    assert_eq!(kept[0].source, format!("api:{TENANT}-signals.write"));
    let foreign = token_of(&rig.desk, OTHER, TokenScope::SignalsWrite).await;
    let (_, answers) = told(&rig, &foreign, &signal("e-2", "o-1")).await;
    assert_eq!(answers[0]["refusal"]["code"], "unknown_order");
    assert_eq!(told(&rig, &rig.token, &posing).await.0, StatusCode::FORBIDDEN, "another scope");
    assert_eq!(rig.post(None, "/signals", b"{}".to_vec()).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_is_no_signal_is_refused_by_name_and_nothing_is_kept() {
    let rig = Rig::new().await;
    let token = token_of(&rig.desk, TENANT, TokenScope::SignalsWrite).await;
    let many = Value::Array(vec![signal("e", "o"); 501]).to_string();
    let half = json!([signal("e-1", "o-1"), { "event": "e-2" }]).to_string();
    let rows = [
        ("{\"event\":", StatusCode::BAD_REQUEST, "notJson"),
        ("[]", StatusCode::BAD_REQUEST, "batchSize"),
        (many.as_str(), StatusCode::BAD_REQUEST, "batchSize"),
        ("7", StatusCode::BAD_REQUEST, "notASignal"),
        (half.as_str(), StatusCode::BAD_REQUEST, "notASignal"),
    ];
    for (body, status, code) in rows {
        let (answered, said) = rig.post(Some(&token), "/signals", body.as_bytes().to_vec()).await;
        assert_eq!((answered, said["code"].as_str()), (status, Some(code)), "{said}");
    }
    let large = vec![b' '; (1 << 20) + 1];
    assert_eq!(rig.post(Some(&token), "/signals", large).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(rig.desk.signals_told(TENANT, None, false, 10).await.unwrap().is_empty());
}
