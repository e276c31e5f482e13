//! What to do about a step: one pure decision over *all* attempts of its latest generation.
//!
//! The join holds the promise: a later technical failure never clears an earlier unknown, and only a definite answer
//! about the same key does.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use crate::{attempt::AttemptFacts, lookup, operation::Operation, outcome::Outcome, outputs, retry, step::Outputs};

/// What to do; also what is told to the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// `complete`, state DONE.
    Complete { outputs: Outputs },
    /// `complete`, state PENDING: the model waits for the callback, at most this long.
    AwaitCallback { deadline_ms: u64 },
    /// `complete` without an effect: the order is being cancelled, or the step was skipped or cancelled already.
    End { ending: crate::step::Ending },
    /// `bpmnError`. `handled` when the caller takes the code itself: then no case opens.
    RaiseError { code: String, message: String, handled: bool },
    /// `failure` with retries left: another attempt at the same intent.
    RetryAfter { delay_ms: u64, retries_left: u32, reason: String },
    /// `failure` with retries left: the same key and the same bytes, as the way to ask.
    ReplayAfter { delay_ms: u64, retries_left: u32, reason: String },
    /// `extendLock`: read again then; spends no retry.
    LookUpAfter { delay_ms: u64 },
    /// `failure` with retries 0: waits for a recovery.
    Park { classification: String, reason: String },
}

impl Verdict {
    /// Whether the report of this verdict has to wait for its case.
    pub fn needs_case(&self) -> bool {
        matches!(self, Verdict::Park { .. } | Verdict::RaiseError { handled: false, .. })
    }
}

/// Classification codes that the program itself gives; the taxonomy must know them.
pub mod classification {
    pub const RETRIES_EXHAUSTED: &str = "RETRIES_EXHAUSTED";
    pub const OUTCOME_UNKNOWN: &str = "OUTCOME_UNKNOWN";
    pub const DEFECT: &str = "DEFECT";
    pub const UNDO_REQUIRED: &str = "UNDO_REQUIRED";
    pub const TASK_GONE: &str = "TASK_GONE";
    pub const ENGINE_CANNOT_ADVANCE: &str = "ENGINE_CANNOT_ADVANCE";
    pub const UNCLASSIFIED: &str = "UNCLASSIFIED";
    pub const APPLIED_AFTER_ALL: &str = "APPLIED_AFTER_ALL";
    pub const APPLIED_TWICE: &str = "APPLIED_TWICE";
    pub const EFFECT_DISPUTED: &str = "EFFECT_DISPUTED";
    /// Evidence against what was settled: more evidence of the usual kind does not make it another trouble.
    pub const CONTRADICTIONS: [&str; 3] = [APPLIED_AFTER_ALL, APPLIED_TWICE, EFFECT_DISPUTED];
    pub const ALL: [&str; 10] = [
        RETRIES_EXHAUSTED,
        OUTCOME_UNKNOWN,
        DEFECT,
        UNDO_REQUIRED,
        TASK_GONE,
        ENGINE_CANNOT_ADVANCE,
        UNCLASSIFIED,
        APPLIED_AFTER_ALL,
        APPLIED_TWICE,
        EFFECT_DISPUTED,
    ];
}

/// Which BPMN error codes the definition that this instance runs catches at the activity or above it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Catches {
    All,
    Codes(BTreeSet<String>),
}

impl Catches {
    pub fn none() -> Self {
        Catches::Codes(BTreeSet::new())
    }

    pub fn catches(&self, code: &str) -> bool {
        match self {
            Catches::All => true,
            Catches::Codes(codes) => codes.contains(code),
        }
    }
}

/// What surrounds the step when it is decided.
#[derive(Clone, Debug)]
pub struct Situation<'a> {
    pub epoch: i32,
    pub catches: &'a Catches,
    /// Codes that the calling model handles itself.
    pub handled: &'a [String],
    pub now: DateTime<Utc>,
}

/// What all attempts of one generation prove together.
#[derive(Clone, Debug, PartialEq)]
pub enum Joined<'a> {
    /// Nothing was tried.
    Nothing,
    /// A sender may be at work.
    Open(&'a AttemptFacts),
    /// Settled, by this attempt's outcome.
    Settled(&'a AttemptFacts, &'a Outcome),
    /// May have been applied; this attempt is the one to resolve.
    Unresolved(&'a AttemptFacts, &'a Outcome),
}

/// Success wins over everything, an open attempt over the rest. An unresolved attempt wins over every failure but a later
/// rejection, which is an answer about the same key.
pub fn join(attempts: &[AttemptFacts]) -> Joined<'_> {
    let open = || attempts.iter().rev().find(|a| a.is_open()).map(Joined::Open);
    latest(attempts, |o| matches!(o, Outcome::Success { .. }))
        .or_else(open)
        .or_else(|| latest(attempts, |o| matches!(o, Outcome::Business { .. }) || !o.is_definite()))
        .or_else(|| latest(attempts, |_| true))
        .unwrap_or(Joined::Nothing)
}

fn latest(attempts: &[AttemptFacts], wanted: fn(&Outcome) -> bool) -> Option<Joined<'_>> {
    let mut with_outcome = attempts.iter().rev().filter_map(|a| Some((a, a.outcome.as_ref()?)));
    let (attempt, outcome) = with_outcome.find(|(_, outcome)| wanted(outcome))?;
    Some(match outcome.is_definite() {
        true => Joined::Settled(attempt, outcome),
        false => Joined::Unresolved(attempt, outcome),
    })
}

/// The verdict over the attempts of the latest generation; `None` while nothing was tried or a sender is at work.
pub fn decide(op: &Operation, attempts: &[AttemptFacts], at: &Situation<'_>) -> Option<Verdict> {
    match join(attempts) {
        Joined::Nothing | Joined::Open(_) => None,
        Joined::Settled(attempt, outcome) => Some(definite(op, attempts, attempt, outcome, at)),
        Joined::Unresolved(attempt, outcome) => Some(unresolved(op, attempts, attempt, outcome, at)),
    }
}

fn definite(
    op: &Operation,
    all: &[AttemptFacts],
    last: &AttemptFacts,
    outcome: &Outcome,
    at: &Situation<'_>,
) -> Verdict {
    match outcome {
        Outcome::Success { outputs } => {
            let since = all.iter().map(|a| a.opened_at).fold(last.opened_at, DateTime::min);
            Verdict::Complete { outputs: outputs::with_validity(&op.outputs, outputs, since) }
        }
        Outcome::Business { code, classification, message } => {
            business(code, classification.as_deref().unwrap_or(code), message, at)
        }
        Outcome::Technical { reason, .. } => match tries_left(op, all, at.epoch) {
            0 => Verdict::Park { classification: classification::RETRIES_EXHAUSTED.into(), reason: reason.clone() },
            left => Verdict::RetryAfter {
                delay_ms: delay_ms(op, all, last, at.epoch),
                retries_left: left,
                reason: reason.clone(),
            },
        },
        Outcome::Defect { reason } => {
            Verdict::Park { classification: classification::DEFECT.into(), reason: reason.clone() }
        }
        Outcome::Pending | Outcome::Unknown { .. } | Outcome::Replayable { .. } => {
            unresolved(op, all, last, outcome, at)
        }
    }
}

/// The verdict over a read. It changes nothing outside, so its last answer is all that counts, and the engine's own count
/// (`left`, `None` before the first failure) says how often it was tried. `seed` spreads the delays.
pub fn decide_read(op: &Operation, outcome: &Outcome, left: Option<u32>, seed: u128, at: &Situation<'_>) -> Verdict {
    let (reason, asked) = match outcome {
        Outcome::Success { outputs } => {
            return Verdict::Complete { outputs: outputs::with_validity(&op.outputs, outputs, at.now) };
        }
        Outcome::Business { code, classification, message } => {
            return business(code, classification.as_deref().unwrap_or(code), message, at);
        }
        Outcome::Defect { reason } => {
            return Verdict::Park { classification: classification::DEFECT.into(), reason: reason.clone() };
        }
        Outcome::Technical { reason, retry_after_ms } => (reason.clone(), retry_after_ms.unwrap_or(0)),
        Outcome::Unknown { .. } | Outcome::Replayable { .. } | Outcome::Pending => (reason_of(outcome), 0),
    };
    let left = left.map_or(op.retry.attempts, |left| left.min(op.retry.attempts)).saturating_sub(1);
    if left == 0 {
        return Verdict::Park { classification: classification::RETRIES_EXHAUSTED.into(), reason };
    }
    let delay_ms = retry::delay_ms(&op.retry, op.retry.attempts - left, seed).max(asked.min(RETRY_AFTER_MAX_MS));
    Verdict::RetryAfter { delay_ms, retries_left: left, reason }
}

fn business(code: &str, classification: &str, message: &str, at: &Situation<'_>) -> Verdict {
    let handled = at.handled.iter().any(|h| h == code);
    if at.catches.catches(code) {
        return Verdict::RaiseError { code: code.to_owned(), message: message.to_owned(), handled };
    }
    // An uncaught BPMN error ends the path without a word, so it is never raised.
    Verdict::Park { classification: classification.to_owned(), reason: message.to_owned() }
}

fn unresolved(
    op: &Operation,
    all: &[AttemptFacts],
    last: &AttemptFacts,
    outcome: &Outcome,
    at: &Situation<'_>,
) -> Verdict {
    match (outcome, &op.accepted, last.callback_deadline) {
        (Outcome::Pending, Some(_), Some(deadline)) if at.now < deadline => {
            Verdict::AwaitCallback { deadline_ms: ms_between(at.now, deadline) }
        }
        _ => ask_again(op, all, last, outcome, at),
    }
}

/// Look up where there is a lookup; replay only what is replayable and only where there is none; else a person.
fn ask_again(
    op: &Operation,
    all: &[AttemptFacts],
    last: &AttemptFacts,
    outcome: &Outcome,
    at: &Situation<'_>,
) -> Verdict {
    let park =
        |why: &str| Verdict::Park { classification: classification::OUTCOME_UNKNOWN.into(), reason: why.to_owned() };
    let reason = reason_of(outcome);
    if let Some(lookup) = &op.lookup {
        return match next_read(lookup, last) {
            Some(next) => Verdict::LookUpAfter { delay_ms: ms_between(at.now, next) },
            None => park(&format!("{reason}; looked up {} times without a definite answer", last.reads.len())),
        };
    }
    match (outcome, tries_left(op, all, at.epoch)) {
        (Outcome::Replayable { .. }, left) if left > 0 && key_is_kept(op, all, at.now) => {
            Verdict::ReplayAfter { delay_ms: delay_ms(op, all, last, at.epoch), retries_left: left, reason }
        }
        _ => park(&reason),
    }
}

/// A pending attempt past its deadline gets one more read, whatever its budget: its reads were spent on waiting.
fn next_read(lookup: &crate::operation::Lookup, last: &AttemptFacts) -> Option<DateTime<Utc>> {
    match last.callback_deadline {
        None => lookup::next_read(lookup, last),
        Some(deadline) => last.reads.last().is_none_or(|read| read.at < deadline).then_some(deadline),
    }
}

fn reason_of(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Unknown { reason } | Outcome::Replayable { reason } => reason.clone(),
        _ => "accepted, and no result by the deadline".into(),
    }
}

/// Whether the downstream still recognises the key, with a tenth of its retention as margin for its clock.
pub fn key_is_kept(op: &Operation, attempts: &[AttemptFacts], now: DateTime<Utc>) -> bool {
    let first = attempts.iter().map(|a| a.opened_at).min();
    match (op.idempotency.retention_s(), first) {
        (Some(retention), Some(first)) => now < first + Duration::seconds(i64::from(retention)) * 9 / 10,
        (retention, _) => retention.is_some(),
    }
}

/// A downstream may ask for more patience than anyone has: after an hour its step is tried all the same, and then parks.
pub const RETRY_AFTER_MAX_MS: u64 = 3_600_000;

fn tries(all: &[AttemptFacts], epoch: i32) -> u32 {
    all.iter().filter(|a| a.epoch == epoch).count() as u32
}

fn tries_left(op: &Operation, all: &[AttemptFacts], epoch: i32) -> u32 {
    op.retry.attempts.saturating_sub(tries(all, epoch))
}

/// Our own delay, or the downstream's if it asked for a longer one: of a retry and of a replay alike.
fn delay_ms(op: &Operation, all: &[AttemptFacts], last: &AttemptFacts, epoch: i32) -> u64 {
    let asked = match all.last().and_then(|newest| newest.outcome.as_ref()) {
        Some(Outcome::Technical { retry_after_ms, .. }) => retry_after_ms.unwrap_or(0).min(RETRY_AFTER_MAX_MS),
        _ => 0,
    };
    retry::delay_ms(&op.retry, tries(all, epoch), last.id.0.as_u128()).max(asked)
}

fn ms_between(from: DateTime<Utc>, to: DateTime<Utc>) -> u64 {
    (to - from).num_milliseconds().max(0) as u64
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
