//! Each factor by itself, the gravest of all, and what may change a severity once it stands.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn shipped() -> SeverityRules {
    toml::from_str(include_str!("../../config/severity.toml")).unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// An order about which no factor says anything.
fn calm() -> Value {
    json!({
        "category": "residential",
        "orderTotalPrice": [{ "priceType": "total", "price": { "dutyFreeAmount": { "unit": "EUR", "value": 30 } } }],
        "expectedCompletionDate": "2026-12-24T12:00:00Z",
        "productOrderItem": [{ "id": "1", "productOffering": { "id": "PO-MOB-M" } }],
    })
}

fn circumstances(document: &Value) -> Circumstances<'_> {
    Circumstances {
        document: Some(document),
        external_system: "inventory",
        category: "DATA_DRIFT",
        affected_orders: 1,
        opened_at: at("2026-11-20T12:00:00Z"),
        now: at("2026-11-20T12:00:00Z"),
    }
}

/// The severity of that order with these fields instead.
fn with(fields: Value) -> Derived {
    let mut document = calm();
    for (field, value) in fields.as_object().unwrap() {
        document[field] = value.clone();
    }
    shipped().derive(Severity::Sev4, &circumstances(&document))
}

fn the(derived: &Derived, factor: Factor) -> Reason {
    derived.reasons.iter().find(|r| r.factor == factor).unwrap().clone()
}

#[test]
fn the_shipped_rules_are_whole() {
    assert_eq!(shipped().check(), Vec::<String>::new());
    assert_eq!(shipped().orders_that_matter(), 100);
    let to_all: Vec<i64> = (0..200).filter(|n| shipped().matters_to_all(*n)).collect();
    assert_eq!(to_all, [3, 20, 100]);
}

#[test]
fn each_severity_has_the_response_that_was_agreed() {
    let responses = shipped().responses;
    let said: Vec<_> = responses.iter().map(|r| (r.severity, r.response.as_str())).collect();
    let expected = [
        (Severity::Sev1, "immediate incident response"),
        (Severity::Sev2, "urgent operational handling"),
        (Severity::Sev3, "normal operations queue"),
        (Severity::Sev4, "batch reconciliation"),
    ];
    assert_eq!(said, expected);
}

#[test]
fn an_order_about_which_nothing_is_grave_is_as_grave_as_its_classification() {
    for base in Severity::ALL {
        let derived = shipped().derive(*base, &circumstances(&calm()));
        assert_eq!(derived.severity, *base, "{derived:?}");
        assert!(derived.reasons.iter().all(|r| !r.assumed), "{derived:?}");
    }
}

#[test]
fn each_factor_that_the_order_tells_makes_it_graver() {
    let price = |unit: &str, value: f64| json!([{ "price": { "dutyFreeAmount": { "unit": unit, "value": value } } }]);
    let nested =
        |id: &str| json!([{ "id": "1", "productOrderItem": [{ "id": "1.1", "productOffering": { "id": id } }] }]);
    let check = |factor: Factor, fields: Value, severity: Severity, value: &str| {
        let reason = the(&with(fields.clone()), factor);
        assert_eq!(
            (reason.severity, reason.value.as_deref(), reason.assumed),
            (severity, Some(value), false),
            "{fields}"
        );
        assert!(with(fields).severity <= severity);
    };
    check(Factor::CustomerSegment, json!({ "category": "Enterprise" }), Severity::Sev2, "Enterprise");
    check(Factor::OrderValue, json!({ "orderTotalPrice": price("EUR", 10_000.0) }), Severity::Sev2, "10000 EUR");
    check(Factor::OrderValue, json!({ "orderTotalPrice": price("USD", 11_000.0) }), Severity::Sev3, "11000 USD");
    let late = "2026-11-20T11:00:00+01:00";
    check(Factor::PromisedDate, json!({ "expectedCompletionDate": late }), Severity::Sev2, late);
    let soon = "2026-11-21T00:00:00Z";
    check(Factor::PromisedDate, json!({ "expectedCompletionDate": soon }), Severity::Sev3, soon);
    check(Factor::Regulatory, json!({ "productOrderItem": nested("PO-SIP-30") }), Severity::Sev3, "PO-SIP-30");
    check(Factor::ProductCriticality, json!({ "productOrderItem": nested("PO-DRK-1") }), Severity::Sev2, "PO-DRK-1");
}

#[test]
fn each_factor_that_the_case_tells_makes_it_graver() {
    let order = calm();
    let calm = circumstances(&order);
    let check = |factor: Factor, at: Circumstances<'_>, severity: Severity| {
        let derived = shipped().derive(Severity::Sev4, &at);
        assert_eq!(the(&derived, factor).severity, severity, "{derived:?}");
        assert_eq!(derived.severity, severity, "{derived:?}");
    };
    check(Factor::DownstreamImpact, Circumstances { external_system: "payment", ..calm }, Severity::Sev3);
    check(Factor::AffectedOrders, Circumstances { affected_orders: 20, ..calm }, Severity::Sev2);
    check(Factor::AffectedOrders, Circumstances { affected_orders: 100, ..calm }, Severity::Sev1);
    check(Factor::StuckAge, Circumstances { opened_at: at("2026-11-17T12:00:00Z"), ..calm }, Severity::Sev2);
    check(Factor::CustomerVisible, Circumstances { category: "BILLING", ..calm }, Severity::Sev3);
}

#[test]
fn what_is_not_told_or_not_known_is_assumed_and_says_so() {
    let check = |factor: Factor, fields: Value, value: Option<&str>| {
        let reason = the(&with(fields.clone()), factor);
        assert_eq!(
            (reason.assumed, reason.value.as_deref(), reason.severity),
            (true, value, Severity::Sev3),
            "{fields}"
        );
    };
    check(Factor::CustomerSegment, json!({ "category": null }), None);
    check(Factor::CustomerSegment, json!({ "category": "martian" }), Some("martian"));
    check(Factor::CustomerSegment, json!({ "category": 7 }), Some(""));
    check(Factor::PromisedDate, json!({ "expectedCompletionDate": "soon" }), Some("soon"));
    let shells = json!([{ "price": { "dutyFreeAmount": { "unit": "shell", "value": 1e9 } } }]);
    check(Factor::OrderValue, json!({ "orderTotalPrice": shells }), Some("1000000000 shell"));
    check(Factor::OrderValue, json!({ "orderTotalPrice": [] }), None);
    check(Factor::ProductCriticality, json!({ "productOrderItem": [] }), None);
    let nothing = shipped().derive(Severity::Sev4, &Circumstances { document: None, ..circumstances(&Value::Null) });
    assert_eq!(nothing.reasons.iter().filter(|r| r.assumed).count(), 5, "{nothing:?}");
    assert_eq!(nothing.severity, Severity::Sev3);
}

#[test]
fn the_date_asked_for_counts_only_where_none_was_promised() {
    let asked = json!({ "expectedCompletionDate": null, "requestedCompletionDate": "2026-11-01T00:00:00Z" });
    let reason = the(&with(asked), Factor::PromisedDate);
    assert_eq!(String::from(reason.source), "order.requestedCompletionDate");
    assert_eq!(reason.severity, Severity::Sev2);
    let both = the(&with(json!({ "requestedCompletionDate": "2026-11-01T00:00:00Z" })), Factor::PromisedDate);
    assert_eq!(both.severity, Severity::Sev4);
}

#[test]
fn of_several_values_the_gravest_counts_and_a_known_one_before_an_assumed_one() {
    let offering = |id: &str| json!({ "id": id, "productOffering": { "id": id } });
    let of = |ids: [&str; 2]| the(&with(json!({ "productOrderItem": ids.map(offering) })), Factor::ProductCriticality);
    assert_eq!(of(["PO-MOB-M", "PO-DRK-1"]).value.unwrap(), "PO-DRK-1");
    assert_eq!(of(["PO-UNKNOWN", "PO-SDW-E"]).value.unwrap(), "PO-SDW-E");
    assert_eq!(of(["PO-UNKNOWN", "PO-MOB-M"]).value.unwrap(), "PO-UNKNOWN");
}

#[test]
fn everything_wrong_is_said_at_once() {
    let mut rules = shipped();
    rules.review_minutes = 0;
    rules.exchange.insert("XXX".into(), 0.0);
    rules.responses.pop();
    rules.factors.remove(8);
    rules.factors[0].sources.clear();
    rules.factors[0].words.clear();
    rules.factors[1].words.insert("much".into(), Severity::Sev1);
    rules.factors[2].thresholds[0].from = f64::NAN;
    assert_eq!(rules.check().len(), 8, "{:?}", rules.check());
    for bad in ["order", "order.", "order.a..b", "case.mood", "customer.segment"] {
        assert!(Source::try_from(bad.to_owned()).is_err(), "{bad}");
    }
}

fn any_severity() -> impl Strategy<Value = Severity> {
    prop::sample::select(Severity::ALL.to_vec())
}

proptest! {
    #[test]
    fn more_impact_never_makes_a_case_less_grave(
        base in any_severity(), orders in 1i64..300, more in 0i64..300, hours in 0i64..200, later in 0i64..200,
    ) {
        let order = calm();
        let opened = circumstances(&order).opened_at;
        let derived = |affected_orders, hours| {
            let now = opened + chrono::Duration::hours(hours);
            let at = Circumstances { affected_orders, now, ..circumstances(&order) };
            shipped().derive(base, &at).severity
        };
        prop_assert!(derived(orders + more, hours + later) <= derived(orders, hours));
        prop_assert!(derived(orders, hours) <= base);
    }

    #[test]
    fn nothing_but_a_person_lowers_a_severity_and_what_they_saw_does_not_undo_it(
        start in any_severity(), derived in prop::collection::vec(any_severity(), 1..6), to in any_severity(),
    ) {
        let mut current = start;
        for seen in &derived {
            let next = settled(current, *seen, None);
            prop_assert!(next <= current && next <= *seen);
            current = next;
        }
        let seen = *derived.last().unwrap();
        prop_assert_eq!(settled(to, seen, Some(seen)), to);
        for graver in Severity::ALL.iter().filter(|s| **s < seen) {
            prop_assert_eq!(settled(to, *graver, Some(seen)), to.min(*graver));
        }
    }
}

#[test]
fn the_value_of_an_order_is_its_largest_amount_and_unknown_where_one_cannot_be_read() {
    let rules = shipped();
    let price = |amounts: &[(f64, &str)]| {
        let price =
            |(value, unit): &(f64, &str)| json!({ "price": { "dutyFreeAmount": { "value": value, "unit": unit } } });
        json!({ "orderTotalPrice": amounts.iter().map(price).collect::<Vec<_>>() })
    };
    let rows = [
        (price(&[(10.0, "EUR"), (100.0, "USD")]), Some(90.0)),
        (price(&[(10.0, "EUR"), (100.0, "XYZ")]), None),
        (json!({}), None),
    ];
    for (document, expected) in rows {
        assert_eq!(rules.order_value(&document, DateTime::UNIX_EPOCH), expected, "{document}");
    }
}
