//! Whether one order can be fulfilled as it stands; every problem at once, as (field, what was expected).

use std::collections::BTreeMap;

use serde_json::Value;

use super::{ItemAction, Line, Order};

/// A business key is `<tenant>:<order id>:<run>` and the engine keeps 255 characters of it.
const ID_CHARS_MAX: usize = 180;
/// Each line is three engine variables and one execution; beyond this an order belongs in several.
pub(super) const LINES_MAX: usize = 1_000;

type Found = Vec<(String, String)>;

pub(super) fn order(document: Value) -> Result<Order, Found> {
    let mut found = Found::new();
    if !document.is_object() {
        return Err(vec![(String::new(), "expected a product order object".into())]);
    }
    let id = id_of(&document, "id", &mut found);
    let mut items = Vec::new();
    collect(&document, "", &mut items, &mut found);
    if items.is_empty() && found.iter().all(|(field, _)| !field.starts_with("productOrderItem")) {
        found.push(("productOrderItem".into(), "expected at least one item".into()));
    }
    if items.len() > LINES_MAX {
        found.push(("productOrderItem".into(), format!("expected at most {LINES_MAX} items, nested ones included")));
    }
    if has_nul(&document) {
        found.push((String::new(), "expected text without the character U+0000, which Postgres cannot store".into()));
    }
    let lines = lines(&items, &mut found);
    let requested_start = start(&document, &mut found);
    let customer = customer(&document);
    if found.is_empty() { Ok(Order { id, customer, requested_start, lines, document }) } else { Err(found) }
}

fn id_of(of: &Value, field: &str, found: &mut Found) -> String {
    text_id(of.get("id"), ID_CHARS_MAX).unwrap_or_else(|expected| {
        let why =
            if expected.starts_with("expected at most") { ", since the engine's business key holds 255" } else { "" };
        found.push((field.to_owned(), format!("{expected}{why}")));
        String::new()
    })
}

/// An id as text, or what was expected.
pub(super) fn text_id(value: Option<&Value>, chars_max: usize) -> Result<String, String> {
    match value {
        None | Some(Value::Null) => Err("expected an id".to_owned()),
        Some(Value::String(id)) if id.trim().is_empty() => Err("expected an id that is not empty".to_owned()),
        Some(Value::String(id)) if id.chars().count() > chars_max => {
            Err(format!("expected at most {chars_max} characters"))
        }
        Some(Value::String(id)) if id.chars().any(char::is_control) => {
            Err("expected an id without control characters".to_owned())
        }
        Some(Value::String(id)) => Ok(id.clone()),
        Some(other) => Err(format!("expected text in quotes, found {other}")),
    }
}

/// The id of an order of which perhaps only a part is told; what is told of it can be kept.
pub(super) fn resource(document: &Value) -> Result<String, (String, String)> {
    let mut found = Found::new();
    if !document.is_object() {
        return Err((String::new(), "expected a product order object".into()));
    }
    let id = id_of(document, "id", &mut found);
    let mut items = Vec::new();
    collect(document, "", &mut items, &mut found);
    if items.len() > LINES_MAX {
        found.push(("productOrderItem".into(), format!("expected at most {LINES_MAX} items, nested ones included")));
    }
    for (path, item) in &items {
        id_of(item, &format!("{path}.id"), &mut found);
    }
    if has_nul(document) {
        found.push((String::new(), "expected text without the character U+0000, which Postgres cannot store".into()));
    }
    if found.is_empty() { Ok(id) } else { Err(found.remove(0)) }
}

/// Items in document order, each with its path for messages.
fn collect<'a>(of: &'a Value, path: &str, items: &mut Vec<(String, &'a Value)>, found: &mut Found) {
    match of.get("productOrderItem") {
        None | Some(Value::Null) => {}
        Some(Value::Array(children)) => {
            for (index, child) in children.iter().enumerate() {
                let here = format!("{path}productOrderItem[{index}]");
                if child.is_object() {
                    items.push((here.clone(), child));
                    collect(child, &format!("{here}."), items, found);
                } else {
                    found.push((here, "expected an item object".into()));
                }
            }
        }
        Some(_) => found.push((format!("{path}productOrderItem"), "expected an array of items".into())),
    }
}

fn lines(items: &[(String, &Value)], found: &mut Found) -> Vec<Line> {
    let mut index_of: BTreeMap<String, usize> = BTreeMap::new();
    let mut lines: Vec<Line> = Vec::new();
    for (path, item) in items {
        let id = id_of(item, &format!("{path}.id"), found);
        if !id.is_empty() && index_of.insert(id.clone(), lines.len()).is_some() {
            found.push((
                format!("{path}.id"),
                format!("expected an id of its own within the order; {id} is used before"),
            ));
        }
        lines.push(Line { id, action: action(item, path, found), relies_on: Vec::new() });
    }
    for (line, (path, item)) in lines.iter_mut().zip(items) {
        line.relies_on = relies_on(item, path, &index_of, found);
    }
    if let Some(index) = on_a_cycle(&lines) {
        let expected = format!("expected no cycle; {} relies on itself in the end", lines[index].id);
        found.push((format!("{}.productOrderItemRelationship", items[index].0), expected));
    }
    lines
}

fn action(item: &Value, path: &str, found: &mut Found) -> ItemAction {
    let text = item.get("action").and_then(Value::as_str);
    text.and_then(|a| a.parse().ok()).unwrap_or_else(|| {
        let had = item.get("action").map_or("none".to_owned(), Value::to_string);
        found.push((format!("{path}.action"), format!("expected add, modify, delete or noChange, found {had}")));
        ItemAction::NoChange
    })
}

fn relies_on(item: &Value, path: &str, index_of: &BTreeMap<String, usize>, found: &mut Found) -> Vec<usize> {
    let relationships = item.get("productOrderItemRelationship").and_then(Value::as_array).into_iter().flatten();
    let mut needs = Vec::new();
    for (at, relationship) in relationships.enumerate() {
        if relationship.get("relationshipType").and_then(Value::as_str) != Some("reliesOn") {
            continue;
        }
        let id = relationship.get("id").and_then(Value::as_str).unwrap_or_default();
        match index_of.get(id) {
            Some(index) if needs.contains(index) => {}
            Some(index) => needs.push(*index),
            None => {
                let field = format!("{path}.productOrderItemRelationship[{at}].id");
                found.push((field, format!("expected the id of an item of this order, found \"{id}\"")));
            }
        }
    }
    needs
}

/// A line that cannot be reached by removing lines whose needs are met, one after the other.
fn on_a_cycle(lines: &[Line]) -> Option<usize> {
    let mut met = vec![false; lines.len()];
    loop {
        let next = (0..lines.len()).find(|&i| !met[i] && lines[i].relies_on.iter().all(|&need| met[need]));
        match next {
            Some(index) => met[index] = true,
            None => return met.iter().position(|done| !done),
        }
    }
}

/// The engine's timer takes this text as it is, so it must be a date-time with its offset.
fn start(document: &Value, found: &mut Found) -> Option<String> {
    let value = document.get("requestedStartDate").filter(|v| !v.is_null())?;
    match value.as_str().filter(|text| chrono::DateTime::parse_from_rfc3339(text).is_ok()) {
        Some(text) => Some(text.to_owned()),
        None => {
            let expected = format!("expected a date-time such as 2026-12-01T08:00:00Z, found {value}");
            found.push(("requestedStartDate".into(), expected));
            None
        }
    }
}

pub(crate) fn customer(document: &Value) -> Option<String> {
    let parties = document.get("relatedParty")?.as_array()?;
    let role_is =
        |p: &&Value| p.get("role").and_then(Value::as_str).is_some_and(|r| r.eq_ignore_ascii_case("customer"));
    parties.iter().find(role_is)?.get("id")?.as_str().map(str::to_owned)
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(map) => map.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}
