//! Whether the fleet works, stops or is over, for everything that has to know; and the count of tasks in hand.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use fallout_core::evidence::Evidence;
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::shares::Seat;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Working,
    /// Begun work is finished, nothing is begun.
    Stopping,
    /// The drain has ended: nobody waits for anything any more.
    Over,
}

#[derive(Debug)]
pub(crate) struct Life {
    stage: watch::Sender<Stage>,
    in_hand: AtomicUsize,
    given_back: AtomicUsize,
}

impl Life {
    pub fn new() -> Arc<Self> {
        Arc::new(Life {
            stage: watch::Sender::new(Stage::Working),
            in_hand: AtomicUsize::new(0),
            given_back: AtomicUsize::new(0),
        })
    }

    pub fn enter(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }

    pub fn is_stopping(&self) -> bool {
        *self.stage.borrow() >= Stage::Stopping
    }

    pub async fn over(&self) {
        // The sender lives in `self`, so the wait can only end by reaching the stage.
        let _ = self.stage.subscribe().wait_for(|stage| *stage == Stage::Over).await;
    }

    pub fn in_hand(&self) -> usize {
        self.in_hand.load(Ordering::SeqCst)
    }

    pub fn given_back(&self) -> usize {
        self.given_back.load(Ordering::SeqCst)
    }

    pub fn count_given_back(&self) {
        self.given_back.fetch_add(1, Ordering::SeqCst);
    }
}

/// The place of one task in the fleet: its permit, its seat and its count, given up on every path by being dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    life: Arc<Life>,
    _permit: OwnedSemaphorePermit,
    /// `None` for a task of a topic that is not ours.
    seat: Option<Seat>,
}

impl Slot {
    pub fn new(life: &Arc<Life>, permit: OwnedSemaphorePermit, seat: Option<Seat>) -> Self {
        life.in_hand.fetch_add(1, Ordering::SeqCst);
        Slot { life: Arc::clone(life), _permit: permit, seat }
    }

    /// How the exchange of its task ended.
    pub fn heard(&self, evidence: &Evidence) {
        if let Some(seat) = &self.seat {
            seat.heard(evidence);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.life.in_hand.fetch_sub(1, Ordering::SeqCst);
    }
}
