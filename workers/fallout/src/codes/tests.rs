//! Every code has a page that says what to do, and every code in the tree is in the list.

use std::{collections::BTreeSet, fs, path::Path};

use fallout_core::taxonomy::Taxonomy;

use super::*;
use crate::{config::shipped, exit::Exit};

const WORKERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// `FO-` and three digits, wherever they stand.
fn codes_in(text: &str) -> impl Iterator<Item = &str> {
    let at = text.match_indices("FO-").map(|(at, _)| at);
    let code = at.filter_map(|at| text.get(at..at + 6));
    code.filter(|code| code[3..].bytes().all(|byte| byte.is_ascii_digit()))
}

fn codes_below(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            codes_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.extend(codes_in(&fs::read_to_string(&path).unwrap()).map(str::to_owned));
        }
    }
}

#[test]
fn every_code_that_the_tree_mentions_is_in_the_list() {
    let mut found = BTreeSet::new();
    codes_below(Path::new(WORKERS), &mut found);
    let unknown: Vec<_> = found.iter().filter(|id| code(id).is_none()).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(found.len() >= CODES.len());
}

#[test]
fn every_page_has_its_code_a_title_and_a_next_step() {
    for code in CODES {
        assert!(code.page.starts_with(&format!("# {} ", code.id)), "{}", code.id);
        assert!(!code.title().is_empty() && !code.title().contains("FO-"), "{}", code.id);
        assert!(code.next_step().ends_with('.'), "{}: {}", code.id, code.next_step());
        assert_ne!(code.exit, Exit::Done);
    }
}

#[test]
fn every_page_in_the_folder_is_built_in() {
    let folder = format!("{WORKERS}/../docs/runbooks");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let codes = CODES.iter().map(|code| format!("{}.md", code.id));
    let pages = CATEGORY_PAGES.iter().chain(CLASSIFICATION_PAGES);
    let built_in = codes.chain(pages.map(|(name, _)| format!("{name}.md")));
    assert_eq!(files.collect::<BTreeSet<_>>(), built_in.collect());
}

/// What a person has to know before anything is touched.
fn says_what_is_known(name: &str, page: Option<&str>) {
    let page = page.unwrap_or_else(|| panic!("{name} has no page"));
    for part in ["**What is known.**", "**What is not known.**", "**Safe next step.**", "fallout case show"] {
        assert!(page.contains(part), "{name}: {part}");
    }
}

#[test]
fn every_category_has_its_runbook() {
    let taxonomy: Taxonomy = toml::from_str(shipped::TAXONOMY).unwrap();
    for category in &taxonomy.categories {
        says_what_is_known(&category.runbook, category_page(&category.runbook));
    }
}

#[test]
fn everything_that_the_program_itself_parks_with_has_a_page_of_its_own() {
    for code in fallout_core::decide::classification::ALL {
        says_what_is_known(code, classification_page(code));
    }
    assert_eq!(CLASSIFICATION_PAGES.len(), fallout_core::decide::classification::ALL.len());
}

/// What `cli::report` can say of an error that came by a plain `?`.
#[test]
fn errors_of_our_crates_have_the_code_of_what_an_operator_does() {
    use fallout_camunda::{DeployError, EngineError};
    let id = |error: anyhow::Error| code_of(&error).map(|code| code.id);
    assert_eq!(id(EngineError::Away { source: None }.into()), Some("FO-010"));
    assert_eq!(id(EngineError::Unauthorised { status: 403, message: String::new() }.into()), Some("FO-011"));
    assert_eq!(id(EngineError::Unknown { source: None }.into()), None);
    assert_eq!(id(EngineError::NotFound { message: "no such path".into() }.into()), Some("FO-010"));
    let refused = |kind: &str| EngineError::Refused { kind: kind.into(), message: String::new() };
    assert_eq!(id(refused("HTTP 404").into()), Some("FO-010"));
    assert_eq!(id(refused("InvalidRequestException").into()), None);
    assert_eq!(id(DeployError::Engine(EngineError::Away { source: None }).into()), Some("FO-010"));
    assert_eq!(id(DeployError::Parse { problems: Vec::new() }.into()), Some("FO-015"));
    assert_eq!(id(fallout_embedded::EmbeddedError::NoJava { searched: "PATH".into() }.into()), Some("FO-107"));
    assert_eq!(id(anyhow::anyhow!("something else")), None);
}

#[test]
fn errors_of_the_database_server_have_the_code_of_what_an_operator_does() {
    let codes = [
        ("42P01", Some("FO-022")),
        ("42703", Some("FO-022")),
        ("42501", Some("FO-022")),
        ("28P01", Some("FO-020")),
        ("28000", Some("FO-020")),
    ];
    for (sqlstate, expected) in codes.into_iter().chain([("3D000", Some("FO-020")), ("42601", None)]) {
        assert_eq!(super::find::of_sqlstate(sqlstate), expected, "{sqlstate}");
    }
}
