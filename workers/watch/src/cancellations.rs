//! Orders that wait in `awaitUndo`: every effect that still exists gets a case; once none is left the order ends.

use fallout_camunda::EventSubscriptionQuery;
use fallout_core::command::UNDONE_MESSAGE;

use crate::{Watch, WatchError};

pub(crate) async fn tick(watch: &Watch) -> Result<usize, WatchError> {
    let query = EventSubscriptionQuery { event_name: Some(UNDONE_MESSAGE), ..Default::default() };
    for waiting in watch.engine.event_subscriptions(&query).await? {
        if let Some(instance) = waiting.process_instance_id {
            watch.desk.settle_cancellation(&instance).await?;
        }
    }
    Ok(0)
}
