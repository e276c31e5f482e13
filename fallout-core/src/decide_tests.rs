//! What to do about a step: the verdict of each outcome, one situation after another.

use super::*;
use crate::{
    fixtures::{
        at, attempt, attempts, business, defect, keyed, outputs, read_only, reads, replayable, success, technical,
        unkeyed, unknown, with_lookup,
    },
    lookup::Said,
    operation::Accepted,
};

fn situation(catches: &Catches, second: i64) -> Situation<'_> {
    Situation { epoch: 0, catches, handled: &[], now: at(second) }
}

fn decided(op: &Operation, attempts: &[AttemptFacts], second: i64) -> Option<Verdict> {
    decide(op, attempts, &situation(&Catches::none(), second))
}

fn parked(classification: &str, verdict: Option<Verdict>) {
    match verdict {
        Some(Verdict::Park { classification: said, .. }) => assert_eq!(said, classification),
        other => panic!("not parked as {classification}: {other:?}"),
    }
}

fn pending(deadline: i64) -> AttemptFacts {
    AttemptFacts { callback_deadline: Some(at(deadline)), ..attempt(1, Outcome::Pending) }
}

fn accepting(op: Operation) -> Operation {
    Operation { accepted: Some(Accepted { poll_after_ms: 1_000, callback_deadline_ms: 60_000 }), ..op }
}

#[test]
fn nothing_is_decided_while_nothing_was_tried_or_a_sender_is_at_work() {
    for history in
        [attempts([]), attempts([None]), attempts([Some(technical()), None]), attempts([Some(business()), None])]
    {
        assert_eq!(decided(&keyed(), &history, 20), None, "{history:?}");
    }
}

#[test]
fn a_technical_failure_is_tried_again_until_the_budget_is_spent_and_then_parks() {
    for (tried, left) in [(1, 2), (2, 1)] {
        let verdict = decided(&keyed(), &attempts(vec![Some(technical()); tried]), 20);
        assert!(
            matches!(verdict, Some(Verdict::RetryAfter { retries_left, .. }) if retries_left == left),
            "{verdict:?}"
        );
    }
    parked(classification::RETRIES_EXHAUSTED, decided(&keyed(), &attempts(vec![Some(technical()); 3]), 20));
}

#[test]
fn a_confirmed_action_starts_a_new_budget() {
    let history = attempts(vec![Some(technical()); 3]);
    let catches = Catches::none();
    let next_epoch = Situation { epoch: 1, ..situation(&catches, 20) };
    let verdict = decide(&keyed(), &history, &next_epoch);
    assert!(matches!(verdict, Some(Verdict::RetryAfter { retries_left: 3, .. })), "{verdict:?}");
}

#[test]
fn a_longer_wait_that_the_downstream_asks_for_wins_over_our_delay_for_retries_and_replays() {
    let busy = Outcome::Technical { reason: "HTTP 429".into(), retry_after_ms: Some(90_000) };
    let retry = decided(&unkeyed(), &attempts([Some(busy.clone())]), 20);
    assert!(matches!(retry, Some(Verdict::RetryAfter { delay_ms: 90_000, .. })), "{retry:?}");
    let replay = decided(&keyed(), &attempts([Some(replayable()), Some(busy)]), 20);
    assert!(matches!(replay, Some(Verdict::ReplayAfter { delay_ms: 90_000, .. })), "{replay:?}");
    let shorter = Outcome::Technical { reason: "HTTP 429".into(), retry_after_ms: Some(1) };
    let ours = decided(&unkeyed(), &attempts([Some(shorter)]), 20);
    assert!(matches!(ours, Some(Verdict::RetryAfter { delay_ms: 500.., .. })), "{ours:?}");
}

#[test]
fn a_rejection_is_raised_only_where_it_is_caught() {
    let caught = Catches::Codes(["PRODUCT_NOT_AVAILABLE".to_owned()].into());
    let handled = ["PRODUCT_NOT_AVAILABLE".to_owned()];
    let other = ["CREDIT_CHECK_FAILED".to_owned()];
    let history = attempts([Some(business())]);
    let raised = |catches: &Catches, handled: &[String]| {
        decide(&keyed(), &history, &Situation { handled, ..situation(catches, 20) })
    };
    for catches in [&caught, &Catches::All] {
        for (codes, expected) in [(&handled, true), (&other, false)] {
            let verdict = raised(catches, codes);
            assert!(matches!(verdict, Some(Verdict::RaiseError { handled, .. }) if handled == expected), "{verdict:?}");
        }
    }
    // Handled by a caller whose model lost its catch: still never raised into nowhere.
    parked("PRODUCT_NOT_AVAILABLE", raised(&Catches::none(), &handled));
    parked("PRODUCT_NOT_AVAILABLE", raised(&Catches::Codes(other.clone().into()), &[]));
}

#[test]
fn only_a_verdict_that_parks_or_raises_what_nobody_handles_waits_for_its_case() {
    let raise = |handled| Verdict::RaiseError { code: "X".into(), message: String::new(), handled };
    let park = Verdict::Park { classification: "X".into(), reason: String::new() };
    assert!(park.needs_case() && raise(false).needs_case());
    assert!(!raise(true).needs_case() && !Verdict::Complete { outputs: outputs() }.needs_case());
}

#[test]
fn a_defect_parks_at_once() {
    parked(classification::DEFECT, decided(&keyed(), &attempts([Some(defect())]), 20));
}

#[test]
fn a_later_technical_failure_or_defect_clears_no_earlier_unknown() {
    for later in [technical(), defect()] {
        parked(classification::OUTCOME_UNKNOWN, decided(&unkeyed(), &attempts([Some(unknown()), Some(later)]), 20));
    }
}

#[test]
fn a_definite_answer_about_the_same_key_clears_an_earlier_unknown() {
    let found = decided(&keyed(), &attempts([Some(replayable()), Some(success())]), 20);
    assert_eq!(found, Some(Verdict::Complete { outputs: outputs() }));
    parked("PRODUCT_NOT_AVAILABLE", decided(&keyed(), &attempts([Some(replayable()), Some(business())]), 20));
}

#[test]
fn a_rejection_says_nothing_about_a_later_attempt() {
    parked(classification::OUTCOME_UNKNOWN, decided(&unkeyed(), &attempts([Some(business()), Some(unknown())]), 20));
}

#[test]
fn an_unknown_is_looked_up_where_there_is_a_lookup_and_replayed_only_where_there_is_none() {
    let history = attempts([Some(replayable())]);
    assert_eq!(decided(&with_lookup(keyed()), &history, 20), Some(Verdict::LookUpAfter { delay_ms: 0 }));
    assert!(matches!(decided(&keyed(), &history, 20), Some(Verdict::ReplayAfter { retries_left: 2, .. })));
    parked(classification::OUTCOME_UNKNOWN, decided(&keyed(), &attempts([Some(unknown())]), 20));
    parked(classification::OUTCOME_UNKNOWN, decided(&unkeyed(), &attempts([Some(unknown())]), 20));
}

#[test]
fn a_replay_ends_with_the_retention_of_the_first_attempt_less_a_tenth() {
    let mut history = attempts([Some(replayable()), Some(replayable())]);
    history[1].opened_at = at(800);
    assert!(matches!(decided(&keyed(), &history, 899), Some(Verdict::ReplayAfter { .. })));
    parked(classification::OUTCOME_UNKNOWN, decided(&keyed(), &history, 900));
}

#[test]
fn a_success_keeps_until_when_its_outputs_are_valid_counted_from_the_first_attempt_of_its_key() {
    let mut op = keyed();
    op.outputs.get_mut("id").unwrap().valid_for_s = Some(100);
    let mut history = attempts([Some(unknown()), Some(success())]);
    history[1].opened_at = at(50);
    let Some(Verdict::Complete { outputs }) = decided(&op, &history, 60) else { panic!("not complete") };
    assert_eq!(outputs["id"], "r-1");
    assert_eq!(crate::outputs::valid_until(&outputs, "id"), Some(at(100)));
}

#[test]
fn an_uncaught_rejection_parks_under_its_classification_where_that_is_another_than_the_error() {
    let finer =
        Outcome::Business { code: "REFUSED".into(), classification: Some("FINER".into()), message: "no".into() };
    parked("FINER", decided(&keyed(), &attempts([Some(finer.clone())]), 20));
    let raised = decide(&keyed(), &attempts([Some(finer)]), &situation(&Catches::All, 20));
    assert!(matches!(raised, Some(Verdict::RaiseError { code, .. }) if code == "REFUSED"));
}

#[test]
fn replays_are_tries_too() {
    let exhausted = attempts(vec![Some(replayable()); 3]);
    parked(classification::OUTCOME_UNKNOWN, decided(&keyed(), &exhausted, 20));
}

#[test]
fn lookups_without_a_definite_answer_end_with_a_person() {
    let mut history = attempts([Some(unknown())]);
    let nothing = Said::Nothing { why: "HTTP 500".into() };
    history[0].reads = reads(&[(16, nothing.clone())]);
    assert_eq!(decided(&with_lookup(keyed()), &history, 16), Some(Verdict::LookUpAfter { delay_ms: 1_000 }));
    history[0].reads = reads(&[16, 17, 18, 20, 23].map(|second| (second, nothing.clone())));
    parked(classification::OUTCOME_UNKNOWN, decided(&with_lookup(keyed()), &history, 30));
}

#[test]
fn what_was_accepted_is_awaited_until_its_deadline() {
    let op = accepting(with_lookup(unkeyed()));
    let history = [pending(60)];
    assert_eq!(decided(&op, &history, 59), Some(Verdict::AwaitCallback { deadline_ms: 1_000 }));
}

#[test]
fn after_the_deadline_there_is_exactly_one_more_read_however_many_there_were() {
    let op = accepting(with_lookup(unkeyed()));
    let mut late = pending(60);
    late.reads = reads(&[10, 20, 30, 40, 50, 59].map(|second| (second, Said::InFlight)));
    assert_eq!(decided(&op, &[late.clone()], 60), Some(Verdict::LookUpAfter { delay_ms: 0 }));
    late.reads.extend(reads(&[(60, Said::NotFound)]));
    parked(classification::OUTCOME_UNKNOWN, decided(&op, &[late], 61));
}

#[test]
fn a_read_is_tried_again_and_then_parks_as_exhausted_never_as_unknown() {
    parked(classification::RETRIES_EXHAUSTED, decided(&read_only(), &attempts(vec![Some(technical()); 3]), 20));
}

#[test]
fn a_read_counts_by_what_the_engine_has_left_and_never_asks_whether_it_was_applied() {
    let none = Catches::none();
    let verdict = |outcome, left| decide_read(&read_only(), &outcome, left, 1, &situation(&none, 20));
    // Three tries: none was counted yet, then what the last report left.
    for (left, then) in [(None, 2), (Some(2), 1)] {
        let said = verdict(technical(), left);
        assert!(matches!(said, Verdict::RetryAfter { retries_left, .. } if retries_left == then), "{left:?}: {said:?}");
    }
    for left in [Some(1), Some(0)] {
        parked(classification::RETRIES_EXHAUSTED, Some(verdict(technical(), left)));
    }
    // Raised in Cockpit to more than the operation has: its own bound holds.
    assert!(matches!(verdict(technical(), Some(99)), Verdict::RetryAfter { retries_left: 2, .. }));
    assert!(matches!(verdict(unknown(), None), Verdict::RetryAfter { .. }));
    parked(classification::DEFECT, Some(verdict(defect(), None)));
    assert!(matches!(verdict(success(), Some(1)), Verdict::Complete { .. }));
}
