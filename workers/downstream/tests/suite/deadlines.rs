//! Deadlines: nothing leaves after the time to send, nothing is waited for beyond the total, and what is said about it
//! is what the server saw.

use std::time::Duration;

use fallout_core::{
    attempt::StoredRequest,
    evidence::{Body, Phase},
    operation::Method,
};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpSocket, TcpStream},
    time::Instant,
};

use crate::{
    server::{Script, Server, Take, Then, answering, http},
    setup::{downstreams, later, operation, post, proves_not_applied, request},
};

fn silence(take: Take, bytes: &[u8]) -> Script {
    Script { take, then: Then::Silence { bytes: bytes.to_vec() } }
}

#[tokio::test]
async fn a_refused_port_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for request in [post(), request(Method::Post, None), request(Method::Get, None)] {
        let evidence = downstreams(&url).send(&operation(), &request, later()).await;
        assert_eq!(evidence.phase, Phase::NotConnected, "{evidence:?}");
    }
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_no_connection() {
    let evidence = downstreams("http://nowhere.invalid").send(&operation(), &post(), later()).await;
    assert_eq!(evidence.phase, Phase::NotConnected, "{evidence:?}");
}

/// A listener whose backlog is full: the kernel leaves further connects without an answer.
async fn hanging() -> (TcpListener, Vec<TcpStream>, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(50), TcpStream::connect(address)).await {
        held.push(stream);
    }
    (listener, held, format!("http://{address}"))
}

#[tokio::test]
async fn a_connect_that_hangs_is_no_connection() {
    let (_listener, _held, url) = hanging().await;
    for request in [post(), request(Method::Post, None)] {
        let evidence = downstreams(&url).send(&operation(), &request, later()).await;
        assert_eq!(evidence.phase, Phase::NotConnected, "{evidence:?}");
    }
}

#[tokio::test]
async fn nothing_is_even_connected_when_the_time_to_send_has_passed() {
    let mut server = Server::start(answering(http("200 OK", "", "{}"))).await;
    let past = Instant::now();
    while Instant::now() <= past {
        tokio::task::yield_now().await;
    }
    let evidence = downstreams(&server.url).send(&operation(), &post(), past).await;
    assert_eq!(evidence.phase, Phase::TooLate);
    assert!(server.is_quiet());
}

#[tokio::test]
async fn no_byte_leaves_when_the_time_to_send_passes_while_the_connection_is_made() {
    let empty = |method| request(method, None);
    tokio::join!(connected_late(post()), connected_late(empty(Method::Post)), connected_late(empty(Method::Delete)));
}

/// The backlog has room only after the time to send; the kernel then finishes the connection.
async fn connected_late(request: StoredRequest) {
    let (listener, held, url) = hanging().await;
    let mut op = operation();
    (op.timeouts.connect_ms, op.timeouts.total_ms) = (10_000, 20_000);
    let to = downstreams(&url);
    let send_until = Instant::now() + Duration::from_millis(20);
    let accepting = async {
        tokio::time::sleep_until(send_until + Duration::from_millis(1)).await;
        let is_ours = |peer| held.iter().all(|held| held.local_addr().unwrap() != peer);
        loop {
            let (mut stream, peer) = listener.accept().await.unwrap();
            if is_ours(peer) {
                let mut arrived = Vec::new();
                let _ = stream.read_to_end(&mut arrived).await;
                return String::from_utf8_lossy(&arrived).into_owned();
            }
        }
    };
    let (evidence, arrived) = tokio::join!(to.send(&op, &request, send_until), accepting);
    assert_eq!(evidence.phase, Phase::BodyNotPolled, "{evidence:?}");
    assert_eq!(arrived, "", "{}", request.method.word());
}

#[tokio::test]
async fn a_body_that_is_stopped_half_way_is_called_partly_sent() {
    let large = request(Method::Post, Some(&"x".repeat(16 * 1024 * 1024)));
    let mut op = operation();
    op.timeouts.total_ms = 20_000;
    let send_until = Instant::now() + Duration::from_millis(300);
    // The server does not read before the time to send has passed; until then the body waits in full buffers.
    let script = Script { take: Take::Bytes(1), then: Then::ReadOn { from: send_until + Duration::from_millis(1) } };
    let mut server = Server::start(script).await;
    let evidence = downstreams(&server.url).send(&op, &large, send_until).await;
    assert_eq!(evidence.phase, Phase::BodyPartlySent, "{evidence:?}");
    assert!(!server.arrived().await.is_complete());
}

#[tokio::test]
async fn a_server_that_never_answers_leaves_the_outcome_open_however_much_it_read() {
    for (script, request) in [
        (silence(Take::All, b""), post()),
        (silence(Take::Bytes(0), b""), post()),
        (silence(Take::All, b"HTTP/1.1 200"), post()),
        (silence(Take::All, b""), request(Method::Post, None)),
        (silence(Take::All, b""), request(Method::Get, None)),
    ] {
        let mut server = Server::start(script).await;
        let evidence = downstreams(&server.url).send(&operation(), &request, later()).await;
        assert_eq!(evidence.phase, Phase::Sent, "{evidence:?}");
        assert!(!proves_not_applied(&evidence));
        assert!(server.arrived().await.is_complete());
    }
}

#[tokio::test]
async fn an_answer_that_does_not_end_in_time_is_cut() {
    let mut answer = http("201 Created", "", r#"{"id":"RSV-1"}"#);
    answer.pop();
    let server = Server::start(silence(Take::All, &answer)).await;
    let evidence = downstreams(&server.url).send(&operation(), &post(), later()).await;
    let expected = Phase::Answered { status: 201, body: Body::Cut, request_sent: true };
    assert_eq!(evidence.phase, expected, "{evidence:?}");
}

#[tokio::test]
async fn an_exchange_goes_on_when_its_caller_stops_waiting() {
    let mut server = Server::start(answering(http("200 OK", "", "{}"))).await;
    let to = downstreams(&server.url);
    let (op, request) = (operation(), post());
    let mut sending = Box::pin(to.send(&op, &request, later()));
    // Polled once, so that it has begun.
    std::future::poll_fn(|context| {
        let _ = sending.as_mut().poll(context);
        std::task::Poll::Ready(())
    })
    .await;
    drop(sending);
    assert!(server.arrived().await.is_complete());
}

#[tokio::test]
async fn a_knock_finds_who_listens_and_sends_nothing() {
    let mut server = Server::start(answering(http("200 OK", "", ""))).await;
    let within = Duration::from_secs(5);
    assert!(downstreams(&server.url).knock("test", within).await);
    assert!(server.arrived().await.bytes.is_empty());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert!(!downstreams(&url).knock("test", within).await);
    assert!(!downstreams(&url).knock("another", within).await);
}
