//! One operation file: which fields there are, and everything wrong with what was written, at once.
//!
//! serde stops at its first unknown or missing field, so the keys are compared with the list of all fields before.
//! docs/OPERATIONS.md explains each; tests compare the list with that page and with the type.

use fallout_core::{operation::Operation, taxonomy::Taxonomy};
use serde::Serialize;
use toml::{Table, Value};

use super::{problem::toml_error, suggest};

/// Every field by its dotted name and whether the table that holds it must have it; `*` is a name of one's own.
#[rustfmt::skip]
pub const FIELDS: &[(&str, bool)] = &[
    ("name", true), ("version", true), ("downstream", true), ("owner_group", true), ("kind", true),
    ("direction", false), ("performed_by", false), ("undo", false), ("undo.*", false),
    ("point_of_no_return", false),
    ("request", true), ("request.method", true), ("request.path", true), (BODY, false),
    ("idempotency", true), ("idempotency.kind", true), ("idempotency.header", false), ("idempotency.retention_s", false),
    ("answers", true), ("answers.on_503", true), ("answers.on_408", false), ("answers.on_409", false),
    ("answers.on_500", false), ("answers.code_at", false), ("answers.business", false), ("answers.business.*", false),
    ("answers.business.*.bpmn_error", true), ("answers.business.*.classification", true),
    ("outputs", false), ("outputs.*", false), ("outputs.*.at", true), ("outputs.*.valid_for_s", false),
    ("outputs.*.valid_until_at", false),
    ("lookup", false), ("lookup.path", true), ("lookup.consistency_delay_ms", true),
    ("lookup.max_late_arrival_ms", false), ("lookup.max_reads", true), ("lookup.max_wait_ms", false),
    ("lookup.interval_ms", true),
    ("lookup.found", true), ("lookup.found.status", true), ("lookup.found.at", false), ("lookup.found.equals", false),
    ("lookup.not_found", true), ("lookup.not_found.status", true), ("lookup.not_found.at", false),
    ("lookup.not_found.equals", false),
    ("lookup.in_flight", false), ("lookup.in_flight.status", true), ("lookup.in_flight.at", false),
    ("lookup.in_flight.equals", false),
    ("lookup.rejected", false), ("lookup.rejected.status", true), ("lookup.rejected.at", false),
    ("lookup.rejected.equals", false),
    ("lookup.outputs", false), ("lookup.outputs.*", false), ("lookup.outputs.*.at", true),
    ("lookup.outputs.*.valid_for_s", false), ("lookup.outputs.*.valid_until_at", false),
    ("accepted", false), ("accepted.poll_after_ms", true), ("accepted.callback_deadline_ms", true),
    ("timeouts", true), ("timeouts.connect_ms", true), ("timeouts.total_ms", true), ("timeouts.send_within_ms", false),
    ("retry", true), ("retry.attempts", true), ("retry.first_delay_ms", true), ("retry.max_delay_ms", true),
    ("limits", false), ("limits.in_flight", true), ("limits.per_second", false),
];

/// Whatever the downstream wants: nothing below it is ours.
const BODY: &str = "request.body";

/// One thing to say about a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// The file, with line and column where one place is to blame.
    pub file: String,
    /// Empty where it is about the whole file.
    pub field: String,
    /// Whether the file is refused for it.
    pub refused: bool,
    pub what: String,
    pub next: String,
}

impl Remark {
    pub fn refused(file: &str, field: impl Into<String>, what: impl Into<String>, next: impl Into<String>) -> Self {
        Remark { file: file.to_owned(), field: field.into(), refused: true, what: what.into(), next: next.into() }
    }
}

/// The operation as far as it can be read, and every remark about it.
pub fn read(file: &str, text: &str, taxonomy: &Taxonomy) -> (Option<Operation>, Vec<Remark>) {
    let unread = |error: &toml::de::Error| {
        let problem = toml_error(file, text, error);
        Remark::refused(&problem.place, "", problem.what, "correct it")
    };
    let mut table: Table = match toml::from_str(text) {
        Ok(table) => table,
        Err(error) => return (None, vec![unread(&error)]),
    };
    let mut remarks = unknown(file, &mut table);
    // What is known of it is judged all the same.
    let parsed = if remarks.is_empty() { toml::from_str(text) } else { table.clone().try_into() };
    remarks.extend(missing(file, &table));
    let operation: Option<Operation> = match parsed {
        Ok(operation) => Some(operation),
        Err(error) => {
            // A missing field is told above, with every other one.
            remarks.extend((!error.message().starts_with("missing field")).then(|| unread(&error)));
            None
        }
    };
    // Without a taxonomy, which is told elsewhere, every name in it would be unknown.
    if let Some(operation) = operation.as_ref().filter(|_| !taxonomy.categories.is_empty()) {
        remarks.extend(judged(file, operation, taxonomy));
    }
    (operation, remarks)
}

fn judged(file: &str, operation: &Operation, taxonomy: &Taxonomy) -> Vec<Remark> {
    let problems = operation.problems(taxonomy);
    let warnings = if problems.is_empty() { operation.warnings() } else { Vec::new() };
    let problems = problems.into_iter().map(|found| (true, found));
    let all = problems.chain(warnings.into_iter().map(|found| (false, found)));
    // An absent owner_group is told as missing already.
    let all = all.filter(|(_, found)| found.field != "owner_group" || !operation.owner_group.is_empty());
    all.map(|(refused, found)| Remark { refused, ..Remark::refused(file, found.field, found.what, found.next) })
        .collect()
}

/// Keys that no field has. They are taken out of the table, or put right where a slip is obvious, so that the rest of the
/// file can be judged as it was meant.
fn unknown(file: &str, table: &mut Table) -> Vec<Remark> {
    let mut remarks = Vec::new();
    strip(file, table, "", &mut remarks);
    remarks
}

fn strip(file: &str, table: &mut Table, above: &str, remarks: &mut Vec<Remark>) {
    let names: Vec<String> = table.keys().cloned().collect();
    for name in names {
        let key = joined(above, &name);
        if FIELDS.iter().any(|(field, _)| fits(field, &key)) {
            if let (Some(inner), true) = (table.get_mut(&name).and_then(Value::as_table_mut), key != BODY) {
                strip(file, inner, &key, remarks);
            }
            continue;
        }
        let (value, slip) = (table.remove(&name), slip(above, &name));
        if let (Some(meant), Some(value)) = (slip.filter(|meant| !table.contains_key(*meant)), value) {
            table.insert(meant.to_owned(), value);
        }
        let hint = suggest::did_you_mean(slip.map(|meant| joined(above, meant)).or_else(|| elsewhere(&name)));
        let next = if hint.is_empty() { "docs/OPERATIONS.md lists all fields" } else { "correct it or take it out" };
        remarks.push(Remark::refused(file, key, format!("no such field{hint}"), next));
    }
}

/// Fields that a table must have and does not.
fn missing(file: &str, table: &Table) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for (field, _) in FIELDS.iter().filter(|(_, required)| *required) {
        let (above, name) = field.rsplit_once('.').unwrap_or(("", field));
        for (holder, inner) in tables(table, above) {
            if !inner.contains_key(name) {
                let what = "is missing";
                remarks.push(Remark::refused(
                    file,
                    joined(&holder, name),
                    what,
                    "docs/OPERATIONS.md says what it means",
                ));
            }
        }
    }
    remarks
}

/// The tables that a dotted pattern names, each with its own dotted name.
fn tables<'a>(root: &'a Table, pattern: &str) -> Vec<(String, &'a Table)> {
    let mut found = vec![(String::new(), root)];
    for part in pattern.split('.').filter(|part| !part.is_empty()) {
        let below = |(above, table): (String, &'a Table)| {
            let named = table.iter().filter(move |(name, _)| part == "*" || part == name.as_str());
            let tables = named.filter_map(|(name, value)| Some((name, value.as_table()?)));
            tables.map(|(name, inner)| (joined(&above, name), inner)).collect::<Vec<_>>()
        };
        found = found.into_iter().flat_map(below).collect();
    }
    found
}

fn joined(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") }
}

fn fits(field: &str, key: &str) -> bool {
    let same_depth = field.split('.').count() == key.split('.').count();
    same_depth && field.split('.').zip(key.split('.')).all(|(part, name)| part == "*" || part == name)
}

fn last(field: &'static str) -> &'static str {
    field.rsplit('.').next().unwrap_or(field)
}

/// What was probably meant, of the names that the same table may hold.
fn slip(above: &str, name: &str) -> Option<&'static str> {
    let all = FIELDS.iter().map(|(field, _)| *field);
    let beside = all.filter(|field| fits(field, &joined(above, last(field)))).map(last);
    let slip = suggest::closest(name, beside.clone().filter(|known| *known != "*"))?.to_owned();
    beside.into_iter().find(|known| *known == slip)
}

/// The right name in the wrong table.
fn elsewhere(name: &str) -> Option<String> {
    let all = FIELDS.iter().map(|(field, _)| *field);
    all.filter(|field| !field.contains('*')).find(|field| last(field) == name).map(str::to_owned)
}

#[cfg(test)]
#[path = "operation_file_tests.rs"]
mod tests;
