//! Orders that wait in `awaitUndo`: each is sent to the undo of its latest effect, or waits for the people who do it; once
//! none is left the order ends.

use std::collections::BTreeSet;

use fallout_camunda::EventSubscriptionQuery;
use fallout_core::command::{UNDO_MESSAGE, UNDONE_MESSAGE};

use crate::{Watch, WatchError, kept_going};

/// Cancelled orders wait for people, so there may be many.
const PAGE: u32 = 200;

pub(crate) async fn tick(watch: &Watch) -> Result<usize, WatchError> {
    let modelled = waiting_for(watch, UNDO_MESSAGE).await?;
    for instance in waiting_for(watch, UNDONE_MESSAGE).await? {
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

/// The instances that wait for this message.
async fn waiting_for(watch: &Watch, message: &str) -> Result<BTreeSet<String>, WatchError> {
    let mut all = BTreeSet::new();
    for page in 0.. {
        let query = EventSubscriptionQuery {
            event_name: Some(message),
            first_result: Some(page * PAGE),
            max_results: Some(PAGE),
            ..Default::default()
        };
        let found = watch.engine.event_subscriptions(&query).await?;
        let count = found.len();
        all.extend(found.into_iter().filter_map(|w| w.process_instance_id));
        if count < PAGE as usize {
            break;
        }
    }
    Ok(all)
}

/// Whether one that waits can be sent to an undo, said by one read: between two it may have come or gone. `None`: it does
/// not wait.
async fn waits(watch: &Watch, instance: &str) -> Result<Option<bool>, WatchError> {
    let query = EventSubscriptionQuery { process_instance_id: Some(instance), ..Default::default() };
    let found = watch.engine.event_subscriptions(&query).await?;
    let has = |message| found.iter().any(|w| w.event_name.as_deref() == Some(message));
    Ok(has(UNDONE_MESSAGE).then(|| has(UNDO_MESSAGE)))
}
