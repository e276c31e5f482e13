//! The default script over the default orders, by calculation only: what the demo will meet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fallout_sandbox::{Behaviour, Direction, FaultScript};
use serde_json::Value;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/demo")
}

fn script() -> FaultScript {
    FaultScript::load(&folder().join("faults.toml")).unwrap()
}

fn orders() -> Vec<Value> {
    serde_json::from_slice(&std::fs::read(folder().join("orders.json")).unwrap()).unwrap()
}

/// The items of an order, nested ones after the one that holds them.
fn items(holder: &Value) -> Vec<&Value> {
    let nested = holder["productOrderItem"].as_array().into_iter().flatten();
    nested.flat_map(|item| std::iter::once(item).chain(items(item))).collect()
}

/// The steps that the process may call for an order, with the line where there is one.
fn steps(order: &Value) -> Vec<(String, &'static str)> {
    let whole = ["validate", "contract", "reserve", "bill", "authorize", "deposit", "capture", "notify"];
    let lines = items(order).into_iter().filter(|item| item["action"] != "noChange");
    let lines = lines.map(|item| (item["id"].as_str().unwrap().to_owned(), "provision"));
    whole.into_iter().map(|step| (String::new(), step)).chain(lines).collect()
}

/// Behaviour (with its code) to the orders that meet it at a first attempt.
fn met() -> BTreeMap<String, BTreeSet<String>> {
    let (script, orders) = (script(), orders());
    let mut met: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for order in &orders {
        let id = order["id"].as_str().unwrap();
        for (line, step) in steps(order) {
            if let Some(fault) = script.first(id, &line, step, Direction::Do, 1) {
                met.entry(described(&fault.behaviour)).or_default().insert(id.to_owned());
            }
        }
    }
    met
}

fn described(behaviour: &Behaviour) -> String {
    match behaviour {
        Behaviour::Reject { code } => format!("reject {code}"),
        Behaviour::Accepted { code: Some(_), .. } => "accepted, later rejected".into(),
        other => other.name().into(),
    }
}

#[test]
fn every_behaviour_is_met_by_an_order() {
    let met = met();
    for expected in [
        "slow",
        "reject ADDRESS_NOT_SERVICEABLE",
        "reject PRODUCT_NOT_AVAILABLE",
        "reject BILLING_ACCOUNT_INVALID",
        "reject CREDIT_CHECK_FAILED",
        "reject CONTRACT_NOT_SIGNED",
        "reject PAYMENT_AUTHORIZATION_EXPIRED",
        "unavailable_before",
        "error_after",
        "timeout_before",
        "timeout_after",
        "cut_before",
        "cut_after",
        "accepted",
        "accepted, later rejected",
        "accepted_never",
        "bad_request",
        "unauthorised",
        "garbage",
        "missing_output",
    ] {
        assert!(met.contains_key(expected), "no order meets {expected}: {met:#?}");
    }
}

#[test]
fn each_fault_of_the_default_script_is_met() {
    let (script, orders) = (script(), orders());
    for (index, fault) in script.faults().iter().enumerate() {
        let is_met = orders.iter().any(|order| {
            let id = order["id"].as_str().unwrap();
            steps(order).iter().any(|(line, step)| fault.meets(id, line, step, Direction::Do, 1))
        });
        assert!(is_met, "fault {} is met by no order", index + 1);
    }
}

#[test]
fn about_one_order_in_five_misbehaves() {
    let misbehaving: BTreeSet<String> = met().into_values().flatten().collect();
    assert!((15..=25).contains(&misbehaving.len()), "{} of 100: {misbehaving:?}", misbehaving.len());
}

#[test]
fn there_are_a_hundred_orders_of_few_lines_and_every_action() {
    let orders = orders();
    let ids: BTreeSet<_> = orders.iter().map(|order| order["id"].as_str().unwrap()).collect();
    assert_eq!((orders.len(), ids.len()), (100, 100));
    let lines: Vec<_> = orders.iter().flat_map(items).collect();
    assert!(lines.len() < 230, "{} lines", lines.len());
    let actions: BTreeSet<_> = lines.iter().map(|line| line["action"].as_str().unwrap()).collect();
    assert_eq!(actions, BTreeSet::from(["add", "modify", "delete", "noChange"]));
}

#[test]
fn lines_rely_only_on_lines_of_their_own_order() {
    for order in orders() {
        let lines = items(&order);
        let ids: BTreeSet<_> = lines.iter().map(|line| line["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), lines.len(), "an item id is repeated in {}", order["id"]);
        for relation in lines.iter().filter_map(|line| line["productOrderItemRelationship"].as_array()).flatten() {
            assert_eq!(relation["relationshipType"], "reliesOn");
            assert!(ids.contains(relation["id"].as_str().unwrap()), "{} of {}", relation["id"], order["id"]);
        }
    }
}
