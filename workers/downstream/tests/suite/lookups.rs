//! Lookups: only a whole and declared answer says anything.

use fallout_core::lookup::Said;
use serde_json::json;

use crate::{
    server::{End, Script, Server, Take, Then, answering, http},
    setup::{downstreams, operation, post},
};

async fn said(script: Script) -> Said {
    let server = Server::start(script).await;
    downstreams(&server.url).look_up(&operation(), "k/1", &post()).await
}

#[tokio::test]
async fn declared_answers_are_understood() {
    let found = said(answering(http("200 OK", "", r#"{"state":"completed","id":"RSV-1"}"#))).await;
    assert_eq!(found, Said::Found { outputs: [("reference".to_owned(), json!("RSV-1"))].into() });
    assert_eq!(said(answering(http("404 Not Found", "", r#"{"code":"NOT_FOUND"}"#))).await, Said::NotFound);
    assert_eq!(said(answering(http("200 OK", "", r#"{"state":"inProgress"}"#))).await, Said::InFlight);
}

#[tokio::test]
async fn everything_else_is_no_answer() {
    let whole = http("404 Not Found", "", r#"{"code":"NOT_FOUND"}"#);
    let cut = whole[..whole.len() - 1].to_vec();
    let refuse = Script { take: Take::Bytes(0), then: Then::Answer { bytes: Vec::new(), end: End::Rst } };
    for script in [
        answering(http("404 Not Found", "", "<html>no such route</html>")),
        answering(http("200 OK", "", r#"{"state":"completed"}"#)),
        answering(http("503 Service Unavailable", "", "")),
        answering(cut),
        refuse,
        Script { take: Take::All, then: Then::Silence { bytes: Vec::new() } },
    ] {
        let said = said(script).await;
        assert!(matches!(said, Said::Nothing { .. }), "{said:?}");
    }
}

#[tokio::test]
async fn a_lookup_shows_who_asks_but_carries_no_key() {
    let mut server = Server::start(answering(http("404 Not Found", "", "{}"))).await;
    downstreams(&server.url).look_up(&operation(), "k/1", &post()).await;
    let sent = server.arrived().await.text();
    assert!(sent.starts_with("GET /things/by-reference/k%2F1?order=ord%201 HTTP/1.1\r\n"), "{sent}");
    assert!(sent.contains("x-order: ord-1\r\n") && sent.contains("authorization: Bearer geheim\r\n"), "{sent}");
    assert!(!sent.contains("x-idempotency-key") && !sent.contains("content-"), "{sent}");
}
