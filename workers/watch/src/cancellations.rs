//! Orders that were asked to be cancelled in the engine, and cancelled ones that wait in `awaitUndo`: each of those is sent to
//! the undo of its latest effect, or waits for the people who do it; once none is left the order ends.

use std::collections::BTreeSet;

use fallout_camunda::{EventSubscription, EventSubscriptionQuery};
use fallout_core::command::{CANCEL_ANSWER_MESSAGE, UNDO_MESSAGE, UNDONE_MESSAGE};
use fallout_desk::AskedOutside;

use crate::{Watch, WatchError, kept_going};

/// Cancelled orders wait for people, so there may be many.
const PAGE: u32 = 200;

pub(crate) async fn tick(watch: &Watch) -> Result<usize, WatchError> {
    for asked in waiting_for(watch, CANCEL_ANSWER_MESSAGE).await? {
        let instance = asked.process_instance_id.clone().unwrap_or_default();
        kept_going("cancellations", &instance, take_up(watch, &asked).await)?;
    }
    let modelled = instances(waiting_for(watch, UNDO_MESSAGE).await?);
    for instance in instances(waiting_for(watch, UNDONE_MESSAGE).await?) {
        // Older models wait for the end alone.
        let modelled = match modelled.contains(&instance) {
            true => Some(true),
            false => waits(watch, &instance).await?,
        };
        if let Some(modelled) = modelled {
            let settled = watch.desk.settle_cancellation(&instance, modelled).await;
            kept_going("cancellations", &instance, settled)?;
        }
    }
    Ok(0)
}

/// Every execution that waits for this message.
pub(crate) async fn waiting_for(watch: &Watch, message: &str) -> Result<Vec<EventSubscription>, WatchError> {
    let mut all = Vec::new();
    for page in 0.. {
        let query = EventSubscriptionQuery {
            event_name: Some(message),
            first_result: Some(page * PAGE),
            max_results: Some(PAGE),
            ..Default::default()
        };
        let found = watch.engine.event_subscriptions(&query).await?;
        let count = found.len();
        all.extend(found);
        if count < PAGE as usize {
            break;
        }
    }
    Ok(all)
}

fn instances(waiting: Vec<EventSubscription>) -> BTreeSet<String> {
    waiting.into_iter().filter_map(|w| w.process_instance_id).collect()
}

/// Whoever asked said who they are and why with the message, as far as they did.
async fn take_up(watch: &Watch, asked: &EventSubscription) -> Result<(), WatchError> {
    let (Some(instance), Some(execution)) = (&asked.process_instance_id, &asked.execution_id) else { return Ok(()) };
    let Some(variables) = watch.engine.process_instance_variables(instance).await? else { return Ok(()) };
    let text = |name| variables.get(name).and_then(|value| value.as_text());
    let asked = AskedOutside {
        process_instance_id: instance,
        execution_id: execution,
        by: text("cancelRequestedBy"),
        reason: text("cancelReason"),
    };
    Ok(watch.desk.cancel_asked(&asked).await?)
}

/// Whether one that waits can be sent to an undo, said by one read: between two it may have come or gone. `None`: it does
/// not wait.
async fn waits(watch: &Watch, instance: &str) -> Result<Option<bool>, WatchError> {
    let query = EventSubscriptionQuery { process_instance_id: Some(instance), ..Default::default() };
    let found = watch.engine.event_subscriptions(&query).await?;
    let has = |message| found.iter().any(|w| w.event_name.as_deref() == Some(message));
    Ok(has(UNDONE_MESSAGE).then(|| has(UNDO_MESSAGE)))
}
