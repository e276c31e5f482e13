//! The events of a tenant by cursor: for whoever has no Kafka, or wants to begin from the beginning.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
};
use fallout_core::{event::Event, token::TokenScope};
use fallout_desk::{Desk, EventsRead, Place};
use serde::Deserialize;
use serde_json::json;

use crate::{answer::Refused, caller::allowed};

/// Half a megabyte or so.
const LIMIT_MAX: i64 = 1_000;
const LIMIT: i64 = 100;

#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    /// The `next` of the answer before; without it, from the first that is kept.
    after: Option<String>,
    limit: Option<i64>,
}

/// Events in their order, and the cursor to go on with; where there are none, the same again.
pub(crate) async fn after(
    State(desk): State<Desk>,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Refused> {
    let caller = allowed(&desk, &headers, TokenScope::EventsRead).await?;
    let Query(asked) = asked.map_err(|e| {
        let message = "ask with after=CURSOR and limit=NUMBER, each once or not at all";
        Refused::new(StatusCode::BAD_REQUEST, "badQuery", e.body_text(), message)
    })?;
    let after: Option<Place> = asked.after.as_deref().map(str::parse).transpose().map_err(|_| {
        let message = "send the `next` of an answer as it came, or leave it out to begin at the beginning";
        Refused::new(StatusCode::BAD_REQUEST, "badCursor", "`after` is no cursor of ours", message)
    })?;
    let limit = asked.limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        let reason = format!("`limit` is {limit}");
        return Err(Refused::new(StatusCode::BAD_REQUEST, "badLimit", reason, "ask for 1 to 1000 events"));
    }
    let EventsRead::Page { events, next } = desk.events_of(&caller.tenant, after, limit).await? else {
        let reason = "events after this cursor were deleted, their time is over";
        let message = "compare with the worklist, then leave `after` out to go on with the oldest that is kept";
        return Err(Refused::new(StatusCode::GONE, "cursorTooOld", reason, message));
    };
    let events: Vec<_> = events.iter().map(Event::to_cloud_event).collect();
    Ok(Json(json!({ "events": events, "next": next.to_string() })))
}
