//! The reference data that rules work on: every operation by topic, and the taxonomy; checked together.

use std::collections::BTreeMap;

use crate::{
    operation::{Idempotency, Kind, Lookup, Match, Method, Operation},
    taxonomy::Taxonomy,
    template,
};

/// The engine keeps a topic in 255 characters and shows it to people.
pub const OPERATION_CHARS_MAX: usize = 100;
/// A BPMN error code travels in every report of a rejection and in `handledCodes`, together at most 4,000 characters.
pub const CODE_CHARS_MAX: usize = 64;
/// Travels as the engine's retries; more is no policy but a mistake in a unit.
pub const TRIES_MAX: u32 = 1_000;

#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    pub operations: BTreeMap<String, Operation>,
    pub taxonomy: Taxonomy,
}

impl Catalogue {
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations.get(name)
    }

    /// Everything wrong with the operations and the taxonomy, at once.
    pub fn check(&self) -> Vec<String> {
        let mut wrong = self.taxonomy.check();
        for op in self.operations.values() {
            let mut say = |text: String| wrong.push(format!("operation {}: {text}", op.name));
            check_request(op, &mut say);
            check_times(op, &mut say);
            check_answers(op, &self.taxonomy, &mut say);
            check_lookup(op, &mut say);
        }
        wrong
    }
}

fn check_request(op: &Operation, say: &mut impl FnMut(String)) {
    if op.name.chars().count() > OPERATION_CHARS_MAX {
        say(format!("its name is longer than {OPERATION_CHARS_MAX} characters, and it is a topic of the engine"));
    }
    if !op.request.path.starts_with('/') {
        say(format!("path {} does not begin with /", op.request.path));
    }
    let uses_key = |text: &str| template::names(text).contains(&"key");
    match &op.idempotency {
        Idempotency::NaturalKey { .. } if !uses_key(&op.request.path) => {
            say("a natural key needs {key} in the path".into())
        }
        Idempotency::NaturalKey { .. } if !matches!(op.request.method, Method::Put | Method::Delete) => {
            say("a natural key needs PUT or DELETE".into());
        }
        Idempotency::ClientReference { .. } if !op.request.body.as_ref().is_some_and(|b| uses_key(&b.to_string())) => {
            say("a client reference needs {key} in the body".into());
        }
        _ => {}
    }
    if op.kind == Kind::Read && op.request.method != Method::Get {
        say("a read is a GET; anything else is an effect".into());
    }
    if op.kind == Kind::Effect && op.request.method == Method::Get {
        say("a GET cannot be an effect: proxies and clients repeat it".into());
    }
}

fn check_times(op: &Operation, say: &mut impl FnMut(String)) {
    if op.timeouts.connect_ms >= op.timeouts.total_ms {
        say("connect_ms is not below total_ms; a hanging connect could not be told from a lost answer".into());
    }
    if op.retry.attempts == 0 {
        say("retry.attempts is 0; the first try is one".into());
    }
    if op.retry.attempts > TRIES_MAX {
        say(format!("retry.attempts is above {TRIES_MAX}, which no downstream would thank for"));
    }
    if op.idempotency.retention_s().is_some_and(|s| u64::from(s) * 1_000 < u64::from(op.timeouts.total_ms) * 2) {
        say("retention_s is shorter than two attempts take; a replay could be a second effect".into());
    }
}

fn check_answers(op: &Operation, taxonomy: &Taxonomy, say: &mut impl FnMut(String)) {
    for code in op.answers.business.values() {
        if taxonomy.classification(code).is_none() {
            say(format!("business code {code} has no classification in the taxonomy"));
        }
        let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        if code.is_empty() || !code.chars().all(plain) {
            say(format!(
                "business code \"{code}\" may hold A-Z, 0-9 and _ only, since models compare it between commas"
            ));
        }
    }
}

fn check_lookup(op: &Operation, say: &mut impl FnMut(String)) {
    if op.accepted.is_some() && op.lookup.is_none() {
        say("an operation that answers 202 needs a lookup, or its result could never be known".into());
    }
    let Some(lookup) = &op.lookup else { return };
    if op.kind == Kind::Read {
        say("a read needs no lookup".into());
    }
    for name in op.outputs.keys().filter(|name| !lookup.outputs.contains_key(*name)) {
        say(format!("the lookup does not give the output {name}"));
    }
    check_matches(lookup, say);
    if lookup.max_reads < 3 {
        say("lookup.max_reads is below 3; one early read and two that count are the least".into());
    }
}

/// An answer that is read as "found" although it says something else loses an order without a trace.
fn check_matches(lookup: &Lookup, say: &mut impl FnMut(String)) {
    let others = [
        ("not_found", Some(&lookup.not_found)),
        ("in_flight", lookup.in_flight.as_ref()),
        ("rejected", lookup.rejected.as_ref()),
    ];
    let others: Vec<(&str, &Match)> = others.into_iter().filter_map(|(name, m)| Some((name, m?))).collect();
    for (name, one) in others.iter().copied().chain([("found", &lookup.found)]) {
        if one.at.is_some() != one.equals.is_some() {
            say(format!("lookup.{name} needs at and equals together, or neither"));
        }
    }
    for (name, one) in others {
        if covers(&lookup.found, one) {
            say(format!("lookup.found also matches every answer that lookup.{name} stands for"));
        }
    }
}

/// Whether every answer that `one` matches is matched by `wide` too.
fn covers(wide: &Match, one: &Match) -> bool {
    wide.status == one.status && (wide.at.is_none() || (&wide.at, &wide.equals) == (&one.at, &one.equals))
}

#[cfg(test)]
#[path = "catalogue_tests.rs"]
mod tests;
