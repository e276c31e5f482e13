//! What every section does: takes an order in, dispatches its step, waits until the process was told; many at once.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::Result;
use fallout::roles::setup::Setup;
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep};

use super::{
    engine::Dispatcher,
    judge::{Run, judge_all},
    place::{Downstreams, REJECTED},
    tally::Tally,
};
use crate::orders::simple;

/// Far longer than any run takes; one that is not told by then is lost.
pub const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_STAND_IN: Duration = Duration::from_millis(10);
const LOOK_ENGINE: Duration = Duration::from_millis(150);

/// A new order id: all of one length, so that all requests of one operation are.
pub fn next_order() -> String {
    format!("m{:07}", next())
}

/// The id of an order that its downstream rejects.
pub fn next_rejected() -> String {
    format!("{REJECTED}{:07}", next())
}

fn next() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::SeqCst)
}

/// Takes the order in as a tenant of its own and dispatches its step; the id of its process instance.
pub async fn begin(setup: &Setup, dispatcher: &Dispatcher, order: &str, topic: &str) -> Result<String> {
    setup.desk.accept_order(order, &simple(order), 1, "").await?;
    dispatcher.dispatch(order, topic).await
}

/// Waits until the process was told, or patience is over.
pub async fn told(dispatcher: &Dispatcher, instance: &str, patience: Duration) -> Result<Option<super::judge::Told>> {
    let look = if matches!(dispatcher, Dispatcher::StandIn(_)) { LOOK_STAND_IN } else { LOOK_ENGINE };
    let end = Instant::now() + patience;
    loop {
        // An engine that was just killed answers again some day.
        match dispatcher.told(instance).await {
            Ok(Some(told)) => return Ok(Some(told)),
            Ok(None) | Err(_) if Instant::now() < end => sleep(look).await,
            other => return other,
        }
    }
}

/// Runs the jobs, `width` at a time.
pub async fn each<J, F>(jobs: Vec<J>, width: usize, run: impl Fn(J) -> F) -> Result<Vec<Run>>
where
    F: Future<Output = Result<Run>>,
{
    let runs: Vec<Result<Run>> = stream::iter(jobs).map(run).buffer_unordered(width).collect().await;
    runs.into_iter().collect()
}

/// Judges runs that are over and counts them.
pub async fn count(setup: &Setup, downstreams: &Downstreams, runs: &[Run], tally: &mut Tally) -> Result<()> {
    let found = judge_all(setup, downstreams, runs).await?;
    runs.iter().zip(&found).for_each(|(run, (found, traces))| tally.add(run, found, traces));
    Ok(())
}
