//! Which order runs have ended, and at which end event: a reader of the engine's history that overlaps its windows, and a
//! slow sweep over the runs that we believe to be running, for whatever a window missed.

use chrono::{DateTime, Duration, Utc};
use fallout_camunda::{HistoricActivityQuery, HistoricInstanceQuery, HistoricProcessInstance, InstanceState};
use fallout_core::ids::RunId;
use fallout_desk::{PROCESS, Run};

use crate::{Watch, WatchError, kept_going};

/// End events of our model and what they mean for a run.
const ENDS: [(&str, &str); 2] = [("orderCompleted", "completed"), ("orderCancelled", "cancelled")];
/// History is written in transactions that end in another order than their timestamps say.
const OVERLAP: Duration = Duration::seconds(10);
/// Runs swept at a tick: a read each.
const SWEEP: i64 = 10;

#[derive(Debug, Default)]
pub(crate) struct Cursor {
    /// The latest end seen, on the engine's clock.
    seen: Option<DateTime<Utc>>,
    swept: Option<RunId>,
}

pub(crate) async fn tick(watch: &Watch, cursor: &mut Cursor) -> Result<usize, WatchError> {
    let mut ended = 0;
    if let Some(seen) = cursor.seen {
        let query = HistoricInstanceQuery {
            process_definition_key: Some(PROCESS),
            finished: Some(true),
            finished_after: Some(seen - OVERLAP),
            ..Default::default()
        };
        for instance in watch.engine.historic_process_instances(&query).await? {
            cursor.seen = cursor.seen.max(instance.end_time);
            if let Some(run) = watch.desk.run_of_instance(&instance.id).await?.filter(|r| r.state == "running") {
                ended += told(watch, &run, &instance).await?;
            }
        }
    }
    ended += sweep(watch, cursor).await?;
    Ok(ended)
}

async fn sweep(watch: &Watch, cursor: &mut Cursor) -> Result<usize, WatchError> {
    let runs = watch.desk.running(cursor.swept, SWEEP).await?;
    cursor.swept = runs.last().map(|r| r.id);
    let mut ended = 0;
    for run in runs {
        let Some(id) = run.process_instance_id.as_deref() else {
            continue;
        };
        match watch.engine.historic_process_instance(id).await? {
            Some(instance) if instance.end_time.is_some() => {
                ended += told(watch, &run, &instance).await?;
            }
            Some(instance) => cursor.seen = cursor.seen.or(Some(instance.start_time)),
            None => {
                tracing::warn!(order = run.external_id, instance = id, "the engine's history does not know this run")
            }
        }
    }
    Ok(ended)
}

/// 1 when the end was noted.
async fn told(watch: &Watch, run: &Run, instance: &HistoricProcessInstance) -> Result<usize, WatchError> {
    Ok(usize::from(kept_going("orders", &run.external_id, note(watch, run, instance).await)?))
}

async fn note(watch: &Watch, run: &Run, instance: &HistoricProcessInstance) -> Result<(), WatchError> {
    if instance.state == InstanceState::Completed {
        for (event, state) in ENDS {
            if reached(watch, &instance.id, event).await? {
                watch.desk.run_ended(run.id, state, event).await?;
                return Ok(());
            }
        }
    }
    let how = if instance.state == InstanceState::Completed { "silently" } else { "because it was deleted" };
    let case = watch.desk.ended_silently(run.id, how).await?;
    tracing::warn!(order = run.external_id, case = %case, "an order ended without reaching a named end event");
    Ok(())
}

/// Asked for by name: a large order has more end events than a page holds.
async fn reached(watch: &Watch, instance: &str, event: &str) -> Result<bool, WatchError> {
    let query = HistoricActivityQuery {
        process_instance_id: Some(instance),
        activity_id: Some(event),
        finished: Some(true),
        canceled: Some(false),
        ..Default::default()
    };
    Ok(!watch.engine.historic_activity_instances(&query).await?.is_empty())
}
