//! Asking a downstream whether an effect exists, and when its answer counts.
//!
//! "Not found" is weak: the request may still be on its way, and the effect may not be visible yet. It counts only in a
//! read that began after `send_before` + total timeout + the operation's latest arrival + its consistency delay, and only
//! twice. An operation without a bound on late arrival has no such moment: there only "found" counts.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    attempt::AttemptFacts,
    operation::{Lookup, Operation, Rejection},
    outcome::Outcome,
    outputs::pick,
    step::Outputs,
};

/// How many counting "not found" prove that nothing was applied.
const NOT_FOUND_NEEDED: usize = 2;

/// What one read said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "said", rename_all = "snake_case")]
pub enum Said {
    Found {
        outputs: Outputs,
    },
    NotFound,
    InFlight,
    Rejected {
        /// The BPMN error code.
        code: String,
        /// Where it is another than the code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        classification: Option<String>,
        message: String,
    },
    /// Anything the operation does not declare, including no answer at all.
    Nothing {
        why: String,
    },
}

impl Said {
    /// What it proves by itself; `None` for what needs more reads, or says nothing.
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Said::Found { outputs } => Some(Outcome::Success { outputs: outputs.clone() }),
            Said::Rejected { code, classification, message } => Some(Outcome::Business {
                code: code.clone(),
                classification: classification.clone(),
                message: message.clone(),
            }),
            Said::NotFound | Said::InFlight | Said::Nothing { .. } => None,
        }
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Said::Found { .. } => f.write_str("the effect exists"),
            Said::NotFound => f.write_str("not found"),
            Said::InFlight => f.write_str("still in progress"),
            Said::Rejected { code, message, .. } => write!(f, "{code}: {message}"),
            Said::Nothing { why } => write!(f, "no answer: {why}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LookupRead {
    /// When the read began, on the database's clock: an answer says nothing about what arrived after its question.
    pub at: DateTime<Utc>,
    pub said: Said,
}

/// What an answer says under the operation's declarations.
pub fn read(op: &Operation, lookup: &Lookup, status: u16, body: &Value) -> Said {
    let is = |m: &Option<crate::operation::Match>| m.as_ref().is_some_and(|m| m.matches(status, body));
    if lookup.found.matches(status, body) {
        return match pick(&lookup.outputs, body) {
            Ok(outputs) => Said::Found { outputs },
            Err(missing) => Said::Nothing { why: format!("found, but without {missing}") },
        };
    }
    if is(&lookup.rejected) {
        return rejected(op, body);
    }
    match () {
        () if is(&lookup.in_flight) => Said::InFlight,
        () if lookup.not_found.matches(status, body) => Said::NotFound,
        () => Said::Nothing { why: format!("HTTP {status} is none of the declared answers") },
    }
}

fn rejected(op: &Operation, body: &Value) -> Said {
    match op.rejection(body) {
        Some((code, Rejection { bpmn_error, classification })) => Said::Rejected {
            code: bpmn_error.clone(),
            classification: Some(classification.clone()).filter(|c| c != bpmn_error),
            message: format!("rejected after it was accepted: {code}"),
        },
        None => {
            let code = body.pointer(&op.answers.code_at).and_then(Value::as_str).unwrap_or("unnamed");
            Said::Nothing { why: format!("rejected with the unknown code {code}") }
        }
    }
}

/// What the reads of an attempt prove together; `None` while they prove nothing.
pub fn proves(lookup: &Lookup, attempt: &AttemptFacts) -> Option<Outcome> {
    let proven = || attempt.reads.iter().filter_map(|read| read.said.outcome());
    let found = proven().find(|outcome| matches!(outcome, Outcome::Success { .. }));
    let rejected = || proven().next();
    let counts_from = attempt.not_found_counts_from(lookup);
    let counts = |read: &LookupRead| read.said == Said::NotFound && counts_from.is_some_and(|from| read.at >= from);
    // An in-flight answer takes back the "not found" before it.
    let since_in_flight = attempt.reads.iter().rev().take_while(|r| r.said != Said::InFlight);
    let not_found = since_in_flight.filter(|read| counts(read)).count();
    let reason = || format!("looked up and not found, {not_found} times after the last byte could have arrived");
    found.or_else(rejected).or_else(|| {
        (not_found >= NOT_FOUND_NEEDED).then(|| Outcome::Technical { reason: reason(), retry_after_ms: None })
    })
}

/// When to read next; `None` once the budget is spent and a person has to decide. The first read is at once (the
/// effect may be there), the reads that can prove absence wait until they count.
pub fn next_read(lookup: &Lookup, attempt: &AttemptFacts) -> Option<DateTime<Utc>> {
    let reads = attempt.reads.len();
    match attempt.reads.last() {
        None => Some(attempt.opened_at),
        Some(_) if reads >= lookup.max_reads as usize => None,
        Some(last) => {
            let again = last.at + Duration::milliseconds(interval_ms(lookup, reads));
            let counts = attempt.not_found_counts_from(lookup).filter(|_| last.said == Said::NotFound);
            let next = counts.map_or(again, |counts| again.max(counts));
            let patience = lookup.max_wait_ms.map(|ms| attempt.over_at + Duration::milliseconds(i64::from(ms)));
            patience.is_none_or(|end| next <= end).then_some(next)
        }
    }
}

/// The pause after `reads` reads: grows by half each time, at most an hour, so that parked unknowns are asked for ever
/// without anyone noticing the load.
pub fn interval_ms(lookup: &Lookup, reads: usize) -> i64 {
    const HOUR_MS: f64 = 3_600_000.0;
    let grown = f64::from(lookup.interval_ms.max(1)) * 1.5f64.powi(reads.saturating_sub(1).min(60) as i32);
    grown.min(HOUR_MS) as i64
}

#[cfg(test)]
#[path = "lookup_tests.rs"]
mod tests;
