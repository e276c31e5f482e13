//! Which settings exist and what kind of value each takes, read off the defaults; so a key is documented or unknown.

use std::collections::BTreeMap;

use super::{shipped, suggest};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Number,
    /// True or false.
    Flag,
}

/// Keys below names that people choose.
const FREE: [(&str, Kind); 4] = [
    ("downstreams.*.url", Kind::Text),
    ("downstreams.*.bearer", Kind::Text),
    ("downstreams.*.offline", Kind::Flag),
    ("downstreams.*.in_flight", Kind::Number),
];

#[derive(Debug)]
pub struct Schema(BTreeMap<String, Kind>);

impl Schema {
    pub fn of_defaults() -> Self {
        let defaults: toml::Table =
            toml::from_str(shipped::DEFAULTS).expect("config/default.toml is read by every test of this module");
        let kind = |value: &toml::Value| if value.is_integer() { Kind::Number } else { Kind::Text };
        let leaves = flatten(&defaults).into_iter().filter(|(_, value)| !value.is_table());
        let known = leaves.map(|(key, value)| (key, kind(&value)));
        Self(known.chain(FREE.map(|(key, kind)| (key.to_owned(), kind))).collect())
    }

    pub fn kind(&self, key: &str) -> Option<Kind> {
        self.0.iter().find(|(pattern, _)| fits(pattern, key)).map(|(_, kind)| *kind)
    }

    pub fn is_section(&self, key: &str) -> bool {
        let depth = key.split('.').count();
        let begin = |pattern: &String| pattern.split('.').take(depth).collect::<Vec<_>>().join(".");
        self.0.keys().any(|pattern| pattern.split('.').count() > depth && fits(&begin(pattern), key))
    }

    /// What was probably meant: a slip in one of the names, a value taken for a section, or the right name in another
    /// section.
    pub fn suggestion(&self, key: &str) -> Option<String> {
        let known: Vec<String> = self.0.keys().map(|pattern| named_like(pattern, key)).collect();
        let sections = known.iter().filter_map(|known| known.split('.').next());
        let whole = known.iter().map(String::as_str).chain(sections);
        let slip = whole
            .filter_map(|known| Some((likeness(known, key)?, known)))
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, known)| known);
        let below = known.iter().find(|known| key.starts_with(&format!("{known}.")));
        let elsewhere = known.iter().find(|known| last(known) == last(key));
        let found = slip.or(below.map(String::as_str)).or(elsewhere.map(String::as_str));
        found.filter(|known| !known.contains('*')).map(str::to_owned)
    }
}

/// How alike two keys of the same depth are; `None` when one of their names is another word.
fn likeness(known: &str, key: &str) -> Option<f64> {
    if known.split('.').count() != key.split('.').count() {
        return None;
    }
    let names = known.split('.').zip(key.split('.'));
    names.map(|(known, given)| suggest::likeness(known, given)).sum()
}

/// `downstreams.*.url` with the name that stands in `key`.
fn named_like(pattern: &str, key: &str) -> String {
    match key.split('.').nth(1) {
        Some(name) if key.split('.').count() == 3 => pattern.replace('*', name),
        _ => pattern.to_owned(),
    }
}

fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

fn fits(pattern: &str, key: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let free = |name: &str| !name.is_empty() && name.chars().all(plain);
    let one = |(pattern, name): (&str, &str)| pattern == name || (pattern == "*" && free(name));
    let same_depth = pattern.split('.').count() == key.split('.').count();
    same_depth && pattern.split('.').zip(key.split('.')).all(one)
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
