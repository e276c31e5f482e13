//! What one request and all of them together may take.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::{sync::Semaphore, time::timeout};

use crate::answer::Refused;

/// An event carries one order; a thousand items of a kilobyte each are the largest one that is taken in.
pub(crate) const BODY_MAX: usize = 1 << 20;
/// Each needs a connection of the database, which has 16 by default for everything in this process.
const AT_ONCE: usize = 12;
/// Longer than the database waits for a row (10 s) and for a connection (5 s), shorter than most senders wait.
const WHOLE: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
pub(crate) struct Limits(Arc<Semaphore>);

impl Limits {
    pub fn new() -> Self {
        Limits(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

/// Refuses at once when enough is in work: a sender's retry costs less than a queue that nobody sees. What a request has not
/// done in time is cut off; sending it again does no harm, since each counts once.
pub(crate) async fn within(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    let Ok(_permit) = limits.0.try_acquire() else {
        return Refused::later("tooBusy", "as many requests as can be are in work").into_response();
    };
    match timeout(WHOLE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refused::later("tooSlow", "it took longer than a request may").into_response(),
    }
}

/// The whole body, when it is not too large.
pub(crate) async fn whole(body: Body) -> Result<Bytes, Refused> {
    to_bytes(body, BODY_MAX).await.map_err(|error| {
        let too_large = std::error::Error::source(&error).is_some_and(|e| e.to_string().contains("limit"));
        match too_large {
            true => {
                let reason = format!("the body is larger than {BODY_MAX} bytes");
                Refused::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "tooLarge",
                    reason,
                    "send one order in an event, or fewer signals at once",
                )
            }
            false => Refused::new(StatusCode::BAD_REQUEST, "notWhole", "the body did not come whole", "send it again"),
        }
    })
}
