//! Hanging up on purpose: the request has left whole, and its sender knows no more than after any lost answer.

use std::time::Duration;

use fallout_core::evidence::Phase;

use crate::{
    server::{Script, Server, Take, Then, answering, http},
    setup::{downstreams, operation, post},
};

#[tokio::test]
async fn who_hangs_up_has_sent_everything_and_knows_nothing() {
    let mut server = Server::start(Script { take: Take::All, then: Then::Silence { bytes: Vec::new() } }).await;
    let evidence = downstreams(&server.url).hang_up(&operation(), &post(), Duration::from_millis(10)).await;
    assert_eq!(evidence.phase, Phase::Sent);
    assert_eq!(evidence.error.as_deref(), Some("we hung up"));
    assert!(server.arrived().await.is_complete());
}

#[tokio::test]
async fn an_answer_that_comes_before_the_hanging_up_is_an_answer() {
    let server = Server::start(answering(http("201 Created", "", r#"{"id":"r-1"}"#))).await;
    let patient = Duration::from_secs(60);
    let evidence = downstreams(&server.url).hang_up(&operation(), &post(), patient).await;
    assert!(matches!(evidence.phase, Phase::Answered { status: 201, .. }), "{evidence:?}");
}
