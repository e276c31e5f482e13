//! When to look again. A retry that falls due does not wake a pending long poll, so whoever hands a task back says when
//! it can be fetched, and the fleet looks then.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use tokio::{
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    time::{Instant, sleep_until},
};

/// The engine counts from its own commit and compares whole milliseconds: at its time exactly is too early.
const MARGIN: Duration = Duration::from_millis(10);

/// Sets alarms; never waits.
#[derive(Clone, Debug)]
pub(crate) struct Bell(UnboundedSender<Instant>);

/// The alarms that were set: one per task handed back at most, so bounded by what the engine has.
#[derive(Debug)]
pub(crate) struct Alarms {
    set: UnboundedReceiver<Instant>,
    due: BinaryHeap<Reverse<Instant>>,
}

pub(crate) fn alarms() -> (Bell, Alarms) {
    let (sender, set) = mpsc::unbounded_channel();
    (Bell(sender), Alarms { set, due: BinaryHeap::new() })
}

impl Bell {
    pub fn ring_in(&self, wait: Duration) {
        self.ring_at(Instant::now() + wait);
    }

    pub fn ring_at(&self, at: Instant) {
        // Without a listener the fleet has stopped fetching.
        let _ = self.0.send(at + MARGIN);
    }
}

impl Alarms {
    /// Until one is due; takes all that are. May be dropped and called again at any time.
    pub async fn ring(&mut self) {
        loop {
            let next = self.next();
            tokio::select! {
                Some(at) = self.set.recv() => self.due.push(Reverse(at)),
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => return self.take_due(),
                else => std::future::pending().await,
            }
        }
    }

    /// When the next one is due.
    pub fn next(&mut self) -> Option<Instant> {
        while let Ok(at) = self.set.try_recv() {
            self.due.push(Reverse(at));
        }
        self.due.peek().map(|at| at.0)
    }

    fn take_due(&mut self) {
        let now = Instant::now();
        while self.due.peek().is_some_and(|at| at.0 <= now) {
            self.due.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn alarms_ring_in_the_order_they_fall_due_and_those_of_one_moment_once() {
        let (bell, mut alarms) = alarms();
        let start = Instant::now();
        for seconds in [5, 2, 2, 9] {
            bell.ring_in(Duration::from_secs(seconds));
        }
        for seconds in [2, 5, 9] {
            alarms.ring().await;
            assert_eq!(start.elapsed().as_secs(), seconds);
        }
        assert_eq!(alarms.next(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_alarm_set_while_waiting_rings_first() {
        let (bell, mut alarms) = alarms();
        let start = Instant::now();
        bell.ring_in(Duration::from_secs(60));
        let later = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            bell.ring_in(Duration::from_secs(3));
        });
        alarms.ring().await;
        assert_eq!(start.elapsed().as_secs(), 4);
        later.await.unwrap();
    }
}
