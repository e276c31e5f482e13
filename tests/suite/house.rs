//! The rules of the house, held by machine.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Every Rust file of the workspace.
fn sources() -> Vec<PathBuf> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()) {
            if entry.is_dir() && !entry.ends_with("target") {
                walk(&entry, found);
            } else if entry.extension().is_some_and(|e| e == "rs") {
                found.push(entry);
            }
        }
    }
    let mut found = Vec::new();
    ["fallout-core", "workers", "tests"].iter().for_each(|folder| walk(&root().join(folder), &mut found));
    found
}

fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

/// crate → crates of ours it may use, as the table of ARCHITECTURE.md says; "all" is every one.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows = text.lines().filter(|l| l.starts_with("| fallout")).map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let full = |short: &str| format!("fallout-{short}");
        let uses = cells[4].split(',').map(str::trim).filter(|c| !c.is_empty()).map(full).collect();
        (cells[1].to_owned(), uses)
    });
    rows.collect()
}

#[test]
fn the_arrows_between_crates_are_those_of_the_architecture() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let ours: BTreeSet<&str> = packages.iter().map(|p| p["name"].as_str().unwrap()).collect();
    let table = table();
    assert_eq!(ours, table.keys().map(String::as_str).collect(), "the table of crates in ARCHITECTURE.md");
    for package in packages {
        let from = package["name"].as_str().unwrap();
        let allowed = &table[from];
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = dependency["name"].as_str().unwrap();
            let free = allowed.contains("fallout-all") || allowed.contains(to) || dependency["kind"] == "dev";
            assert!(!ours.contains(to) || free, "{from} uses {to}, which ARCHITECTURE.md does not allow");
        }
    }
}

#[test]
fn core_depends_on_nothing_that_could_act() {
    let manifest = fs::read_to_string(root().join("fallout-core/Cargo.toml")).unwrap();
    let section = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let names: BTreeSet<&str> =
        section.lines().filter_map(|l| l.split(['.', ' ', '=']).next()).filter(|n| !n.is_empty()).collect();
    assert_eq!(names, ["chrono", "serde", "serde_json", "thiserror", "uuid"].into());
}

#[test]
fn every_file_says_in_its_first_line_what_it_is_for() {
    let silent = |path: &PathBuf| !fs::read_to_string(path).unwrap().starts_with("//! ");
    let silent: Vec<String> = sources().iter().filter(|p| silent(p)).map(|p| name(p)).collect();
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn sql_stands_in_the_store_only() {
    let is_sql =
        |text: &str| ["sqlx::query", "query!(", "query_as!(", "query_scalar!("].iter().any(|s| text.contains(s));
    let elsewhere =
        sources().into_iter().filter(|p| !name(p).starts_with("workers/store/") && !name(p).ends_with("house.rs"));
    let found: Vec<String> = elsewhere.filter(|p| is_sql(&fs::read_to_string(p).unwrap())).map(|p| name(&p)).collect();
    assert!(found.is_empty(), "{found:?}");
}

/// The words of a CHECK: the first list of quoted words after `column` in this file.
fn checked(file: &str, after: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("migrations").join(file)).unwrap();
    let from = text.find(after).unwrap_or_else(|| panic!("{after} is not in {file}"));
    let text = &text[from..];
    let starts = [" in\n", " in ("].iter().filter_map(|start| text.find(start)).min().expect("a list follows");
    let list = &text[starts..starts + text[starts..].find("))").expect("the list ends")];
    list.split('\'').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_words_in_the_database_are_the_words_of_the_rules() {
    use fallout_core::{
        action::ActionState,
        case::{CaseState, Severity},
        context,
        step::{Direction, StepState},
    };
    let words = |all: &[&str]| all.iter().map(|w| (*w).to_owned()).collect::<BTreeSet<_>>();
    let states = StepState::ALL.iter().map(|s| s.word()).collect::<Vec<_>>();
    assert_eq!(checked("0002_ledger.sql", "state                 text not null default 'new'"), words(&states));
    let directions = Direction::ALL.iter().map(|s| s.word()).collect::<Vec<_>>();
    assert_eq!(checked("0002_ledger.sql", "direction             text"), words(&directions));
    let cases = CaseState::ALL.iter().map(|s| s.word()).collect::<Vec<_>>();
    assert_eq!(checked("0003_fallout.sql", "status                  text"), words(&cases));
    let severities = Severity::ALL.iter().map(|s| s.word()).collect::<Vec<_>>();
    assert_eq!(checked("0003_fallout.sql", "severity                text"), words(&severities));
    // One is added to whatever the list is by then.
    let added = fs::read_to_string(root().join("migrations/0025_gate_and_verification.sql")).unwrap();
    let added = added.split("or status = ''").nth(1).unwrap().split('\'').next().unwrap();
    assert_eq!(added, ActionState::Stopping.word());
    let actions = ActionState::ALL.iter().map(|s| s.word()).filter(|word| *word != added).collect::<Vec<_>>();
    assert_eq!(checked("0022_corrections.sql", "action_state_is_known check (status"), words(&actions));
    let clocks = fallout_core::sla::ClockState::ALL.iter().map(|s| s.word()).collect::<Vec<_>>();
    assert_eq!(checked("0013_sla.sql", "kind            text"), words(&clocks));
    assert_eq!(checked("0013_sla.sql", "derived         text"), words(&severities));
    let orders = context::OrderState::ALL.iter().map(|s| s.word()).collect::<Vec<_>>();
    assert_eq!(checked("0018_order_context.sql", "owner_state         text"), words(&orders));
    let items = context::ItemState::ALL.iter().map(|s| s.word()).collect::<Vec<_>>();
    assert_eq!(checked("0018_order_context.sql", "owner_state     text"), words(&items));
    let events = fallout_core::order::OrderEventKind::ALL.iter().map(|s| s.word()).collect::<Vec<_>>();
    assert_eq!(checked("0018_order_context.sql", "event_type  text"), words(&events));
    let runs = context::RunState::ALL.iter().map(|s| s.word()).collect::<Vec<_>>();
    assert_eq!(checked("0001_orders.sql", "state               text"), words(&runs));
    let bulks = fallout_core::bulk::BulkState::ALL.iter().map(|s| s.word()).collect::<Vec<_>>();
    assert_eq!(checked("0030_bulk.sql", "state            text"), words(&bulks));
    let results = fallout_core::bulk::BulkCaseState::ALL.iter().map(|s| s.word()).collect::<Vec<_>>();
    assert_eq!(checked("0030_bulk.sql", "state           text"), words(&results));
    let outcomes = fallout_core::controller::RunOutcome::ALL.iter().map(|o| o.word()).collect::<Vec<_>>();
    assert_eq!(checked("0037_controller_runs.sql", "outcome       text"), words(&outcomes));
    let scopes = fallout_core::token::TokenScope::ALL.iter().map(|s| s.word()).collect::<BTreeSet<_>>();
    let list = fs::read_to_string(root().join("migrations/0036_event_readers.sql")).unwrap();
    let list = list.split("scopes <@ array[").nth(1).unwrap().split(']').next().unwrap();
    assert_eq!(list.split('\'').skip(1).step_by(2).collect::<BTreeSet<_>>(), scopes);
}

/// The first quoted word after each place where `text` has `mark`.
fn quoted_after(text: &str, mark: &str) -> BTreeSet<String> {
    text.split(mark).skip(1).filter_map(|rest| rest.split('"').nth(1)).map(str::to_owned).collect()
}

#[test]
fn the_spans_of_the_fleet_are_those_of_the_telemetry_page() {
    let page = fs::read_to_string(root().join("docs/TELEMETRY.md")).unwrap();
    let section = page.split("## Spans").nth(1).unwrap();
    let told: BTreeSet<String> = section
        .lines()
        .filter(|l| l.starts_with("| `"))
        .filter_map(|l| l.split('`').nth(1))
        .map(str::to_owned)
        .collect();
    let of_fleet = sources().into_iter().filter(|p| name(p).starts_with("workers/fleet/src/"));
    let made: BTreeSet<String> =
        of_fleet.flat_map(|p| quoted_after(&fs::read_to_string(p).unwrap(), "_span!(")).collect();
    assert_eq!(told, made);
}

#[test]
fn every_intervention_of_the_page_has_its_test() {
    let page = fs::read_to_string(root().join("docs/INTERVENTIONS.md")).unwrap();
    let named: BTreeSet<&str> =
        page.lines().filter(|l| l.ends_with("` |")).filter_map(|l| l.rsplit('`').nth(1)).collect();
    let tests =
        ["interventions", "engine"].map(|f| fs::read_to_string(root().join(format!("tests/suite/{f}.rs"))).unwrap());
    let missing: Vec<_> = named.iter().filter(|n| !tests.iter().any(|t| t.contains(&format!("fn {n}()")))).collect();
    assert!(missing.is_empty() && named.len() > 10, "{missing:?} of {}", named.len());
    let of_people = tests[0].split("#[test]\nfn ").skip(1).filter_map(|t| t.split('(').next());
    let untold: Vec<_> = of_people.filter(|test| !named.contains(test)).collect();
    assert!(untold.is_empty(), "{untold:?}");
}

/// A row of docs/REQUIREMENTS.md: what is asked for, the test that shows it, and where that stands.
struct Requirement<'a> {
    heading: &'a str,
    asked: &'a str,
    test: &'a str,
    file: &'a str,
}

/// The rows below each `##`, and the headings.
fn requirements(page: &str) -> (Vec<&str>, Vec<Requirement<'_>>) {
    let (mut headings, mut rows) = (Vec::new(), Vec::new());
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            headings.push(heading);
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let ([_, asked, test, file, _], Some(heading)) = (cells.as_slice(), headings.last())
            && !asked.starts_with("---")
            && *asked != "requirement"
        {
            rows.push(Requirement { heading, asked, test: test.trim_matches('`'), file: file.trim_matches('`') });
        }
    }
    (headings, rows)
}

/// Whether `text` has a test of this name: a function with an attribute of a test right above it.
fn has_test(text: &str, test: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let is_it = |line: &str| {
        let rest = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        rest.is_some_and(|rest| rest.split('(').next() == Some(test))
    };
    let above = |at: usize| lines[..at].iter().rev().take_while(|l| l.starts_with("#[") || l.starts_with("///"));
    let is_test = |at: usize| above(at).any(|l| l.starts_with("#[test]") || l.starts_with("#[tokio::test"));
    lines.iter().enumerate().any(|(at, line)| is_it(line) && is_test(at))
}

#[test]
fn every_requirement_of_the_page_has_its_test() {
    let page = fs::read_to_string(root().join("docs/REQUIREMENTS.md")).unwrap();
    let (headings, rows) = requirements(&page);
    let empty: Vec<_> = headings.iter().filter(|h| !rows.iter().any(|row| row.heading == **h)).collect();
    assert!(empty.is_empty(), "headings without a row: {empty:?}");
    let stands =
        |row: &&Requirement<'_>| fs::read_to_string(root().join(row.file)).is_ok_and(|text| has_test(&text, row.test));
    let wrong: Vec<_> = rows
        .iter()
        .filter(|row| row.asked.is_empty() || !stands(row))
        .map(|row| format!("{}: {}: no test {} in {}", row.heading, row.asked, row.test, row.file))
        .collect();
    assert!(wrong.is_empty() && rows.len() > 100, "{wrong:#?} of {}", rows.len());
    let twice: BTreeMap<_, _> = rows.iter().map(|row| ((row.heading, row.asked, row.test), row.file)).collect();
    assert_eq!(twice.len(), rows.len(), "a row stands there twice");
}

#[test]
fn no_category_or_owner_of_the_taxonomy_stands_in_the_code() {
    let taxonomy = fs::read_to_string(root().join("config/taxonomy.toml")).unwrap();
    let categories = taxonomy.split("[[classification]]").next().unwrap();
    let named = |field: &str| quoted_after(categories, &format!("\n{field} = "));
    let words: BTreeSet<String> = ["code", "owner_group"].into_iter().flat_map(named).collect();
    assert!(words.len() > 20, "{words:?}");
    let shipped = sources().into_iter().filter(|path| {
        let name = name(path);
        !name.contains("tests/") && !name.ends_with("tests.rs") && !name.ends_with("fixtures.rs")
    });
    let mut found = Vec::new();
    for path in shipped {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let in_code = words.iter().filter(|word| code.contains(&format!("\"{word}\"")));
        found.extend(in_code.map(|word| format!("{word} in {}", name(&path))));
    }
    assert!(found.is_empty(), "{found:?}");
}
