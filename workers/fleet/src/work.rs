//! What travels along the flow: one task in hand, how its step is performed, and what came of it.

use std::{fmt, sync::Arc, time::Duration};

use fallout_camunda::LockedTask;
use fallout_core::{
    claim::Recorded,
    decide::Verdict,
    ids::{AttemptId, CaseNumber},
    operation::Operation,
    task::TaskRef,
};
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;

use crate::{
    Handler, Ledger,
    fleet::Flow,
    life::Slot,
    lock::{AT_ONCE, Lock},
    prepare::Rendered,
};

/// One fetched task. Dropping it gives up its permit, on every path.
#[derive(Debug)]
pub(crate) struct Work {
    pub task: TaskRef,
    pub lock: Lock,
    pub performer: Arc<Performer>,
    pub slot: Slot,
}

/// How the steps of one topic are performed.
pub(crate) struct Performer {
    pub operation: Operation,
    pub handler: Arc<dyn Handler>,
}

impl fmt::Debug for Performer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Performer").field(&self.operation.name).finish()
    }
}

/// A verdict that is recorded: the only thing that may be reported.
#[derive(Clone, Debug)]
pub(crate) struct Settled {
    pub attempt: Option<AttemptId>,
    pub verdict: Verdict,
    pub case: Option<CaseNumber>,
}

impl Settled {
    /// `None` when there is nothing to report.
    pub fn from_record(attempt: AttemptId, recorded: Recorded) -> Option<Self> {
        let Recorded { verdict, case } = recorded;
        Some(Settled { attempt: Some(attempt), verdict: verdict?, case })
    }
}

impl<L: Ledger> Flow<L> {
    /// What one fetch brought: prepared together, then each task on its own.
    pub(crate) async fn take_in_hand(self: Arc<Self>, fetched: Vec<(LockedTask, Slot)>) {
        for (work, rendered) in self.prepare(fetched).await {
            let step = &work.task.step;
            let attempt = tracing::field::Empty;
            let span = tracing::info_span!("process", order = step.order, line = step.line, step = step.step, attempt);
            let flow = Arc::clone(&self);
            // Not owned by the loop that fetches: an exchange in flight is never aborted.
            tokio::spawn(async move { flow.keep_and_go(work, rendered).await }.instrument(span));
        }
    }

    /// Tasks that cannot be begun now, as a downstream went offline while they were fetched: back to the engine untouched,
    /// without spending a retry.
    pub(crate) async fn turn_away(self: Arc<Self>, tasks: Vec<(LockedTask, OwnedSemaphorePermit, Duration)>) {
        for (task, _permit, wait) in tasks {
            let lock = Lock::new(&self.engine, &self.bell, (&task.id, &task.worker_id), self.lock_duration);
            // Not for the whole of a long absence: it is not fetched meanwhile anyway, and may be another's by then.
            lock.hand_back(wait.min(self.lock_duration)).await;
        }
    }

    async fn keep_and_go(&self, work: Work, rendered: Rendered) {
        if self.life.is_stopping() {
            self.life.count_given_back();
            return work.lock.hand_back(AT_ONCE).await;
        }
        tokio::select! {
            () = self.way(&work, rendered) => {}
            never = work.lock.keep() => match never {},
        }
    }
}
