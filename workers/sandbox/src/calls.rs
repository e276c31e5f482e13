//! One request to a downstream, from its arrival to the decision how to answer: what the script does before the effect,
//! the effect, what the script does after it.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::answer::{self, Reply};
use crate::book::BookError;
use crate::fault::{Behaviour, Direction, Fault};
use crate::identity::Identity;
use crate::operation::{self, Operation};
use crate::world::World;

#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) operation: &'static Operation,
    pub(crate) identity: Identity,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) body: Value,
}

impl Call {
    /// Under what the call is remembered; none when its operation knows no keys.
    pub(crate) fn key(&self) -> Option<(&'static str, String)> {
        Some((self.operation.collection?, self.idempotency_key.clone()?))
    }
}

/// Serves a call to its end even if the client hangs up meanwhile: only the answer is lost then.
pub(crate) async fn serve(world: Arc<World>, call: Call) -> Reply {
    let (answer, answered) = oneshot::channel();
    let working = Arc::clone(&world);
    world.work.spawn(async move {
        let reply = perform(&working, call).await;
        let _ = answer.send(reply); // nobody there any more: nothing to do
    });
    answered.await.unwrap_or(Reply::Cut) // the sandbox is being stopped
}

async fn perform(world: &Arc<World>, mut call: Call) -> Reply {
    let attempt = world.attempt(&call);
    let Identity { order, line, step, direction, .. } = &call.identity;
    let direction = Direction::parse(direction).unwrap_or_default();
    let fault = world.script.first(order, line, step, direction, attempt).cloned();
    let Some(fault) = fault else {
        return apply(world, call, None, false).await;
    };
    tracing::debug!(order, line, step, attempt, behaviour = fault.behaviour.name(), "a fault meets a request");
    if fault.behaviour == Behaviour::IgnorePayload {
        world.records().take_for_the_first(&mut call);
    }
    match before(world, &call, &fault).await {
        Some(reply) => reply,
        None => {
            let forget = fault.behaviour == Behaviour::ForgetKey;
            after(&fault.behaviour, apply(world, call, fault.lookup_after, forget).await)
        }
    }
}

/// What the script does before the effect; an answer ends the call there.
async fn before(world: &Arc<World>, call: &Call, fault: &Fault) -> Option<Reply> {
    match &fault.behaviour {
        Behaviour::Slow { delay } => {
            sleep(*delay).await;
            None
        }
        Behaviour::UnavailableLate { delay } => {
            sleep(*delay).await;
            Some(answer::failed(StatusCode::SERVICE_UNAVAILABLE, "not now"))
        }
        Behaviour::UnavailableBefore => Some(answer::failed(StatusCode::SERVICE_UNAVAILABLE, "not now")),
        Behaviour::TimeoutBefore => Some(Reply::Silence),
        Behaviour::CutBefore => Some(Reply::Cut),
        Behaviour::BadRequest => Some(answer::failed(StatusCode::BAD_REQUEST, "the request is not understood")),
        Behaviour::Unauthorised => Some(answer::failed(StatusCode::UNAUTHORIZED, "who are you?")),
        // What has been answered under a key stays the answer, whatever the script says now.
        Behaviour::Reject { code } => Some(world.records().replay(call).unwrap_or_else(|| answer::rejected(code))),
        Behaviour::Accepted { after, code } if !is_read(call.operation) => {
            Some(accept(world, call, Some((*after, code.clone())), fault.lookup_after))
        }
        Behaviour::AcceptedNever if !is_read(call.operation) => Some(accept(world, call, None, None)),
        _ => None,
    }
}

/// What the script does to the answer once the effect is there. A refusal is passed on as it is.
fn after(behaviour: &Behaviour, reply: Reply) -> Reply {
    match (behaviour, reply) {
        (_, reply) if !reply.succeeded() => reply,
        (Behaviour::ErrorAfter, _) => answer::failed(StatusCode::INTERNAL_SERVER_ERROR, "something broke"),
        (Behaviour::TimeoutAfter, _) => Reply::Silence,
        (Behaviour::CutAfter, _) => Reply::Cut,
        (Behaviour::Garbage, _) => Reply::Text(StatusCode::OK, "<html><title>Welcome</title>"),
        (Behaviour::MissingOutput, Reply::Json(status, _)) => Reply::Json(status, json!({})),
        (_, reply) => reply,
    }
}

/// Answers 202. `end` says when and how it ends later; none: never.
fn accept(
    world: &Arc<World>,
    call: &Call,
    end: Option<(Duration, Option<String>)>,
    lookup_after: Option<Duration>,
) -> Reply {
    let mut records = world.records();
    if let Some(reply) = records.replay(call) {
        return reply;
    }
    let (reference, reply) = records.accept(call, end.is_none());
    drop(records);
    if let Some((delay, code)) = end {
        let (working, call) = (Arc::clone(world), call.clone());
        world.work.spawn(async move {
            sleep(delay).await;
            let visible = visible_from(lookup_after);
            on_disk(&working, move |world| world.records().finish(&call, &reference, code, visible)).await;
        });
    }
    reply
}

async fn apply(world: &Arc<World>, call: Call, lookup_after: Option<Duration>, forget: bool) -> Reply {
    if is_read(call.operation) {
        return read(call.operation);
    }
    let visible = visible_from(lookup_after);
    let write = move |world: &World| {
        let mut records = world.records();
        if forget {
            records.forget(&call);
        }
        records.apply(&call, visible)
    };
    on_disk(world, write)
        .await
        .unwrap_or_else(|| answer::failed(StatusCode::INTERNAL_SERVER_ERROR, "the effect book cannot be written"))
}

/// Runs what ends with an fsync on a thread where it keeps no other task waiting.
async fn on_disk<T: Send + 'static>(
    world: &Arc<World>,
    write: impl FnOnce(&World) -> Result<T, BookError> + Send + 'static,
) -> Option<T> {
    let writing = Arc::clone(world);
    let written = tokio::task::spawn_blocking(move || write(&writing)).await.ok()?;
    written.inspect_err(|error| tracing::error!(error = error as &dyn std::error::Error, "no effect was applied")).ok()
}

fn is_read(operation: &Operation) -> bool {
    operation == &operation::CHECK_AVAILABILITY || operation == &operation::CHECK_CONTRACT
}

fn read(operation: &Operation) -> Reply {
    let body =
        if operation == &operation::CHECK_CONTRACT { json!({"status": "signed"}) } else { json!({"available": true}) };
    Reply::Json(StatusCode::OK, body)
}

fn visible_from(lookup_after: Option<Duration>) -> Option<Instant> {
    lookup_after.map(|delay| Instant::now() + delay)
}
