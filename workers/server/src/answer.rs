//! What a caller is answered: a small object, or the error body of the TM Forum APIs (TMF630: code, reason, message).

use axum::{
    Json,
    http::{HeaderName, StatusCode, header::RETRY_AFTER, header::WWW_AUTHENTICATE},
    response::{IntoResponse, Response},
};
use fallout_core::order::EventRefusal;
use fallout_desk::DeskError;
use serde_json::json;

/// Why a request was not done.
#[derive(Debug)]
pub(crate) struct Refused {
    pub status: StatusCode,
    /// A name that a program can decide on.
    pub code: &'static str,
    /// What happened.
    pub reason: String,
    /// What to do next.
    pub message: &'static str,
    header: Option<(HeaderName, &'static str)>,
}

impl Refused {
    pub fn new(status: StatusCode, code: &'static str, reason: impl Into<String>, message: &'static str) -> Self {
        Refused { status, code, reason: reason.into(), message, header: None }
    }

    /// One answer for a missing, unknown, expired and revoked token: whoever guesses learns nothing.
    pub fn unauthorized() -> Self {
        let message = "send Authorization: Bearer <token>; `fallout access token add` makes one";
        let refused = Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "no valid token came with it", message);
        Refused { header: Some((WWW_AUTHENTICATE, "Bearer")), ..refused }
    }

    /// Nothing was done, or it can be done again without harm.
    pub fn later(code: &'static str, reason: &str) -> Self {
        let refused = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, reason, "send it again a little later");
        Refused { header: Some((RETRY_AFTER, "2")), ..refused }
    }
}

impl From<EventRefusal> for Refused {
    fn from(refusal: EventRefusal) -> Self {
        let status = match &refusal {
            EventRefusal::UnknownType(_) | EventRefusal::UnknownOrder(_) => StatusCode::NOT_FOUND,
            EventRefusal::NotJson(_) | EventRefusal::Invalid { .. } | EventRefusal::InTheFuture { .. } => {
                StatusCode::BAD_REQUEST
            }
            EventRefusal::Outdated { .. } => StatusCode::CONFLICT,
        };
        Refused::new(status, refusal.name(), refusal.to_string(), refusal.next())
    }
}

impl From<DeskError> for Refused {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Event(refusal) => refusal.into(),
            DeskError::Away(_) => Refused::later("databaseAway", "the database is away"),
            other => {
                let cause = std::error::Error::source(&other).map(|c| format!(": {c}")).unwrap_or_default();
                tracing::error!("a request was not done: {other}{cause}");
                let message = "tell whoever runs Fallout; the same may be sent again";
                Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "notDone", "it could not be done here", message)
            }
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Refused { status, code, reason, message, header } = self;
        let body = json!({
            "@type": "Error", "code": code, "reason": reason, "message": message, "status": status.as_u16().to_string(),
        });
        let mut response = (status, Json(body)).into_response();
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, axum::http::HeaderValue::from_static(value));
        }
        response
    }
}
