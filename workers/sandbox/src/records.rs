//! What the downstreams remember: the book of effects and, by idempotency key, how each keyed request ended.

use std::collections::HashMap;
use std::path::Path;

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::answer::{self, Reply};
use crate::book::{self, Book, BookError, Effect};
use crate::calls::Call;
use crate::operation::{self, Downstream, Operation};
use crate::orders;

#[derive(Debug)]
pub(crate) struct Records {
    book: Book,
    by_key: HashMap<Key, Record>,
    last_reference: u64,
    /// Of orders and their quotes that were changed, by what changed them; the others are at 1.
    versions: HashMap<(&'static str, String), u64>,
}

/// A key is known within its collection only, as with real systems.
type Key = (&'static str, String);

#[derive(Debug)]
struct Record {
    reference: String,
    /// What was asked under the key; none when it was read back from the book, which does not keep it.
    asked: Option<(&'static Operation, Value)>,
    state: State,
    /// What the answer says beside the id.
    gives: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq)]
enum State {
    InProgress,
    /// Accepted and forgotten. A later attempt under the key is served afresh.
    Stuck,
    Rejected(String),
    /// Shown by lookups only from then on.
    Completed(Option<Instant>),
}

impl Records {
    /// Reads back what stands in the book, so that keys survive a restart.
    pub(crate) fn open(path: &Path) -> Result<Self, BookError> {
        let (book, effects) = Book::open(path)?;
        let mut records = Self { book, by_key: HashMap::new(), last_reference: 0, versions: HashMap::new() };
        for effect in effects {
            let number = effect.reference.rsplit('-').next().and_then(|number| number.parse().ok());
            records.last_reference = records.last_reference.max(number.unwrap_or(0));
            let operation = operation::effect(&effect.operation);
            let gives = operation.map(|operation| records.changed(operation, &effect.order, &effect.asked, effect.at));
            if let Some(collection) = operation.and_then(|operation| operation.collection) {
                let (reference, state) = (effect.reference, State::Completed(None));
                let record = Record { reference, asked: None, state, gives: gives.unwrap_or_default() };
                records.by_key.insert((collection, effect.key), record);
            }
        }
        Ok(records)
    }

    /// The stored answer, when the call's key has been used before.
    pub(crate) fn replay(&self, call: &Call) -> Option<Reply> {
        let record = self.by_key.get(&call.key()?).filter(|_| call.operation.recognises)?;
        let same =
            record.asked.as_ref().is_none_or(|(operation, body)| *operation == call.operation && *body == call.body);
        match &record.state {
            _ if !same => Some(answer::rejected("IDEMPOTENCY_KEY_REUSED")),
            State::Stuck => None,
            State::InProgress => Some(accepted(&record.reference)),
            State::Rejected(code) => Some(answer::rejected(code)),
            State::Completed(_) => Some(success(call, &record.reference, &record.gives, true)),
        }
    }

    /// Counts the order or its quote up where the effect changes it.
    fn changed(&mut self, operation: &Operation, order: &str, body: &Value, at: DateTime<Utc>) -> Map<String, Value> {
        if ![&operation::CORRECT, &operation::REVISE, &operation::REBASE].contains(&operation) {
            return Map::new();
        }
        let version = self.versions.entry((operation.name, order.to_owned())).or_insert(1);
        *version += 1;
        orders::gives(operation, body, *version, at)
    }

    /// What the system itself has against the call.
    fn refused(&self, call: &Call) -> Option<Reply> {
        let version = self.versions.get(&(call.operation.name, call.identity.order.clone())).copied().unwrap_or(1);
        orders::refusal(call.operation, &call.body, version, book::now())
    }

    /// Applies the call, unless its key has been used before.
    pub(crate) fn apply(&mut self, call: &Call, visible: Option<Instant>) -> Result<Reply, BookError> {
        if let Some(reply) = self.replay(call) {
            return Ok(reply);
        }
        if let Some(refusal) = self.refused(call) {
            return Ok(refusal);
        }
        let reference = self.next_reference(call.operation);
        self.book.append(effect(call, &reference))?;
        let gives = self.changed(call.operation, &call.identity.order, &call.body, book::now());
        let reply = success(call, &reference, &gives, false);
        self.remember(call, &reference, State::Completed(visible), gives);
        Ok(reply)
    }

    /// Takes the call on without applying it. Says the id it will have.
    pub(crate) fn accept(&mut self, call: &Call, for_ever: bool) -> (String, Reply) {
        let reference = self.next_reference(call.operation);
        self.remember(call, &reference, if for_ever { State::Stuck } else { State::InProgress }, Map::new());
        let reply = accepted(&reference);
        (reference, reply)
    }

    /// Ends what was accepted before: applied or, with a code, rejected.
    pub(crate) fn finish(
        &mut self,
        call: &Call,
        reference: &str,
        code: Option<String>,
        visible: Option<Instant>,
    ) -> Result<(), BookError> {
        let (state, gives) = match code {
            Some(code) => (State::Rejected(code), Map::new()),
            None => {
                self.book.append(effect(call, reference))?;
                let gives = self.changed(call.operation, &call.identity.order, &call.body, book::now());
                (State::Completed(visible), gives)
            }
        };
        self.remember(call, reference, state, gives);
        Ok(())
    }

    pub(crate) fn look_up(&self, collection: &'static str, key: &str) -> Reply {
        let record = self.by_key.get(&(collection, key.to_owned()));
        match record.map(|record| (&record.state, record)) {
            Some((State::InProgress | State::Stuck, _)) => Reply::Json(StatusCode::OK, json!({"state": "inProgress"})),
            Some((State::Rejected(code), _)) => Reply::Json(StatusCode::OK, json!({"state": "rejected", "code": code})),
            Some((State::Completed(visible), record)) if visible.is_none_or(|at| at <= Instant::now()) => {
                let body = json!({"state": "completed", "id": record.reference});
                Reply::Json(StatusCode::OK, with(body, &record.gives))
            }
            _ => Reply::Json(StatusCode::NOT_FOUND, json!({"code": "NOT_FOUND"})),
        }
    }

    /// As if the call's key had never been used.
    pub(crate) fn forget(&mut self, call: &Call) {
        call.key().and_then(|key| self.by_key.remove(&key));
    }

    /// Gives the call the payload that its key was first used with.
    pub(crate) fn take_for_the_first(&self, call: &mut Call) {
        let record = call.key().and_then(|key| self.by_key.get(&key));
        if let Some((operation, body)) = record.and_then(|record| record.asked.clone()) {
            (call.operation, call.body) = (operation, body);
        }
    }

    pub(crate) fn close(&mut self) {
        self.book.close();
    }

    fn remember(&mut self, call: &Call, reference: &str, state: State, gives: Map<String, Value>) {
        if let Some(key) = call.key() {
            let asked = Some((call.operation, call.body.clone()));
            self.by_key.insert(key, Record { reference: reference.to_owned(), asked, state, gives });
        }
    }

    fn next_reference(&mut self, operation: &Operation) -> String {
        self.last_reference += 1;
        format!("{}-{:06}", operation.prefix, self.last_reference)
    }
}

fn effect(call: &Call, reference: &str) -> Effect {
    let identity = call.identity.clone();
    Effect {
        seq: 0,
        at: DateTime::UNIX_EPOCH, // both are set by the book
        downstream: call.operation.downstream.to_string(),
        operation: call.operation.name.to_owned(),
        order: identity.order,
        line: identity.line,
        step: identity.step,
        direction: identity.direction,
        generation: identity.generation,
        key: call.idempotency_key.clone().unwrap_or_default(),
        reference: reference.to_owned(),
        asked: call.body.clone(),
    }
}

fn accepted(reference: &str) -> Reply {
    Reply::Json(StatusCode::ACCEPTED, json!({"id": reference, "state": "inProgress"}))
}

fn with(mut body: Value, given: &Map<String, Value>) -> Value {
    given.iter().for_each(|(name, value)| body[name] = value.clone());
    body
}

fn success(call: &Call, reference: &str, gives: &Map<String, Value>, replayed: bool) -> Reply {
    let created = StatusCode::CREATED;
    match call.operation.downstream {
        Downstream::Provisioning | Downstream::Partner => {
            Reply::Json(created, json!({"id": reference, "state": "completed"}))
        }
        Downstream::Payment => Reply::Json(created, json!({"id": reference, "amount": call.body["amount"]})),
        // A second PUT of the same resource creates nothing, and HTTP says so.
        Downstream::Billing if replayed => Reply::Json(StatusCode::OK, json!({"id": reference})),
        Downstream::Contract => Reply::Json(StatusCode::OK, json!({"id": reference})),
        Downstream::Orders | Downstream::Quote => Reply::Json(created, with(json!({"id": reference}), gives)),
        Downstream::Inventory | Downstream::Billing => Reply::Json(created, json!({"id": reference})),
    }
}
