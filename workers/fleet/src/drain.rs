//! The end: nothing more is fetched, what was begun is finished, what was not is given back, and it says how it ended.

use std::{fmt, time::Duration};

use fallout_camunda::EngineError;
use tokio::{
    task::{Id, JoinError},
    time::{Instant, interval, sleep_until, timeout, timeout_at},
};

use crate::{
    Ledger,
    errand::{Ask, Brought, Errand},
    life::Stage,
    rounds::Rounds,
    sweep::{end_poll, sweep_once},
};

/// For asking the engine for what a lost fetch locked: it is up, or this does not help.
const SWEEP: Duration = Duration::from_secs(5);
/// Between two requests to end what is pending: the first all but always does it.
const NUDGE: Duration = Duration::from_secs(1);

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
    let until = Instant::now() + limit;
    let life = rounds.flow.life.clone();
    let in_hand = life.in_hand();
    life.enter(Stage::Stopping);
    let lost = end_fetches(&mut rounds, until).await;
    let idle = timeout_at(until, rounds.permits.acquire_many(rounds.total)).await;
    let left = life.in_hand();
    let _ = timeout(MARKS, rounds.flow.mark_the_rest()).await;
    life.enter(Stage::Over);
    if idle.is_err() {
        tracing::warn!("{left} tasks are left: their time to finish is over");
    }
    let not_begun = life.given_back();
    let mut swept = 0;
    for ask in &lost {
        let given_back = timeout(SWEEP, sweep_once(&rounds.flow, &ask.worker_id)).await;
        swept += given_back.ok().flatten().unwrap_or(0);
    }
    Drained { finished: in_hand.saturating_sub(left + not_begun), given_back: not_begun + swept, left }
}

/// Sees every fetch to its end: a poll that is merely dropped goes on at the engine and locks tasks for nobody. The fetches
/// whose answer did not come; their tasks are swept.
async fn end_fetches<L: Ledger>(rounds: &mut Rounds<L>, until: Instant) -> Vec<Ask> {
    let mut lost = Vec::new();
    let mut nudge = interval(NUDGE);
    while is_pending(rounds, !lost.is_empty()) {
        tokio::select! {
            Some(done) = rounds.errands.join_next_with_id() => lost.extend(ended(rounds, done)),
            _ = nudge.tick() => match timeout_at(until, nudged(rounds)).await {
                Ok(true) => {}
                Ok(false) | Err(_) => break,
            },
            () = sleep_until(until) => {
                tracing::warn!("a poll is still pending at the engine; a task that it locks comes back when its lock is over");
                break;
            }
        }
    }
    rounds.errands.shutdown().await;
    lost.extend(rounds.under_way.values().filter_map(fetch).cloned());
    lost
}

/// A fetch that was not answered before is over at the latest with its poll; at once where the engine ended another for us.
fn is_pending<L: Ledger>(rounds: &Rounds<L>, ends_polls: bool) -> bool {
    let pending = |errand: &Errand| fetch(errand).is_some() && !(ends_polls && matches!(errand, Errand::Sweep(_)));
    rounds.under_way.values().any(pending)
}

/// The fetch, when it ended without tasks to hand back.
fn ended<L: Ledger>(rounds: &mut Rounds<L>, done: Result<(Id, Brought), JoinError>) -> Option<Ask> {
    let (id, brought) = done.map_or_else(|error| (error.id(), None), |(id, brought)| (id, Some(brought)));
    let ask = match rounds.under_way.remove(&id)? {
        Errand::Standing(ask) | Errand::Extra(ask) => ask,
        Errand::Sweep(_) | Errand::Ready => return None,
    };
    match brought {
        Some(Brought::Tasks(Ok(tasks), permits)) => {
            rounds.fetched(&ask, Ok(tasks), permits);
            None
        }
        _ => Some(ask),
    }
}

/// Asks the engine to end what is still pending; again and again, since a poll that it has only just received is missed.
/// False when the engine is away: then nothing of ours is pending there, or nothing can be done about it.
async fn nudged<L: Ledger>(rounds: &Rounds<L>) -> bool {
    for ask in rounds.under_way.values().filter_map(fetch) {
        if let Err(EngineError::Away { .. }) = end_poll(&rounds.flow, &ask.worker_id).await {
            return false;
        }
    }
    true
}

fn fetch(errand: &Errand) -> Option<&Ask> {
    match errand {
        Errand::Sweep(ask) => Some(ask),
        other => other.fetch(),
    }
}
