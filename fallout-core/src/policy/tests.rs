//! Which policy counts, what it costs, and what is refused in a file.

use super::*;
use crate::{catalogue::Catalogue, fixtures::keyed, operation::Operation};

fn shipped() -> Policies {
    toml::from_str(include_str!("../../../config/policies.toml")).unwrap()
}

fn order(segment: &str, value: Option<f64>, effects: &[&str]) -> OrderFacts {
    OrderFacts {
        segment: Some(segment.into()),
        value,
        unit: value.map(|_| "EUR".into()),
        effects: effects.iter().map(|e| (*e).to_owned()).collect(),
        ..OrderFacts::default()
    }
}

#[test]
fn the_shipped_policies_are_whole() {
    assert_eq!(shipped().check(), Vec::<String>::new());
}

#[test]
fn of_the_cancellation_policies_the_highest_that_fits_counts() {
    let rows: [(&str, &[&str], &str, bool); 4] = [
        ("business", &[], "ANY_TIME", true),
        ("wholesale", &[], "ANY_TIME", true),
        ("business", &["payment.capture"], "ANY_TIME", true),
        ("Wholesale", &["inventory.reserve", "payment.capture"], "WHOLESALE_BY_CONTRACT", false),
    ];
    for (segment, effects, code, allowed) in rows {
        let policies = shipped();
        let found = policies.cancellation(&order(segment, None, effects)).unwrap();
        assert_eq!((found.code.as_str(), found.allowed), (code, allowed), "{segment} {effects:?}");
    }
}

#[test]
fn a_penalty_is_a_share_of_the_value_up_to_its_limit_and_unknown_where_the_value_is() {
    let begun: &[&str] = &["provisioning.add"];
    type Row<'a> = (&'a str, Option<f64>, &'a [&'a str], (&'a str, Option<f64>));
    let rows: [Row<'_>; 6] = [
        ("business", Some(333.33), &[], ("FREE", Some(0.0))),
        ("business", Some(333.33), begun, ("FULFILMENT_BEGUN", Some(33.33))),
        ("business", None, begun, ("FULFILMENT_BEGUN", None)),
        ("residential", Some(153.0), begun, ("CONSUMER_CAP", Some(15.3))),
        ("residential", Some(9_000.0), begun, ("CONSUMER_CAP", Some(50.0))),
        ("residential", None, &[], ("FREE", Some(0.0))),
    ];
    for (segment, value, effects, expected) in rows {
        let policies = shipped();
        let order = order(segment, value, effects);
        let found = policies.penalty(&order).unwrap();
        assert_eq!((found.code.as_str(), found.due(&order).0), expected, "{segment} {value:?} {effects:?}");
    }
}

#[test]
fn a_fixed_amount_in_another_currency_than_the_order_cannot_be_added_to_a_share_of_it() {
    let mut penalty = shipped().penalties.pop().unwrap();
    (penalty.fixed, penalty.unit, penalty.most) = (25.0, Some("USD".into()), None);
    assert_eq!(penalty.due(&order("consumer", Some(100.0), &[])), (None, Some("USD".into())));
    penalty.percent = 0.0;
    assert_eq!(penalty.due(&order("consumer", Some(100.0), &[])), (Some(25.0), Some("USD".into())));
}

#[test]
fn what_is_due_is_told_with_the_policy_that_says_so() {
    let policies = shipped();
    let of = |amount, waived| {
        let policy = policies.used(&policies.penalties[1]);
        Due { policy, amount, unit: Some("EUR".into()), waived }.told()
    };
    let by = "(policy FULFILMENT_BEGUN of version 1)";
    assert_eq!(of(Some(0.0), true), format!("no penalty {by}"));
    assert_eq!(of(Some(33.3), false), format!("a penalty of 33.30 EUR is due {by}"));
    assert_eq!(of(Some(33.3), true), format!("the penalty of 33.30 EUR is waived {by}"));
    assert!(of(None, false).contains("not known"));
}

fn route(rank: u16, code: &str) -> Route {
    Route {
        code: code.into(),
        summary: "by others".into(),
        rank,
        when: When::default(),
        operation: "provisioning.add".into(),
        by: "payment.authorize".into(),
        causes: vec!["RETRIES_EXHAUSTED".into()],
    }
}

#[test]
fn routes_around_an_operation_are_those_that_fit_order_and_cause_the_highest_first() {
    let mut policies = shipped();
    policies.routes = vec![route(1, "LOW"), route(5, "HIGH"), route(9, "RICH")];
    policies.routes[2].when.value_from = Some(1_000.0);
    let found = |operation: &str, cause: &str, value| {
        let order = order("business", value, &[]);
        policies.routes(operation, cause, &order).iter().map(|r| r.code.clone()).collect::<Vec<_>>().join(" ")
    };
    let rows = [
        ("provisioning.add", "RETRIES_EXHAUSTED", None, "HIGH LOW"),
        ("provisioning.add", "RETRIES_EXHAUSTED", Some(5_000.0), "RICH HIGH LOW"),
        ("provisioning.add", "OUTCOME_UNKNOWN", None, ""),
        ("billing.activate", "RETRIES_EXHAUSTED", None, ""),
    ];
    for (operation, cause, value, codes) in rows {
        assert_eq!(found(operation, cause, value), codes, "{operation} {cause} {value:?}");
    }
}

#[test]
fn what_is_wrong_with_a_file_is_told_at_once() {
    let mut policies = shipped();
    policies.version = 0;
    policies.cancellations[0].when.segments = vec!["business".into()];
    policies.cancellations[1].because = " ".into();
    policies.penalties[1].percent = 110.0;
    policies.penalties[2].rank = 10;
    policies.penalties[2].unit = None;
    policies.revisions[1].code = "BEFORE_ACCEPTANCE".into();
    policies.revisions[1].free_rise_percent = Some(-1.0);
    let expected = [
        "version is 0; the first one is 1",
        "the lowest cancellation must hold for every order: without `when`",
        "2 policies of penalty have rank 10; one has to win",
        "revision BEFORE_ACCEPTANCE stands there 2 times",
        "cancellation WHOLESALE_BY_CONTRACT: it is not allowed, so say why in `because`",
        "revision BEFORE_ACCEPTANCE: free_rise_percent is not between 0 and 100",
        "penalty FULFILMENT_BEGUN: percent is not between 0 and 100",
        "penalty CONSUMER_CAP: fixed and most need their currency in `unit`",
    ];
    assert_eq!(policies.check(), expected);
}

fn catalogue(effects: &[&str]) -> Catalogue {
    let taxonomy = toml::from_str(include_str!("../../../config/taxonomy.toml")).unwrap();
    let operation = |name: &&str| ((*name).to_owned(), Operation { name: (*name).to_owned(), ..keyed() });
    Catalogue { taxonomy, operations: effects.iter().map(operation).collect(), ..Default::default() }
}

#[test]
fn what_a_file_names_and_is_not_there_is_told_with_it() {
    let mut catalogue = catalogue(&["provisioning.add", "provisioning.partner"]);
    let mut policies = shipped();
    policies.cancellations[1].when.after = vec!["payment.take".into()];
    let by = |by: &str, rank, code| Route { by: by.into(), ..route(rank, code) };
    policies.routes =
        vec![by("provisioning.add", 1, "A"), by("provisioning.teleport", 2, "B"), by("provisioning.partner", 3, "C")];
    policies.routes[0].causes = vec!["NO_SUCH".into()];
    let partner = catalogue.operations.get_mut("provisioning.partner").unwrap();
    partner.outputs.clear();
    let wrong = policies.beside(&catalogue);
    for expected in [
        "cancellation WHOLESALE_BY_CONTRACT: after: there is no operation payment.take with an effect",
        "route A: an operation is no way around itself",
        "route A: causes: the taxonomy has no classification NO_SUCH",
        "route B: there is no operation provisioning.teleport",
        "route C: provisioning.partner does not give id, which later steps may use",
    ] {
        assert!(wrong.iter().any(|w| w == expected), "{expected} is not in {wrong:#?}");
    }
}
