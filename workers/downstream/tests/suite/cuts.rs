//! Every place where a connection can be cut. What we say about an exchange is never stronger than what the server
//! really saw. This is the test that notices when an upgrade of the HTTP client changes what its errors mean.

use fallout_core::{
    attempt::StoredRequest,
    evidence::{Body, Evidence, Phase},
    operation::Method,
};
use fallout_downstream::Downstreams;

use crate::{
    server::{Arrived, End, Script, Server, Take, Then, answering, http},
    setup::{downstreams, later, operation, post, proves_not_applied, request},
};

fn requests() -> [StoredRequest; 3] {
    let body = Some(r#"{"order":"ord 1","amount":12}"#);
    [request(Method::Post, body), request(Method::Put, body), request(Method::Post, None)]
}

async fn exchange(
    server: &mut Server,
    to: &Downstreams,
    request: &StoredRequest,
    script: Script,
) -> (Evidence, Arrived) {
    server.now(script);
    let evidence = to.send(&operation(), request, later()).await;
    let arrived = server.arrived().await;
    let method = request.method.word();
    assert!(
        !(arrived.is_complete() && proves_not_applied(&evidence)),
        "{method}: {evidence:?} but the server saw it all"
    );
    assert!(server.is_quiet(), "{method}: sent more than once");
    (evidence, arrived)
}

#[tokio::test]
async fn wherever_the_answer_is_cut_the_effect_is_never_said_not_to_exist() {
    let answer = http("201 Created", "", r#"{"id":"RSV-1"}"#);
    let head = answer.len() - r#"{"id":"RSV-1"}"#.len();
    let mut server = Server::start(answering(answer.clone())).await;
    let to = downstreams(&server.url);
    for request in requests() {
        for cut in 0..=answer.len() {
            for end in [End::Fin, End::Rst] {
                let then = Then::Answer { bytes: answer[..cut].to_vec(), end };
                let (evidence, arrived) = exchange(&mut server, &to, &request, Script { take: Take::All, then }).await;
                assert!(arrived.is_complete());
                let as_expected = match &evidence.phase {
                    Phase::Sent => cut < head || end == End::Rst,
                    Phase::Answered { status: 201, body: Body::Cut, request_sent: true } => {
                        cut >= head && cut < answer.len()
                    }
                    Phase::Answered { status: 201, body: Body::Json(_), request_sent: true } => cut == answer.len(),
                    _ => false,
                };
                assert!(as_expected, "{end:?} after {cut} of {} bytes: {evidence:?}", answer.len());
            }
        }
    }
}

#[tokio::test]
async fn wherever_the_request_is_cut_nothing_is_called_sent_that_is_not_and_nothing_unsent_that_arrived() {
    let mut server = Server::start(answering(Vec::new())).await;
    let to = downstreams(&server.url);
    for request in requests() {
        let (_, whole) = exchange(&mut server, &to, &request, answering(http("200 OK", "", "{}"))).await;
        for cut in 0..whole.bytes.len() {
            for end in [End::Fin, End::Rst] {
                let script = Script { take: Take::Bytes(cut), then: Then::Answer { bytes: Vec::new(), end } };
                let (evidence, arrived) = exchange(&mut server, &to, &request, script).await;
                assert!(!arrived.is_complete());
                // The kernel took what we wrote: only a request that was never written at all may be called unsent.
                let as_expected = match &evidence.phase {
                    Phase::Sent => true,
                    Phase::NotSerialised | Phase::NotConnected => cut == 0,
                    _ => false,
                };
                assert!(as_expected, "{end:?} after {cut} bytes of the request: {evidence:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_connection_that_closes_on_accept_proves_nothing_unless_the_request_was_handed_back() {
    let accept_and_drop = Script { take: Take::Bytes(0), then: Then::Answer { bytes: Vec::new(), end: End::Rst } };
    let mut server = Server::start(accept_and_drop.clone()).await;
    let to = downstreams(&server.url);
    for _ in 0..100 {
        let (evidence, _) = exchange(&mut server, &to, &post(), accept_and_drop.clone()).await;
        let honest = matches!(evidence.phase, Phase::Sent | Phase::NotSerialised | Phase::NotConnected);
        assert!(honest, "{evidence:?}");
    }
}

#[tokio::test]
async fn something_that_is_not_http_proves_nothing() {
    let mut server = Server::start(answering(b"220 mail.example ESMTP\r\n".to_vec())).await;
    let to = downstreams(&server.url);
    for request in requests() {
        let script = answering(b"220 mail.example ESMTP\r\n".to_vec());
        let (evidence, _) = exchange(&mut server, &to, &request, script).await;
        assert_eq!(evidence.phase, Phase::Sent, "{evidence:?}");
    }
}
