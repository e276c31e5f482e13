//! What is under way beside the tasks in hand: fetches, and the questions that precede or follow one.

use std::time::Duration;

use fallout_camunda::{EngineError, LockedTask};
use tokio::sync::OwnedSemaphorePermit;

use crate::LedgerError;

/// One fetch.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    /// Unique per fetch.
    pub worker_id: String,
    /// Whose topics it names.
    pub lanes: Vec<usize>,
    pub most: u32,
    /// How long the engine may keep an empty answer back; `None` for an extra look.
    pub wait: Option<Duration>,
}

/// What is under way beside the tasks.
#[derive(Clone, Debug)]
pub(crate) enum Errand {
    Standing(Ask),
    Extra(Ask),
    /// Whether the ledger is back.
    Ready,
    /// What the lost answer to this fetch may have locked.
    Sweep(Ask),
}

impl Errand {
    pub fn fetch(&self) -> Option<&Ask> {
        match self {
            Errand::Standing(ask) | Errand::Extra(ask) => Some(ask),
            Errand::Ready | Errand::Sweep(_) => None,
        }
    }

    pub fn look(&self) -> Option<&Ask> {
        match self {
            Errand::Extra(ask) => Some(ask),
            Errand::Standing(_) | Errand::Ready | Errand::Sweep(_) => None,
        }
    }
}

/// What an errand brought.
#[derive(Debug)]
pub(crate) enum Brought {
    Tasks(Result<Vec<LockedTask>, EngineError>, OwnedSemaphorePermit),
    Ready(Result<(), LedgerError>),
    Swept,
}
