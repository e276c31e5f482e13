//! Work that outlives the request that began it: a client that hangs up does not stop a downstream half-way, and some
//! effects come later by design. Counted, so that one can wait for the end of it; owned, so that it can be stopped.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;
use tokio::task::JoinSet;

#[derive(Debug)]
pub(crate) struct Work {
    tasks: Mutex<JoinSet<()>>,
    running: watch::Sender<usize>,
}

/// One piece of work, counted from before it is spawned until it is dropped, however it ends.
struct Counted(watch::Sender<usize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running -= 1);
    }
}

impl Work {
    pub(crate) fn new() -> Self {
        Self { tasks: Mutex::default(), running: watch::Sender::new(0) }
    }

    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.running.send_modify(|running| *running += 1);
        let counted = Counted(self.running.clone());
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {} // what has ended need not be kept
        tasks.spawn(async move {
            let _counted = counted;
            work.await;
        });
    }

    /// Waits until nothing is running.
    pub(crate) async fn drained(&self) {
        let mut running = self.running.subscribe();
        let _ = running.wait_for(|running| *running == 0).await; // the sender lives in self
    }

    pub(crate) fn abort(&self) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}
