//! A file of orders: a JSON array or one object a line. Every problem is found in one go, each with its place.

use std::{collections::BTreeMap, fmt};

use serde::de::IgnoredAny;
use serde_json::{Value, value::RawValue};

use super::{Order, check};

/// One thing wrong with a file of orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub file: String,
    /// Line of the file, from 1: where the order begins, or where parsing stopped.
    pub line: usize,
    /// Character of the line, from 1, where parsing stopped.
    pub column: Option<usize>,
    /// The order's id, or its place in the file where it has none.
    pub order: String,
    pub field: String,
    pub expected: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { file, line, column, order, field, expected } = self;
        write!(f, "{file}:{line}:")?;
        if let Some(column) = column {
            write!(f, "{column}:")?;
        }
        write!(f, " {}", visible(order))?;
        if !field.is_empty() {
            write!(f, ", {field}")?;
        }
        write!(f, ": {}", visible(expected))
    }
}

/// Ids are the file's own text: a control character in one must not reach a person's terminal.
fn visible(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escaped).collect()
}

/// One order of the file: where it begins, and what it is or why it cannot be read.
struct Entry {
    line: usize,
    document: Result<Value, Unparsable>,
}

struct Unparsable {
    line: usize,
    column: usize,
    why: String,
}

/// Every order of a file, or everything that is wrong with it.
pub fn read_orders(file: &str, bytes: &[u8]) -> Result<Vec<Order>, Vec<Problem>> {
    let whole = |line, column, expected| {
        vec![Problem { file: file.into(), line, column, order: "the file".into(), field: String::new(), expected }]
    };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.trim_start_matches('\u{feff}'),
        Err(e) => {
            let line = 1 + bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count();
            return Err(whole(line, None, format!("expected UTF-8 text; byte {} is not", e.valid_up_to())));
        }
    };
    let entries = split(text).map_err(|u| whole(u.line, Some(u.column), u.why))?;
    if entries.is_empty() {
        return Err(whole(1, None, "expected at least one order".into()));
    }
    checked(file, entries)
}

fn checked(file: &str, entries: Vec<Entry>) -> Result<Vec<Order>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut orders = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (index, Entry { line, document }) in entries.into_iter().enumerate() {
        let number = format!("order number {}", index + 1);
        let problem = |order: &str, field, expected| Problem {
            file: file.into(),
            line,
            column: None,
            order: order.into(),
            field,
            expected,
        };
        let document = match document {
            Ok(document) => document,
            Err(Unparsable { line, column, why }) => {
                problems.push(Problem { line, column: Some(column), ..problem(&number, String::new(), why) });
                continue;
            }
        };
        let id = document.get("id").and_then(Value::as_str).map(str::to_owned);
        let name = id.as_deref().map_or(number, |id| format!("order {id}"));
        if let Some(first) = id.and_then(|id| seen.insert(id, line)) {
            let expected = format!("expected an id of its own; the order at line {first} has the same");
            problems.push(problem(&name, "id".into(), expected));
        }
        match check::order(document) {
            Ok(order) => orders.push(order),
            Err(found) => problems.extend(found.into_iter().map(|(field, expected)| problem(&name, field, expected))),
        }
    }
    if problems.is_empty() { Ok(orders) } else { Err(problems) }
}

/// The orders of the text. An error is one of the whole file: nothing can be told of the orders in it.
fn split(text: &str) -> Result<Vec<Entry>, Unparsable> {
    if text.trim_start().starts_with('[') {
        let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|e| unparsable(&e, text, 1, 0))?;
        let parts = items.into_iter().map(RawValue::get);
        return Ok(entries(text, parts.map(|part| (part.as_ptr() as usize - text.as_ptr() as usize, part))));
    }
    let lines = text.split_inclusive('\n').scan(0, |end, line| {
        let offset = *end;
        *end += line.len();
        Some((offset, line.trim_end()))
    });
    let entries = entries(text, lines.filter(|(_, line)| !line.is_empty()));
    match entries.iter().find_map(|e| e.document.as_ref().err()) {
        // Each of its lines would be a problem, and none of them the one that it has.
        Some(first) if is_json_otherwise(text) => Err(Unparsable {
            why: "expected each order on a line of its own, or all of them in a JSON array".into(),
            ..*first
        }),
        _ => Ok(entries),
    }
}

/// Parses the parts of a text, each given with its offset, in their order.
fn entries<'a>(text: &str, parts: impl Iterator<Item = (usize, &'a str)>) -> Vec<Entry> {
    let (mut line, mut counted) = (1, 0);
    let entry = |(offset, part)| {
        line += text[counted..offset].matches('\n').count();
        counted = offset;
        let document = serde_json::from_str(part).map_err(|e| unparsable(&e, text, line, offset));
        Entry { line, document }
    };
    parts.map(entry).collect()
}

/// Whether the text is good JSON values, only not one a line.
fn is_json_otherwise(text: &str) -> bool {
    serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>().all(|value| value.is_ok())
}

/// The error of a part that begins at `offset`, in `line`, with its place in the whole text.
fn unparsable(e: &serde_json::Error, text: &str, line: usize, offset: usize) -> Unparsable {
    let line_start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
    let below = e.line().saturating_sub(1);
    // serde_json counts bytes, people count characters.
    let bytes = if below == 0 { offset - line_start + e.column() } else { e.column() };
    let of_line = text[line_start..].split('\n').nth(below).unwrap_or_default();
    let column = of_line.char_indices().filter(|(at, _)| *at < bytes).count().max(1);
    let said = e.to_string();
    let place = format!(" at line {} column {}", e.line(), e.column());
    let why = said.strip_suffix(&place).unwrap_or(&said);
    let why = format!("expected a JSON array of product orders, or one product order a line: {why}");
    Unparsable { line: line + below, column, why }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
