//! Each problem that the check of an operation can find: one good operation, changed in one place.

use super::*;
use crate::{
    fixtures::{keyed, read_only, unkeyed, with_lookup},
    operation::{Accepted, Idempotency, Limits, Lookup, Method, PastReturn, Rejection},
    outputs::Output,
};

fn good() -> Operation {
    with_lookup(keyed())
}

fn problems(op: Operation) -> Vec<String> {
    let taxonomy = toml::from_str(include_str!("../../config/taxonomy.toml")).unwrap();
    Catalogue { operations: [(op.name.clone(), op)].into(), taxonomy, ..Catalogue::default() }.check()
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
    check(good(), |op| op.retry.attempts = TRIES_MAX + 1, "retry.attempts: is above");
    check(
        good(),
        |op| op.idempotency = Idempotency::KeyHeader { header: "Idempotency-Key".into(), retention_s: 19 },
        "retention_s is shorter than two attempts take",
    );
}

#[test]
fn a_business_code_that_nobody_classified_or_no_model_can_compare_is_refused() {
    check(good(), |op| reject(op, "PRODUCT_NOT_AVAILABLE", "NEVER_HEARD_OF"), "no classification");
    let mut odd = good();
    reject(&mut odd, "NOT,PLAIN", "PRODUCT_NOT_AVAILABLE");
    check(odd, |_| {}, "may hold A-Z, 0-9 and _ only");
}

#[test]
fn a_lookup_that_cannot_settle_anything_is_refused() {
    let accepted = |op: &mut Operation| op.accepted = Some(Accepted { poll_after_ms: 1, callback_deadline_ms: 2 });
    check(keyed(), accepted, "needs a lookup");
    check(good(), |op| lookup_of(op).outputs.clear(), "does not give the output id");
    check(good(), |op| lookup_of(op).max_reads = 2, "max_reads is below 3");
    check(good(), |op| lookup_of(op).max_wait_ms = Some(1), "lookup.max_wait_ms: is below");
    let unbounded = |op: &mut Operation| (lookup_of(op).max_late_arrival_ms, lookup_of(op).max_reads) = (None, 0);
    check(good(), unbounded, "max_reads is below 1");
    let hasty = |op: &mut Operation| op.accepted = Some(Accepted { poll_after_ms: 2, callback_deadline_ms: 2 });
    check(good(), hasty, "the deadline is not after the first poll");
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

#[test]
fn a_read_that_carries_what_only_an_effect_needs_is_refused() {
    check(with_lookup(read_only()), |_| {}, "a read needs no lookup");
    check(read_only(), |op| op.point_of_no_return = Some(PastReturn::Refuse), "point_of_no_return: only an effect");
    check(read_only(), |op| op.idempotency = keyed().idempotency, "a read needs no key");
    let accepted = |op: &mut Operation| op.accepted = Some(Accepted { poll_after_ms: 1, callback_deadline_ms: 2 });
    let mut late = read_only();
    accepted(&mut late);
    assert!(problems(late).iter().any(|p| p.contains("a read has no result that comes later")));
}

#[test]
fn an_operation_whose_trouble_nobody_owns_is_refused() {
    check(good(), |op| op.owner_group.clear(), "nobody owns trouble with this call");
    check(good(), |op| op.owner_group = "Nobody".into(), "the taxonomy knows no group Nobody");
}

#[test]
fn a_template_that_could_never_be_rendered_is_refused() {
    check(good(), |op| op.request.path = "/r/{order.id".into(), "opens a brace");
    check(good(), |op| op.request.path = "/r/{orderId}".into(), "{orderId} stands for nothing");
    check(
        good(),
        |op| op.request.body = Some(serde_json::json!([{"a": "x {item.id}"}])),
        "{item.id} stands for nothing",
    );
    check(good(), |op| lookup_of(op).path = "/r/{order.id}".into(), "{order.id} stands for nothing");
    check(good(), |op| lookup_of(op).path = "/r".into(), "asks the same for every effect");
}

#[test]
fn limits_that_would_stop_everything_are_refused() {
    check(good(), |op| op.limits = Some(Limits { in_flight: 0, per_second: None }), "nothing would ever be sent");
    check(good(), |op| op.limits = Some(Limits { in_flight: 1, per_second: Some(0.0) }), "is not above 0");
}

#[test]
fn an_output_whose_validity_could_not_be_known_is_refused() {
    fn output(op: &mut Operation) -> &mut Output {
        op.outputs.get_mut("id").unwrap()
    }
    check(good(), |op| output(op).at = "id".into(), "\"id\" is no JSON pointer");
    check(good(), |op| output(op).valid_until_at = Some("/end".into()), "does not tell until when id is valid");
    let twice = |op: &mut Operation| {
        lookup_of(op).outputs.get_mut("id").unwrap().valid_until_at = Some("/end".into());
        *output(op) = Output { valid_for_s: Some(1), valid_until_at: Some("/end".into()), ..output(op).clone() };
    };
    check(good(), twice, "has both");
    check(
        good(),
        |op| lookup_of(op).outputs.get_mut("id").unwrap().valid_for_s = Some(1),
        "valid_for_s stands in outputs",
    );
    let reserve = |op: &mut Operation| {
        op.outputs.insert("valid_until".into(), Output::from("/x".to_owned()));
        lookup_of(op).outputs.insert("valid_until".into(), Output::from("/x".to_owned()));
    };
    check(good(), reserve, "is reserved");
}

fn reject(op: &mut Operation, bpmn_error: &str, classification: &str) {
    let rejection = Rejection { bpmn_error: bpmn_error.into(), classification: classification.into() };
    op.answers.business.insert("X".into(), rejection);
}

fn lookup_of(op: &mut Operation) -> &mut Lookup {
    op.lookup.as_mut().unwrap()
}

#[test]
fn a_rejection_never_stands_beside_its_step_for_any_tenant() {
    let mut taxonomy: crate::taxonomy::Taxonomy = toml::from_str(include_str!("../../config/taxonomy.toml")).unwrap();
    let op = keyed();
    let base = taxonomy.clone();
    let row = taxonomy.classifications.iter_mut().find(|c| c.code == "PRODUCT_NOT_AVAILABLE").unwrap();
    row.own_case = true;
    let operations = BTreeMap::from([(op.name.clone(), op)]);
    let own = [("t".to_owned(), taxonomy.clone())].into();
    let of_tenant = Catalogue { operations: operations.clone(), taxonomy: base, tenants: own, ..Catalogue::default() };
    let expected = "tenant t: PRODUCT_NOT_AVAILABLE is a rejection of an operation; it cannot have own_case";
    assert_eq!(of_tenant.check(), [expected]);
    let of_all = Catalogue { operations, taxonomy, ..Catalogue::default() };
    assert!(of_all.check().iter().any(|what| what.contains("stands as its own case")), "{:?}", of_all.check());
}
