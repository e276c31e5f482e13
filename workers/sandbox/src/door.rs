//! The HTTP doors: which path of which downstream means which operation, and what a request must bring.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post, put};
use serde_json::{Value, json};

use crate::answer::{Reply, refused};
use crate::calls::{self, Call};
use crate::identity::{Identity, header};
use crate::operation::{
    ACTIVATE, AUTHORIZE, CAPTURE, CHECK_AVAILABILITY, CHECK_CONTRACT, CONNECT, CORRECT, DEACTIVATE, DEPOSIT,
    DISCONNECT, Downstream, LETTER, NOTIFY, Operation, REBASE, REFUND, RELEASE, RESERVE, REVISE, VOID, provisioning,
};
use crate::world::World;

type Doors = Router<Arc<World>>;

pub(crate) fn router(downstream: Downstream, world: Arc<World>) -> Router {
    let doors = match downstream {
        Downstream::Inventory => {
            let doors = keyed("/reservations", &RESERVE).merge(keyed("/releases", &RELEASE));
            doors.merge(read("/availability/{order}", &CHECK_AVAILABILITY))
        }
        Downstream::Contract => notifications().merge(letters()).merge(read("/contracts/{order}", &CHECK_CONTRACT)),
        Downstream::Provisioning => service_orders(),
        Downstream::Billing => named("/activations", &ACTIVATE).merge(named("/deactivations", &DEACTIVATE)),
        Downstream::Payment => {
            let money = keyed("/authorizations", &AUTHORIZE).merge(keyed("/deposits", &DEPOSIT));
            money.merge(keyed("/captures", &CAPTURE)).merge(keyed("/voids", &VOID)).merge(keyed("/refunds", &REFUND))
        }
        Downstream::Partner => keyed("/connections", &CONNECT).merge(keyed("/disconnections", &DISCONNECT)),
        Downstream::Orders => corrections(),
        Downstream::Quote => revisions().merge(baselines()),
    };
    doors
        .route("/health", get(async || Reply::Json(StatusCode::OK, json!({"status": "up"})).send().await))
        .with_state(world)
}

/// A POST whose key is the header Idempotency-Key, and its lookup.
fn keyed(path: &'static str, operation: &'static Operation) -> Doors {
    let handler = async move |State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes| {
        let key = match header(&headers, "idempotency-key") {
            Ok(key) if !key.is_empty() => key,
            _ => {
                return refused("MISSING_IDEMPOTENCY_KEY", "the header idempotency-key is missing").send().await;
            }
        };
        answer(world, &headers, &body, |_| Ok((operation, Some(key)))).await
    };
    Router::new().route(path, post(handler)).merge(lookup(operation.collection.unwrap_or_default()))
}

/// Knows no keys: each processed request is an effect.
fn notifications() -> Doors {
    let handler = async |State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes| {
        let key = header(&headers, "idempotency-key").ok().filter(|key| !key.is_empty());
        answer(world, &headers, &body, |_| Ok((&NOTIFY, key))).await
    };
    Router::new().route("/notifications", post(handler))
}

/// Finds a letter by our reference, and sends another one whenever it is asked to.
fn letters() -> Doors {
    let handler = async |State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes| {
        answer(world, &headers, &body, |body| {
            let key = body["reference"].as_str().filter(|key| !key.is_empty()).ok_or("reference: expected a text")?;
            Ok((&LETTER, Some(key.to_owned())))
        })
        .await
    };
    Router::new().route("/letters", post(handler)).merge(lookup("letters"))
}

/// The key is the client's reference inside the body.
fn service_orders() -> Doors {
    let handler = async |State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes| {
        answer(world, &headers, &body, |body| {
            let operation = body["action"]
                .as_str()
                .and_then(provisioning)
                .ok_or("action: expected add, modify, cease or cancel")?;
            let key = body["reference"].as_str().filter(|key| !key.is_empty()).ok_or("reference: expected a text")?;
            Ok((operation, Some(key.to_owned())))
        })
        .await
    };
    Router::new().route("/service-orders", post(handler)).merge(lookup("service-orders"))
}

/// The owner of orders: changes a field, when the order is at the version that the request names.
fn corrections() -> Doors {
    let handler = async |State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes| {
        answer(world, &headers, &body, |body| {
            let key = body["reference"].as_str().filter(|key| !key.is_empty()).ok_or("reference: expected a text")?;
            body["version"].as_u64().ok_or("version: expected a number")?;
            body["field"].as_str().ok_or("field: expected a text")?;
            Ok((&CORRECT, Some(key.to_owned())))
        })
        .await
    };
    Router::new().route("/product-orders/{order}/corrections", post(handler)).merge(lookup("corrections"))
}

/// Computes the price of a quote anew, at the version that the request names and up to the price that it allows.
fn revisions() -> Doors {
    let handler = async |State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes| {
        answer(world, &headers, &body, |body| {
            let key = body["reference"].as_str().filter(|key| !key.is_empty()).ok_or("reference: expected a text")?;
            body["version"].as_u64().ok_or("version: expected a number")?;
            body["price"]["value"].as_f64().ok_or("price.value: expected a number")?;
            body["limit"].as_f64().ok_or("limit: expected a number")?;
            Ok((&REVISE, Some(key.to_owned())))
        })
        .await
    };
    Router::new().route("/quotes/{quote}/revisions", post(handler)).merge(lookup("quote-revisions"))
}

/// Builds a change anew on what is installed now.
fn baselines() -> Doors {
    let handler = async |State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes| {
        answer(world, &headers, &body, |body| {
            let key = body["reference"].as_str().filter(|key| !key.is_empty()).ok_or("reference: expected a text")?;
            Ok((&REBASE, Some(key.to_owned())))
        })
        .await
    };
    Router::new().route("/product-orders/{order}/baselines", post(handler)).merge(lookup("baselines"))
}

/// The key is the name of the resource: PUT is idempotent by its nature.
fn named(path: &'static str, operation: &'static Operation) -> Doors {
    let handler =
        async move |State(world): State<Arc<World>>, Path(key): Path<String>, headers: HeaderMap, body: Bytes| {
            answer(world, &headers, &body, |_| Ok((operation, Some(key)))).await
        };
    let doors = Router::new().route(&format!("{path}/{{key}}"), put(handler));
    doors.merge(lookup(operation.collection.unwrap_or_default()))
}

fn read(path: &'static str, operation: &'static Operation) -> Doors {
    let handler = async move |State(world): State<Arc<World>>, headers: HeaderMap| {
        answer(world, &headers, b"null", |_| Ok((operation, None))).await
    };
    Router::new().route(path, get(handler))
}

/// Lookups are always served truthfully, whatever the script says, and need no identity.
fn lookup(collection: &'static str) -> Doors {
    let handler = async move |State(world): State<Arc<World>>, Path(key): Path<String>, headers: HeaderMap| {
        if let Ok(identity) = Identity::read(&headers) {
            world.looked_up(&identity);
        }
        let reply = world.records().look_up(collection, &key);
        reply.send().await
    };
    Router::new().route(&format!("/{collection}/by-reference/{{key}}"), get(handler))
}

type Meaning = (&'static Operation, Option<String>);

async fn answer(
    world: Arc<World>,
    headers: &HeaderMap,
    body: &[u8],
    meaning: impl FnOnce(&Value) -> Result<Meaning, &'static str>,
) -> Result<Response, std::convert::Infallible> {
    let call = understood(headers, body, meaning);
    match call {
        Ok(call) => calls::serve(world, call).await.send().await,
        Err(refusal) => refusal.send().await,
    }
}

fn understood(
    headers: &HeaderMap,
    body: &[u8],
    meaning: impl FnOnce(&Value) -> Result<Meaning, &'static str>,
) -> Result<Call, Reply> {
    let identity = Identity::read(headers).map_err(|what| refused("MISSING_IDENTITY", what))?;
    // An order to do something may say everything in its headers.
    let body = if body.is_empty() { b"null" } else { body };
    let body: Value = serde_json::from_slice(body).map_err(|_| refused("MALFORMED", "the body is not JSON"))?;
    let (operation, idempotency_key) = meaning(&body).map_err(|what| refused("MALFORMED", what))?;
    Ok(Call { operation, identity, idempotency_key, body })
}
