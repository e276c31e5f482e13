//! Which settings exist and what kind of value each takes, read off the defaults; so a key is documented or unknown.

use std::collections::BTreeMap;

use super::{shipped, suggest};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Number,
}

/// Keys below names that people choose.
const FREE: [&str; 2] = ["downstreams.*.url", "downstreams.*.bearer"];

#[derive(Debug)]
pub struct Schema(BTreeMap<String, Kind>);

impl Schema {
    pub fn of_defaults() -> Self {
        let defaults: toml::Table =
            toml::from_str(shipped::DEFAULTS).expect("config/default.toml is read by every test of this module");
        let kind = |value: &toml::Value| if value.is_integer() { Kind::Number } else { Kind::Text };
        let leaves = flatten(&defaults).into_iter().filter(|(_, value)| !value.is_table());
        let known = leaves.map(|(key, value)| (key, kind(&value)));
        Self(known.chain(FREE.map(|key| (key.to_owned(), Kind::Text))).collect())
    }

    pub fn kind(&self, key: &str) -> Option<Kind> {
        self.0.iter().find(|(pattern, _)| fits(pattern, key)).map(|(_, kind)| *kind)
    }

    pub fn is_section(&self, key: &str) -> bool {
        let depth = key.split('.').count();
        let begin = |pattern: &String| pattern.split('.').take(depth).collect::<Vec<_>>().join(".");
        self.0.keys().any(|pattern| pattern.split('.').count() > depth && fits(&begin(pattern), key))
    }

    /// The key that was probably meant: a slip in the whole, or the right name in another section.
    pub fn suggestion(&self, key: &str) -> Option<String> {
        let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
        let same_place = self.0.keys().map(|known| named_like(known, section));
        let known: Vec<String> = same_place.collect();
        let elsewhere = || known.iter().find(|k| k.rsplit('.').next() == Some(name)).map(String::as_str);
        let slip = suggest::closest(key, known.iter().map(String::as_str));
        elsewhere().or(slip).filter(|known| !known.contains('*')).map(str::to_owned)
    }
}

/// `downstreams.*.url` with the name that stands in `section`.
fn named_like(pattern: &str, section: &str) -> String {
    match section.strip_prefix("downstreams.") {
        Some(name) => pattern.replace('*', name),
        None => pattern.to_owned(),
    }
}

fn fits(pattern: &str, key: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let one = |(pattern, name): (&str, &str)| pattern == name || (pattern == "*" && !name.is_empty() && name.chars().all(plain));
    pattern.split('.').count() == key.split('.').count() && pattern.split('.').zip(key.split('.')).all(one)
}

/// Every value by its dotted key; a section without values counts as one.
pub fn flatten(table: &toml::Table) -> Vec<(String, toml::Value)> {
    let mut leaves = Vec::new();
    for (name, value) in table {
        match value {
            toml::Value::Table(inner) if !inner.is_empty() => {
                leaves.extend(flatten(inner).into_iter().map(|(key, value)| (format!("{name}.{key}"), value)));
            }
            other => leaves.push((name.clone(), other.clone())),
        }
    }
    leaves
}
