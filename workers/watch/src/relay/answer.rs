//! Telling the execution that asked for a cancellation what became of it.

use fallout_camunda::{EngineError, EventSubscriptionQuery, Variables};
use fallout_core::command::CANCEL_ANSWER_MESSAGE;
use fallout_desk::Pending;

use super::{Point, Sent, missed, pause_s};
use crate::{Watch, WatchError};

/// Read before every send: whoever does not wait any more has its answer, or is gone with its order.
pub(super) async fn send(
    watch: &Watch,
    instance: &str,
    execution: &str,
    refused: Option<&str>,
    pending: &Pending,
) -> Result<Sent, WatchError> {
    let query = EventSubscriptionQuery {
        execution_id: Some(execution),
        event_name: Some(CANCEL_ANSWER_MESSAGE),
        ..Default::default()
    };
    if watch.engine.event_subscriptions(&query).await?.is_empty() {
        return Ok(Sent::Done(Some("nobody waits for it any more".into())));
    }
    let answer = if refused.is_some() { "REFUSED" } else { "ACCEPTED" };
    let told = Variables::new().with("cancelAnswer", answer).with("cancelWhy", refused.unwrap_or_default());
    watch.point(Point::BeforeSend, pending);
    let answered = watch.engine.trigger_message(execution, CANCEL_ANSWER_MESSAGE, &told).await;
    watch.point(Point::Sent, pending);
    match answered {
        Ok(()) => Ok(Sent::Done(None)),
        Err(e @ EngineError::Away { .. }) => Err(e.into()),
        // Suspended, or another transaction was first: the next read tells.
        Err(e) => match missed(watch, instance, e.to_string()).await? {
            Sent::Missed(why) => Ok(Sent::Again(pause_s(pending.tries), why)),
            suspended => Ok(suspended),
        },
    }
}
