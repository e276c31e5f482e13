//! A task that is gone (message, cancel, Cockpit) is never fetched again, so nobody would ever report on its attempt.
//! This goes by the ledger: steps at work that were not claimed for a while are asked for in the engine; and parked ones,
//! whose recovery would meet nobody when someone has moved or deleted their token.

use fallout_core::{command::RECOVERY_MESSAGE, ids::StepKey};
use fallout_desk::Parked;

use crate::{Watch, WatchError, kept_going, place};

const BATCH: i64 = 50;

/// What stays quiet is asked for again on a later tick, never at once: so there is never more to do now.
pub(crate) async fn tick(watch: &Watch) -> Result<usize, WatchError> {
    for (step, task, instance) in watch.desk.quiet_steps(BATCH).await? {
        kept_going("gone-tasks", &step, ask(watch, step, &task, &instance).await)?;
    }
    for parked in watch.desk.parked_steps(BATCH).await? {
        kept_going("gone-tasks", &parked.step, ask_for_parked(watch, &parked).await)?;
    }
    Ok(0)
}

/// A parked step waits at its task, or behind it for the message of a recovery.
async fn ask_for_parked(watch: &Watch, parked: &Parked) -> Result<(), WatchError> {
    let Parked { step, external_task_id: task, process_instance_id: instance, at } = parked;
    let step = *step;
    if watch.engine.external_task(task).await?.is_some()
        || place::one_waiting(watch, instance, RECOVERY_MESSAGE, at.as_ref()).await?.is_some()
    {
        return Ok(watch.desk.task_seen(step).await?);
    }
    let how = match watch.engine.process_instance(instance).await? {
        None => "its process instance has ended",
        Some(_) => "its token was moved on in the engine",
    };
    Ok(watch.desk.stranded(step, task, how).await?)
}

async fn ask(watch: &Watch, step: StepKey, task: &str, instance: &str) -> Result<(), WatchError> {
    if watch.engine.external_task(task).await?.is_some() {
        return Ok(watch.desk.task_seen(step).await?);
    }
    let instance_gone = watch.engine.process_instance(instance).await?.is_none();
    Ok(watch.desk.settle_gone(step, task, instance_gone).await?)
}
