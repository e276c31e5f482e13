//! The delay before another try: exponential, capped, with jitter, and a pure function of its seed.

use crate::operation::Retry;

/// Milliseconds before try number `tries + 1`, after `tries` have ended without effect. Doubles from `first_delay_ms`
/// to `max_delay_ms`; the jitter takes away up to half, so that tasks which failed together do not come back together,
/// and the cap holds. `seed` is anything stable of the attempt, its id for example.
pub fn delay_ms(retry: &Retry, tries: u32, seed: u128) -> u64 {
    let first = u64::from(retry.first_delay_ms.max(1));
    let cap = u64::from(retry.max_delay_ms).max(first);
    let full = first.saturating_mul(1 << tries.saturating_sub(1).min(31)).min(cap);
    full - (mix(seed) % 1_000) * (full / 2) / 1_000
}

/// Spreads a seed whose low bits may be alike (SplitMix64's finaliser).
fn mix(seed: u128) -> u64 {
    let mut z = (seed as u64) ^ ((seed >> 64) as u64);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_delay_never_passes_its_cap_and_never_falls_below_half_of_the_full_step(tries in 1u32..60, seed: u128, first in 1u32..5_000, max in 1u32..600_000) {
            let retry = Retry { attempts: 3, first_delay_ms: first, max_delay_ms: max };
            let cap = u64::from(max.max(first));
            let full = (u64::from(first) << (tries - 1).min(31)).min(cap);
            let delay = delay_ms(&retry, tries, seed);
            prop_assert!(delay <= cap && delay >= full / 2, "{delay} of {full}");
        }
    }

    #[test]
    fn tasks_that_failed_together_come_back_apart() {
        let retry = Retry { attempts: 3, first_delay_ms: 1_000, max_delay_ms: 60_000 };
        let delays: std::collections::BTreeSet<u64> = (0..50).map(|seed| delay_ms(&retry, 3, seed)).collect();
        assert!(delays.len() > 40, "{delays:?}");
    }
}
