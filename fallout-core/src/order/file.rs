//! A file of orders: a JSON array or one object a line. Every problem is found in one go, each with its place.

use std::{collections::BTreeMap, fmt};

use serde_json::{Value, value::RawValue};

use super::{Order, check};

/// One thing wrong with a file of orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub file: String,
    /// Line of the file, from 1: where the order begins, or where parsing stopped.
    pub line: usize,
    /// The order's id, or its place in the file where it has none.
    pub order: String,
    pub field: String,
    pub expected: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { file, line, order, field, expected } = self;
        write!(f, "{file}:{line}: {order}")?;
        if !field.is_empty() {
            write!(f, ", {field}")?;
        }
        write!(f, ": {expected}")
    }
}

/// Every order of a file, or everything that is wrong with it.
pub fn read_orders(file: &str, bytes: &[u8]) -> Result<Vec<Order>, Vec<Problem>> {
    let at = |line, expected: String| Problem {
        file: file.into(),
        line,
        order: "the file".into(),
        field: String::new(),
        expected,
    };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.trim_start_matches('\u{feff}'),
        Err(e) => {
            let line = 1 + bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count();
            return Err(vec![at(line, format!("expected UTF-8 text; byte {} is not", e.valid_up_to()))]);
        }
    };
    let raw = split(text).map_err(|(line, why)| vec![at(line, why)])?;
    if raw.is_empty() {
        return Err(vec![at(1, "expected at least one order".into())]);
    }
    checked(file, raw)
}

fn checked(file: &str, raw: Vec<(usize, Value)>) -> Result<Vec<Order>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut orders = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (index, (line, document)) in raw.into_iter().enumerate() {
        let id = document.get("id").and_then(Value::as_str).map(str::to_owned);
        let name = id.as_deref().map_or_else(|| format!("order number {}", index + 1), |id| format!("order {id}"));
        let mut add = |field: String, expected: String| {
            problems.push(Problem { file: file.into(), line, order: name.clone(), field, expected });
        };
        if let Some(first) = id.and_then(|id| seen.insert(id, line)) {
            add("id".into(), format!("expected an id of its own; the order at line {first} has the same"));
        }
        match check::order(document) {
            Ok(order) => orders.push(order),
            Err(found) => found.into_iter().for_each(|(field, expected)| add(field, expected)),
        }
    }
    if problems.is_empty() { Ok(orders) } else { Err(problems) }
}

/// The objects with the line each begins on.
fn split(text: &str) -> Result<Vec<(usize, Value)>, (usize, String)> {
    if text.trim_start().starts_with('[') {
        let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|e| (e.line(), unparsable(&e)))?;
        let line_of = |raw: &RawValue| {
            let offset = raw.get().as_ptr() as usize - text.as_ptr() as usize;
            1 + text[..offset].matches('\n').count()
        };
        return items.into_iter().map(|raw| parse(line_of(raw), raw.get())).collect();
    }
    let lines = text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty());
    lines.map(|(index, line)| parse(index + 1, line)).collect()
}

fn parse(line: usize, text: &str) -> Result<(usize, Value), (usize, String)> {
    serde_json::from_str(text).map(|value| (line, value)).map_err(|e| (line, unparsable(&e)))
}

fn unparsable(e: &serde_json::Error) -> String {
    format!("expected a JSON array of product orders, or one product order a line: {e}")
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
