//! What is read from answers, and what is never done with them.

use fallout_core::{
    evidence::{Body, Evidence, Phase},
    operation::Method,
    outcome::Outcome,
};
use serde_json::json;

use crate::{
    server::{End, Script, Server, Take, Then, answering, http},
    setup::{downstreams, later, operation, outcome, post, proves_not_applied, request},
};

async fn answered(answer: Vec<u8>) -> Evidence {
    let server = Server::start(answering(answer)).await;
    downstreams(&server.url).send(&operation(), &post(), later()).await
}

fn body(evidence: &Evidence) -> &Body {
    match &evidence.phase {
        Phase::Answered { body, .. } => body,
        _ => panic!("not answered: {evidence:?}"),
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_body_goes_out_once() {
    for status in ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let mut server = Server::start(answering(Vec::new())).await;
        server.now(answering(http(status, &format!("Location: {}/other\r\n", server.url), "")));
        let evidence = downstreams(&server.url).send(&operation(), &post(), later()).await;
        assert!(server.arrived().await.is_complete());
        assert!(server.is_quiet(), "{status}: a second request");
        assert!(matches!(outcome(&evidence), Outcome::Defect { .. }), "{status}: {evidence:?}");
    }
}

#[tokio::test]
async fn an_answer_that_comes_before_the_body_has_left_counts_and_says_so() {
    let large = "x".repeat(32 * 1024 * 1024);
    let early = Script { take: Take::Bytes(100), then: Then::Silence { bytes: http("413 Content Too Large", "", "") } };
    let mut server = Server::start(early).await;
    // The server goes on reading while it answers, so that the answer is not lost in a reset.
    let evidence = downstreams(&server.url).send(&operation(), &request(Method::Post, Some(&large)), later()).await;
    assert_eq!(evidence.phase, Phase::Answered { status: 413, body: Body::Empty, request_sent: false }, "{evidence:?}");
    assert!(!server.arrived().await.is_complete());
}

#[tokio::test]
async fn an_early_answer_that_is_lost_in_a_reset_proves_nothing() {
    let large = "x".repeat(32 * 1024 * 1024);
    let then = Then::Answer { bytes: http("413 Content Too Large", "", ""), end: End::Rst };
    let server = Server::start(Script { take: Take::Bytes(100), then }).await;
    let evidence = downstreams(&server.url).send(&operation(), &request(Method::Post, Some(&large)), later()).await;
    let honest =
        matches!(evidence.phase, Phase::BodyPartlySent | Phase::Answered { status: 413, request_sent: false, .. });
    assert!(honest, "{evidence:?}");
}

#[tokio::test]
async fn bodies_are_json_or_text_or_empty_or_too_long() {
    assert_eq!(body(&answered(http("200 OK", "", "")).await), &Body::Empty);
    assert_eq!(body(&answered(http("200 OK", "", r#"{"id":1}"#)).await), &Body::Json(json!({"id": 1})));
    let page = format!("<html>{}", "ж".repeat(600));
    assert_eq!(
        body(&answered(http("502 Bad Gateway", "", &page)).await),
        &Body::Text(page.chars().take(500).collect())
    );
    let long = format!("\"{}\"", "x".repeat(64 * 1024));
    assert_eq!(body(&answered(http("200 OK", "", &long)).await), &Body::TooLong);
}

#[tokio::test]
async fn a_success_without_its_id_is_not_a_success() {
    let evidence = answered(http("201 Created", "", "{}")).await;
    assert!(matches!(outcome(&evidence), Outcome::Replayable { .. }), "{evidence:?}");
}

#[tokio::test]
async fn a_pause_that_the_downstream_asks_for_is_kept() {
    let evidence = answered(http("429 Too Many Requests", "Retry-After: 3\r\n", "")).await;
    assert_eq!(evidence.retry_after_ms, Some(3_000));
}

#[tokio::test]
async fn the_stored_request_goes_out_as_it_is_with_our_credential() {
    let mut server = Server::start(answering(http("200 OK", "", "{}"))).await;
    downstreams(&format!("{}/api/v2", server.url)).send(&operation(), &post(), later()).await;
    let sent = server.arrived().await.text();
    assert!(sent.starts_with("POST /api/v2/things HTTP/1.1\r\n"), "{sent}");
    assert!(sent.ends_with("\r\n\r\n{\"order\":\"ord 1\"}"), "{sent}");
    for header in [
        "x-order: ord-1",
        "x-idempotency-key: k.1",
        "content-type: application/json",
        "content-length: 17",
        "authorization: Bearer geheim",
        "connection: close",
    ] {
        assert_eq!(sent.matches(&format!("{header}\r\n")).count(), 1, "{header} in {sent}");
    }
}

#[tokio::test]
async fn an_empty_body_is_announced_as_empty() {
    let mut server = Server::start(answering(http("200 OK", "", "{}"))).await;
    downstreams(&server.url).send(&operation(), &request(Method::Post, None), later()).await;
    let sent = server.arrived().await.text();
    assert!(sent.contains("content-length: 0\r\n") && sent.ends_with("\r\n\r\n"), "{sent}");
}

#[tokio::test]
async fn what_cannot_be_built_is_not_sent_and_no_secret_is_said() {
    let to = downstreams("http://127.0.0.1:9");
    let mut bad_header = post();
    bad_header.headers.push(("X-Line".into(), "a\nb".into()));
    let mut dots = post();
    dots.path = "/things/..".into();
    let mut elsewhere = operation();
    elsewhere.downstream = "nobody".into();
    for evidence in [
        to.send(&operation(), &bad_header, later()).await,
        to.send(&operation(), &dots, later()).await,
        to.send(&elsewhere, &post(), later()).await,
    ] {
        assert_eq!(evidence.phase, Phase::NotBuilt, "{evidence:?}");
        assert!(proves_not_applied(&evidence) && evidence.error.is_some());
    }
    assert!(!format!("{to:?}").contains("geheim"));
}

#[tokio::test]
async fn an_error_says_its_whole_chain_without_the_query() {
    let mut asked = post();
    asked.path = "/things?token=geheim".into();
    let evidence = downstreams("http://127.0.0.1:9").send(&operation(), &asked, later()).await;
    let error = evidence.error.unwrap();
    assert!(error.contains("refused") && !error.contains("geheim"), "{error}");
}
