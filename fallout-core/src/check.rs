//! Everything wrong with one operation, at once. What is refused here would make an outcome undecidable, an effect
//! double or a trouble ownerless; what is only unwise is in `warnings`.

use std::fmt;

use serde_json::Value;

use crate::{
    catalogue::{CODE_CHARS_MAX, OPERATION_CHARS_MAX, TRIES_MAX},
    operation::{Idempotency, Kind, Lookup, Match, Method, Operation, PerformedBy},
    outputs::VALID_UNTIL,
    step::Direction,
    taxonomy::Taxonomy,
    template, undo,
};

/// One thing to say about an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// By its dotted name in the file.
    pub field: &'static str,
    pub what: String,
    /// What to do about it.
    pub next: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.field, self.what, self.next)
    }
}

/// Collects findings; `what` may be built from the operation, `next` is advice.
#[derive(Default)]
pub(crate) struct Findings(pub(crate) Vec<Finding>);

impl Findings {
    pub(crate) fn add_if(&mut self, wrong: bool, field: &'static str, what: impl Into<String>, next: &str) {
        if wrong {
            self.0.push(Finding { field, what: what.into(), next: next.to_owned() });
        }
    }
}

impl Operation {
    /// Every reason to refuse it.
    pub fn problems(&self, taxonomy: &Taxonomy) -> Vec<Finding> {
        let mut found = Findings::default();
        ownership(self, taxonomy, &mut found);
        request(self, &mut found);
        idempotency(self, &mut found);
        undo::check(self, taxonomy, &mut found);
        if self.kind == Kind::Read {
            read(self, &mut found);
        }
        times(self, &mut found);
        answers(self, taxonomy, &mut found);
        outputs(self, &mut found);
        match &self.lookup {
            Some(lookup) => check_lookup(self, lookup, &mut found),
            None => found.add_if(
                self.accepted.is_some(),
                "accepted",
                "an operation that answers 202 needs a lookup, or its result could never be known",
                "describe the lookup, or leave accepted out",
            ),
        }
        found.0
    }
}

fn ownership(op: &Operation, taxonomy: &Taxonomy, found: &mut Findings) {
    let unfit = op.name.is_empty() || op.name.chars().count() > OPERATION_CHARS_MAX;
    let what = format!("is empty or longer than {OPERATION_CHARS_MAX} characters, and it is a topic of the engine");
    found.add_if(unfit, "name", what, "give the topic's name");
    found.add_if(op.version < 1, "version", "is below 1", "count from 1 and add 1 with each change");
    found.add_if(op.downstream.is_empty(), "downstream", "is empty", "name the system that is called");
    let known = taxonomy.categories.iter().any(|c| c.owner_group == op.owner_group);
    let what = match op.owner_group.as_str() {
        "" => "nobody owns trouble with this call".to_owned(),
        group => format!("the taxonomy knows no group {group}"),
    };
    found.add_if(!known, "owner_group", what, "name an owner_group of the taxonomy's categories");
    if let Some(limits) = &op.limits {
        found.add_if(limits.in_flight == 0, "limits.in_flight", "is 0: nothing would ever be sent", "allow at least 1");
        let stopped = limits.per_second.is_some_and(|n| !n.is_finite() || n <= 0.0);
        found.add_if(stopped, "limits.per_second", "is not above 0", "give a rate above 0, or leave it out");
    }
}

fn request(op: &Operation, found: &mut Findings) {
    let path = &op.request.path;
    found.add_if(!path.starts_with('/'), "request.path", format!("{path} does not begin with /"), "begin it with /");
    let mut roots = vec!["order", "line", "step", "outputs", "key"];
    roots.extend((op.direction == Direction::Undo).then_some("effect"));
    roots.extend((op.performed_by == PerformedBy::Action).then_some("action"));
    templates("request.path", &[path], &roots, found);
    templates("request.body", &body_texts(op), &roots, found);
    let is_get = op.request.method == Method::Get;
    let next = "use the method that the downstream documents";
    found.add_if(
        op.kind == Kind::Effect && is_get,
        "request.method",
        "a GET cannot be an effect: proxies and clients repeat it",
        next,
    );
    let what = "a read is a GET; anything else is an effect";
    found.add_if(op.kind == Kind::Read && !is_get, "request.method", what, "use GET, or call it an effect");
}

/// Every text that a request is rendered from.
pub(crate) fn request_texts(op: &Operation) -> Vec<&str> {
    let mut all = body_texts(op);
    all.push(&op.request.path);
    all
}

fn body_texts(op: &Operation) -> Vec<&str> {
    op.request.body.as_ref().map(texts).unwrap_or_default()
}

/// Every text of a body.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(map) => map.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

fn templates(field: &'static str, texts: &[&str], roots: &[&str], found: &mut Findings) {
    for text in texts {
        let unclosed = !template::is_closed(text);
        found.add_if(unclosed, field, format!("\"{text}\" opens a brace that it does not close"), "write {name}");
        let alone = template::optional(&Value::String((*text).to_owned())).is_some() && field == "request.body";
        let what = format!("\"{text}\" has a name that may be missing, which only a whole field of the body can be");
        found.add_if(text.contains("?}") && !alone, field, what, "write the name without ?");
        for name in template::names(text) {
            let root = name.split('.').next().unwrap_or_default();
            let next = format!("names begin with {}", roots.join(", "));
            found.add_if(!roots.contains(&root), field, format!("{{{name}}} stands for nothing"), &next);
        }
    }
}

fn idempotency(op: &Operation, found: &mut Findings) {
    const FIELD: &str = "idempotency";
    let uses_key = |text: &str| template::names(text).contains(&"key");
    match &op.idempotency {
        Idempotency::None => {}
        Idempotency::KeyHeader { header, .. } => {
            let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
            let unfit = header.is_empty() || !header.chars().all(token);
            found.add_if(unfit, FIELD, format!("\"{header}\" cannot be a header"), "give the name of a header");
        }
        Idempotency::NaturalKey { .. } => {
            let in_path = uses_key(&op.request.path);
            let next = "put {key} into request.path, or name another kind";
            found.add_if(!in_path, FIELD, "a natural key needs {key} in the path", next);
            let puts = matches!(op.request.method, Method::Put | Method::Delete);
            found.add_if(!puts, FIELD, "a natural key needs PUT or DELETE", "a POST needs a key header or a reference");
        }
        Idempotency::ClientReference { .. } => {
            let in_body = body_texts(op).into_iter().any(uses_key);
            let next = "put {key} into request.body, or name another kind";
            found.add_if(!in_body, FIELD, "a client reference needs {key} in the body", next);
        }
    }
}

fn read(op: &Operation, found: &mut Findings) {
    let next = "leave it out, or call the operation an effect";
    let keyed = op.idempotency.retention_s().is_some();
    found.add_if(keyed, "idempotency", "a read needs no key: it may be repeated at will", "use { kind = \"none\" }");
    found.add_if(op.lookup.is_some(), "lookup", "a read needs no lookup", next);
    found.add_if(op.accepted.is_some(), "accepted", "a read has no result that comes later", next);
}

fn times(op: &Operation, found: &mut Findings) {
    let what = "connect_ms is not below total_ms; a hanging connect could not be told from a lost answer";
    found.add_if(op.timeouts.connect_ms >= op.timeouts.total_ms, "timeouts.connect_ms", what, "lower it");
    found.add_if(op.timeouts.send_within_ms == 0, "timeouts.send_within_ms", "is 0: nothing could be sent", "raise it");
    let what = "retry.attempts is 0; the first try is one";
    found.add_if(op.retry.attempts == 0, "retry.attempts", what, "give at least 1");
    let what = format!("is above {TRIES_MAX}, which no downstream would thank for");
    found.add_if(op.retry.attempts > TRIES_MAX, "retry.attempts", what, "count tries, not milliseconds");
    let shrinks = op.retry.max_delay_ms < op.retry.first_delay_ms;
    found.add_if(shrinks, "retry.max_delay_ms", "is below first_delay_ms", "raise it");
    let two_attempts = u64::from(op.timeouts.total_ms) * 2;
    let short = op.idempotency.retention_s().is_some_and(|s| u64::from(s) * 1_000 < two_attempts);
    let what = "retention_s is shorter than two attempts take; a replay could be a second effect";
    found.add_if(short, "idempotency", what, "use { kind = \"none\" }: such a key protects nothing");
    let hasty = op.accepted.as_ref().is_some_and(|a| a.callback_deadline_ms <= a.poll_after_ms);
    let what = "the deadline is not after the first poll";
    found.add_if(hasty, "accepted.callback_deadline_ms", what, "raise it, or lower poll_after_ms");
}

fn answers(op: &Operation, taxonomy: &Taxonomy, found: &mut Findings) {
    const FIELD: &str = "answers.business";
    for (theirs, ours) in &op.answers.business {
        let class = &ours.classification;
        let what = format!("{theirs}: code {class} has no classification in the taxonomy");
        let next = "add it to the taxonomy, or name one that it has";
        found.add_if(taxonomy.classification(class).is_none(), FIELD, what, next);
        let what = format!("{theirs}: {class} stands as its own case, and a rejected step needs one for itself");
        found.add_if(taxonomy.own_case(class), FIELD, what, "name a classification without own_case");
        let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        let code = &ours.bpmn_error;
        let unfit = code.is_empty() || code.len() > CODE_CHARS_MAX || !code.chars().all(plain);
        let what = format!(
            "business code \"{code}\" may hold A-Z, 0-9 and _ only, at most {CODE_CHARS_MAX}, since models compare it between commas"
        );
        found.add_if(unfit, FIELD, what, "rename bpmn_error");
    }
    pointer("answers.code_at", &op.answers.code_at, found);
}

fn pointer(field: &'static str, at: &str, found: &mut Findings) {
    let next = "write it like /id or /order/0/id (RFC 6901)";
    found.add_if(!at.starts_with('/'), field, format!("\"{at}\" is no JSON pointer"), next);
}

fn outputs(op: &Operation, found: &mut Findings) {
    for (name, output) in &op.outputs {
        found.add_if(name == VALID_UNTIL, "outputs", "the name valid_until is reserved", "choose another name");
        pointer("outputs", &output.at, found);
        output.valid_until_at.iter().for_each(|at| pointer("outputs", at, found));
        let both = output.valid_for_s.is_some() && output.valid_until_at.is_some();
        let what = format!("{name} has both valid_for_s and valid_until_at");
        found.add_if(both, "outputs", what, "keep the one that the downstream promises");
    }
}

fn check_lookup(op: &Operation, lookup: &Lookup, found: &mut Findings) {
    templates("lookup.path", &[&lookup.path], &["key", "body"], found);
    let same = template::names(&lookup.path).is_empty();
    found.add_if(same, "lookup.path", "asks the same for every effect", "name {key}, or {body.…} of our request");
    for (name, output) in &op.outputs {
        let Some(given) = lookup.outputs.get(name) else {
            let what = format!("the lookup does not give the output {name}");
            found.add_if(true, "lookup.outputs", what, "say where its answer holds it");
            continue;
        };
        let endless = output.valid_until_at.is_some() && given.valid_until_at.is_none();
        let what = format!("the lookup does not tell until when {name} is valid");
        found.add_if(endless, "lookup.outputs", what, "add its valid_until_at");
        let what = format!("{name}: valid_for_s stands in outputs, for the answer and the lookup alike");
        found.add_if(given.valid_for_s.is_some(), "lookup.outputs", what, "move it there");
    }
    lookup.outputs.values().for_each(|output| pointer("lookup.outputs", &output.at, found));
    matches(lookup, found);
    let least = if lookup.max_late_arrival_ms.is_some() { 3 } else { 1 };
    let what =
        format!("max_reads is below {least}; one early read and two that count are the least that prove absence");
    found.add_if(lookup.max_reads < least, "lookup.max_reads", what, "raise it");
    let proof =
        |late: u32| u64::from(late) + u64::from(lookup.consistency_delay_ms) + 2 * u64::from(lookup.interval_ms);
    let least = lookup.max_late_arrival_ms.map_or(0, proof);
    let short = lookup.max_wait_ms.is_some_and(|ms| u64::from(ms) < least);
    let what =
        format!("is below {least} ms: late arrival, consistency delay and two pauses are the least that prove absence");
    found.add_if(short, "lookup.max_wait_ms", what, "raise it, or leave it out");
    found.add_if(lookup.interval_ms == 0, "lookup.interval_ms", "is 0: reads without a pause", "raise it");
}

/// An answer that is read as "found" although it says something else loses an order without a trace.
fn matches(lookup: &Lookup, found: &mut Findings) {
    let others = [
        ("not_found", "lookup.not_found", Some(&lookup.not_found)),
        ("in_flight", "lookup.in_flight", lookup.in_flight.as_ref()),
        ("rejected", "lookup.rejected", lookup.rejected.as_ref()),
    ];
    let all = others.iter().copied().chain([("found", "lookup.found", Some(&lookup.found))]);
    for (name, field, one) in all.filter_map(|(name, field, one)| Some((name, field, one?))) {
        let half = one.at.is_some() != one.equals.is_some();
        let what = format!("lookup.{name} needs at and equals together, or neither");
        found.add_if(half, field, what, "add the other one");
        let hidden = name != "found" && covers(&lookup.found, one);
        let what = format!("lookup.found also matches every answer that lookup.{name} stands for");
        found.add_if(hidden, field, what, "tell them apart by status, or by at and equals");
    }
}

/// Whether every answer that `one` matches is matched by `wide` too.
fn covers(wide: &Match, one: &Match) -> bool {
    wide.status == one.status && (wide.at.is_none() || (&wide.at, &wide.equals) == (&one.at, &one.equals))
}
