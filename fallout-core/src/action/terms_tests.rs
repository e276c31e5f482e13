//! What the policies allow and refuse, and at what price.

use super::*;
use crate::{policy::PolicyKind, step::Outputs};

const ROUTES: &str = r#"
    version = 7
    [[cancellation]]
    code = "ANY"
    summary = "s"
    allowed = true
    [[cancellation]]
    code = "PAID"
    summary = "s"
    rank = 1
    when = { after = ["payment.capture"] }
    allowed = false
    because = "it is paid"
    [[penalty]]
    code = "FREE"
    summary = "s"
    waivable = true
    [[penalty]]
    code = "TENTH"
    summary = "s"
    rank = 1
    when = { after = ["provisioning.add"] }
    percent = 10.0
    waivable = true
    [[penalty]]
    code = "FIXED"
    summary = "s"
    rank = 2
    when = { segments = ["wholesale"] }
    fixed = 99.0
    unit = "EUR"
    waivable = false
    [[route]]
    code = "PARTNER"
    summary = "s"
    rank = 1
    operation = "provisioning.add"
    by = "partner.order"
    causes = ["RETRIES_EXHAUSTED"]
    [[route]]
    code = "BY_HAND"
    summary = "s"
    operation = "provisioning.add"
    by = "field.order"
    [[revision]]
    code = "OPEN"
    summary = "s"
    accepted = false
    [[revision]]
    code = "FRAME"
    summary = "s"
    rank = 1
    when = { segments = ["enterprise"] }
    accepted = true
    free_rise_percent = 5.0
"#;

fn policies() -> Policies {
    toml::from_str(ROUTES).unwrap()
}

fn order(segment: &str, effects: &[&str]) -> OrderFacts {
    OrderFacts {
        segment: Some(segment.into()),
        value: Some(200.0),
        unit: Some("EUR".into()),
        effects: effects.iter().map(|e| (*e).to_owned()).collect(),
        ..OrderFacts::default()
    }
}

fn on<'a>(
    policies: &'a Policies,
    order: &'a OrderFacts,
    operation: &'a str,
    classification: &'a str,
    past_return: Option<&'a str>,
) -> Commercial<'a> {
    Commercial { policies, order, operation, classification, past_return, irreversible: None, uses: Revised::ALL }
}

fn asked<'a>(outputs: &'a Outputs, route: Option<&'a str>, waive_penalty: bool) -> Asked<'a> {
    Asked { route, waive_penalty, ..Asked::of(outputs) }
}

#[test]
fn a_cancellation_is_allowed_by_its_policy_at_the_price_of_another_and_refused_by_name() {
    let due = |order: &OrderFacts, past: Option<&str>, waive| {
        let policies = policies();
        let by = on(&policies, order, "provisioning.add", "DEFECT", past);
        let none = Outputs::new();
        let terms = terms(Action::CancelOrder, &by, &asked(&none, None, waive))?;
        let codes = terms.policies.iter().map(|used| format!("{}@{}", used.code, used.version)).collect::<Vec<_>>();
        let due = terms.due.unwrap();
        Ok((codes.join(" "), due.amount, due.waived))
    };
    let ok = |codes: &str, amount, waived| Ok((codes.to_owned(), Some(amount), waived));
    let begun = order("business", &["provisioning.add"]);
    let rows = [
        (order("business", &[]), None, false, ok("ANY@7 FREE@7", 0.0, false)),
        (begun.clone(), None, false, ok("ANY@7 TENTH@7", 20.0, false)),
        (begun.clone(), None, true, ok("ANY@7 TENTH@7", 20.0, true)),
        (order("wholesale", &[]), None, false, ok("ANY@7 FIXED@7", 99.0, false)),
        (order("wholesale", &[]), None, true, Err(Refusal::NotWaivable("FIXED".into()))),
        (order("business", &[]), None, true, Err(Refusal::NothingToWaive)),
        (
            order("business", &["payment.capture"]),
            None,
            false,
            Err(Refusal::NotCancellable { policy: "PAID".into(), because: "it is paid".into() }),
        ),
        (begun, Some("contract.notify"), false, Err(Refusal::PastNoReturn("contract.notify".into()))),
    ];
    for (order, past, waive, expected) in rows {
        assert_eq!(due(&order, past, waive), expected, "{order:?}, past {past:?}, waived {waive}");
    }
}

#[test]
fn a_step_is_rerouted_by_the_highest_route_that_fits_or_by_the_one_that_is_named() {
    let route = |operation: &str, class: &str, wanted: Option<&str>| {
        let (policies, order, none) = (policies(), order("business", &[]), Outputs::new());
        let by = on(&policies, &order, operation, class, None);
        terms(Action::RerouteStep, &by, &asked(&none, wanted, false)).map(|t| t.route.unwrap())
    };
    let add = "provisioning.add";
    let rows = [
        (add, "RETRIES_EXHAUSTED", None, Ok("partner.order".to_owned())),
        (add, "RETRIES_EXHAUSTED", Some("by_hand"), Ok("field.order".to_owned())),
        (add, "DEFECT", None, Ok("field.order".to_owned())),
        (add, "DEFECT", Some("PARTNER"), Err(Refusal::OtherRoute { said: "PARTNER".into(), known: "BY_HAND".into() })),
        ("billing.activate", "DEFECT", None, Err(Refusal::NoRoute("billing.activate".into()))),
        ("billing.activate", "DEFECT", Some("PARTNER"), Err(Refusal::NoRoute("billing.activate".into()))),
    ];
    for (operation, class, wanted, expected) in rows {
        assert_eq!(route(operation, class, wanted), expected, "{operation} {class} {wanted:?}");
    }
}

#[test]
fn a_quote_is_revised_until_it_is_accepted_or_as_its_policy_says_and_only_where_its_price_is_known() {
    let agreed = Agreement { price: 230.0, reference: "MAIL-1".into() };
    let priced = |order: OrderFacts, agreed: Option<&Agreement>| {
        let (policies, none) = (policies(), Outputs::new());
        let by = on(&policies, &order, "x", "DEFECT", None);
        let terms = terms(Action::RepriceQuote, &by, &Asked { agreed, ..asked(&none, None, false) })?;
        Ok((terms.policies[0].code.clone(), terms.price.unwrap().limit))
    };
    let quoted = |segment: &str, accepted| OrderFacts {
        quote: Some("q-1".into()),
        quote_accepted: accepted,
        ..order(segment, &["payment.capture"])
    };
    let rows = [
        (quoted("business", false), None, Ok(("OPEN".to_owned(), 200.0))),
        (quoted("business", false), Some(&agreed), Ok(("OPEN".to_owned(), 230.0))),
        (quoted("business", true), Some(&agreed), Err(Refusal::QuoteAccepted("OPEN".into()))),
        (quoted("enterprise", true), None, Ok(("FRAME".to_owned(), 210.0))),
        (order("business", &[]), None, Err(Refusal::NoQuote)),
        (OrderFacts { value: None, ..quoted("business", false) }, Some(&agreed), Err(Refusal::PriceUnknown)),
    ];
    for (order, agreed, expected) in rows {
        assert_eq!(priced(order.clone(), agreed), expected, "{order:?} {agreed:?}");
    }
}

#[test]
fn a_baseline_is_built_again_only_for_a_change_and_before_anything_that_stays() {
    let rebased = |is_change, irreversible| {
        let (policies, none) = (policies(), Outputs::new());
        let order = OrderFacts { is_change, ..order("business", &["inventory.reserve"]) };
        let by = Commercial { irreversible, ..on(&policies, &order, "x", "DEFECT", None) };
        terms(Action::RebaseChange, &by, &asked(&none, None, false)).map(drop)
    };
    assert_eq!(rebased(true, None), Ok(()));
    let (policies, none) = (policies(), Outputs::new());
    let order = OrderFacts { is_change: true, ..order("business", &[]) };
    let by = Commercial { uses: &[Revised::Quote], ..on(&policies, &order, "x", "DEFECT", None) };
    let beside = terms(Action::RebaseChange, &by, &asked(&none, None, false));
    assert_eq!(beside, Err(Refusal::NotUsed(Revised::Baseline)));
    assert_eq!(rebased(false, None), Err(Refusal::NoChange));
    assert_eq!(rebased(true, Some("contract.notify")), Err(Refusal::Irreversible("contract.notify".into())));
}

#[test]
fn no_policy_is_about_the_other_actions_and_no_price() {
    let (policies, order, none) = (policies(), order("wholesale", &["payment.capture"]), Outputs::new());
    let by = on(&policies, &order, "provisioning.add", "DEFECT", Some("x"));
    for action in [Action::RetryStep, Action::SkipStep, Action::ForceClose, Action::CompensateStep] {
        assert!(terms(action, &by, &asked(&none, None, false)).unwrap().is_nothing(), "{action}");
        let agreed = Agreement { price: 230.0, reference: "MAIL-1".into() };
        let asked = Asked { agreed: Some(&agreed), ..asked(&none, None, false) };
        assert_eq!(terms(action, &by, &asked), Err(Refusal::NoPriceAsked(action)));
    }
}

#[test]
fn what_the_policies_say_is_told_each_policy_once() {
    let used = |kind, code: &str| Used { kind, code: code.into(), version: "7".into() };
    let due = Due { policy: used(PolicyKind::Penalty, "TENTH"), amount: Some(20.0), unit: None, waived: false };
    let policies = vec![used(PolicyKind::Cancellation, "ANY"), due.policy.clone()];
    let terms = Terms { policies, route: Some("partner.order".into()), due: Some(due), price: None };
    let expected = [
        "the step is performed by partner.order from then on",
        "a penalty of 20.00 is due (policy TENTH of version 7)",
        "allowed by cancellation policy ANY of version 7",
    ];
    assert_eq!(terms.told(), expected);
}
