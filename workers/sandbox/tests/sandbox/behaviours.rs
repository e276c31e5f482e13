//! Each behaviour: what the client sees, what the book says, what a lookup says afterwards.

use std::io::{Read, Write};
use std::net::TcpStream;

use reqwest::Method;
use serde_json::json;

use crate::rig::{Rig, Seen, see};

/// The client's view in one word: a status, "not json", "timeout" or "cut".
fn word(seen: &Seen) -> String {
    match seen {
        Seen::Json(status, _) => status.to_string(),
        Seen::NotJson(status) => format!("{status} not json"),
        Seen::Timeout => "timeout".into(),
        Seen::Cut => "cut".into(),
    }
}

async fn check(rig: Rig, fault: &'static str, seen: &'static str, effects: usize, lookup: &'static str) {
    assert_eq!(word(&rig.reserve("k").await), seen, "{fault}");
    let found = match rig.look_up("k").await {
        Seen::Json(404, _) => "404".to_owned(),
        found => found.field("state"),
    };
    assert_eq!(found, lookup, "{fault}");
    assert_eq!(rig.effects().await.len(), effects, "{fault}");
}

#[tokio::test]
async fn each_behaviour_shows_the_client_and_the_book_what_its_name_says() {
    let mut rigs = Vec::new();
    for (fault, seen, effects, lookup) in [
        ("behaviour = 'ok'", "201", 1, "completed"),
        ("behaviour = 'slow'\nms = 20", "201", 1, "completed"),
        ("behaviour = 'reject'\ncode = 'PRODUCT_NOT_AVAILABLE'", "422", 0, "404"),
        ("behaviour = 'unavailable_before'", "503", 0, "404"),
        ("behaviour = 'unavailable_late'\nms = 20", "503", 0, "404"),
        ("behaviour = 'error_after'", "500", 1, "completed"),
        ("behaviour = 'timeout_before'", "timeout", 0, "404"),
        ("behaviour = 'timeout_after'", "timeout", 1, "completed"),
        ("behaviour = 'cut_before'", "cut", 0, "404"),
        ("behaviour = 'cut_after'", "cut", 1, "completed"),
        ("behaviour = 'accepted_never'", "202", 0, "inProgress"),
        ("behaviour = 'accepted'\nafter_ms = 1500", "202", 1, "inProgress"),
        ("behaviour = 'bad_request'", "400", 0, "404"),
        ("behaviour = 'unauthorised'", "401", 0, "404"),
        ("behaviour = 'garbage'", "200 not json", 1, "completed"),
        ("behaviour = 'missing_output'", "201", 1, "completed"),
    ] {
        let rig = Rig::new(&format!("[[fault]]\n{fault}")).await;
        rigs.push((rig, fault, seen, effects, lookup));
    }
    // At once, because some of them wait; but only now, because building a client holds up those that run.
    let mut checks = tokio::task::JoinSet::new();
    for (rig, fault, seen, effects, lookup) in rigs {
        checks.spawn(check(rig, fault, seen, effects, lookup));
    }
    checks.join_all().await;
}

#[tokio::test]
async fn the_words_of_a_rejection_a_bad_request_and_a_missing_output() {
    let rig = Rig::new(
        "[[fault]]\nattempt='1'\nbehaviour='reject'\ncode='CREDIT_CHECK_FAILED'\n\
         [[fault]]\nattempt='2'\nbehaviour='bad_request'\n[[fault]]\nbehaviour='missing_output'",
    )
    .await;
    assert_eq!(rig.reserve("k").await.field("code"), "CREDIT_CHECK_FAILED");
    assert_eq!(rig.reserve("k").await.field("code"), "");
    assert_eq!(rig.reserve("k").await, Seen::Json(201, json!({})));
}

#[tokio::test]
async fn a_cut_closes_the_connection_before_any_byte_of_an_answer() {
    for behaviour in ["cut_before", "cut_after"] {
        let rig = Rig::new(&format!("[[fault]]\nbehaviour = '{behaviour}'")).await;
        let address = rig.address("inventory").to_owned();
        let received = tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            let request = "POST /reservations HTTP/1.1\r\nHost: x\r\nX-Order: o\r\nX-Step: s\r\nIdempotency-Key: k\r\n\
                           Content-Length: 2\r\n\r\n{}";
            stream.write_all(request.as_bytes()).unwrap();
            let mut received = Vec::new();
            let _ = stream.read_to_end(&mut received); // FIN and RST are both a cut
            received
        })
        .await
        .unwrap();
        assert_eq!(received, b"", "{behaviour}");
    }
}

#[tokio::test]
async fn what_is_accepted_is_done_later_and_only_a_lookup_shows_it() {
    let rig = Rig::new("[[fault]]\nbehaviour='accepted'\nafter_ms=1500").await;
    let accepted = rig.reserve("k").await;
    assert_eq!(accepted.field("state"), "inProgress");
    assert_eq!(rig.reserve("k").await, accepted, "asked again meanwhile");
    let effects = rig.effects().await;
    assert_eq!(rig.look_up("k").await, Seen::Json(200, json!({"state": "completed", "id": effects[0].reference})));
    assert_eq!(accepted.field("id"), effects[0].reference);
    assert_eq!(effects.len(), 1);
}

#[tokio::test]
async fn what_is_accepted_may_be_rejected_later() {
    let rig = Rig::new("[[fault]]\nbehaviour='accepted'\nafter_ms=10\ncode='PRODUCT_NOT_AVAILABLE'").await;
    assert_eq!(rig.reserve("k").await.status(), 202);
    assert!(rig.effects().await.is_empty());
    let rejected = json!({"state": "rejected", "code": "PRODUCT_NOT_AVAILABLE"});
    assert_eq!(rig.look_up("k").await, Seen::Json(200, rejected));
    assert_eq!(rig.reserve("k").await.field("code"), "PRODUCT_NOT_AVAILABLE");
}

#[tokio::test]
async fn what_was_accepted_and_forgotten_is_done_when_it_is_asked_for_again() {
    let rig = Rig::new("[[fault]]\nattempt='1'\nbehaviour='accepted_never'").await;
    assert_eq!(rig.reserve("k").await.status(), 202);
    assert_eq!(rig.look_up("k").await.field("state"), "inProgress");
    assert_eq!(rig.reserve("k").await.status(), 201);
    assert_eq!(rig.effects().await.len(), 1);
}

#[tokio::test]
async fn a_late_lookup_finds_the_effect_only_after_a_while() {
    let rig = Rig::new("[[fault]]\nbehaviour='timeout_after'\nlookup_after_ms=2500").await;
    assert_eq!(rig.reserve("k").await, Seen::Timeout);
    assert_eq!(rig.effects().await.len(), 1, "the effect itself is there at once");
    assert_eq!(rig.look_up("k").await.status(), 404);
    while rig.look_up("k").await.status() == 404 {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.look_up("k").await.field("state"), "completed");
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_stop_the_effect() {
    let rig = Rig::new("[[fault]]\nbehaviour='slow'\nms=1500").await;
    assert_eq!(rig.reserve("k").await, Seen::Timeout);
    assert_eq!(rig.effects().await.len(), 1);
}

#[tokio::test]
async fn faults_meet_reads_too() {
    let rig =
        Rig::new("[[fault]]\nstep='validate'\nattempt='1'\nbehaviour='reject'\ncode='ADDRESS_NOT_SERVICEABLE'").await;
    let read = || async {
        let request = rig.bare(Method::GET, "inventory", "/availability/ord-1").header("X-Order", "ord-1");
        see(request.header("X-Step", "validate")).await
    };
    assert_eq!(read().await.field("code"), "ADDRESS_NOT_SERVICEABLE");
    assert_eq!(read().await, Seen::Json(200, json!({"available": true})));
    assert!(rig.effects().await.is_empty());
}

#[tokio::test]
async fn after_a_stop_nothing_is_written_any_more() {
    let rig = Rig::new("[[fault]]\nbehaviour='accepted'\nafter_ms=60000").await;
    assert_eq!(rig.reserve("k").await.status(), 202);
    let rig = rig.restart("").await;
    assert!(rig.effects().await.is_empty());
    assert_eq!(rig.look_up("k").await.status(), 404);
}
