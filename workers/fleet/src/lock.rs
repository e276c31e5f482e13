//! Our hold on one fetched task: kept while it is worked on, given up exactly once.
//!
//! The engine checks the worker id and nothing else, so a lock that expired while nobody took the task still counts for a
//! report. What must not happen after its time is a first byte to a downstream, and an extension after the last word.

use std::{
    convert::Infallible,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fallout_camunda::{Engine, ReportError};
use tokio::{
    sync::Mutex as Turns,
    time::{Instant, sleep_until},
};

use crate::alarm::Bell;

/// The engine refuses zero.
pub(crate) const AT_ONCE: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(crate) struct Lock {
    engine: Engine,
    bell: Bell,
    task: String,
    worker: String,
    duration: Duration,
    held: Mutex<Held>,
    /// One call about the task at a time: an extension that overtakes a failure would stretch its retry. Holds whether
    /// the last word was said.
    turn: Turns<bool>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    until: Instant,
    lost: bool,
}

enum Extended {
    Held,
    NoAnswer,
    Over,
}

impl Lock {
    /// From when the fetch's answer came: its start may be a whole long poll earlier. The little that the answer took is
    /// covered by the first extension, and a double send by the claim.
    pub fn new(engine: &Engine, bell: &Bell, (task, worker): (&str, &str), duration: Duration) -> Self {
        Lock {
            engine: engine.clone(),
            bell: bell.clone(),
            task: task.to_owned(),
            worker: worker.to_owned(),
            duration,
            held: Mutex::new(Held { until: Instant::now() + duration, lost: false }),
            turn: Turns::new(false),
        }
    }

    /// Someone else has the task, or nobody: what is known is recorded, but not reported.
    pub fn is_lost(&self) -> bool {
        self.held().lost
    }

    /// Until when it is certainly ours.
    pub fn until(&self) -> Instant {
        self.held().until
    }

    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Extends at a third, for as long as it is polled: two extensions may fail before the lock does.
    pub async fn keep(&self) -> Infallible {
        let third = self.duration / 3;
        let mut next = self.until() - third * 2;
        loop {
            sleep_until(next).await;
            next = Instant::now()
                + match self.extend().await {
                    Extended::Held => third,
                    Extended::NoAnswer => third / 4,
                    Extended::Over => std::future::pending().await,
                };
        }
    }

    async fn extend(&self) -> Extended {
        let over = self.turn.lock().await;
        if *over {
            return Extended::Over;
        }
        let asked = Instant::now();
        match self.engine.extend_lock(&self.task, &self.worker, self.duration).await {
            Ok(()) => {
                self.held().until = asked + self.duration;
                Extended::Held
            }
            Err(ReportError::Gone | ReportError::Superseded { .. } | ReportError::Expired) => {
                self.held().lost = true;
                Extended::Over
            }
            // Nobody else can take a suspended task, and the others say nothing about who holds it: asked again soon.
            Err(
                ReportError::Suspended
                | ReportError::Retry { .. }
                | ReportError::Unknown { .. }
                | ReportError::Unauthorised { .. }
                | ReportError::Refused { .. }
                | ReportError::EngineFault { .. }
                | ReportError::CannotAdvance { .. },
            ) => Extended::NoAnswer,
        }
    }

    /// A call that ends our hold when it succeeds.
    pub async fn last(&self, call: impl Future<Output = Result<(), ReportError>>) -> Result<(), ReportError> {
        let mut over = self.turn.lock().await;
        let said = call.await;
        *over |= said.is_ok();
        said
    }

    /// Gives the task back, to be fetched again after this time; spends no retry, and only works while it is ours.
    pub async fn hand_back(&self, wait: Duration) {
        let wait = wait.max(AT_ONCE);
        match self.last(self.engine.extend_lock(&self.task, &self.worker, wait)).await {
            Ok(()) => self.bell.ring_in(wait),
            Err(error) => {
                tracing::debug!("not handed back, its lock will expire: {error}");
                self.expire();
            }
        }
    }

    /// Leaves the task as it is; it can be fetched again when the lock is over.
    pub fn expire(&self) {
        self.bell.ring_at(self.until().max(Instant::now()));
    }

    /// The engine has a retry waiting for this long: look then.
    pub fn look_again_in(&self, wait: Duration) {
        self.bell.ring_in(wait);
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
