//! The listener of TMF622 v4: what the order's owner tells about product orders. It starts nothing.

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
};
use fallout_core::{
    order::{event_kind, read_event},
    token::TokenScope,
};
use fallout_desk::{Desk, EventTaken};
use serde_json::json;

use crate::{answer::Refused, caller::allowed, limits::whole};

/// 201 when it was applied, 200 when the same event was before. The body is read only from a caller who may send it.
pub(crate) async fn listen(
    State(desk): State<Desk>,
    Path(event): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<impl IntoResponse, Refused> {
    let caller = allowed(&desk, &headers, TokenScope::OrdersWrite).await?;
    let kind = event_kind(&event)?;
    let event = read_event(kind, &whole(body).await?)?;
    let taken = desk.order_event(&caller.tenant, &caller.name, &event).await?;
    let (status, word) = match taken {
        EventTaken::Applied => (StatusCode::CREATED, "applied"),
        EventTaken::Already => (StatusCode::OK, "already"),
    };
    tracing::debug!(event = event.id, order = event.order, kind = %kind, by = caller.name, "{word}");
    Ok((status, Json(json!({ "id": event.id, "result": word }))))
}
