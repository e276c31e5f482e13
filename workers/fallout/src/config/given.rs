//! What was given, where: a file and the environment as lists of values with their places, checked against the schema.

use std::{ffi::OsString, fs, path::Path};

use super::{
    problem::{Problem, toml_error},
    schema::{Kind, Schema, flatten},
    suggest::did_you_mean,
};

/// Variables that are not settings.
const OTHERS: [&str; 2] = ["FALLOUT_CONFIG", "FALLOUT_LOG"];
/// Well-known names of two settings.
const ALIASES: [(&str, &str); 2] = [("DATABASE_URL", "database.url"), ("CAMUNDA_URL", "engine.url")];
/// Settings that name a file or folder.
const PATHS: [&str; 14] = [
    "catalogue.operations",
    "catalogue.taxonomy",
    "catalogue.tenants",
    "catalogue.customer_status",
    "catalogue.personal_data",
    "catalogue.severity",
    "catalogue.authority",
    "catalogue.verification",
    "catalogue.policies",
    "catalogue.sla",
    "catalogue.problems",
    "catalogue.models",
    "sandbox.book",
    "sandbox.faults",
];

/// One value as somebody wrote it.
#[derive(Debug)]
pub struct Given {
    pub key: String,
    value: toml::Value,
    /// The file and the key in it, or the variable.
    pub place: String,
    from_variable: bool,
}

/// The values of a configuration file.
pub fn of_file(path: &Path) -> Result<Vec<Given>, Problem> {
    let name = path.display().to_string();
    let text =
        fs::read_to_string(path).map_err(|error| Problem::new(&name, format!("the file cannot be read: {error}")))?;
    let table: toml::Table = toml::from_str(&text).map_err(|error| toml_error(&name, &text, &error))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let given = |(key, value): (String, toml::Value)| Given {
        place: format!("{name}: {key}"),
        value: beside(folder, &key, value),
        from_variable: false,
        key,
    };
    Ok(flatten(&table).into_iter().map(given).collect())
}

/// A path in a file is meant from where the file is.
fn beside(folder: &Path, key: &str, value: toml::Value) -> toml::Value {
    match value {
        toml::Value::String(path) if PATHS.contains(&key) && !path.is_empty() => {
            folder.join(path).to_string_lossy().into_owned().into()
        }
        other => other,
    }
}

/// The values of the environment; names that only look like ours are told too.
pub fn of_environment(variables: &[(OsString, OsString)], schema: &Schema) -> (Vec<Given>, Vec<Problem>) {
    let (mut given, mut problems) = (Vec::new(), Vec::new());
    for (name, value) in variables {
        let Some(name) = name.to_str() else { continue };
        let Some(key) = key_of(name) else {
            problems.extend(mistaken(name, schema));
            continue;
        };
        match value.to_str() {
            Some(text) => given.push(Given { key, value: text.into(), place: name.to_owned(), from_variable: true }),
            None => problems.push(Problem::new(name, "the value is not UTF-8")),
        }
    }
    (given, problems)
}

fn key_of(variable: &str) -> Option<String> {
    if let Some((_, key)) = ALIASES.iter().find(|(alias, _)| *alias == variable) {
        return Some((*key).to_owned());
    }
    let rest = variable.strip_prefix("FALLOUT_")?;
    rest.contains("__").then(|| rest.to_lowercase().replace("__", "."))
}

/// `FALLOUT_FLEET_PERMITS`. Other names with our prefix are left alone: Kubernetes makes some for a service called fallout.
fn mistaken(variable: &str, schema: &Schema) -> Option<Problem> {
    let rest = variable.strip_prefix("FALLOUT_").filter(|_| !OTHERS.contains(&variable))?;
    let key = rest.to_lowercase().replacen('_', ".", 1);
    schema.kind(&key)?;
    Some(Problem::new(variable, format!("no such setting; did you mean {}?", variable_of(&key))))
}

fn variable_of(key: &str) -> String {
    format!("FALLOUT_{}", key.replace('.', "__").to_uppercase())
}

impl Given {
    /// The value for the merged tree; `None` for a section without values. Messages never repeat the value.
    pub fn checked(&self, schema: &Schema) -> Result<Option<config::Value>, Problem> {
        let problem = |what: String| Err(Problem::new(&self.place, what));
        let Some(kind) = schema.kind(&self.key) else {
            let is_section = schema.is_section(&self.key);
            return match (&self.value, is_section) {
                (toml::Value::Table(_), true) => Ok(None),
                (_, true) => problem(format!("is a section; write [{}] and its settings below", self.key)),
                (_, false) => problem(format!("no such setting{}", did_you_mean(self.suggestion(schema)))),
            };
        };
        match self.converted(kind) {
            Some(value) => Ok(Some(value)),
            None => problem(format!("expected {}, found {}", wanted(kind), self.found())),
        }
    }

    fn converted(&self, kind: Kind) -> Option<config::Value> {
        match (kind, &self.value) {
            (Kind::Text, toml::Value::String(text)) => Some(text.as_str().into()),
            (Kind::Number, toml::Value::Integer(number)) => u32::try_from(*number).ok().map(Into::into),
            (Kind::Number, toml::Value::String(text)) if self.from_variable => {
                text.trim().parse::<u32>().ok().map(Into::into)
            }
            (Kind::Flag, toml::Value::Boolean(flag)) => Some((*flag).into()),
            (Kind::Flag, toml::Value::String(text)) if self.from_variable => {
                text.trim().parse::<bool>().ok().map(Into::into)
            }
            _ => None,
        }
    }

    fn suggestion(&self, schema: &Schema) -> Option<String> {
        let key = schema.suggestion(&self.key)?;
        Some(if self.from_variable { variable_of(&key) } else { key })
    }

    pub fn is_variable(&self) -> bool {
        self.from_variable
    }

    pub fn same_value(&self, other: &Given) -> bool {
        self.value == other.value
    }

    fn found(&self) -> &'static str {
        match &self.value {
            toml::Value::String(_) if self.from_variable => "another text",
            toml::Value::String(_) => "a text",
            toml::Value::Integer(_) => "another number",
            toml::Value::Float(_) => "a number with a fraction",
            toml::Value::Boolean(_) => "true or false",
            toml::Value::Datetime(_) => "a date",
            toml::Value::Array(_) => "a list",
            toml::Value::Table(_) => "a section",
        }
    }
}

fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "a text in quotes",
        Kind::Number => "a whole number from 0 to 4294967295",
        Kind::Flag => "true or false",
    }
}
