//! Telling the execution that asked for a cancellation or an amendment what became of it.

use fallout_camunda::{EngineError, EventSubscriptionQuery, Variables};
use fallout_core::command::{AMEND_ANSWER_MESSAGE, CANCEL_ANSWER_MESSAGE};
use fallout_desk::Pending;

use super::{Point, Sent, missed, pause_s};
use crate::{Watch, WatchError};

/// What is told: the message, and the variables that say yes or no, and why.
#[derive(Clone, Copy, Debug)]
pub(super) struct About {
    message: &'static str,
    answer: &'static str,
    why: &'static str,
}

pub(super) const CANCEL: About = About { message: CANCEL_ANSWER_MESSAGE, answer: "cancelAnswer", why: "cancelWhy" };
pub(super) const AMEND: About = About { message: AMEND_ANSWER_MESSAGE, answer: "amendAnswer", why: "amendWhy" };

/// Read before every send: whoever does not wait any more has its answer, or is gone with its order.
pub(super) async fn send(
    watch: &Watch,
    instance: &str,
    execution: &str,
    (about, refused): (About, Option<&str>),
    pending: &Pending,
) -> Result<Sent, WatchError> {
    let query =
        EventSubscriptionQuery { execution_id: Some(execution), event_name: Some(about.message), ..Default::default() };
    if watch.engine.event_subscriptions(&query).await?.is_empty() {
        return Ok(Sent::Done(Some("nobody waits for it any more".into())));
    }
    let answer = if refused.is_some() { "REFUSED" } else { "ACCEPTED" };
    let told = Variables::new().with(about.answer, answer).with(about.why, refused.unwrap_or_default());
    watch.point(Point::BeforeSend, pending);
    let answered = watch.engine.trigger_message(execution, about.message, &told).await;
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
