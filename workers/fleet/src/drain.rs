//! The end: nothing more is fetched, what was begun is finished, what was not is given back, and it says how it ended.

use std::{fmt, time::Duration};

use tokio::time::timeout;

use crate::{Ledger, errand::Errand, life::Stage, rounds::Rounds, sweep::sweep_once};

/// For asking the engine for what an aborted fetch locked: it is up, or this does not help.
const SWEEP: Duration = Duration::from_secs(5);

/// For marks that help people only.
const MARKS: Duration = Duration::from_secs(2);

/// How a drain ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Tasks that were in hand and came to their end.
    pub finished: usize,
    /// Fetched and not begun; anyone can fetch them again.
    pub given_back: usize,
    /// Still in hand at the timeout. Their attempts are in the ledger; their locks expire.
    pub left: usize,
}

impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} finished, {} given back, {} left", self.finished, self.given_back, self.left)
    }
}

pub(crate) async fn drain<L: Ledger>(mut rounds: Rounds<L>, limit: Duration) -> Drained {
    let life = rounds.flow.life.clone();
    let in_hand = life.in_hand();
    life.enter(Stage::Stopping);
    // Fetches that are lost with this: the engine may have locked tasks for them.
    let fetches: Vec<String> = rounds.under_way.values().filter_map(worker_id).collect();
    rounds.errands.shutdown().await;
    let idle = timeout(limit, rounds.permits.acquire_many(rounds.total)).await;
    let left = life.in_hand();
    let _ = timeout(MARKS, rounds.flow.mark_the_rest()).await;
    life.enter(Stage::Over);
    if idle.is_err() {
        tracing::warn!("{left} tasks are left: their time to finish is over");
    }
    let not_begun = life.given_back();
    let mut swept = 0;
    for worker_id in &fetches {
        let given_back = timeout(SWEEP, sweep_once(&rounds.flow, worker_id)).await;
        swept += given_back.ok().flatten().unwrap_or(0);
    }
    Drained { finished: in_hand.saturating_sub(left + not_begun), given_back: not_begun + swept, left }
}

fn worker_id(errand: &Errand) -> Option<String> {
    match errand {
        Errand::Standing(ask) | Errand::Extra(ask) => Some(ask.worker_id.clone()),
        Errand::Ready | Errand::Sweep => None,
    }
}
