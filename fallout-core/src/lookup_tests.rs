//! What a lookup's answer says, when it proves something, and when to ask again.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::fixtures::{at, attempt, keyed, lookup, outputs, reads, success, unknown};

/// The attempt of the fixtures is over at 15, may arrive 2 late and stay unseen for 3: from here "not found" counts.
const COUNTS_FROM: i64 = 20;

fn found() -> Said {
    Said::Found { outputs: outputs() }
}

fn rejected() -> Said {
    Said::Rejected { code: "PRODUCT_NOT_AVAILABLE".into(), classification: None, message: "sold out".into() }
}

fn nothing() -> Said {
    Said::Nothing { why: "HTTP 500".into() }
}

fn after(said: &[(i64, Said)]) -> AttemptFacts {
    AttemptFacts { reads: reads(said), ..attempt(1, unknown()) }
}

fn proven(said: &[(i64, Said)]) -> &'static str {
    proves(&lookup(), &after(said)).map_or("nothing", |outcome| outcome.word())
}

#[test]
fn an_answer_says_only_what_the_operation_declares() {
    let said = |status, body| read(&keyed(), &lookup(), status, &body);
    assert_eq!(said(200, json!({"state": "completed", "id": "r-1"})), found());
    assert_eq!(said(200, json!({"state": "inProgress"})), Said::InFlight);
    assert_eq!(said(404, json!(null)), Said::NotFound);
    let sold_out = said(200, json!({"state": "rejected", "code": "NO_STOCK"}));
    assert!(matches!(sold_out, Said::Rejected { code, .. } if code == "PRODUCT_NOT_AVAILABLE"));
}

#[test]
fn everything_undeclared_is_no_answer() {
    let answers = [
        (500, json!({"state": "completed", "id": "r-1"})),
        (200, json!({"state": "completed"})),
        (200, json!({"state": "somethingElse"})),
        (200, json!({"state": "rejected", "code": "NEW"})),
        (200, json!({"state": "rejected"})),
        (200, json!(null)),
        (410, json!({})),
    ];
    for (status, body) in answers {
        let said = read(&keyed(), &lookup(), status, &body);
        assert!(matches!(said, Said::Nothing { .. }), "{status} {body}: {said:?}");
    }
}

#[test]
fn not_found_counts_only_late_enough_and_only_twice() {
    let not_found = |seconds: &[i64]| seconds.iter().map(|s| (*s, Said::NotFound)).collect::<Vec<_>>();
    assert_eq!(proven(&not_found(&[])), "nothing");
    assert_eq!(proven(&not_found(&[16, 17, 18, 19])), "nothing");
    assert_eq!(proven(&not_found(&[19, COUNTS_FROM])), "nothing");
    assert_eq!(proven(&not_found(&[COUNTS_FROM, 21])), "technical");
}

#[test]
fn without_a_bound_on_late_arrival_absence_is_never_proven_and_reading_goes_on() {
    let unbounded = Lookup { max_late_arrival_ms: None, ..lookup() };
    let late = after(&[(1_000_000, Said::NotFound), (2_000_000, Said::NotFound)]);
    assert_eq!(proves(&unbounded, &late), None);
    assert!(proves(&lookup(), &late).is_some());
    assert_eq!(next_read(&unbounded, &after(&[(6, Said::NotFound)])), Some(at(7)));
    let found = after(&[(16, Said::NotFound), (17, found())]);
    assert_eq!(proves(&unbounded, &found), Some(success()));
}

#[test]
fn a_rejection_keeps_its_classification_where_it_is_another_than_the_error() {
    let mut op = keyed();
    let finer = Rejection { bpmn_error: "REFUSED".into(), classification: "PRODUCT_NOT_AVAILABLE".into() };
    op.answers.business.insert("NO_STOCK".into(), finer);
    let said = read(&op, &lookup(), 200, &json!({"state": "rejected", "code": "NO_STOCK"}));
    let outcome = proves(&lookup(), &after(&[(20, said)])).unwrap();
    assert!(matches!(&outcome, Outcome::Business { code, .. } if code == "REFUSED"));
    assert_eq!(outcome.classification(), Some("PRODUCT_NOT_AVAILABLE"));
}

#[test]
fn no_answer_between_two_that_count_takes_nothing_back() {
    assert_eq!(proven(&[(20, Said::NotFound), (21, nothing()), (22, Said::NotFound)]), "technical");
}

#[test]
fn in_progress_takes_back_what_was_not_found_before() {
    assert_eq!(proven(&[(20, Said::NotFound), (21, Said::NotFound), (22, Said::InFlight)]), "nothing");
    assert_eq!(proven(&[(20, Said::NotFound), (21, Said::InFlight), (22, Said::NotFound)]), "nothing");
    assert_eq!(proven(&[(20, Said::InFlight), (21, Said::NotFound), (22, Said::NotFound)]), "technical");
}

#[test]
fn found_wins_over_everything_and_rejected_over_absence() {
    assert_eq!(proven(&[(1, found())]), "success");
    assert_eq!(proven(&[(20, Said::NotFound), (21, Said::NotFound), (22, found())]), "success");
    assert_eq!(proven(&[(20, rejected()), (21, found())]), "success");
    assert_eq!(proven(&[(20, Said::NotFound), (21, rejected())]), "business");
}

#[test]
fn what_was_accepted_may_appear_until_its_deadline() {
    let mut accepted = after(&[(30, Said::NotFound), (40, Said::NotFound)]);
    accepted.callback_deadline = Some(at(60));
    assert_eq!(proves(&lookup(), &accepted), None);
    accepted.reads = reads(&[(65, Said::NotFound), (66, Said::NotFound)]);
    assert!(proves(&lookup(), &accepted).is_some_and(|outcome| outcome.is_not_applied()));
}

#[test]
fn the_first_read_is_at_once_and_those_that_prove_absence_wait_until_they_count() {
    assert_eq!(next_read(&lookup(), &after(&[])), Some(at(0)));
    assert_eq!(next_read(&lookup(), &after(&[(6, Said::NotFound)])), Some(at(COUNTS_FROM)));
    assert_eq!(next_read(&lookup(), &after(&[(6, Said::InFlight)])), Some(at(7)));
    let counting = after(&[(6, Said::NotFound), (20, Said::NotFound)]);
    assert_eq!(next_read(&lookup(), &counting), Some(at(21) + Duration::milliseconds(500)));
}

#[test]
fn the_budget_of_reads_ends() {
    let spent: Vec<_> = (16..21).map(|second| (second, nothing())).collect();
    assert!(next_read(&lookup(), &after(&spent[..4])).is_some());
    assert_eq!(next_read(&lookup(), &after(&spent)), None);
}

#[test]
fn the_pause_grows_by_half_and_never_passes_an_hour() {
    let pauses: Vec<i64> = (1..5).map(|reads| interval_ms(&lookup(), reads)).collect();
    assert_eq!(pauses, [1_000, 1_500, 2_250, 3_375]);
    assert_eq!(interval_ms(&lookup(), 1_000_000), 3_600_000);
}

fn any_said() -> impl Strategy<Value = Said> {
    prop_oneof![Just(found()), Just(Said::NotFound), Just(Said::InFlight), Just(rejected()), Just(nothing())]
}

proptest! {
    #[test]
    fn a_found_anywhere_is_a_success_and_absence_is_never_proven_with_less_than_two_late_reads(said in prop::collection::vec((0i64..60, any_said()), 0..8)) {
        let outcome = proves(&lookup(), &after(&said));
        let has_found = said.iter().any(|(_, s)| *s == found());
        prop_assert_eq!(outcome == Some(success()), has_found);
        if let Some(Outcome::Technical { .. }) = outcome {
            let late = said.iter().filter(|(second, s)| *s == Said::NotFound && *second >= COUNTS_FROM).count();
            prop_assert!(late >= 2);
            prop_assert!(said.last().is_some_and(|(_, s)| *s != Said::InFlight));
        }
    }

    #[test]
    fn the_pause_never_shrinks_and_never_passes_an_hour(reads in 0usize..10_000, interval: u32) {
        let lookup = Lookup { interval_ms: interval, ..lookup() };
        let pause = interval_ms(&lookup, reads);
        prop_assert!(pause > 0 && pause <= 3_600_000 && pause <= interval_ms(&lookup, reads + 1));
    }
}

#[test]
fn a_person_is_asked_when_the_time_is_spent_even_with_reads_left() {
    // Over at 15: reads may go on until 25.
    let patient = Lookup { max_wait_ms: Some(10_000), ..lookup() };
    assert_eq!(next_read(&patient, &after(&[(6, Said::InFlight)])), Some(at(7)));
    assert_eq!(next_read(&patient, &after(&[(6, Said::NotFound)])), Some(at(COUNTS_FROM)));
    assert_eq!(next_read(&patient, &after(&[(24, Said::InFlight)])), Some(at(25)));
    assert_eq!(next_read(&patient, &after(&[(25, Said::InFlight)])), None);
}
