//! How quickly a downstream usually answers, per operation: a long-run level near the quick end, which follows a downstream
//! that becomes quicker at once and one that becomes slower only over hundreds of calls.

use std::{collections::BTreeMap, time::Duration};

/// Weights of one answer: down in a few answers, up in hundreds, so that a queue that builds up is not taken for usual.
const DOWN: f64 = 1.0 / 8.0;
const UP: f64 = 1.0 / 256.0;
/// A queue in front of a server doubles its time before it loses requests.
const TOLERANCE: f64 = 2.0;
/// What a scheduler or a garbage collector adds; below it differences mean nothing.
const NOISE_MS: f64 = 20.0;

/// Operation → milliseconds.
#[derive(Debug, Default)]
pub(super) struct Pace(BTreeMap<String, f64>);

impl Pace {
    /// Whether this answer was slow by what was usual before it.
    pub fn is_slow(&mut self, operation: &str, took: Duration) -> bool {
        let ms = took.as_secs_f64() * 1_000.0;
        let Some(usual) = self.0.get_mut(operation) else {
            self.0.insert(operation.to_owned(), ms);
            return false;
        };
        let slow = ms > *usual * TOLERANCE + NOISE_MS;
        *usual += (ms - *usual) * if ms < *usual { DOWN } else { UP };
        slow
    }
}
