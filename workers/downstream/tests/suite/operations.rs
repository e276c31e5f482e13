//! The shipped operations: whole, known to the taxonomy, and rendered from nothing but what every order has.

use std::{collections::BTreeMap, fs, path::PathBuf};

use fallout_core::{
    catalogue::Catalogue,
    operation::{Operation, Undo},
    step::Direction,
    template,
};
use serde_json::{Value, json};

fn config() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../config")
}

fn shipped() -> Catalogue {
    let mut operations = BTreeMap::new();
    for file in fs::read_dir(config().join("operations")).unwrap() {
        let path = file.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let op: Operation = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(path.file_name().unwrap().to_str().unwrap(), format!("{}.toml", op.name));
        assert!(text.starts_with("# "), "{} does not say what it is for", op.name);
        operations.insert(op.name.clone(), op);
    }
    let taxonomy = fs::read_to_string(config().join("taxonomy.toml")).unwrap();
    Catalogue { operations, taxonomy: toml::from_str(&taxonomy).unwrap(), ..Catalogue::default() }
}

#[test]
fn the_shipped_operations_pass_every_check() {
    let catalogue = shipped();
    assert_eq!(catalogue.check(), Vec::<String>::new());
    let names: Vec<_> = catalogue.operations.keys().map(String::as_str).collect();
    let expected = "billing.activate billing.deactivate contract.check contract.notify inventory.check inventory.release \
                    inventory.reserve order.correct partner.connect partner.disconnect payment.authorize payment.capture payment.deposit payment.refund payment.void \
                    provisioning.add provisioning.cancel provisioning.cease provisioning.modify quote.rebase quote.revise";
    assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn a_missing_or_unknown_field_is_refused() {
    let text = fs::read_to_string(config().join("operations/inventory.reserve.toml")).unwrap();
    let refused = |text: String| toml::from_str::<Operation>(&text).is_err();
    assert!(refused(text.replace("on_503 = \"not_processed\"\n", "")), "on_503 has no default");
    assert!(refused(text.replace("consistency_delay_ms", "consistency_delay")));
}

/// Any valid TMF622 order must work: ids and actions are all that is sure to be there, and for an undo what is known of
/// every effect that it takes back.
#[test]
fn every_template_renders_from_the_least_that_an_order_can_be() {
    let catalogue = shipped();
    for op in catalogue.operations.values() {
        let undone = |effect: &&Operation| effect.undo == Some(Undo::Operation(op.name.clone()));
        let effects = catalogue.operations.values().filter(undone).map(|effect| {
            let outputs: BTreeMap<_, _> = effect.outputs.keys().map(|name| (name, "o")).collect();
            json!({ "key": "e", "outputs": outputs })
        });
        let effects: Vec<Value> = match op.direction {
            Direction::Do => vec![Value::Null],
            Direction::Undo => effects.collect(),
        };
        assert!(!effects.is_empty(), "{} undoes nothing", op.name);
        for effect in effects {
            let action = json!({"orderVersion": 1, "field": "f", "line": "", "path": "/f", "value": {"a": 1}, "by": "b", "quote": "q",
                    "version": 1, "price": {"unit": "EUR", "value": 1}, "limit": 1});
            let context = json!({"order": {"id": "заказ/1"}, "line": {"id": "1"}, "key": "k", "effect": effect,
                "step": {"order": "заказ/1"}, "action": action});
            let path = template::render_path(&op.request.path, &context);
            assert!(path.is_ok(), "{}: {path:?}", op.name);
            let body = op.request.body.as_ref().map(|body| template::render(body, &context)).transpose();
            assert!(body.is_ok(), "{}: {body:?}", op.name);
        }
    }
}

/// The reference that a downstream keeps must be the key of the intent, or a lookup would ask for something else.
#[test]
fn every_effect_that_can_be_looked_up_is_looked_up_by_its_key() {
    for op in shipped().operations.values() {
        let Some(lookup) = &op.lookup else { continue };
        assert_eq!(template::names(&lookup.path), ["key"], "{}", op.name);
        let reference = op.request.body.as_ref().and_then(|body| body.get("reference")).and_then(Value::as_str);
        assert!(reference.is_none_or(|reference| reference == "{key}"), "{}", op.name);
    }
}
