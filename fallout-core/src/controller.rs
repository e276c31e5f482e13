//! How a controller gets on, as people see it: what its last run met, and how far it is behind.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::words::words;

words! {
    /// What the last run of a controller met.
    RunOutcome {
        /// Nothing was due.
        Idle = "idle",
        Worked = "worked",
        /// A server that it needs is away; it goes on by itself.
        Away = "away",
        Failed = "failed",
    }
}

/// How often a run is written down at least while nothing changes: a handful of writes a second for all controllers.
pub const WRITTEN_EVERY: Duration = Duration::from_secs(5);

/// A run as it is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub outcome: RunOutcome,
    /// What was in the way, in words.
    pub detail: Option<String>,
    /// Things done since it was written last.
    pub changed: u64,
    /// Until the next run.
    pub pause: Duration,
}

/// Whether a run is worth a write: something is new, or it was long ago. A controller that works without a pause is written
/// down seldom too, so that its bookkeeping is no part of its pace.
pub fn is_written(run: &Run, last: Option<(RunOutcome, Duration)>) -> bool {
    match last {
        None => true,
        Some((_, ago)) if ago >= WRITTEN_EVERY => true,
        Some((outcome, _)) => !run.pause.is_zero() && (run.changed > 0 || run.outcome != outcome),
    }
}

/// How long ago a word of the controller was due. A run that came in time may not have been written yet.
pub fn lag(next: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    (now - next).to_std().unwrap_or_default().saturating_sub(WRITTEN_EVERY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(outcome: RunOutcome, changed: u64, pause_s: u64) -> Run {
        Run { outcome, detail: None, changed, pause: Duration::from_secs(pause_s) }
    }

    #[test]
    fn a_run_is_written_when_something_is_new_or_it_was_long_ago() {
        use RunOutcome::{Away, Idle, Worked};
        let s = Duration::from_secs;
        let rows = [
            (run(Idle, 0, 1), None, true),
            (run(Idle, 0, 1), Some((Idle, s(4))), false),
            (run(Idle, 0, 1), Some((Idle, s(5))), true),
            (run(Idle, 3, 1), Some((Idle, s(0))), true),
            (run(Away, 0, 1), Some((Idle, s(0))), true),
            (run(Away, 0, 1), Some((Away, s(1))), false),
            // At work without a pause: the end of it is soon enough.
            (run(Worked, 9, 0), Some((Idle, s(4))), false),
            (run(Worked, 9, 0), Some((Worked, s(5))), true),
        ];
        for (run, last, written) in rows {
            assert_eq!(is_written(&run, last), written, "{run:?} after {last:?}");
        }
    }

    #[test]
    fn only_what_is_later_than_the_next_word_lags() {
        let now = DateTime::UNIX_EPOCH + Duration::from_secs(100);
        let lag_at = |next| lag(DateTime::UNIX_EPOCH + Duration::from_secs(next), now).as_secs();
        assert_eq!([lag_at(101), lag_at(100), lag_at(95), lag_at(94), lag_at(40)], [0, 0, 0, 1, 55]);
    }
}
