//! How one downstream is doing, as far as the calls of this process show: how many it may be asked at the same time, and
//! whether it is asked at all.
//!
//! A pure state machine: what happened, and when, is told to it; it looks at no clock. It reads `Evidence` and nothing reads
//! it back: what an exchange means for its step is never decided here.

mod breaker;
mod bucket;
mod limit;
mod pace;
mod sign;

use std::time::Duration;

use fallout_core::{decide::RETRY_AFTER_MAX_MS, evidence::Evidence};
use tokio::time::Instant;

pub use breaker::Change;
pub use bucket::Bucket;

use breaker::Breaker;
use limit::Limit;
use pace::Pace;
use sign::Sign;

/// How many tasks may be in hand, or be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    AtMost(u32),
    /// None before this time.
    NotBefore(Instant),
    /// None before somebody has knocked and it was there.
    Knock,
}

#[derive(Debug)]
pub struct Health {
    limit: Limit,
    pace: Pace,
    breaker: Breaker,
    /// It asked for patience until then (Retry-After).
    silent_until: Option<Instant>,
    held: u32,
}

impl Health {
    /// `start` calls at the same time before anything is known, and never more than `most`.
    pub fn new(start: u32, most: u32) -> Self {
        Health {
            limit: Limit::new(start, most),
            pace: Pace::default(),
            breaker: Breaker::default(),
            silent_until: None,
            held: 0,
        }
    }

    pub fn room(&self, now: Instant) -> Room {
        match self.breaker.offline_until().max(self.silent_until) {
            Some(until) if now < until => Room::NotBefore(until),
            _ if self.breaker.wants_knock() => Room::Knock,
            _ if self.breaker.is_offline() => Room::AtMost(1),
            _ => Room::AtMost(self.limit.get()),
        }
    }

    /// Tasks in hand.
    pub fn held(&self) -> u32 {
        self.held
    }

    /// One more task in hand, or how long it has to wait. A limit that sank below what a fetch was allowed to bring refuses
    /// nothing: the task is here. While the downstream is offline there is one at a time, and it is the probe.
    pub fn sit(&mut self, now: Instant) -> Result<(), Duration> {
        match self.room(now) {
            Room::NotBefore(until) => return Err(until - now),
            Room::Knock => return Err(breaker::FIRST_PAUSE),
            Room::AtMost(_) if self.breaker.is_offline() && self.held > 0 => return Err(breaker::FIRST_PAUSE),
            Room::AtMost(_) => self.held += 1,
        }
        Ok(())
    }

    pub fn leave(&mut self) {
        self.held = self.held.saturating_sub(1);
    }

    /// People said that it is back: it is asked carefully until it shows that it is.
    pub fn tries_again(&mut self, now: Instant) {
        self.limit.restart();
        self.breaker.doubt(now);
    }

    /// Somebody knocks now, which is over at the latest then.
    pub fn knocks(&mut self, until: Instant) {
        self.breaker.knocks(until);
    }

    pub fn knocked(&mut self, now: Instant, reached: bool, jitter: f64) {
        self.breaker.knocked(now, reached, jitter);
    }

    /// What a call of `operation` that ended now has shown. `jitter`, from 0 to 1, keeps processes apart that lost the same
    /// downstream.
    pub fn heard(&mut self, now: Instant, operation: &str, evidence: &Evidence, jitter: f64) -> Option<Change> {
        let took = Duration::from_millis(evidence.elapsed_ms);
        let began = now.checked_sub(took).unwrap_or(now);
        let sign = sign::of(evidence);
        match sign {
            Sign::Nothing => return None,
            // While it is offline the limit stays as it was: it says how far to go when the downstream is back.
            _ if self.breaker.is_offline() => {}
            Sign::Served => {
                let slow = self.pace.is_slow(operation, took);
                self.limit.answered(slow, self.held);
            }
            // A downstream that refuses everything is not asked less for it.
            Sign::Refused => self.limit.answered(false, self.held),
            Sign::Overloaded | Sign::Away => self.limit.overloaded(began, now),
        }
        if matches!(sign, Sign::Overloaded | Sign::Away) {
            self.be_silent(now, evidence.retry_after_ms);
        }
        let change = self.breaker.heard(now, began, sign, jitter);
        if matches!(change, Some(Change::Back { .. })) {
            self.limit.restart();
        }
        change
    }

    /// A longer silence that was asked for before holds.
    fn be_silent(&mut self, now: Instant, retry_after_ms: Option<u64>) {
        if let Some(ms) = retry_after_ms {
            let until = now + Duration::from_millis(ms.min(RETRY_AFTER_MAX_MS));
            self.silent_until = self.silent_until.max(Some(until));
        }
    }
}

#[cfg(test)]
#[path = "health/tests.rs"]
mod tests;

#[cfg(test)]
#[path = "health/properties.rs"]
mod properties;
