//! What is proven when the connection, and not the engine, misbehaves: a scripted server in this process.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use fallout_camunda::{Auth, Engine, EngineConfig, EngineError, FetchRequest, ReportError, Secret, Topic, Variables};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Answers every connection with `answer` once a whole request came in, then closes it; hands the requests out.
async fn server(answer: &'static str) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/engine-rest", listener.local_addr().unwrap());
    let (sender, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let request = read_request(&mut stream).await;
            sender.send(request).ok();
            stream.write_all(answer.as_bytes()).await.ok();
        }
    });
    (address, requests)
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let n = stream.read(&mut buffer).await.unwrap_or(0);
        text.push_str(&String::from_utf8_lossy(&buffer[..n]));
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text.as_str(), ""));
        let length = head.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if n == 0 || (text.contains("\r\n\r\n") && body.len() >= length.unwrap_or(0)) {
            return text;
        }
    }
}

fn engine(address: &str) -> Engine {
    let config = EngineConfig {
        connect_timeout: Duration::from_millis(200),
        timeout: Duration::from_millis(500),
        ..EngineConfig::new(address)
    };
    Engine::new(config).unwrap()
}

async fn complete(address: &str) -> Result<(), ReportError> {
    engine(address).complete("t", "w", &Variables::new()).await
}

#[tokio::test]
async fn a_refused_connection_proves_that_nothing_was_applied() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    assert!(matches!(complete(&address).await, Err(ReportError::Retry { cause: EngineError::Away { .. } })));
    assert!(matches!(engine(&address).version().await, Err(EngineError::Away { .. })));
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_proves_nothing() {
    let (address, mut requests) = server("").await;
    assert!(matches!(complete(&address).await, Err(ReportError::Unknown { .. })));
    requests.recv().await.unwrap();
    assert!(requests.try_recv().is_err(), "a report is never repeated by the client");
    assert!(matches!(engine(&address).version().await, Err(EngineError::Away { .. })), "a read can just be repeated");
}

#[tokio::test]
async fn an_answer_cut_in_its_body_proves_nothing() {
    let (address, _requests) = server("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":").await;
    let started = engine(&address).start_by_key("p", "b", &Variables::new()).await;
    assert!(matches!(started, Err(EngineError::Unknown { .. })));
    let (address, _requests) = server("HTTP/1.1 404 Not Found\r\ncontent-length: 100\r\n\r\n{\"type\":").await;
    assert!(matches!(complete(&address).await, Err(ReportError::Unknown { .. })));
}

#[tokio::test]
async fn silence_until_the_timeout_proves_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let holder = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    assert!(matches!(complete(&address).await, Err(ReportError::Unknown { .. })));
    holder.abort();
}

#[tokio::test]
async fn a_redirect_is_refused_and_not_followed() {
    let (address, mut requests) =
        server("HTTP/1.1 307 Temporary Redirect\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n").await;
    assert!(matches!(complete(&address).await, Err(ReportError::Refused { kind, .. }) if kind == "HTTP 307"));
    requests.recv().await.unwrap();
    assert!(requests.try_recv().is_err());
}

#[tokio::test]
async fn a_success_that_the_engine_does_not_give_is_not_believed() {
    let (address, _requests) = server("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nwelcome").await;
    assert!(matches!(complete(&address).await, Err(ReportError::Unknown { .. })));
    assert!(matches!(engine(&address).version().await, Err(EngineError::Unreadable { .. })));
}

#[tokio::test]
async fn a_fetch_sends_what_the_engine_needs() {
    let (address, mut requests) = server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]").await;
    let topics = [Topic {
        topic_name: "provisioning.activate".into(),
        lock_duration: Duration::from_secs(60),
        variables: vec!["stepId".into()],
        process_definition_key: None,
        business_key: None,
    }];
    let request = FetchRequest {
        worker_id: "w/1",
        max_tasks: 3,
        use_priority: true,
        async_response_timeout: Some(Duration::from_secs(20)),
        topics: &topics,
    };
    assert!(engine(&address).fetch_and_lock(&request).await.unwrap().is_empty());
    let sent = requests.recv().await.unwrap();
    let body: serde_json::Value = serde_json::from_str(sent.split_once("\r\n\r\n").unwrap().1).unwrap();
    let expected = serde_json::json!({
        "workerId": "w/1", "maxTasks": 3, "usePriority": true, "asyncResponseTimeout": 20_000,
        "topics": [{"topicName": "provisioning.activate", "lockDuration": 60_000, "variables": ["stepId"]}],
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn ids_are_escaped_in_paths_and_credentials_are_sent() {
    let (address, mut requests) = server("HTTP/1.1 204 No Content\r\n\r\n").await;
    let auth = Auth::Basic { user: "demo".into(), password: Secret::new("demo") };
    let engine = Engine::new(EngineConfig { auth, ..EngineConfig::new(format!("{address}/")) }).unwrap();
    engine.unlock("a/b?c").await.unwrap();
    let sent = requests.recv().await.unwrap();
    assert!(sent.starts_with("POST /engine-rest/external-task/a%2Fb%3Fc/unlock HTTP/1.1\r\n"), "{sent}");
    assert!(sent.to_lowercase().contains("authorization: basic zgvtbzpkzw1v"), "{sent}");
}
