//! What is allowed in an operation and will cost someone: said by `fallout operation check`, never refused.

use crate::{
    check::{Finding, Findings},
    operation::{Kind, Lookup, On503, Operation},
};

impl Operation {
    /// What its owner should know before it runs. Of use only when it has no problems.
    pub fn warnings(&self) -> Vec<Finding> {
        let mut found = Findings::default();
        if self.kind == Kind::Read {
            return found.0;
        }
        let keyed = self.idempotency.retention_s();
        match &self.lookup {
            Some(lookup) => looked_up(self, lookup, &mut found),
            None => unasked(self, keyed.is_some(), &mut found),
        }
        if let Some(retention_s) = keyed {
            retention(self, retention_s, &mut found);
        }
        found.add_if(
            self.answers.business.is_empty(),
            "answers.business",
            "no rejection is known, so every refusal parks as a defect",
            "list the downstream's codes that say no for a reason of business",
        );
        found.0
    }

    /// From the first byte of the first attempt to the last byte of the last, when every try of one epoch is used up.
    pub fn retry_horizon_ms(&self) -> u64 {
        let tries = u64::from(self.retry.attempts);
        let one = u64::from(self.timeouts.send_within_ms) + u64::from(self.timeouts.total_ms);
        let first = u64::from(self.retry.first_delay_ms.max(1));
        let cap = u64::from(self.retry.max_delay_ms).max(first);
        let doubling = std::iter::successors(Some(first), |delay| Some(delay.saturating_mul(2).min(cap)));
        // After 40 doublings every delay is the cap.
        let grown: u64 = doubling.take((tries.saturating_sub(1) as usize).min(40)).sum();
        tries * one + grown + cap * tries.saturating_sub(41)
    }
}

fn unasked(op: &Operation, keyed: bool, found: &mut Findings) {
    let what = "neither a key nor a lookup: an unknown outcome will always need a person";
    let next = "ask the downstream for an idempotency key or for a way to find our reference";
    found.add_if(!keyed, "lookup", what, next);
    let what = "a replay is the only way to ask: once its tries or the key's retention are used up, a person has to";
    found.add_if(keyed, "lookup", what, "ask the downstream for a way to find our reference");
    let what = "without a lookup every 503 is an unknown outcome, also those of a restart";
    let next = "ask the owner whether only the system itself answers 503, before it begins anything";
    found.add_if(op.answers.on_503 == On503::Unknown, "answers.on_503", what, next);
}

fn looked_up(op: &Operation, lookup: &Lookup, found: &mut Findings) {
    let Some(late_ms) = lookup.max_late_arrival_ms else {
        let what = "nothing bounds a late arrival, so \"not found\" never proves absence: every effect that did not \
                    happen needs a person";
        let next = "ask the owner how long a request may lie in queues and proxies before it takes effect";
        return found.add_if(true, "lookup.max_late_arrival_ms", what, next);
    };
    let what = format!(
        "is below timeouts.total_ms ({}); for so long our own kernel may go on delivering after we gave up",
        op.timeouts.total_ms
    );
    found.add_if(late_ms < op.timeouts.total_ms, "lookup.max_late_arrival_ms", what, "raise it");
}

fn retention(op: &Operation, retention_s: u32, found: &mut Findings) {
    // A tenth of the retention is margin, see `decide::key_is_kept`.
    let kept_ms = u64::from(retention_s) * 900;
    let horizon_ms = op.retry_horizon_ms();
    let what = format!(
        "the key counts as kept for {} s, and all tries can take {} s: the last ones would find it forgotten",
        kept_ms / 1_000,
        horizon_ms / 1_000
    );
    found.add_if(kept_ms < horizon_ms, "idempotency", what, "have the key kept longer, or try less long");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixtures::{keyed, read_only, unkeyed, with_lookup},
        operation::{Idempotency, Retry},
    };

    /// Exactly these fields are warned about.
    fn check(op: Operation, change: fn(&mut Operation), expected: &[&str]) {
        let mut op = op;
        change(&mut op);
        let fields: Vec<_> = op.warnings().iter().map(|finding| finding.field).collect();
        assert_eq!(fields, expected, "{:?}", op.warnings());
    }

    fn good() -> Operation {
        let mut op = with_lookup(keyed());
        op.timeouts.total_ms = 2_000;
        op
    }

    #[test]
    fn what_can_be_asked_about_has_nothing_to_warn_of_and_a_read_never_has() {
        check(good(), |_| {}, &[]);
        check(read_only(), |_| {}, &[]);
    }

    #[test]
    fn what_will_need_a_person_is_said_before_it_does() {
        check(unkeyed(), |_| {}, &["lookup", "answers.on_503"]);
        assert!(unkeyed().warnings()[0].what.contains("will always need a person"));
        check(keyed(), |op| op.answers.on_503 = On503::NotProcessed, &["lookup"]);
        check(good(), |op| op.lookup.as_mut().unwrap().max_late_arrival_ms = None, &["lookup.max_late_arrival_ms"]);
        check(good(), |op| op.timeouts.total_ms = 2_001, &["lookup.max_late_arrival_ms"]);
        check(good(), |op| op.answers.business.clear(), &["answers.business"]);
    }

    #[test]
    fn a_key_that_is_forgotten_before_the_last_try_is_warned_of() {
        // Three tries of 5 + 2 s with pauses of 1 s and 2 s: 24 s, and 27 s less a tenth are 24.3.
        assert_eq!(good().retry_horizon_ms(), 24_000);
        let keep = |op: &mut Operation, retention_s| op.idempotency = Idempotency::NaturalKey { retention_s };
        let (mut enough, mut short) = (good(), good());
        keep(&mut enough, 27);
        keep(&mut short, 26);
        check(enough, |_| {}, &[]);
        check(short, |_| {}, &["idempotency"]);
    }

    #[test]
    fn the_horizon_of_many_tries_is_that_of_their_capped_delays() {
        let mut op = good();
        op.retry = Retry { attempts: 1_000, first_delay_ms: 1_000, max_delay_ms: 1_500 };
        assert_eq!(op.retry_horizon_ms(), 1_000 * 7_000 + 1_000 + 998 * 1_500);
    }
}
