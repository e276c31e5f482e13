//! A task that is gone (message, cancel, Cockpit) is never fetched again, so nobody would ever report on its attempt.
//! This goes by the ledger: steps at work that were not claimed for a while are asked for in the engine.

use crate::{Watch, WatchError};

const BATCH: i64 = 50;

pub(crate) async fn tick(watch: &Watch) -> Result<usize, WatchError> {
    let mut settled = 0;
    for (step, task, instance) in watch.desk.quiet_steps(BATCH).await? {
        if watch.engine.external_task(&task).await?.is_some() {
            watch.desk.task_seen(step).await?;
            continue;
        }
        let instance_gone = watch.engine.process_instance(&instance).await?.is_none();
        watch.desk.settle_gone(step, &task, instance_gone).await?;
        settled += 1;
    }
    // What stays quiet is asked for again on the next tick, not at once.
    tracing::trace!(settled, "asked for quiet steps");
    Ok(0)
}
