//! A signal: what a detection from any source says, what is wrong with one that is refused, and what becomes of the others.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    ids::{AttemptId, NAMESPACE, StepKey},
    template::encode,
    words::words,
};

/// Names a source, as one of its events, in every list and index; longer is text.
pub const SOURCE_CHARS_MAX: usize = 64;
/// The documented bound of well-known alert protocols is 255; a CloudEvents id with its prefix fits.
pub const EVENT_CHARS_MAX: usize = 255;
/// An id of somebody else's; what is longer is no id.
pub const KEY_PART_CHARS_MAX: usize = 200;
/// One entry of a B-tree holds 2,704 bytes, tenant included; what is longer goes by a digest.
const KEY_BYTES_MAX: usize = 1_000;
/// A few sentences; becomes the summary of a case.
pub const REASON_CHARS_MAX: usize = 2_000;
/// A hint for people, not a document: a storm of 100,000 of them must stay a small table.
pub const PAYLOAD_BYTES_MAX: usize = 16_384;
/// Clocks of others differ by as much.
pub const AHEAD_MAX: Duration = Duration::minutes(5);

words! {
    /// What became of a signal. Every one is kept.
    SignalState {
        /// Its case could not be written yet; a controller goes on with it.
        Received = "received",
        Opened = "opened",
        Joined = "joined",
        /// Its cause is older than what resolved the case: attached to it, and nothing changed.
        History = "history",
        /// Attached to a resolved case, whose resolution was checked again and holds.
        VerifiedAgain = "verified_again",
        /// Attached to a resolved case, whose resolution did not hold.
        Reopened = "reopened",
        Refused = "refused",
    }
}

words! {
    /// Why a signal was refused.
    SignalRefusal {
        SourceUnfit = "source_unfit",
        EventUnfit = "event_unfit",
        KeyPartTooLong = "key_part_too_long",
        ControlCharacters = "control_characters",
        ReasonMissing = "reason_missing",
        ReasonTooLong = "reason_too_long",
        PayloadTooLarge = "payload_too_large",
        FromTheFuture = "from_the_future",
        UnknownClassification = "unknown_classification",
        UnknownStep = "unknown_step",
        UnknownOrder = "unknown_order",
        NoPlace = "no_place",
        NotWritten = "not_written",
    }
}

impl SignalRefusal {
    /// For whoever sent it: what is wrong and what to do.
    pub fn why(self) -> String {
        use SignalRefusal as R;
        match self {
            R::SourceUnfit => {
                format!("the source is empty or longer than {SOURCE_CHARS_MAX} characters; name the system")
            }
            R::EventUnfit => {
                format!("the event id is empty or longer than {EVENT_CHARS_MAX} characters; send an id of its own")
            }
            R::KeyPartTooLong => {
                format!("an id, code or reference is longer than {KEY_PART_CHARS_MAX} characters; send the id alone")
            }
            R::ControlCharacters => "a text holds control characters; send plain text".into(),
            R::ReasonMissing => "the reason is empty; say what was seen".into(),
            R::ReasonTooLong => format!("the reason is longer than {REASON_CHARS_MAX} characters; say it shorter"),
            R::PayloadTooLarge => {
                format!("the payload is larger than {PAYLOAD_BYTES_MAX} bytes; send a reference to it")
            }
            R::FromTheFuture => {
                format!("it happened more than {} min after now; set the clock of the source", AHEAD_MAX.num_minutes())
            }
            R::UnknownClassification => "the taxonomy has no such classification; see: fallout taxonomy show".into(),
            R::UnknownStep => "this tenant has no such step; send the order, line and step instead".into(),
            R::UnknownOrder => "this tenant has no such order; take it in first, or send the signal without it".into(),
            R::NoPlace => "it names no step, order, business key, reference or downstream; say what it is about".into(),
            R::NotWritten => "the database refused it; its log says why".into(),
        }
    }
}

/// What was found, in the words of the source or in ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// A code of the source, which the taxonomy maps; what nobody mapped is triaged.
    Code(String),
    /// A classification of the taxonomy, which must exist.
    Classification(String),
}

/// What it is about, as far as the source knows. A step is found by its id, or by order, line and step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    pub step: Option<StepKey>,
    /// The order id as the outside knows it.
    pub order: Option<String>,
    /// `None`: the latest run.
    pub run: Option<i32>,
    pub line: Option<String>,
    pub step_code: Option<String>,
    pub downstream: Option<String>,
    pub business_key: Option<String>,
    /// The downstream's reference, or the idempotency key that we sent.
    pub external_reference: Option<String>,
}

/// What brought it about, by ids that the ledger or an earlier signal knows. Decides what comes before a resolution and
/// what after it; times never do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cause {
    pub attempt: Option<AttemptId>,
    /// Of the step.
    pub epoch: Option<i32>,
    pub external_task_id: Option<String>,
    pub incident_id: Option<String>,
}

/// One detection of any source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewSignal {
    /// The system that saw it.
    pub source: String,
    /// Unique within its source: the same again is answered, not done again.
    pub event: String,
    pub finding: Finding,
    #[serde(default)]
    pub place: Place,
    #[serde(default)]
    pub cause: Cause,
    /// Kept for people; decides nothing.
    #[serde(default)]
    pub occurred_at: Option<DateTime<Utc>>,
    pub reason: String,
    #[serde(default)]
    pub payload: Value,
}

impl NewSignal {
    /// Whether it can be taken at all; `now` is the database's.
    pub fn check(&self, now: DateTime<Utc>) -> Result<(), SignalRefusal> {
        use SignalRefusal as R;
        let fits = |text: &str, most| !text.trim().is_empty() && text.chars().count() <= most;
        if !fits(&self.source, SOURCE_CHARS_MAX) {
            return Err(R::SourceUnfit);
        }
        if !fits(&self.event, EVENT_CHARS_MAX) {
            return Err(R::EventUnfit);
        }
        if self.parts().any(|part| part.chars().count() > KEY_PART_CHARS_MAX) {
            return Err(R::KeyPartTooLong);
        }
        let written = |c: char| c.is_control() && !"\n\t".contains(c);
        let plain = [&self.source, &self.event].into_iter().map(String::as_str).chain(self.parts());
        if plain.into_iter().any(|text| text.chars().any(char::is_control)) || self.reason.chars().any(written) {
            return Err(R::ControlCharacters);
        }
        if self.reason.trim().is_empty() {
            return Err(R::ReasonMissing);
        }
        if self.reason.chars().count() > REASON_CHARS_MAX {
            return Err(R::ReasonTooLong);
        }
        let payload = self.payload.to_string();
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(R::PayloadTooLarge);
        }
        // The database keeps no such character in JSON.
        if payload.contains("\\u0000") {
            return Err(R::ControlCharacters);
        }
        match self.occurred_at {
            Some(at) if at > now + AHEAD_MAX => Err(R::FromTheFuture),
            _ if !self.place.is_somewhere() => Err(R::NoPlace),
            _ => Ok(()),
        }
    }

    fn parts(&self) -> impl Iterator<Item = &str> {
        let Place { order, line, step_code, downstream, business_key, external_reference, .. } = &self.place;
        let (Finding::Code(code) | Finding::Classification(code)) = &self.finding;
        let optional = [order, line, step_code, downstream, business_key, external_reference]
            .into_iter()
            .chain([&self.cause.external_task_id, &self.cause.incident_id]);
        optional.flat_map(|part| part.as_deref()).chain([code.as_str()])
    }
}

impl Place {
    fn is_somewhere(&self) -> bool {
        let Place { order, downstream, business_key, external_reference, .. } = self;
        let named = [order, downstream, business_key, external_reference].into_iter().flatten();
        self.step.is_some() || named.into_iter().any(|text| !text.is_empty())
    }
}

/// The key of §13 with every part explicit; versioned, so that another rule never finds old cases by accident.
#[derive(Clone, Copy, Debug, Default)]
pub struct MatchKey<'a> {
    pub tenant: &'a str,
    pub order: &'a str,
    pub run: Option<i32>,
    pub line: &'a str,
    pub step: &'a str,
    pub classification: &'a str,
    pub downstream: &'a str,
    /// Tells troubles without an order apart.
    pub reference: &'a str,
}

impl MatchKey<'_> {
    /// An absent part is empty and keeps its place.
    pub fn text(&self) -> String {
        let run = self.run.map(|run| run.to_string()).unwrap_or_default();
        let parts = ["v1", self.tenant, self.order, &run, self.line, self.step, self.classification, self.downstream];
        let mut key = parts.map(encode).join("|");
        if self.order.is_empty() && !self.reference.is_empty() {
            key.push('|');
            key += &encode(self.reference);
        }
        if key.len() <= KEY_BYTES_MAX { key } else { format!("v1#{}", Uuid::new_v5(&NAMESPACE, key.as_bytes())) }
    }
}

/// The key that a case with this one has when it is called otherwise; none when it goes by a digest.
pub fn renamed(key: &str, classification: &str) -> Option<String> {
    let mut parts: Vec<&str> = key.split('|').collect();
    let classification = encode(classification);
    *parts.get_mut(CLASSIFICATION_AT)? = &classification;
    Some(parts.join("|"))
}

/// Among the parts of a match key.
const CLASSIFICATION_AT: usize = 6;

#[cfg(test)]
#[path = "signal_tests.rs"]
mod tests;
