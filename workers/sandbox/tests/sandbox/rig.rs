//! A sandbox on a book of its own and a client that speaks to it. The client's identity headers are percent-encoded.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use fallout_sandbox::{Book, Effect, FaultScript, Sandbox, SandboxOptions};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

/// How long a client waits for a downstream that will never answer; a busy machine must still answer the others in it.
const PATIENCE: Duration = Duration::from_secs(1);

pub struct Rig {
    pub sandbox: Sandbox,
    client: reqwest::Client,
    _folder: tempfile::TempDir,
    book: PathBuf,
}

/// What a client saw.
#[derive(Debug, PartialEq)]
pub enum Seen {
    Json(u16, Value),
    NotJson(u16),
    Timeout,
    Cut,
}

impl Seen {
    pub fn status(&self) -> u16 {
        match self {
            Self::Json(status, _) | Self::NotJson(status) => *status,
            other => panic!("no status: {other:?}"),
        }
    }

    pub fn field(&self, name: &str) -> String {
        match self {
            Self::Json(_, body) => body[name].as_str().unwrap_or_default().to_owned(),
            other => panic!("no body: {other:?}"),
        }
    }
}

pub async fn start(book: PathBuf, script: &str) -> Sandbox {
    let script = FaultScript::parse(script).unwrap();
    Sandbox::start(SandboxOptions { book, script, ports: BTreeMap::new() }).await.unwrap()
}

impl Rig {
    pub async fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let book = folder.path().join("book.ndjson");
        let sandbox = start(book.clone(), script).await;
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .tls_certs_only([]) // only http here, and reading the system's certificates is slow
            .build()
            .unwrap();
        Self { sandbox, client, _folder: folder, book }
    }

    /// Stops the sandbox and starts another one on the same book.
    pub async fn restart(mut self, script: &str) -> Self {
        self.sandbox.stop().await;
        self.sandbox = start(self.book.clone(), script).await;
        self
    }

    pub fn address(&self, downstream: &str) -> &str {
        self.sandbox.urls()[downstream].strip_prefix("http://").unwrap()
    }

    pub fn bare(&self, method: Method, downstream: &str, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.sandbox.urls()[downstream]))
    }

    pub fn request(&self, method: Method, downstream: &str, path: &str) -> RequestBuilder {
        self.bare(method, downstream, path).header("X-Order", "ord-1").header("X-Step", "reserve")
    }

    pub async fn reserve(&self, key: &str) -> Seen {
        let request = self.request(Method::POST, "inventory", "/reservations").header("Idempotency-Key", key);
        see(request.json(&json!({"item": "fibre"}))).await
    }

    pub async fn look_up(&self, key: &str) -> Seen {
        see(self.request(Method::GET, "inventory", &format!("/reservations/by-reference/{key}"))).await
    }

    pub async fn effects(&self) -> Vec<Effect> {
        self.sandbox.drain().await;
        Book::read(&self.book).unwrap()
    }
}

pub async fn see(request: RequestBuilder) -> Seen {
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) if error.is_timeout() => return Seen::Timeout,
        Err(error) if error.is_connect() => panic!("the sandbox is not there: {error}"),
        Err(_) => return Seen::Cut,
    };
    let status: StatusCode = response.status();
    match response.json().await {
        Ok(body) => Seen::Json(status.as_u16(), body),
        Err(_) => Seen::NotJson(status.as_u16()),
    }
}
