//! The catalogue from files: operations and taxonomy, every problem at once with the file it is in.

use std::{collections::BTreeMap, fs, path::Path};

use fallout_bpmn::TopicCodes;
use fallout_core::{catalogue::Catalogue, operation::Operation, taxonomy::Taxonomy};
use serde::de::DeserializeOwned;

use super::{CatalogueSettings, Problem, problem::toml_error, shipped};

/// A file as (name for messages, content).
pub(super) type NamedText = (String, String);

pub(super) fn load(settings: &CatalogueSettings) -> Result<Catalogue, Vec<Problem>> {
    let mut problems = Vec::new();
    let (taxonomy_file, taxonomy) = taxonomy(&settings.taxonomy, &mut problems);
    let mut files = BTreeMap::new();
    let mut operations = BTreeMap::new();
    for (file, text) in folder(&settings.operations, "toml", "config/operations", shipped::OPERATIONS, &mut problems) {
        let Some(operation) = parsed::<Operation>(&file, &text, &mut problems) else {
            continue;
        };
        // One file per operation, found by its name; so no two files can define the same one.
        if Path::new(&file).file_stem().is_none_or(|stem| stem != operation.name.as_str()) {
            problems.push(Problem::new(&file, format!("defines {}, so it must be called {0}.toml", operation.name)));
            continue;
        }
        files.insert(format!("operation {}: ", operation.name), file);
        operations.insert(operation.name.clone(), operation);
    }
    let catalogue = Catalogue { operations, taxonomy: taxonomy.unwrap_or_default() };
    if !catalogue.taxonomy.categories.is_empty() {
        problems.extend(catalogue.check().into_iter().map(|what| placed(what, &files, &taxonomy_file)));
    }
    if problems.is_empty() { Ok(catalogue) } else { Err(problems) }
}

/// The error codes that each topic may raise, for the lint of models.
pub fn topic_codes(catalogue: &Catalogue) -> TopicCodes {
    let codes = |op: &Operation| op.answers.business.values().cloned().collect();
    catalogue.operations.iter().map(|(topic, op)| (topic.clone(), codes(op))).collect()
}

/// `Catalogue::check` knows names, not files.
fn placed(what: String, files: &BTreeMap<String, String>, taxonomy: &str) -> Problem {
    let found = files.iter().find_map(|(start, file)| Some((file, what.strip_prefix(start.as_str())?)));
    match found {
        Some((file, rest)) => Problem::new(file, rest),
        None => Problem::new(taxonomy, what),
    }
}

fn taxonomy(path: &Path, problems: &mut Vec<Problem>) -> (String, Option<Taxonomy>) {
    let file = path.display().to_string();
    if path.as_os_str().is_empty() {
        let file = "config/taxonomy.toml (built in)".to_owned();
        let taxonomy = parsed(&file, shipped::TAXONOMY, problems);
        return (file, taxonomy);
    }
    let taxonomy = match fs::read_to_string(path) {
        Ok(text) => parsed(&file, &text, problems),
        Err(error) => {
            problems.push(Problem::new(&file, format!("the file cannot be read: {error}")));
            None
        }
    };
    (file, taxonomy)
}

fn parsed<T: DeserializeOwned>(file: &str, text: &str, problems: &mut Vec<Problem>) -> Option<T> {
    toml::from_str(text).map_err(|error| problems.push(toml_error(file, text, &error))).ok()
}

/// The files of a folder by name; those that are built in when none is named.
pub(super) fn folder(
    path: &Path,
    extension: &str,
    built_in_folder: &str,
    built_in: &[(&str, &str)],
    problems: &mut Vec<Problem>,
) -> Vec<NamedText> {
    if path.as_os_str().is_empty() {
        return built_in.iter().map(|(name, text)| (format!("{built_in_folder}/{name}"), (*text).to_owned())).collect();
    }
    match read_folder(path, extension, problems) {
        Ok(files) => {
            if files.is_empty() {
                problems
                    .push(Problem::new(path.display().to_string(), format!("the folder holds no .{extension} file")));
            }
            files
        }
        Err(error) => {
            problems.push(Problem::new(path.display().to_string(), format!("the folder cannot be read: {error}")));
            Vec::new()
        }
    }
}

fn read_folder(path: &Path, extension: &str, problems: &mut Vec<Problem>) -> std::io::Result<Vec<NamedText>> {
    let entries = fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
    let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let name = path.display().to_string();
        match fs::read_to_string(&path) {
            Ok(text) => files.push((name, text)),
            Err(error) => problems.push(Problem::new(name, format!("the file cannot be read: {error}"))),
        }
    }
    Ok(files)
}
