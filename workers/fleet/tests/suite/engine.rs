//! A scripted engine: external tasks, their locks and their log, as far as the fleet asks. Like the real one, a pending
//! poll wakes for a new task only, and checks of a report look at the worker id only.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

use crate::http::{Answer, Request, serve};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lose {
    /// The request never took effect.
    Request,
    /// It took effect, and nobody heard.
    Answer,
}

#[derive(Debug, Default)]
pub struct State {
    tasks: BTreeMap<String, Task>,
    pub calls: Vec<Request>,
    /// Verb → what the next such call loses.
    pub lose: BTreeMap<&'static str, Lose>,
    /// Verb → how often it is refused, and with which status, type and code.
    pub refuse: BTreeMap<&'static str, (usize, u16, &'static str, i64)>,
    pub down: bool,
    /// Whether each worker may have one pending poll only, as the hosts of this repository are set.
    pub unique_polls: bool,
    /// Polls that a later one of the same worker has ended.
    ended_polls: Vec<String>,
    polls: usize,
    log: Vec<Value>,
    reports: Vec<Value>,
}

#[derive(Debug)]
struct Task {
    topic: String,
    variables: Value,
    worker: Option<String>,
    locked_until: Option<Instant>,
    retries: Option<i64>,
    message: String,
    ended: Option<&'static str>,
}

#[derive(Clone, Debug, Default)]
pub struct Engine {
    state: Arc<Mutex<State>>,
    inserted: Arc<Notify>,
}

impl Engine {
    pub async fn start() -> (Engine, String) {
        let engine = Engine::default();
        engine.state().unique_polls = true;
        let answering = engine.clone();
        let answer = move |request: Request| {
            let engine = answering.clone();
            async move { engine.answer(request).await }
        };
        let url = serve(answer).await;
        (engine, url)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// A new task, which wakes the polls.
    pub fn add(&self, order: &str) {
        self.add_quietly(order);
        self.inserted.notify_waiters();
    }

    /// A task that becomes fetchable without waking a poll, as by raised retries.
    pub fn add_quietly(&self, order: &str) {
        self.add_to("reserve", order);
    }

    /// A new task of a topic, which wakes the polls.
    pub fn add_for(&self, topic: &str, order: &str) {
        self.add_to(topic, order);
        self.inserted.notify_waiters();
    }

    fn add_to(&self, topic: &str, order: &str) {
        let text = |value: &str| json!({ "type": "String", "value": value });
        let variables = json!({
            "tenantId": text("t"), "orderId": text(order), "orderRun": { "type": "Integer", "value": 1 }, "lineId": text(""),
            "stepId": text("reserve"), "stepDirection": text("do"), "handledCodes": text(","), "recoveryActionId": text("none"),
        });
        self.add_task(topic, order, variables);
    }

    pub fn add_with(&self, id: &str, variables: Value) {
        self.add_task("reserve", id, variables);
    }

    fn add_task(&self, topic: &str, id: &str, variables: Value) {
        let topic = topic.to_owned();
        let task = Task {
            topic,
            variables,
            worker: None,
            locked_until: None,
            retries: None,
            message: String::new(),
            ended: None,
        };
        self.state().tasks.insert(id.to_owned(), task);
    }

    /// How the task ended, if it did.
    pub fn ended(&self, id: &str) -> Option<&'static str> {
        self.state().tasks[id].ended
    }

    pub fn all_ended(&self) -> bool {
        self.state().tasks.values().all(|task| task.ended.is_some())
    }

    pub fn retries(&self, id: &str) -> Option<i64> {
        self.state().tasks[id].retries
    }

    pub fn message(&self, id: &str) -> String {
        self.state().tasks[id].message.clone()
    }

    /// Another worker takes the task, as after an expired lock.
    pub fn steal(&self, id: &str) {
        self.state().tasks.get_mut(id).unwrap().worker = Some("thief".into());
    }

    /// Whether a poll is pending.
    pub fn is_polled(&self) -> bool {
        self.state().polls > 0
    }

    pub fn is_locked(&self, id: &str) -> bool {
        self.state().tasks[id].locked_until.is_some_and(|until| until > Instant::now())
    }

    pub fn calls(&self, verb: &str) -> Vec<Value> {
        let of_verb = |call: &&Request| call.line.ends_with(verb);
        self.state().calls.iter().filter(of_verb).map(|call| call.body.clone()).collect()
    }

    async fn answer(&self, request: Request) -> Answer {
        let verb = request.line.rsplit('/').next().unwrap().to_owned();
        let lose = {
            let mut state = self.state();
            if state.down {
                return None;
            }
            state.calls.push(request.clone());
            if let Some((times, status, kind, code)) = state.refuse.get_mut(verb.as_str()).filter(|r| r.0 > 0) {
                *times -= 1;
                return Some((*status, json!({ "type": kind, "message": "scripted", "code": code })));
            }
            state.lose.remove(verb.as_str())
        };
        if lose == Some(Lose::Request) {
            return None;
        }
        let answer = match (request.line.as_str(), verb.as_str()) {
            (_, "fetchAndLock") => {
                self.state().polls += 1;
                let answer = self.fetch(&request.body).await;
                self.state().polls -= 1;
                answer
            }
            (_, "complete" | "failure" | "bpmnError" | "extendLock") => self.state().settle(&request, &verb),
            (_, "xml") => (200, json!({ "bpmn20Xml": include_str!("../../../../bpmn/recoverable-step.bpmn") })),
            (_, "external-task-log") => (200, json!(self.state().log)),
            (_, "variable-instance") => (200, json!([row("reportId", "String", &json!("last"))])),
            (_, "detail") => {
                let reports = self.state().reports.clone();
                (200, reports.iter().map(|id| row("reportId", "String", id)).collect())
            }
            ("GET /external-task", _) => (200, self.state().locked_by(&request.query)),
            (_, id) => self.state().one(id),
        };
        (lose != Some(Lose::Answer)).then_some(answer)
    }

    async fn fetch(&self, body: &Value) -> (u16, Value) {
        let worker = body["workerId"].as_str().unwrap();
        if self.state().unique_polls && body.get("asyncResponseTimeout").is_some() {
            self.state().ended_polls.push(worker.to_owned());
            self.inserted.notify_waiters();
        }
        let ends = Instant::now() + Duration::from_millis(body["asyncResponseTimeout"].as_u64().unwrap_or(0));
        let ended = self.state().ended_polls.len();
        loop {
            let inserted = self.inserted.notified();
            if self.state().ended_polls[ended..].iter().any(|id| id == worker) {
                return (503, Value::Null);
            }
            let found = self.state().lock_some(body);
            let left = ends.saturating_duration_since(Instant::now());
            if !found.is_empty() || left.is_zero() || timeout(left, inserted).await.is_err() {
                return (200, found.into());
            }
        }
    }
}

fn row(name: &str, type_name: &str, value: &Value) -> Value {
    json!({ "id": "v", "name": name, "type": type_name, "value": value })
}

impl State {
    fn lock_some(&mut self, body: &Value) -> Vec<Value> {
        let now = Instant::now();
        let topics = body["topics"].as_array().unwrap();
        let free = |task: &Task| {
            topics.iter().any(|topic| topic["topicName"] == task.topic)
                && task.ended.is_none()
                && task.retries != Some(0)
                && task.locked_until.is_none_or(|until| until <= now)
        };
        let lock = Duration::from_millis(body["topics"][0]["lockDuration"].as_u64().unwrap());
        let most = body["maxTasks"].as_u64().unwrap() as usize;
        let mut found = Vec::new();
        for (id, task) in self.tasks.iter_mut().filter(|(_, task)| free(task)).take(most) {
            task.worker = body["workerId"].as_str().map(str::to_owned);
            task.locked_until = Some(now + lock);
            found.push(described(id, task));
        }
        found
    }

    fn settle(&mut self, request: &Request, verb: &str) -> (u16, Value) {
        let id = request.line.split('/').nth_back(1).unwrap();
        let body = &request.body;
        let millis = |name: &str| Duration::from_millis(body[name].as_u64().unwrap());
        let Some(task) = self.tasks.get_mut(id).filter(|task| task.ended.is_none()) else {
            return (404, error("gone"));
        };
        if task.worker.as_deref() != body["workerId"].as_str() {
            let holder = task.worker.as_deref().unwrap_or("null");
            return (400, error(&format!("It is locked by worker '{holder}'.")));
        }
        match verb {
            "complete" => task.ended = Some("completed"),
            "bpmnError" => task.ended = Some("error"),
            "failure" => {
                task.retries = body["retries"].as_i64();
                task.message = body["errorMessage"].as_str().unwrap().to_owned();
                task.locked_until = Some(Instant::now() + millis("retryTimeout"));
            }
            _ => task.locked_until = Some(Instant::now() + millis("newDuration")),
        }
        self.reports.extend(body.pointer("/variables/reportId/value").cloned());
        if verb != "extendLock" {
            self.log.push(logged(id, &body["workerId"], verb));
        }
        (204, Value::Null)
    }

    fn locked_by(&self, query: &str) -> Value {
        let id = query.split('&').find_map(|pair| pair.strip_prefix("workerId=")).unwrap().replace("%2F", "/");
        let now = Instant::now();
        let ours = |task: &Task| {
            task.ended.is_none()
                && task.worker.as_ref() == Some(&id)
                && task.locked_until.is_some_and(|until| until > now)
        };
        self.tasks.iter().filter(|(_, task)| ours(task)).map(|(id, task)| described(id, task)).collect()
    }

    fn one(&self, id: &str) -> (u16, Value) {
        match self.tasks.get(id).filter(|task| task.ended.is_none()) {
            Some(task) => (200, described(id, task)),
            None => (404, error("gone")),
        }
    }
}

fn described(id: &str, task: &Task) -> Value {
    json!({
        "id": id, "workerId": task.worker, "topicName": task.topic, "activityId": "perform", "activityInstanceId": "a",
        "executionId": "x", "processInstanceId": "p", "processDefinitionId": "recoverable-step:1:d",
        "processDefinitionKey": "recoverable-step", "priority": 0, "suspended": false, "retries": task.retries,
        "lockExpirationTime": "2026-01-01T00:00:00.000+0000", "variables": task.variables,
    })
}

fn logged(id: &str, worker: &Value, verb: &str) -> Value {
    json!({
        "externalTaskId": id, "workerId": worker, "timestamp": "2026-01-01T00:00:00.000+0000",
        "failureLog": verb == "failure", "successLog": verb == "complete", "deletionLog": verb == "bpmnError",
    })
}

fn error(message: &str) -> Value {
    json!({ "type": "RestException", "message": message, "code": 0 })
}
