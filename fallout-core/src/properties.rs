//! What no history of attempts may lead to, whatever its order: the promises behind `decide` and `claim`, checked over
//! random histories, most of which the program never makes.

use chrono::{DateTime, Duration, Utc};
use proptest::prelude::*;

use crate::{
    attempt::AttemptFacts,
    claim::{Decision, StepFacts, decide_claim},
    decide::{Catches, Joined, Situation, Verdict, decide, join},
    fixtures::{
        action_id, at, attempts, business, defect, keyed, read_only, replayable, step, success, technical, unkeyed,
        unknown, with_lookup,
    },
    operation::{Accepted, Operation},
    outcome::Outcome,
    step::StepState,
};

/// The retention of the fixtures' key.
const KEPT: Duration = Duration::seconds(1_000);
static NOTHING_CAUGHT: Catches = Catches::Codes(std::collections::BTreeSet::new());

fn situation(second: i64) -> Situation<'static> {
    Situation { epoch: 0, catches: &NOTHING_CAUGHT, handled: &[], now: at(second) }
}

fn decided(op: &Operation, attempts: &[AttemptFacts], second: i64) -> Option<Verdict> {
    decide(op, attempts, &situation(second))
}

fn claimed(op: &Operation, step: &StepFacts, second: i64) -> Decision {
    decide_claim(op, step, None, &Situation { epoch: step.epoch, ..situation(second) })
}

fn any_outcome() -> impl Strategy<Value = Option<Outcome>> {
    let asked = (0u64..100_000).prop_map(|ms| Outcome::Technical { reason: "busy".into(), retry_after_ms: Some(ms) });
    let some = prop_oneof![
        Just(success()),
        Just(business()),
        Just(technical()),
        asked,
        Just(defect()),
        Just(Outcome::Pending),
        Just(unknown()),
        Just(replayable()),
    ];
    prop_oneof![1 => Just(None), 9 => some.prop_map(Some)]
}

prop_compose! {
    fn any_history()(raw in prop::collection::vec((any_outcome(), 0i64..1_500, 0i32..3), 0..7)) -> Vec<AttemptFacts> {
        let mut history = attempts(raw.iter().map(|(outcome, ..)| outcome.clone()));
        for (attempt, (outcome, second, epoch)) in history.iter_mut().zip(raw) {
            (attempt.opened_at, attempt.epoch) = (at(second), epoch);
            (attempt.send_before, attempt.over_at) = (at(second + 5), at(second + 15));
            attempt.callback_deadline = (outcome == Some(Outcome::Pending)).then(|| at(second + 60));
        }
        history
    }
}

fn any_operation() -> impl Strategy<Value = Operation> {
    let base = prop_oneof![Just(keyed()), Just(unkeyed()), Just(read_only())];
    (base, any::<bool>(), any::<bool>(), 1u32..5).prop_map(|(op, looks_up, accepts, tries)| {
        let mut op = if looks_up { with_lookup(op) } else { op };
        op.accepted = accepts.then_some(Accepted { poll_after_ms: 1_000, callback_deadline_ms: 60_000 });
        op.retry.attempts = tries;
        op
    })
}

prop_compose! {
    fn any_step()(
        state in prop::sample::select(StepState::ALL),
        history in any_history(),
        epoch in 0i32..4,
        gate in prop::option::of(Just(action_id(7))),
        stop in prop::option::of(Just(action_id(8))),
        order_cancelled: bool,
    ) -> StepFacts {
        StepFacts { epoch, gate, stop, order_cancelled, ..step(state, history) }
    }
}

fn has(history: &[AttemptFacts], wanted: fn(&Outcome) -> bool) -> bool {
    history.iter().any(|a| a.outcome.as_ref().is_some_and(wanted))
}

fn first_of(history: &[AttemptFacts]) -> DateTime<Utc> {
    history.iter().map(|a| a.opened_at).min().unwrap()
}

fn is_refused(attempt: &AttemptFacts) -> bool {
    matches!(attempt.outcome, Some(Outcome::Business { .. } | Outcome::Defect { .. }))
}

fn is_rejected(attempt: &AttemptFacts) -> bool {
    matches!(attempt.outcome, Some(Outcome::Business { .. }))
}

proptest! {
    #[test]
    fn a_retry_is_never_the_verdict_while_any_attempt_is_unresolved(op in any_operation(), history in any_history(), second in 0i64..2_000) {
        if let Some(Verdict::RetryAfter { .. }) = decided(&op, &history, second) {
            prop_assert!(history.iter().all(|a| !a.is_unresolved()));
        }
    }

    #[test]
    fn a_replay_is_the_verdict_only_for_a_replayable_without_a_lookup_inside_retention(op in any_operation(), history in any_history(), second in 0i64..2_000) {
        if let Some(Verdict::ReplayAfter { .. }) = decided(&op, &history, second) {
            prop_assert!(op.lookup.is_none() && op.idempotency.retention_s().is_some());
            let replayable = has(&history, |o| matches!(o, Outcome::Replayable { .. }));
            prop_assert!(replayable);
            prop_assert!(at(second) < first_of(&history) + KEPT);
        }
    }

    #[test]
    fn a_success_anywhere_completes(op in any_operation(), history in any_history(), second in 0i64..2_000) {
        let completes = matches!(decided(&op, &history, second), Some(Verdict::Complete { .. }));
        prop_assert_eq!(completes, has(&history, |o| matches!(o, Outcome::Success { .. })));
    }

    #[test]
    fn more_technical_failures_change_nothing_about_what_is_unresolved(history in any_history(), more in 1usize..4) {
        let extended: Vec<_> = history.iter().cloned().chain(attempts(vec![Some(technical()); more])).collect();
        if let Joined::Unresolved(before, _) = join(&history) {
            prop_assert!(matches!(join(&extended), Joined::Unresolved(after, _) if after == before));
        }
    }

    #[test]
    fn a_verdict_that_sends_leaves_the_engine_a_retry_and_fits_the_budget(op in any_operation(), history in any_history(), epoch in 0i32..3) {
        let verdict = decide(&op, &history, &Situation { epoch, ..situation(20) });
        if let Some(Verdict::RetryAfter { retries_left, .. } | Verdict::ReplayAfter { retries_left, .. }) = verdict {
            let spent = history.iter().filter(|a| a.epoch == epoch).count() as u32;
            prop_assert!(retries_left >= 1 && retries_left + spent == op.retry.attempts);
        }
    }

    #[test]
    fn nothing_is_raised_that_is_not_caught(op in any_operation(), history in any_history(), second in 0i64..2_000) {
        let raised = matches!(decided(&op, &history, second), Some(Verdict::RaiseError { .. }));
        prop_assert!(!raised);
    }
}

proptest! {
    #[test]
    fn nothing_is_sent_over_an_unresolved_attempt_but_a_replay_of_its_own_key(op in any_operation(), step in any_step(), second in 0i64..1_500) {
        if let Decision::Send { generation } = claimed(&op, &step, second) {
            prop_assert!(!step.attempts.iter().any(AttemptFacts::is_open));
            // A rejection answers for the key, and so for every attempt before it.
            let answered = step.attempts.iter().rposition(is_rejected).map_or(0, |n| n + 1);
            if let Some(last) = step.attempts[answered..].iter().rev().find(|a| a.is_unresolved()) {
                let replayable = matches!(last.outcome, Some(Outcome::Replayable { .. }));
                prop_assert!(replayable && op.lookup.is_none() && generation == last.generation);
                prop_assert!(op.idempotency.retention_s().is_some() && at(second) < first_of(&step.attempts) + KEPT);
            }
        }
    }

    #[test]
    fn a_generation_rises_only_over_a_rejection_or_defect_of_an_earlier_epoch(op in any_operation(), step in any_step(), second in 0i64..1_500) {
        if let Decision::Send { generation } = claimed(&op, &step, second) && generation > step.generation.max(1) {
            let refused = step.attempts.iter().rev().find(|a| is_refused(a)).unwrap();
            prop_assert!(refused.epoch < step.epoch && generation == step.generation + 1);
        }
    }

    #[test]
    fn only_a_step_that_is_neither_ended_nor_parked_may_send(op in any_operation(), step in any_step(), second in 0i64..1_500) {
        let sends = matches!(claimed(&op, &step, second), Decision::Send { .. });
        prop_assert!(!sends || !(step.state.is_ended() || step.state == StepState::Parked));
    }

    #[test]
    fn nothing_is_begun_at_a_step_that_an_action_waits_for(op in any_operation(), step in any_step(), second in 0i64..1_500) {
        let begins = matches!(claimed(&op, &step, second), Decision::Send { .. } | Decision::LookUp(_));
        prop_assert!(!(begins && step.stop.is_some()));
    }

    #[test]
    fn a_step_whose_effect_exists_never_sends(op in any_operation(), step in any_step(), second in 0i64..1_500) {
        let applied = has(&step.attempts, |o| matches!(o, Outcome::Success { .. }));
        let sends = matches!(claimed(&op, &step, second), Decision::Send { .. });
        prop_assert!(!(applied && sends));
    }
}
