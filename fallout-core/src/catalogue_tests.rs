//! Each problem that the check of an operation can find: one good operation, changed in one place.

use super::*;
use crate::{
    fixtures::{keyed, read_only, unkeyed, with_lookup},
    operation::Accepted,
};

fn good() -> Operation {
    with_lookup(keyed())
}

fn problems(op: Operation) -> Vec<String> {
    let taxonomy = toml::from_str(include_str!("../../config/taxonomy.toml")).unwrap();
    Catalogue { operations: [(op.name.clone(), op)].into(), taxonomy }.check()
}

/// Exactly one problem, which says this.
fn check(op: Operation, change: fn(&mut Operation), expected: &str) {
    let mut changed = op;
    change(&mut changed);
    let found = problems(changed);
    assert!(found.len() == 1 && found[0].contains(expected), "expected only \"{expected}\", found {found:?}");
    assert!(found[0].starts_with("operation inventory.reserve: "), "{found:?}");
}

#[test]
fn good_operations_have_no_problem() {
    for op in [good(), keyed(), unkeyed(), read_only()] {
        assert_eq!(problems(op), Vec::<String>::new());
    }
}

#[test]
fn a_request_that_cannot_be_what_it_claims_is_refused() {
    check(good(), |op| op.request.path = "reservations".into(), "does not begin with /");
    check(good(), |op| op.request.method = Method::Get, "a GET cannot be an effect");
    check(read_only(), |op| op.request.method = Method::Post, "a read is a GET");
}

#[test]
fn a_name_that_the_engine_could_not_take_as_a_topic_is_refused() {
    let mut op = good();
    op.name = "n".repeat(OPERATION_CHARS_MAX);
    assert_eq!(problems(op.clone()), Vec::<String>::new());
    op.name.push('n');
    assert!(problems(op)[0].contains("topic of the engine"));
}

#[test]
fn a_key_that_does_not_travel_is_refused() {
    let natural = || {
        let mut op = good();
        op.idempotency = Idempotency::NaturalKey { retention_s: 1_000 };
        op.request.path = "/reservations/{key}".into();
        op.request.method = Method::Put;
        op
    };
    assert_eq!(problems(natural()), Vec::<String>::new());
    check(natural(), |op| op.request.path = "/reservations".into(), "needs {key} in the path");
    check(natural(), |op| op.request.method = Method::Post, "needs PUT or DELETE");
    check(good(), |op| op.idempotency = Idempotency::ClientReference { retention_s: 1_000 }, "needs {key} in the body");
}

#[test]
fn times_that_would_make_an_outcome_undecidable_are_refused() {
    check(good(), |op| op.timeouts.connect_ms = op.timeouts.total_ms, "connect_ms is not below total_ms");
    check(good(), |op| op.retry.attempts = 0, "retry.attempts is 0");
    check(good(), |op| op.retry.attempts = TRIES_MAX + 1, "retry.attempts is above");
    check(
        good(),
        |op| op.idempotency = Idempotency::KeyHeader { header: "Idempotency-Key".into(), retention_s: 19 },
        "retention_s is shorter than two attempts take",
    );
}

#[test]
fn a_business_code_that_nobody_classified_or_no_model_can_compare_is_refused() {
    check(good(), |op| drop(op.answers.business.insert("X".into(), "NEVER_HEARD_OF".into())), "no classification");
    let mut odd = good();
    odd.answers.business.insert("X".into(), "NOT,PLAIN".into());
    assert!(problems(odd).iter().any(|p| p.contains("may hold A-Z, 0-9 and _ only")));
}

#[test]
fn a_lookup_that_cannot_settle_anything_is_refused() {
    let accepted = |op: &mut Operation| op.accepted = Some(Accepted { poll_after_ms: 1, callback_deadline_ms: 2 });
    check(keyed(), accepted, "needs a lookup");
    check(with_lookup(read_only()), |_| {}, "a read needs no lookup");
    check(good(), |op| lookup_of(op).outputs.clear(), "does not give the output id");
    check(good(), |op| lookup_of(op).max_reads = 2, "max_reads is below 3");
}

#[test]
fn a_lookup_that_would_read_another_answer_as_found_is_refused() {
    check(
        good(),
        |op| lookup_of(op).not_found.equals = Some("none".into()),
        "lookup.not_found needs at and equals together",
    );
    check(
        good(),
        |op| lookup_of(op).not_found = lookup_of(op).found.clone(),
        "every answer that lookup.not_found stands for",
    );
    let any_200 = |op: &mut Operation| {
        let lookup = lookup_of(op);
        (lookup.found.at, lookup.found.equals, lookup.rejected) = (None, None, None);
    };
    check(good(), any_200, "every answer that lookup.in_flight stands for");
}

#[test]
fn everything_wrong_is_said_at_once() {
    let mut op = good();
    op.request.path = "x".into();
    op.retry.attempts = 0;
    lookup_of(&mut op).max_reads = 0;
    assert_eq!(problems(op).len(), 3);
}

fn lookup_of(op: &mut Operation) -> &mut Lookup {
    op.lookup.as_mut().unwrap()
}
