//! Which path is which door.

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    middleware,
    response::IntoResponse,
    routing::{get, post},
};
use fallout_desk::Desk;
use serde_json::json;

use crate::{answer::Refused, events, limits, orders, signals};

/// All doors over one desk, with their limits.
pub fn router(desk: Desk) -> Router {
    Router::new()
        .route("/tmf-api/productOrderingManagement/v4/listener/{event}", post(orders::listen))
        .route("/signals", post(signals::tell))
        .route("/events", get(events::after))
        .route("/health", get(health))
        .fallback(async || nothing_here())
        .method_not_allowed_fallback(async || wrong_method())
        .layer(middleware::from_fn_with_state(limits::Limits::new(), limits::within))
        .with_state(desk)
}

/// For whoever balances load: whether requests can be done now. Tells nothing else, so it asks for no token.
async fn health(State(desk): State<Desk>) -> Result<impl IntoResponse, Refused> {
    desk.ready().await?;
    Ok(Json(json!({ "status": "up" })))
}

fn nothing_here() -> Refused {
    let message = "see docs/ORDERS.md, docs/SIGNALS.md and docs/EVENTS.md for what is where";
    Refused::new(StatusCode::NOT_FOUND, "unknownPath", "there is no such door", message)
}

fn wrong_method() -> Refused {
    let message = "events of orders are sent with POST, our own are read with GET";
    Refused::new(StatusCode::METHOD_NOT_ALLOWED, "methodNotAllowed", "this door takes another method", message)
}
