//! A stand-in for the engine where only the link to a downstream is broken: as much of its external tasks as a fleet
//! asks for. Like the real one it hands a task out again when its lock or its retry's time is over, wakes a pending poll
//! for a new task only, and checks of a report nothing but the worker id.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Result;
use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{Method, StatusCode, Uri},
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::Notify,
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::judge::Told;

/// The model that the tasks belong to, for the fleet to read what it catches.
const MODEL: &str = include_str!("../../../bpmn/recoverable-step.bpmn");

#[derive(Debug)]
struct Task {
    topic: String,
    variables: Value,
    worker: Value,
    locked_until: Instant,
    retries: Value,
    log: Vec<Value>,
    told: Option<Told>,
}

#[derive(Debug, Default)]
struct Board {
    tasks: Mutex<BTreeMap<String, Task>>,
    added: Notify,
}

#[derive(Debug)]
pub struct StandIn {
    board: Arc<Board>,
    pub port: u16,
    serving: JoinHandle<()>,
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl StandIn {
    pub async fn start() -> Result<StandIn> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let board = Arc::<Board>::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&board));
        let serving = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(StandIn { board, port, serving })
    }

    /// A new task, which wakes the polls.
    pub fn add(&self, id: &str, topic: &str, variables: Value) {
        let task = Task {
            topic: topic.to_owned(),
            variables,
            worker: Value::Null,
            locked_until: Instant::now(),
            retries: Value::Null,
            log: Vec::new(),
            told: None,
        };
        self.board.tasks().insert(id.to_owned(), task);
        self.board.added.notify_waiters();
    }

    pub fn forget(&self, id: &str) {
        self.board.tasks().remove(id);
    }

    /// What the process was told, once it was told its last word.
    pub fn told(&self, id: &str) -> Option<Told> {
        self.board.tasks().get(id)?.told
    }
}

type Answer = (StatusCode, Json<Value>);

async fn answer(State(board): State<Arc<Board>>, method: Method, uri: Uri, body: Bytes) -> Answer {
    let path: Vec<&str> = uri.path().split('/').skip(1).collect();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let ok = |value| (StatusCode::OK, Json(value));
    match (method.as_str(), path.as_slice()) {
        ("POST", ["external-task", "fetchAndLock"]) => ok(board.fetch(&body).await),
        ("POST", ["external-task", id, verb]) => board.settle(id, verb, &body),
        ("GET", ["external-task"]) => ok(board.locked_by(uri.query().unwrap_or_default())),
        ("GET", ["external-task", id]) => match board.tasks().get(*id).filter(|task| task.is_there()) {
            Some(task) => ok(described(id, task)),
            None => refused(StatusCode::NOT_FOUND, "External task does not exist"),
        },
        ("GET", ["process-definition", _, "xml"]) => ok(json!({ "bpmn20Xml": MODEL })),
        ("GET", ["history", "external-task-log"]) => ok(board.logged(uri.query().unwrap_or_default())),
        ("GET", ["history", ..]) => ok(json!([])),
        ("GET", ["process-instance", id]) => ok(json!({
            "id": id, "definitionId": "d", "businessKey": null, "ended": false, "suspended": false, "tenantId": null,
        })),
        _ => refused(StatusCode::NOT_FOUND, "the stand-in does not know this"),
    }
}

fn refused(status: StatusCode, message: &str) -> Answer {
    (status, Json(json!({ "type": "RestException", "message": message, "code": 0 })))
}

impl Task {
    fn is_there(&self) -> bool {
        self.told.is_none() || self.told == Some(Told::Parked)
    }

    fn can_be_fetched(&self, now: Instant) -> bool {
        self.is_there() && self.retries != 0 && self.locked_until <= now
    }
}

impl Board {
    fn tasks(&self) -> MutexGuard<'_, BTreeMap<String, Task>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch(&self, body: &Value) -> Value {
        let ends = Instant::now() + millis(&body["asyncResponseTimeout"]);
        loop {
            let added = self.added.notified();
            let found = self.lock_some(body);
            let left = ends.saturating_duration_since(Instant::now());
            if !found.is_empty() || left.is_zero() || timeout(left, added).await.is_err() {
                return found.into();
            }
        }
    }

    fn lock_some(&self, body: &Value) -> Vec<Value> {
        let now = Instant::now();
        let topics = body["topics"].as_array().cloned().unwrap_or_default();
        let lock = |task: &Task| topics.iter().find(|t| t["topicName"] == task.topic.as_str());
        let most = body["maxTasks"].as_u64().unwrap_or(0) as usize;
        let mut found = Vec::new();
        for (id, task) in self.tasks().iter_mut().filter(|(_, task)| task.can_be_fetched(now)) {
            if let Some(topic) = lock(task).filter(|_| found.len() < most) {
                task.worker = body["workerId"].clone();
                task.locked_until = now + millis(&topic["lockDuration"]);
                found.push(described(id, task));
            }
        }
        found
    }

    fn settle(&self, id: &str, verb: &str, body: &Value) -> Answer {
        let mut tasks = self.tasks();
        let Some(task) = tasks.get_mut(id).filter(|task| task.is_there()) else {
            return refused(StatusCode::NOT_FOUND, "External task does not exist");
        };
        if task.worker != body["workerId"] {
            let holder = task.worker.as_str().unwrap_or("null");
            return refused(StatusCode::BAD_REQUEST, &format!("It is locked by worker '{holder}'."));
        }
        match verb {
            "complete" => task.told = Some(Told::of_state(body)),
            "bpmnError" => task.told = Some(Told::Rejected),
            "failure" => {
                task.retries = body["retries"].clone();
                task.locked_until = Instant::now() + millis(&body["retryTimeout"]);
                task.told = (task.retries == 0).then_some(Told::Parked);
            }
            _ => task.locked_until = Instant::now() + millis(&body["newDuration"]),
        }
        if verb != "extendLock" {
            task.log.push(json!({
                "externalTaskId": id, "workerId": task.worker, "timestamp": "2026-01-01T00:00:00.000+0000",
                "failureLog": verb == "failure", "successLog": verb == "complete", "deletionLog": verb == "bpmnError",
            }));
        }
        (StatusCode::NO_CONTENT, Json(Value::Null))
    }

    fn locked_by(&self, query: &str) -> Value {
        let worker = value_of(query, "workerId").replace("%2F", "/");
        let now = Instant::now();
        let ours = |task: &Task| task.is_there() && task.worker == worker.as_str() && task.locked_until > now;
        self.tasks().iter().filter(|(_, task)| ours(task)).map(|(id, task)| described(id, task)).collect()
    }

    fn logged(&self, query: &str) -> Value {
        self.tasks().get(value_of(query, "externalTaskId")).map_or_else(|| json!([]), |task| json!(task.log))
    }
}

fn value_of<'a>(query: &'a str, name: &str) -> &'a str {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map_or("", |(_, value)| value)
}

fn millis(value: &Value) -> Duration {
    Duration::from_millis(value.as_u64().unwrap_or(0))
}

fn described(id: &str, task: &Task) -> Value {
    json!({
        "id": id, "workerId": task.worker, "topicName": task.topic, "activityId": "perform", "activityInstanceId": "a",
        "executionId": "x", "processInstanceId": id, "processDefinitionId": "recoverable-step:1:d",
        "processDefinitionKey": "recoverable-step", "priority": 0, "suspended": false, "retries": task.retries,
        "lockExpirationTime": "2026-01-01T00:00:00.000+0000", "variables": task.variables,
    })
}
