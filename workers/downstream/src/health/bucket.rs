//! No more than so many per second: a token bucket that holds one second's worth.

use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug)]
pub struct Bucket {
    per_second: f64,
    tokens: f64,
    counted_at: Instant,
}

impl Bucket {
    /// Full. `per_second` is above 0.
    pub fn new(per_second: f64, now: Instant) -> Self {
        let per_second = per_second.max(f64::MIN_POSITIVE);
        Bucket { per_second, tokens: per_second.max(1.0), counted_at: now }
    }

    /// Whole tokens.
    pub fn available(&mut self, now: Instant) -> u32 {
        self.count(now);
        self.tokens.max(0.0) as u32
    }

    /// Takes one; what is taken beyond what is there is owed.
    pub fn take(&mut self, now: Instant) {
        self.count(now);
        self.tokens -= 1.0;
    }

    /// When there are so many.
    pub fn ready_at(&self, tokens: u32) -> Instant {
        let seconds = (f64::from(tokens) - self.tokens).max(0.0) / self.per_second;
        // Rounded up: at the time itself the token has to be there.
        self.counted_at + Duration::try_from_secs_f64(seconds).unwrap_or(FAR) + Duration::from_millis(1)
    }

    fn count(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.counted_at).as_secs_f64();
        self.tokens = (self.tokens + since * self.per_second).min(self.per_second.max(1.0));
        self.counted_at = now.max(self.counted_at);
    }
}

/// Longer than any process lives, short enough for every clock.
const FAR: Duration = Duration::from_secs(365 * 24 * 3_600);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whoever_waits_for_a_token_finds_it_and_no_second_gives_more_than_allowed(
            per_second in 0.5f64..200.0, waits in prop::collection::vec(0u64..400, 1..200)
        ) {
            let start = Instant::now();
            let (mut bucket, mut now, mut taken) = (Bucket::new(per_second, start), start, 0u32);
            for wait in waits {
                now += Duration::from_millis(wait);
                if bucket.available(now) == 0 {
                    now = bucket.ready_at(1);
                }
                prop_assert!(bucket.available(now) >= 1);
                bucket.take(now);
                taken += 1;
            }
            let allowed = per_second.max(1.0) + per_second * (now - start).as_secs_f64();
            prop_assert!(f64::from(taken) <= allowed + 1e-6, "{taken} of {allowed}");
        }
    }
}
