//! Waiting for something that is away: says so once, grows its pauses, says when it is back. The only place of the
//! `backoff` crate. Never around an effect: what waits here is a fetch, a write to the ledger, or a report.

use std::{fmt, time::Duration};

use backoff::{ExponentialBackoff, backoff::Backoff};

/// Short enough that a restart of a second costs a second.
const FIRST: Duration = Duration::from_millis(100);
/// Long enough that a whole fleet does not hammer what is coming up.
const LONGEST: Duration = Duration::from_secs(5);

/// The pauses of one waiting loop.
#[derive(Debug)]
pub struct Away {
    /// Who is away, as people call it: "the engine".
    whom: &'static str,
    said: bool,
    pauses: ExponentialBackoff,
}

impl Away {
    pub fn new(whom: &'static str) -> Self {
        let pauses = ExponentialBackoff {
            current_interval: FIRST,
            initial_interval: FIRST,
            max_interval: LONGEST,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        Away { whom, said: false, pauses }
    }

    /// It did not answer: how long to wait before the next try. Only the first of a row is said.
    pub fn failed(&mut self, why: &dyn fmt::Display) -> Duration {
        if !self.said {
            self.said = true;
            tracing::warn!("waiting for {}: {why}; going on by itself when it answers", self.whom);
        }
        self.pause()
    }

    /// It answered: the next absence starts with short pauses and is said again.
    pub fn answered(&mut self) {
        if std::mem::take(&mut self.said) {
            tracing::info!("{} answers again", self.whom);
        }
        self.pauses.reset();
    }

    /// The next pause, without a word.
    pub fn pause(&mut self) -> Duration {
        self.pauses.next_backoff().unwrap_or(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_cap_and_start_anew_after_an_answer() {
        let mut away = Away::new("the engine");
        let first = away.failed(&"refused");
        assert!(first < FIRST * 2, "{first:?}");
        let later = (0..50).map(|_| away.failed(&"refused")).last().unwrap();
        assert!(later > FIRST * 2 && later < LONGEST * 2, "{later:?}");
        away.answered();
        assert!(away.pause() < FIRST * 2);
    }
}
