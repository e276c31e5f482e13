//! What is told to the outside: which entries of a timeline are published, as CloudEvents 1.0, and what little they carry.
//! docs/EVENTS.md and docs/events/ are the contract; a test compares.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{case::CaseEvent, template::encode, words::words};

words! {
    /// The type of a published event.
    EventType {
        CaseCreated = "FalloutCaseCreated",
        CaseClassified = "FalloutCaseClassified",
        CaseAssigned = "FalloutCaseAssigned",
        CaseEscalated = "FalloutCaseEscalated",
        ActionRequested = "FalloutRecoveryActionRequested",
        ActionStarted = "FalloutRecoveryActionStarted",
        ActionCompleted = "FalloutRecoveryActionCompleted",
        ActionFailed = "FalloutRecoveryActionFailed",
        CaseResolved = "FalloutCaseResolved",
        CaseClosed = "FalloutCaseClosed",
        CaseReopened = "FalloutCaseReopened",
        CaseForceClosed = "FalloutCaseForceClosed",
        /// A field was corrected: which one, never its values.
        DataCorrected = "FalloutDataCorrected",
        ApprovalRequested = "FalloutApprovalRequested",
        ApprovalGranted = "FalloutApprovalGranted",
        ApprovalRefused = "FalloutApprovalRefused",
        ProblemOpened = "FalloutProblemOpened",
        ProblemSeverityRaised = "FalloutProblemSeverityRaised",
        ProblemClosed = "FalloutProblemClosed",
        DownstreamOffline = "FalloutDownstreamOffline",
        DownstreamOnline = "FalloutDownstreamOnline",
        SlaAtRisk = "FalloutSlaAtRisk",
        SlaBreached = "FalloutSlaBreached",
        CustomerTold = "FalloutCustomerTold",
    }
}

/// Of every event about a case. Read from the case's row in the transaction that writes the event.
pub const CASE_FACTS: [&str; 6] = ["case", "order", "category", "classification", "severity", "group"];

/// Longer than any code, id or time of ours; what is longer is text.
const LONGEST: usize = 100;

impl EventType {
    /// What is published of an entry in a case's timeline: the one with the same word, or nothing.
    pub fn of(event: CaseEvent) -> Option<EventType> {
        event.word().parse().ok()
    }

    /// Whether it is about one case, and so carries its facts.
    pub fn is_about_a_case(self) -> bool {
        use EventType as E;
        !matches!(
            self,
            E::ProblemOpened | E::ProblemSeverityRaised | E::ProblemClosed | E::DownstreamOffline | E::DownstreamOnline
        )
    }

    /// What it may carry beside the facts of its case. Reasons, names of people and values of fields are never among them.
    pub fn details(self) -> &'static [&'static str] {
        use EventType as E;
        match self {
            E::CaseClassified => &["from", "to"],
            E::CaseEscalated => &["policy", "step", "from", "to"],
            E::ActionRequested | E::ActionStarted | E::ActionCompleted | E::ActionFailed => &["action", "type"],
            E::CaseResolved | E::CaseClosed => &["resolution"],
            E::DataCorrected => &["action", "field"],
            E::ApprovalRequested | E::ApprovalGranted | E::ApprovalRefused => &["action", "type", "approval"],
            E::ProblemOpened => {
                &["problem", "downstream", "operation", "classification", "severity", "cases", "orders"]
            }
            E::ProblemSeverityRaised => &["problem", "from", "to", "cases", "orders"],
            E::ProblemClosed => &["problem", "cases", "orders"],
            E::DownstreamOffline | E::DownstreamOnline => &["downstream", "until"],
            E::SlaAtRisk | E::SlaBreached => &["policy", "target", "due"],
            E::CustomerTold => &["channel", "status", "delay_reason", "promised_at", "new_date"],
            E::CaseCreated | E::CaseAssigned | E::CaseReopened | E::CaseForceClosed => &[],
        }
    }

    /// The part of a payload that may leave: listed details that are codes, ids, times or numbers. Free text has no way out,
    /// whatever a caller puts in.
    pub fn publishable(self, payload: &Value) -> Map<String, Value> {
        let listed = self.details().iter().filter_map(|name| Some(((*name).to_owned(), payload.get(*name)?.clone())));
        listed.filter(|(_, value)| is_code(value)).collect()
    }
}

fn is_code(value: &Value) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._:+-".contains(c);
    match value {
        Value::Number(_) | Value::Bool(_) => true,
        Value::String(text) => !text.is_empty() && text.len() <= LONGEST && text.chars().all(plain),
        _ => false,
    }
}

/// One event as it lies in the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub id: Uuid,
    pub tenant: String,
    pub kind: EventType,
    /// The number of the case or problem, or the downstream.
    pub subject: String,
    pub at: DateTime<Utc>,
    pub data: Map<String, Value>,
}

impl Event {
    /// As CloudEvents 1.0 in JSON. `partitionkey` is its documented extension: what belongs together stays in order.
    pub fn to_cloud_event(&self) -> Value {
        json!({
            "specversion": "1.0",
            "id": self.id,
            "source": format!("urn:fallout:{}", encode(&self.tenant)),
            "type": format!("fallout.{}.v1", self.kind),
            "subject": self.subject,
            "time": self.at.to_rfc3339_opts(SecondsFormat::Micros, true),
            "datacontenttype": "application/json",
            "dataschema": format!("urn:fallout:schema:{}:1", self.kind),
            "tenant": self.tenant,
            "partitionkey": self.partition_key(),
            "data": self.data,
        })
    }

    /// What belongs together has the same one.
    pub fn partition_key(&self) -> String {
        format!("{}:{}", encode(&self.tenant), self.subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_of_a_case_that_the_specification_names_is_published() {
        // §22: twelve, in its order.
        let named = EventType::ALL[..12].iter().map(|t| t.word()).collect::<Vec<_>>();
        let section_22 = "FalloutCaseCreated FalloutCaseClassified FalloutCaseAssigned FalloutCaseEscalated \
            FalloutRecoveryActionRequested FalloutRecoveryActionStarted FalloutRecoveryActionCompleted \
            FalloutRecoveryActionFailed FalloutCaseResolved FalloutCaseClosed FalloutCaseReopened FalloutCaseForceClosed";
        assert_eq!(named, section_22.split_whitespace().collect::<Vec<_>>());
    }

    #[test]
    fn a_repeated_signal_stays_inside() {
        assert_eq!(EventType::of(CaseEvent::SignalJoined), None);
        assert_eq!(EventType::of(CaseEvent::Created), Some(EventType::CaseCreated));
    }

    #[test]
    fn what_is_not_listed_or_is_text_does_not_leave() {
        let payload = json!({
            "action": "0191-aa", "type": "call Mrs Miller", "why": "x", "verified": "y", "field": "address",
        });
        let kept = EventType::ActionFailed.publishable(&payload);
        assert_eq!(Value::Object(kept), json!({ "action": "0191-aa" }));
        let long = json!({ "action": "a".repeat(LONGEST + 1), "type": { "name": "nested" } });
        assert!(EventType::ActionFailed.publishable(&long).is_empty());
        assert!(EventType::CaseCreated.publishable(&Value::Null).is_empty());
    }
}
