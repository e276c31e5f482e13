//! Orders that wait in `awaitUndo`: every effect that still exists gets a case; once none is left the order ends.

use fallout_camunda::EventSubscriptionQuery;
use fallout_core::command::UNDONE_MESSAGE;

use crate::{Watch, WatchError, kept_going};

/// Cancelled orders wait for people, so there may be many.
const PAGE: u32 = 200;

pub(crate) async fn tick(watch: &Watch) -> Result<usize, WatchError> {
    for page in 0.. {
        let query = EventSubscriptionQuery {
            event_name: Some(UNDONE_MESSAGE),
            first_result: Some(page * PAGE),
            max_results: Some(PAGE),
            ..Default::default()
        };
        let waiting = watch.engine.event_subscriptions(&query).await?;
        for instance in waiting.iter().filter_map(|w| w.process_instance_id.as_deref()) {
            kept_going("cancellations", &instance, watch.desk.settle_cancellation(instance).await)?;
        }
        if waiting.len() < PAGE as usize {
            break;
        }
    }
    Ok(0)
}
