//! Whether a downstream is asked at all. When it fails again and again it is offline: after a pause it is knocked at, which
//! costs no step anything, and when a connection comes about one task is let through as a probe. While that fails the pauses
//! grow; a few good probes in a row bring it back.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::sign::Sign;

/// Failures in a row: fewer happen to a downstream that is well, more would spend tries of steps for nothing.
const ROW: u32 = 5;
/// Or half of so many: a farm of servers of which some are gone never fails in a row.
const RECENT: usize = 20;
/// Short: a restart or a failover is over within seconds.
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Two probes a minute load nobody, and nobody waits longer than that for a downstream that is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// One good answer may be luck.
const GOOD_PROBES: u32 = 2;

/// What has to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Offline,
    Back { after: Duration },
}

#[derive(Debug, Default)]
pub(super) struct Breaker {
    row: u32,
    /// Whether each was a failure.
    recent: VecDeque<bool>,
    offline: Option<Offline>,
}

#[derive(Debug)]
struct Offline {
    since: Instant,
    /// No probe before it.
    until: Instant,
    /// A connection came about since the last pause.
    reached: bool,
    pauses: u32,
    good: u32,
}

impl Breaker {
    pub fn is_offline(&self) -> bool {
        self.offline.is_some()
    }

    pub fn offline_until(&self) -> Option<Instant> {
        self.offline.as_ref().map(|offline| offline.until)
    }

    /// Nobody knows whether it can be reached at all.
    pub fn wants_knock(&self) -> bool {
        self.offline.as_ref().is_some_and(|offline| !offline.reached)
    }

    /// Nobody knows how it is: knocked at and probed at once, as after a pause.
    pub fn doubt(&mut self, now: Instant) {
        self.offline = Some(Offline { since: now, until: now, reached: false, pauses: 0, good: 0 });
        (self.row, self.recent) = (0, VecDeque::new());
    }

    /// Somebody knocks now: nobody else has to before that is over.
    pub fn knocks(&mut self, until: Instant) {
        if let Some(offline) = &mut self.offline {
            offline.until = until;
        }
    }

    pub fn knocked(&mut self, now: Instant, reached: bool, jitter: f64) {
        match &mut self.offline {
            Some(offline) if reached => (offline.reached, offline.until) = (true, now),
            Some(offline) => offline.pause(now, jitter),
            None => {}
        }
    }

    pub fn heard(&mut self, now: Instant, began: Instant, sign: Sign, jitter: f64) -> Option<Change> {
        match &mut self.offline {
            None => self.watch(now, sign, jitter),
            // Under way since before the pause: it says nothing about now.
            Some(offline) if began < offline.until => None,
            Some(offline) => match sign {
                Sign::Served | Sign::Refused if offline.good + 1 == GOOD_PROBES => {
                    let after = now - offline.since;
                    *self = Breaker::default();
                    Some(Change::Back { after })
                }
                Sign::Served | Sign::Refused => {
                    offline.good += 1;
                    None
                }
                Sign::Overloaded | Sign::Away => {
                    offline.pause(now, jitter);
                    None
                }
                Sign::Nothing => None,
            },
        }
    }

    fn watch(&mut self, now: Instant, sign: Sign, jitter: f64) -> Option<Change> {
        let failed = match sign {
            Sign::Served | Sign::Refused => false,
            Sign::Away => true,
            // It answers, so it is there.
            Sign::Overloaded | Sign::Nothing => return None,
        };
        self.row = if failed { self.row + 1 } else { 0 };
        self.recent.push_back(failed);
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        let failures = self.recent.iter().filter(|failed| **failed).count();
        if self.row < ROW && failures * 2 < RECENT {
            return None;
        }
        let until = now + pause(0, jitter);
        self.offline = Some(Offline { since: now, until, reached: false, pauses: 0, good: 0 });
        Some(Change::Offline)
    }
}

impl Offline {
    fn pause(&mut self, now: Instant, jitter: f64) {
        self.pauses += 1;
        self.until = now + pause(self.pauses, jitter);
        (self.reached, self.good) = (false, 0);
    }
}

/// Doubles with each; the jitter takes away up to half.
fn pause(pauses: u32, jitter: f64) -> Duration {
    let full = FIRST_PAUSE.saturating_mul(1 << pauses.min(16)).min(LONGEST_PAUSE);
    full.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0)
}
