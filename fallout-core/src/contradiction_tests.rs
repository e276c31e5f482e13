//! Late evidence against what was settled, as a table.

use serde_json::json;

use super::*;
use crate::fixtures::{attempt, business, defect, keyed, read_only, replayable, success, technical, unkeyed, unknown};

fn other_success() -> Outcome {
    Outcome::Success { outputs: Outputs::from([("id".into(), json!("r-2"))]) }
}

fn other(generation: i32, outcome: impl Into<Option<Outcome>>) -> AttemptFacts {
    AttemptFacts { generation, ..attempt(2, outcome) }
}

fn check(op: &Operation, settled: &Outcome, said: &Outcome, others: &[AttemptFacts], expected: Option<Contradiction>) {
    let found = contradiction(op, &attempt(1, settled.clone()), said, others);
    assert_eq!(found, expected, "settled {settled:?}, said {said:?}, beside {others:?}");
}

#[test]
fn an_effect_that_was_proven_absent_and_exists_is_never_passed_over() {
    for settled in [business(), technical(), defect()] {
        check(&keyed(), &settled, &success(), &[], Some(Contradiction::AppliedAfterAll));
        check(&unkeyed(), &settled, &success(), &[other(1, technical())], Some(Contradiction::AppliedAfterAll));
        check(&keyed(), &settled, &success(), &[other(1, None)], Some(Contradiction::AppliedAfterAll));
    }
}

#[test]
fn two_effects_are_two_unless_the_downstream_takes_both_requests_for_one() {
    let twice = Some(Contradiction::AppliedTwice);
    check(&keyed(), &technical(), &success(), &[other(1, success())], None);
    check(&keyed(), &technical(), &success(), &[other(1, other_success())], twice);
    check(&keyed(), &technical(), &success(), &[other(2, success())], twice);
    check(&unkeyed(), &technical(), &success(), &[other(1, success())], twice);
    check(&unkeyed(), &unknown(), &success(), &[other(1, success())], twice);
    check(&unkeyed(), &unknown(), &success(), &[other(1, technical())], None);
}

#[test]
fn what_was_proven_absent_and_is_taken_on_after_all_is_disputed() {
    let disputed = Some(Contradiction::AcceptedAfterAll);
    check(&keyed(), &technical(), &Outcome::Pending, &[], disputed);
    check(&keyed(), &technical(), &Outcome::Pending, &[other(2, success())], disputed);
    check(&keyed(), &technical(), &Outcome::Pending, &[other(1, success())], None);
    check(&keyed(), &unknown(), &Outcome::Pending, &[], None);
}

#[test]
fn an_effect_that_nobody_can_have_made_is_disputed_and_one_that_another_attempt_made_is_not() {
    for said in [business(), technical(), defect()] {
        check(&keyed(), &success(), &said, &[], Some(Contradiction::NeverApplied));
        check(&keyed(), &success(), &said, &[other(1, technical())], Some(Contradiction::NeverApplied));
        check(&keyed(), &success(), &said, &[other(2, success())], Some(Contradiction::NeverApplied));
        for outcome in [None, Some(success()), Some(unknown())] {
            check(&keyed(), &success(), &said, &[other(1, outcome)], None);
        }
    }
}

#[test]
fn outputs_that_later_steps_were_not_given_are_disputed() {
    check(&keyed(), &success(), &other_success(), &[], Some(Contradiction::OtherOutputs));
    let more = Outcome::Success { outputs: Outputs::from([("date".into(), json!("2026-01-01"))]) };
    check(&keyed(), &success(), &more, &[], None);
}

#[test]
fn what_agrees_or_proves_nothing_is_no_contradiction() {
    for (settled, said) in [(success(), success()), (technical(), defect()), (business(), technical())] {
        check(&keyed(), &settled, &said, &[], None);
    }
    for settled in [success(), technical(), business()] {
        for said in [unknown(), replayable()] {
            check(&keyed(), &settled, &said, &[], None);
        }
    }
    check(&read_only(), &technical(), &success(), &[], None);
}
