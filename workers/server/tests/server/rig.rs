//! A server on a port of its own over a database of its own, and a client that speaks to it.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use fallout_core::{catalogue::Catalogue, order::read_orders, token::TokenScope};
use fallout_desk::{Accepted, Desk};
use fallout_embedded::{Postgres, PostgresOptions, suitable_dir};
use fallout_server::{Server, Stopped};
use fallout_store::Store;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle};

pub const TENANT: &str = "t";
pub const OTHER: &str = "other";

pub struct Rig {
    pub desk: Desk,
    pub store: Store,
    pub address: SocketAddr,
    pub token: String,
    pub admin_url: String,
    pub client: Client,
    stop: watch::Sender<bool>,
    serving: JoinHandle<Stopped>,
}

fn server() -> &'static Mutex<Postgres> {
    static SERVER: OnceLock<Mutex<Postgres>> = OnceLock::new();
    SERVER.get_or_init(|| {
        let dir = suitable_dir(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("server"));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        Mutex::new(Postgres::start(PostgresOptions { dir, databases: Vec::new(), port: 0 }).unwrap())
    })
}

fn catalogue() -> Catalogue {
    Catalogue {
        taxonomy: toml::from_str(include_str!("../../../../config/taxonomy.toml")).unwrap(),
        severity: toml::from_str(include_str!("../../../../config/severity.toml")).unwrap(),
        sla: toml::from_str(include_str!("../../../../config/sla.toml")).unwrap(),
        personal: toml::from_str(include_str!("../../../../config/personal-data.toml")).unwrap(),
        ..Catalogue::default()
    }
}

impl Rig {
    pub async fn new() -> Rig {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("server_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let (url, admin_url) = {
            let server = server().lock().unwrap();
            server.add_database(&name).unwrap();
            (server.socket_url(&name), server.admin_url(&name))
        };
        let store = Store::new(&url, 4).unwrap();
        store.migrate().await.unwrap();
        let desk = Desk::new(store.clone(), catalogue().into());
        let token = token_of(&desk, TENANT, TokenScope::OrdersWrite).await;
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), desk.clone()).await.unwrap();
        let address = server.address().unwrap();
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(server.run(stopped));
        Rig { desk, store, address, token, admin_url, client: Client::new(), stop, serving }
    }

    pub async fn order(&self, id: &str) {
        let order = json!([{ "id": id, "productOrderItem": [{ "id": "1", "action": "add" }] }]);
        let order = read_orders("test", order.to_string().as_bytes()).unwrap().remove(0);
        let accepted = self.desk.accept_order(TENANT, &order, 1, "").await.unwrap();
        assert!(matches!(accepted, Accepted::Started(_)));
    }

    /// Status and the result or the code of the error.
    pub async fn send(&self, kind: &str, event: &Value) -> (StatusCode, String) {
        self.send_as(Some(&self.token), kind, event.to_string().into_bytes()).await
    }

    pub async fn send_as(&self, token: Option<&str>, kind: &str, body: Vec<u8>) -> (StatusCode, String) {
        let url = format!("http://{}/tmf-api/productOrderingManagement/v4/listener/{kind}", self.address);
        let mut request = self.client.post(url).header("content-type", "application/json").body(body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        let (status, body) = (response.status(), response.json::<Value>().await.unwrap());
        if !status.is_success() {
            let whole = ["code", "reason", "message"].iter().all(|f| body[f].as_str().is_some_and(|t| !t.is_empty()));
            assert!(whole && body["status"] == status.as_str(), "{body}");
        }
        let word = if status.is_success() { &body["result"] } else { &body["code"] };
        (status, word.as_str().unwrap_or_default().to_owned())
    }

    /// Status and whole body of what was posted to this path.
    pub async fn post(&self, token: Option<&str>, path: &str, body: Vec<u8>) -> (StatusCode, Value) {
        let mut request = self.client.post(format!("http://{}{path}", self.address)).body(body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    pub async fn get(&self, path: &str) -> StatusCode {
        self.client.get(format!("http://{}{path}", self.address)).send().await.unwrap().status()
    }

    /// The database's now, `minutes` later.
    pub async fn at(&self, minutes: i64) -> String {
        (self.desk.now().await.unwrap() + chrono::Duration::minutes(minutes)).to_rfc3339()
    }

    pub async fn event(&self, id: &str, minutes: i64, order: Value) -> Value {
        json!({ "eventId": id, "eventTime": self.at(minutes).await, "event": { "productOrder": order } })
    }

    pub async fn stop(self) -> Stopped {
        self.stop.send_replace(true);
        self.serving.await.unwrap()
    }
}

pub async fn token_of(desk: &Desk, tenant: &str, scope: TokenScope) -> String {
    desk.add_token(tenant, "local:test", &format!("{tenant}-{scope}"), &[scope], None).await.unwrap().secret
}
