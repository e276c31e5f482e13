//! The list of fields against the type and against docs/OPERATIONS.md, and what is said about a file with slips.

use std::collections::BTreeMap;

use super::*;
use crate::config::shipped;

const PAGE: &str = include_str!("../../../../docs/OPERATIONS.md");

fn example() -> &'static str {
    PAGE.split("```toml\n").nth(1).unwrap().split("```").next().unwrap()
}

fn taxonomy() -> Taxonomy {
    toml::from_str(shipped::TAXONOMY).unwrap()
}

fn remarks(text: &str) -> Vec<Remark> {
    read("x.toml", text, &taxonomy()).1
}

/// `field: what` of each, in the order they are told.
fn told(text: &str) -> Vec<String> {
    remarks(text).iter().map(|r| format!("{}: {}", r.field, r.what)).collect()
}

fn pattern(key: &str) -> String {
    let one = FIELDS.iter().find(|(field, _)| fits(field, key));
    one.unwrap_or_else(|| panic!("{key} is not listed")).0.to_owned()
}

#[test]
fn the_list_holds_exactly_the_fields_of_the_type() {
    // JSON, since TOML leaves out what is not set.
    fn keys(value: &serde_json::Value, above: &str, found: &mut Vec<String>) {
        for (name, value) in value.as_object().into_iter().flatten() {
            let key = joined(above, name);
            if key != BODY {
                keys(value, &key, found);
            }
            found.push(pattern(&key));
        }
    }
    let operation: Operation = toml::from_str(example()).unwrap();
    let mut found = Vec::new();
    keys(&serde_json::to_value(operation).unwrap(), "", &mut found);
    found.sort();
    found.dedup();
    let mut listed: Vec<_> = FIELDS.iter().map(|(field, _)| (*field).to_owned()).collect();
    listed.sort();
    assert_eq!(listed, found);
}

/// Field → whether it is needed, from the tables of the page.
fn documented() -> BTreeMap<&'static str, bool> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `")).map(|line| line.split('|').collect::<Vec<_>>());
    rows.flat_map(|cells| cells[1].split('`').skip(1).step_by(2).map(move |field| (field, cells[2].trim() == "yes")))
        .collect()
}

#[test]
fn the_page_explains_exactly_the_fields_of_the_list() {
    assert_eq!(documented(), FIELDS.iter().copied().collect());
}

#[test]
fn the_example_of_the_page_has_every_field_and_nothing_to_say_about() {
    assert_eq!(told(example()), Vec::<String>::new());
}

/// The first value that the pattern names, taken out.
fn without(field: &str) -> String {
    fn take(table: &mut Table, parts: &[&str]) -> bool {
        let (first, rest) = parts.split_first().unwrap();
        if rest.is_empty() && *first != "*" {
            return table.remove(*first).is_some();
        }
        if rest.is_empty() {
            let name = table.keys().next().cloned();
            return name.is_some_and(|name| table.remove(&name).is_some());
        }
        let below = table.iter_mut().filter(|(name, _)| *first == "*" || *first == name.as_str());
        below.filter_map(|(_, value)| value.as_table_mut()).any(|inner| take(inner, rest))
    }
    let mut table: Table = toml::from_str(example()).unwrap();
    let taken = take(&mut table, &field.split('.').collect::<Vec<_>>());
    let rare = ["lookup.outputs.*.valid_for_s", "performed_by"];
    assert!(taken || rare.contains(&field), "the example has no {field}");
    toml::to_string(&table).unwrap()
}

#[test]
fn what_is_needed_is_refused_when_it_is_missing_and_nothing_else_is() {
    // Needed for some kinds only, which the type itself says.
    for (field, required) in
        FIELDS.iter().filter(|(field, _)| !["idempotency.header", "idempotency.retention_s", "undo.*"].contains(field))
    {
        let text = without(field);
        let parsed = toml::from_str::<Operation>(&text);
        // An absent group is an empty one to the type, and refused by its check.
        assert_eq!(parsed.is_err(), *required && *field != "owner_group", "{field}");
        let missing = remarks(&text).into_iter().filter(|r| r.what == "is missing").map(|r| pattern(&r.field));
        let expected: Vec<String> = required.then(|| (*field).to_owned()).into_iter().collect();
        assert_eq!(missing.collect::<Vec<_>>(), expected, "{field}");
    }
}

#[test]
fn every_slip_is_told_at_once_with_what_was_probably_meant_and_the_rest_is_judged_all_the_same() {
    let text = example()
        .replace("owner_group = \"Finance Ops\"", "ownergroup = \"Finance Ops\"")
        .replace("total_ms = 30000", "total_msec = 30000\nmax_reads = 1")
        .replace("valid_for_s", "valid_s")
        .replace("on_503 = \"unknown\"\n", "");
    let mut found = told(&text);
    found.sort();
    let expected = [
        "answers.on_503: is missing",
        "outputs.limit.valid_s: no such field; did you mean outputs.limit.valid_for_s?",
        "ownergroup: no such field; did you mean owner_group?",
        "timeouts.max_reads: no such field; did you mean lookup.max_reads?",
        "timeouts.total_msec: no such field; did you mean timeouts.total_ms?",
    ];
    assert_eq!(found, expected);
    let judged = example().replace("attempts = 8", "attemps = 0\ncolour = 1");
    let found = told(&judged);
    assert!(
        found[1].starts_with("retry.colour: no such field") && found[2].starts_with("retry.attempts: "),
        "{found:?}"
    );
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn a_body_is_the_downstreams_own() {
    let text = example().replace("reference = \"{key}\"", "name = { anything = [\"{key}\"] }");
    assert_eq!(told(&text), Vec::<String>::new());
}

#[test]
fn a_value_of_another_kind_is_told_with_its_place() {
    let text = example().replace("version = 3", "version = \"3\"");
    let found = remarks(&text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].file.starts_with("x.toml:3:") && found[0].what.contains("invalid type"), "{found:?}");
    assert!(remarks("name = ")[0].file.starts_with("x.toml:1:"));
}
