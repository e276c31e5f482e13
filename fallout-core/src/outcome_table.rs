//! What each exchange means for a read, for a request with a key and for one without: every row of outcome_rows.rs, which
//! is compared with docs/OUTCOMES.md, so that neither can change alone.

use serde_json::json;

use super::*;
use crate::{
    decide::{Catches, Situation, Verdict, decide},
    fixtures::{at, attempt, keyed, read_only, unkeyed, with_lookup},
};
use rows::*;

#[path = "outcome_rows.rs"]
mod rows;

const DOCUMENT: &str = include_str!("../../docs/OUTCOMES.md");

fn columns(declared: fn(&mut Operation)) -> [Operation; 3] {
    [read_only(), keyed(), unkeyed()].map(|mut op| {
        declared(&mut op);
        op
    })
}

fn letter(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Success { .. } => S,
        Outcome::Business { .. } => B,
        Outcome::Technical { .. } => T,
        Outcome::Defect { .. } => D,
        Outcome::Pending => P,
        Outcome::Unknown { .. } => U,
        Outcome::Replayable { .. } => UK,
    }
}

/// As the fleet does it: the success answer is read by the operation's own pointers.
fn classified(op: &Operation, evidence: &Evidence, earlier_unknown: bool) -> Outcome {
    let read = match &evidence.phase {
        Phase::Answered { body, .. } => op.read_outputs(body.json()),
        _ => Err("an answer".into()),
    };
    classify(op, evidence, &read, earlier_unknown)
}

fn check(row: &Row, evidence: &Evidence) {
    let said = columns(row.declared).map(|op| letter(&classified(&op, evidence, row.earlier_unknown)));
    assert_eq!(said, row.expected, "row {}: {evidence:?}", row.id);
}

#[test]
fn every_row_means_what_the_table_says_in_every_column() {
    for row in rows() {
        row.exchanges.iter().for_each(|evidence| check(&row, evidence));
    }
}

#[test]
fn an_accepted_effect_without_a_result_at_its_deadline_is_unknown_and_never_sent_again() {
    let catches = Catches::All;
    let situation = Situation { epoch: 0, catches: &catches, handled: &[], now: at(60) };
    let mut pending = attempt(1, Outcome::Pending);
    pending.callback_deadline = Some(at(60));
    for mut op in [keyed(), unkeyed()] {
        declare_accepted(&mut op);
        let attempts = [pending.clone()];
        assert!(matches!(decide(&op, &attempts, &situation), Some(Verdict::Park { .. })));
        let op = with_lookup(op);
        assert_eq!(decide(&op, &attempts, &situation), Some(Verdict::LookUpAfter { delay_ms: 0 }));
    }
}

#[test]
fn the_document_holds_the_same_rows_with_the_same_letters_in_the_same_order() {
    let data: Vec<String> = rows().iter().map(|r| format!("{} {}", r.id, r.expected.join(" "))).collect();
    assert_eq!(documented(), data);
}

/// `id letter letter letter` of each table line: `| id | what was seen | read | key | no key | why |`.
fn documented() -> Vec<String> {
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let starts_with_digit = |id: &str| id.starts_with(|c: char| c.is_ascii_digit());
    let table = DOCUMENT.lines().filter(|l| l.starts_with('|')).map(cells).filter(|c| starts_with_digit(&c[1]));
    table.map(|c| [&c[1], &c[3], &c[4], &c[5]].map(String::as_str).join(" ")).collect()
}

#[test]
fn every_class_of_outcome_is_explained_in_the_document() {
    for class in [S, B, T, D, P, U, UK] {
        let explained = DOCUMENT.lines().any(|line| line.starts_with(&format!("| **{class}** |")));
        assert!(explained, "docs/OUTCOMES.md does not explain {class}");
    }
}

#[test]
fn a_refusal_that_names_a_time_hands_it_on() {
    let asked = |status| Evidence { retry_after_ms: Some(7_000), ..empty(status) };
    for (op, status) in [(unkeyed(), 429), (keyed(), 425), (read_only(), 503)] {
        let outcome = classified(&op, &asked(status), false);
        assert!(matches!(outcome, Outcome::Technical { retry_after_ms: Some(7_000), .. }), "{outcome:?}");
    }
}

#[test]
fn a_rejection_carries_our_classification_and_the_words_of_the_downstream() {
    let body = json!({"code": "NO_STOCK", "message": "none left in Graz"});
    let message = "none left in Graz".to_owned();
    let expected = Outcome::Business { code: "PRODUCT_NOT_AVAILABLE".into(), classification: None, message };
    assert_eq!(classified(&keyed(), &answer(422, body), false), expected);
}

#[test]
fn a_defect_names_the_code_that_nobody_knows() {
    let Outcome::Defect { reason } = classified(&keyed(), &answer(400, json!({"code": "NEW_ONE"})), false) else {
        panic!("not a defect")
    };
    assert!(reason.contains("HTTP 400 NEW_ONE"), "{reason}");
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    fn evidence() -> impl Strategy<Value = Evidence> {
        let body = prop_oneof![
            Just(Body::Empty),
            Just(Body::Cut),
            Just(Body::TooLong),
            Just(Body::Text("no".into())),
            Just(Body::Json(json!({"id": "r-1"}))),
            Just(Body::Json(rejection())),
        ];
        let answered = (0u16..1_000, body, any::<bool>()).prop_map(|(status, body, request_sent)| Phase::Answered {
            status,
            body,
            request_sent,
        });
        prop_oneof![Just(Phase::BodyPartlySent), Just(Phase::Sent), Just(Phase::Unproven), answered]
            .prop_map(Evidence::of)
    }

    proptest! {
        #[test]
        fn a_key_changes_how_an_unknown_is_asked_about_but_never_what_is_proven(evidence in evidence(), earlier: bool) {
            let [_, with_key, without] = columns(|_| {}).map(|op| classified(&op, &evidence, earlier));
            prop_assert_eq!(with_key.is_definite(), without.is_definite());
            prop_assert_ne!(letter(&without), UK);
        }

        #[test]
        fn a_read_is_never_unknown(evidence in evidence(), earlier: bool) {
            prop_assert!(classified(&read_only(), &evidence, earlier).is_definite());
        }

        #[test]
        fn only_a_complete_2xx_or_303_with_its_outputs_is_a_success(evidence in evidence(), earlier: bool) {
            if let Outcome::Success { outputs } = classified(&keyed(), &evidence, earlier) {
                let Phase::Answered { status, body, .. } = &evidence.phase else { panic!("no answer") };
                prop_assert!((200..300).contains(status) && *status != 202 || *status == 303);
                prop_assert!(matches!(body, Body::Json(_)) && outputs.contains_key("id"));
            }
        }
    }
}
