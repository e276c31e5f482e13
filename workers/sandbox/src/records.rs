//! What the downstreams remember: the book of effects and, by idempotency key, how each keyed request ended.

use std::collections::HashMap;
use std::path::Path;

use axum::http::StatusCode;
use chrono::DateTime;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::answer::{self, Reply};
use crate::book::{Book, BookError, Effect};
use crate::calls::Call;
use crate::operation::{self, Downstream, Operation};
use crate::orders;

#[derive(Debug)]
pub(crate) struct Records {
    book: Book,
    by_key: HashMap<Key, Record>,
    last_reference: u64,
    /// Of orders that were corrected; the others are at 1.
    versions: HashMap<String, u64>,
}

/// A key is known within its collection only, as with real systems.
type Key = (&'static str, String);

#[derive(Debug)]
struct Record {
    reference: String,
    /// What was asked under the key; none when it was read back from the book, which does not keep it.
    asked: Option<(&'static Operation, Value)>,
    state: State,
    /// What the order was at once it was corrected.
    version: Option<u64>,
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
            let version = operation.and_then(|operation| records.changed(operation, &effect.order));
            if let Some(collection) = operation.and_then(|operation| operation.collection) {
                let record =
                    Record { reference: effect.reference, asked: None, state: State::Completed(None), version };
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
            State::Completed(_) => Some(success(call, &record.reference, record.version, true)),
        }
    }

    /// Counts the order up where the effect changes it.
    fn changed(&mut self, operation: &Operation, order: &str) -> Option<u64> {
        (operation == &operation::CORRECT).then(|| {
            let version = self.versions.entry(order.to_owned()).or_insert(1);
            *version += 1;
            *version
        })
    }

    /// What the system itself has against the call.
    fn refused(&self, call: &Call) -> Option<Reply> {
        let version = self.versions.get(&call.identity.order).copied().unwrap_or(1);
        let code = orders::refusal(call.operation, &call.body, version)?;
        Some(if code == "VERSION_CONFLICT" { answer::conflict(code, version) } else { answer::rejected(code) })
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
        let version = self.changed(call.operation, &call.identity.order);
        self.remember(call, &reference, State::Completed(visible), version);
        Ok(success(call, &reference, version, false))
    }

    /// Takes the call on without applying it. Says the id it will have.
    pub(crate) fn accept(&mut self, call: &Call, for_ever: bool) -> (String, Reply) {
        let reference = self.next_reference(call.operation);
        self.remember(call, &reference, if for_ever { State::Stuck } else { State::InProgress }, None);
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
        let (state, version) = match code {
            Some(code) => (State::Rejected(code), None),
            None => {
                self.book.append(effect(call, reference))?;
                (State::Completed(visible), self.changed(call.operation, &call.identity.order))
            }
        };
        self.remember(call, reference, state, version);
        Ok(())
    }

    pub(crate) fn look_up(&self, collection: &'static str, key: &str) -> Reply {
        let record = self.by_key.get(&(collection, key.to_owned()));
        match record.map(|record| (&record.state, record)) {
            Some((State::InProgress | State::Stuck, _)) => Reply::Json(StatusCode::OK, json!({"state": "inProgress"})),
            Some((State::Rejected(code), _)) => Reply::Json(StatusCode::OK, json!({"state": "rejected", "code": code})),
            Some((State::Completed(visible), record)) if visible.is_none_or(|at| at <= Instant::now()) => {
                let mut body = json!({"state": "completed", "id": record.reference});
                record.version.iter().for_each(|version| body["version"] = (*version).into());
                Reply::Json(StatusCode::OK, body)
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

    fn remember(&mut self, call: &Call, reference: &str, state: State, version: Option<u64>) {
        if let Some(key) = call.key() {
            let asked = Some((call.operation, call.body.clone()));
            self.by_key.insert(key, Record { reference: reference.to_owned(), asked, state, version });
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

fn success(call: &Call, reference: &str, version: Option<u64>, replayed: bool) -> Reply {
    let created = StatusCode::CREATED;
    match call.operation.downstream {
        Downstream::Provisioning | Downstream::Partner => {
            Reply::Json(created, json!({"id": reference, "state": "completed"}))
        }
        Downstream::Payment => Reply::Json(created, json!({"id": reference, "amount": call.body["amount"]})),
        // A second PUT of the same resource creates nothing, and HTTP says so.
        Downstream::Billing if replayed => Reply::Json(StatusCode::OK, json!({"id": reference})),
        Downstream::Contract => Reply::Json(StatusCode::OK, json!({"id": reference})),
        Downstream::Orders => Reply::Json(created, json!({"id": reference, "version": version})),
        Downstream::Inventory | Downstream::Billing => Reply::Json(created, json!({"id": reference})),
    }
}
