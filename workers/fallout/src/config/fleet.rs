//! `[fleet]`: how much at once, and for how long.

use std::time::Duration;

use fallout_core::{catalogue::Catalogue, operation::Operation};
use serde::{Deserialize, Serialize};

use super::Problem;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FleetSettings {
    pub permits: u32,
    pub lock_duration_ms: u32,
    pub poll_timeout_ms: u32,
    pub drain_timeout_ms: u32,
}

impl FleetSettings {
    pub fn lock_duration(&self) -> Duration {
        Duration::from_millis(self.lock_duration_ms.into())
    }

    pub fn poll_timeout(&self) -> Duration {
        Duration::from_millis(self.poll_timeout_ms.into())
    }

    pub fn drain_timeout(&self) -> Duration {
        Duration::from_millis(self.drain_timeout_ms.into())
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let ranges = [
            // More than a thousand calls at once is another process's job.
            ("fleet.permits", self.permits, 1..=1_000),
            // Shorter, and the keeper would do nothing else; longer, and a dead process blocks its tasks for hours.
            ("fleet.lock_duration_ms", self.lock_duration_ms, 3_000..=3_600_000),
            // Shorter is polling; longer does not survive proxies.
            ("fleet.poll_timeout_ms", self.poll_timeout_ms, 1_000..=60_000),
            ("fleet.drain_timeout_ms", self.drain_timeout_ms, 1_000..=3_600_000),
        ];
        let wrong = ranges.into_iter().filter(|(_, value, range)| !range.contains(value));
        wrong
            .map(|(key, _, range)| Problem::new(key, format!("expected {} to {}", range.start(), range.end())))
            .collect()
    }

    /// What contradicts the operations that are to be performed.
    pub fn against(&self, catalogue: &Catalogue) -> Vec<Problem> {
        let Some(slowest) = catalogue.operations.values().max_by_key(|op| longest_ms(op)) else {
            return Vec::new();
        };
        let (name, ms) = (&slowest.name, longest_ms(slowest));
        let mut problems = Vec::new();
        if u64::from(self.lock_duration_ms) <= ms {
            let what = format!(
                "{} is too short: one call of {name} may take {ms} ms from its claim to its end",
                self.lock_duration_ms
            );
            problems.push(Problem::new("fleet.lock_duration_ms", what));
        }
        if u64::from(self.drain_timeout_ms) < ms {
            let what = format!("{} is too short: a call of {name} in flight may take {ms} ms", self.drain_timeout_ms);
            problems.push(Problem::new("fleet.drain_timeout_ms", what));
        }
        problems
    }
}

/// From the claim to the end of the exchange.
fn longest_ms(op: &Operation) -> u64 {
    u64::from(op.timeouts.send_within_ms) + u64::from(op.timeouts.total_ms)
}
