//! The requests of a trial: rendered by the operation's own data from made-up values, each under a key of its own.

use std::collections::BTreeMap;

use fallout_core::{
    attempt::{StoredRequest, idempotency_key},
    ids::StepKey,
    operation::Operation,
    request,
    step::{Outputs, StepIdentity},
    task::StepContext,
    template,
};
use serde_json::{Value, json};
use uuid::Uuid;

/// Values that stand for names of the templates, e.g. `order.id`.
pub type Given = BTreeMap<String, Value>;

pub struct Subject {
    op: Operation,
    given: Given,
    /// Nobody else's orders are called so.
    run: Uuid,
}

/// One request under its key.
#[derive(Clone, Debug)]
pub struct Probe {
    pub key: String,
    pub request: StoredRequest,
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject").field("operation", &self.op.name).field("run", &self.run).finish_non_exhaustive()
    }
}

impl Subject {
    /// Refuses values that no template of the operation names, and templates that cannot be rendered from what there is.
    pub fn new(op: Operation, given: Given) -> Result<Self, String> {
        let subject = Subject { op, given, run: Uuid::now_v7() };
        let names = subject.names();
        let unused = subject.given.keys().find(|name| !names.contains(name));
        if let Some(name) = unused {
            return Err(format!("--set {name}: the operation names {} and not this", names.join(", ")));
        }
        subject.render("rehearsal", "").map(|_| subject)
    }

    pub fn operation(&self) -> &Operation {
        &self.op
    }

    /// A request that nobody has sent yet.
    pub fn probe(&self, name: &str) -> Probe {
        self.render(name, "").expect("the same templates were rendered when the subject was made")
    }

    /// The same key over another payload; none where the payload is nothing but the key's own.
    pub fn other_payload(&self, name: &str) -> Option<Probe> {
        let probe = self.probe(name);
        let body = probe.request.body.clone()?;
        let other =
            self.render(name, "-other").ok().and_then(|other| other.request.body).filter(|other| *other != body);
        let other = other.or_else(|| with_one_more(&body))?;
        Some(Probe { request: StoredRequest { body: Some(other), ..probe.request }, ..probe })
    }

    /// A request under a fresh key that asks for something else.
    pub fn stranger(&self, name: &str) -> Probe {
        self.render(name, "-stranger").unwrap_or_else(|_| self.probe(name))
    }

    /// A body that no parser takes; none where there is no body.
    pub fn malformed(&self, name: &str) -> Option<Probe> {
        let probe = self.probe(name);
        let broken = probe.request.body.as_ref().map(|_| "{\"fallout\": ".to_owned())?;
        Some(Probe { request: StoredRequest { body: Some(broken), ..probe.request }, ..probe })
    }

    /// The key depends on `name` alone, the made-up values also on `variant`.
    fn render(&self, name: &str, variant: &str) -> Result<Probe, String> {
        let order = format!("try-{}-{name}", self.run.simple());
        let step = StepIdentity {
            tenant: "try".into(),
            order: order.clone(),
            run: 1,
            line: LINE.into(),
            step: "try".into(),
            direction: self.op.direction,
        };
        let key = idempotency_key(StepKey::of(&step), GENERATION);
        let (context, action) = self.context(&order, variant);
        let mut values = request::values(&step, &context);
        values["action"] = action;
        let request = request::render(&self.op, &step, &values, GENERATION)?;
        Ok(Probe { key, request })
    }

    /// What is known of the order and, for the effect of an action, of that.
    fn context(&self, order: &str, variant: &str) -> (StepContext, Value) {
        let mut all = json!({ "order": { "id": format!("{order}{variant}"), "productOrderItem": [{ "id": LINE }] } });
        for name in self.names() {
            let path = place(&name);
            let made_up = || Value::String(format!("try-{name}{variant}"));
            match self.given.get(&name) {
                Some(given) => put(&mut all, &path, given.clone()),
                None if !is_there(&all, &path) => put(&mut all, &path, made_up()),
                None => {}
            }
        }
        let action = all["action"].take();
        let outputs = all.get("outputs").cloned().map(serde_json::from_value::<BTreeMap<String, Outputs>>);
        let context = StepContext {
            document: all["order"].take(),
            outputs: outputs.and_then(Result::ok).unwrap_or_default(),
            next_generation: GENERATION,
            has_intent: false,
            effect: all.get("effect").cloned().and_then(|effect| serde_json::from_value(effect).ok()),
        };
        (context, action)
    }

    /// What the templates name and a trial can choose: the key and the step are its own.
    fn names(&self) -> Vec<String> {
        let body = self.op.request.body.as_ref().map(Value::to_string).unwrap_or_default();
        const ROOTS: [&str; 5] = ["order.", "line.", "outputs.", "effect.", "action."];
        let chosen = |name: &&str| ROOTS.iter().any(|root| name.starts_with(root));
        let texts = [self.op.request.path.as_str(), body.as_str()];
        let mut names: Vec<String> =
            texts.into_iter().flat_map(template::names).filter(chosen).map(str::to_owned).collect();
        names.sort();
        names.dedup();
        names
    }
}

const LINE: &str = "1";
const GENERATION: i32 = 1;

/// Where a template's name stands in what the context is made from.
fn place(name: &str) -> Vec<&str> {
    match name.strip_prefix("line.") {
        Some(rest) => ["order", "productOrderItem", "0"].into_iter().chain(rest.split('.')).collect(),
        None => name.split('.').collect(),
    }
}

fn is_there(value: &Value, path: &[&str]) -> bool {
    let pointer: String = path.iter().map(|part| format!("/{part}")).collect();
    value.pointer(&pointer).is_some()
}

fn put(at: &mut Value, path: &[&str], new: Value) {
    let Some((first, rest)) = path.split_first() else {
        *at = new;
        return;
    };
    if let (Ok(index), Value::Array(items)) = (first.parse::<usize>(), &mut *at) {
        // Far beyond what an order names; a slip must not take the memory.
        if index < 1_000 {
            items.resize(items.len().max(index + 1), Value::Null);
            put(&mut items[index], rest, new);
        }
        return;
    }
    if !at.is_object() {
        *at = json!({});
    }
    put(&mut at[*first], rest, new);
}

/// Where every value was given, one field more makes another payload.
fn with_one_more(body: &str) -> Option<String> {
    let mut body: Value = serde_json::from_str(body).ok()?;
    body.as_object_mut()?.insert("falloutTry".into(), "another payload".into());
    Some(body.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(request: &str, given: &[(&str, &str)]) -> Result<Subject, String> {
        let (_, text) =
            crate::config::shipped::OPERATIONS.iter().find(|(name, _)| *name == "inventory.reserve.toml").unwrap();
        let mut op: Operation = toml::from_str(text).unwrap();
        op.request = toml::from_str(request).unwrap();
        Subject::new(op, given.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect())
    }

    const RICH: &str = r#"
method = "POST"
path = "/orders/{order.id}/items/{order.productOrderItem.1.sku}"
body = { from = "{outputs.authorize.id}", line = "{line.id}", place = "{line.place.zip}", reference = "{key}" }"#;

    fn body(probe: &Probe) -> Value {
        serde_json::from_str(probe.request.body.as_deref().unwrap()).unwrap()
    }

    #[test]
    fn every_name_of_a_template_has_a_made_up_value_or_the_one_that_was_given() {
        let subject = subject(RICH, &[("order.id", "4711")]).unwrap();
        let probe = subject.probe("a");
        assert_eq!(probe.request.path, "/orders/4711/items/try-order.productOrderItem.1.sku");
        let expected = json!({
            "from": "try-outputs.authorize.id", "line": "1", "place": "try-line.place.zip", "reference": probe.key,
        });
        assert_eq!(body(&probe), expected);
    }

    #[test]
    fn another_payload_has_the_same_key_and_place_and_another_probe_another_key() {
        let subject = subject(RICH, &[]).unwrap();
        let (probe, other) = (subject.probe("a"), subject.other_payload("a").unwrap());
        assert_eq!(
            (&probe.key, &probe.request.path, &probe.request.headers),
            (&other.key, &other.request.path, &other.request.headers)
        );
        assert_ne!(body(&probe), body(&other));
        assert_ne!(subject.probe("b").key, probe.key);
        assert_eq!(subject.probe("a").request, probe.request);
    }

    #[test]
    fn where_the_payload_is_only_the_key_one_field_is_added_and_without_a_payload_there_is_none() {
        let only_key = subject("method = \"POST\"\npath = \"/x\"\nbody = { reference = \"{key}\" }", &[]).unwrap();
        assert_eq!(body(&only_key.other_payload("a").unwrap())["falloutTry"], "another payload");
        let bare = subject("method = \"POST\"\npath = \"/x\"", &[]).unwrap();
        assert!(bare.other_payload("a").is_none() && bare.malformed("a").is_none());
    }

    #[test]
    fn a_value_that_nothing_asks_for_is_refused() {
        let refused = subject(RICH, &[("order.idd", "4711")]).unwrap_err();
        assert!(
            refused.starts_with("--set order.idd: the operation names line.id, line.place.zip, order.id"),
            "{refused}"
        );
    }
}
