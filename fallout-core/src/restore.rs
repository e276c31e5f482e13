//! After a restore or a failover the ledger may lack what was written last: until a step was looked up, an effect that it
//! does not show may exist.

use chrono::{DateTime, Duration, Utc};

use crate::{
    operation::{Kind, Operation, Repetition},
    outcome::Outcome,
};

/// A declared stretch of time of which rows may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostWindow {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

/// An attempt that nobody recorded, as the ledger has to assume it.
#[derive(Clone, Debug, PartialEq)]
pub struct Assumed {
    /// The earliest it can have begun: the key's retention counts from here.
    pub opened_at: DateTime<Utc>,
    pub send_before: DateTime<Utc>,
    /// The latest it can have been at work: "not found" counts only after this.
    pub over_at: DateTime<Utc>,
    pub outcome: Outcome,
}

/// What has to be assumed before this step may send; `None` when nothing can be missing. `lost` is what may be missing of
/// its order run, `covered_to` how far an earlier assumption reaches.
pub fn assumed(op: &Operation, lost: Option<LostWindow>, covered_to: Option<DateTime<Utc>>) -> Option<Assumed> {
    let lost = lost.filter(|lost| covered_to.is_none_or(|to| to < lost.to))?;
    // A read that is made twice changes nothing.
    if op.kind == Kind::Read {
        return None;
    }
    let ms = |ms: u32| Duration::milliseconds(i64::from(ms));
    let send_before = lost.to + ms(op.timeouts.send_within_ms);
    let reason = format!("the ledger was restored; what was sent between {} and {} is not known", lost.from, lost.to);
    let outcome = match op.repetition() {
        Repetition::Recognised => Outcome::Replayable { reason },
        Repetition::Dangerous | Repetition::Harmless => Outcome::Unknown { reason },
    };
    Some(Assumed { opened_at: lost.from, send_before, over_at: send_before + ms(op.timeouts.total_ms), outcome })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        attempt::AttemptFacts,
        claim::{Decision, decide_claim},
        decide::{Catches, Situation, classification},
        fixtures::{at, attempt, keyed, read_only, reads, step, unkeyed, with_lookup},
        ids::AttemptId,
        lookup::{self, Said},
        step::StepState,
    };

    const LOST: fn() -> Option<LostWindow> = || Some(LostWindow { from: at(100), to: at(200) });

    fn as_attempt(assumed: &Assumed) -> AttemptFacts {
        AttemptFacts {
            opened_at: assumed.opened_at,
            send_before: assumed.send_before,
            over_at: assumed.over_at,
            ..attempt(9, assumed.outcome.clone())
        }
    }

    /// What a claim comes to at `second`, once the assumption stands in the ledger.
    fn claimed(op: &Operation, second: i64) -> Decision {
        let attempts = vec![as_attempt(&assumed(op, LOST(), None).unwrap())];
        let catches = Catches::none();
        let at = Situation { epoch: 0, catches: &catches, handled: &[], now: at(second) };
        decide_claim(op, &step(StepState::Running, attempts), None, &at)
    }

    #[test]
    fn nothing_is_assumed_of_a_run_that_lost_nothing_of_a_read_or_of_a_step_that_was_looked_up() {
        assert_eq!(assumed(&keyed(), None, None), None);
        assert_eq!(assumed(&read_only(), LOST(), None), None);
        assert_eq!(assumed(&keyed(), LOST(), Some(at(200))), None);
        // A later restore asks again.
        assert!(assumed(&keyed(), LOST(), Some(at(199))).is_some());
    }

    #[test]
    fn a_step_with_a_lookup_is_looked_up_before_it_is_sent() {
        assert_eq!(claimed(&with_lookup(keyed()), 300), Decision::LookUp(AttemptId(uuid::Uuid::from_u128(9))));
        assert_eq!(claimed(&with_lookup(unkeyed()), 300), Decision::LookUp(AttemptId(uuid::Uuid::from_u128(9))));
    }

    #[test]
    fn not_found_counts_only_after_the_last_byte_of_the_lost_window_can_have_arrived() {
        let op = with_lookup(keyed());
        let mut attempt = as_attempt(&assumed(&op, LOST(), None).unwrap());
        let proven = |attempt: &AttemptFacts| lookup::proves(op.lookup.as_ref().unwrap(), attempt).is_some();
        // 200, 5 to send, 10 to finish, 5 to become visible.
        attempt.reads = reads(&[(218, Said::NotFound), (219, Said::NotFound)]);
        assert!(!proven(&attempt));
        attempt.reads = reads(&[(220, Said::NotFound), (221, Said::NotFound)]);
        assert!(proven(&attempt));
    }

    #[test]
    fn without_a_lookup_a_key_is_replayed_while_it_is_kept_from_the_window_s_beginning_on() {
        assert_eq!(claimed(&keyed(), 100 + 899), Decision::Send { generation: 1 });
        assert!(matches!(claimed(&keyed(), 100 + 900), Decision::Report(_)));
    }

    #[test]
    fn an_effect_without_key_and_lookup_goes_to_a_person() {
        let Decision::Report(crate::decide::Verdict::Park { classification, reason }) = claimed(&unkeyed(), 300) else {
            panic!("it must park")
        };
        assert_eq!(classification, classification::OUTCOME_UNKNOWN);
        assert!(reason.starts_with("the ledger was restored"), "{reason}");
    }
}
