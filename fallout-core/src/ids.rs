//! Ids as types: parsed once at the edge, never mixed up afterwards.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One definition for the ids that are UUIDs inside; they differ only in what they may be compared with.
macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map($name)
            }
        }
    )*};
}

uuid_ids! {
    /// Our id of a product order; outside ids are text and unique only within their tenant.
    OrderKey,
    /// One start of an order's fulfilment.
    RunId,
    /// One effectful activity of one order run.
    StepKey,
    /// One decided effect of a step.
    IntentId,
    /// One try at an intent.
    AttemptId,
    /// One managed recovery.
    CaseId,
    /// One recovery action.
    ActionId,
    /// One command to the engine, sent by the relay.
    CommandId,
    /// One detection from any source.
    SignalId,
    /// One process modification.
    ModificationId,
    /// One cause behind many cases.
    ProblemId,
}

/// Our own namespace for ids that are derived from what they name (RFC 9562, version 5).
pub(crate) const NAMESPACE: Uuid = Uuid::from_u128(0x7f6e_41b2_9c3d_4a58_8e10_5d2b_6fa1_c904);

impl StepKey {
    /// The id of the step with this identity. Derived, so that its idempotency key is known before anything is stored
    /// and stays the same whatever the engine does.
    pub fn of(step: &crate::step::StepIdentity) -> Self {
        let crate::step::StepIdentity { tenant, order, run, line, step, direction } = step;
        // Lengths keep two different identities from running together.
        let parts = [tenant.as_str(), order, &run.to_string(), line, step, direction.word()];
        let name: String = parts.iter().map(|p| format!("{}:{p};", p.len())).collect();
        StepKey(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }
}

/// The number people use for a case: `fc-<n>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CaseNumber(pub u64);

impl fmt::Display for CaseNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fc-{}", self.0)
    }
}

/// The text was not a case number.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{0}\" is not a case number; one looks like fc-100001")]
pub struct NotACaseNumber(pub String);

impl FromStr for CaseNumber {
    type Err = NotACaseNumber;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_prefix("fc-").and_then(|n| n.parse().ok());
        number.map(CaseNumber).ok_or_else(|| NotACaseNumber(text.to_owned()))
    }
}

impl TryFrom<String> for CaseNumber {
    type Error = NotACaseNumber;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<CaseNumber> for String {
    fn from(number: CaseNumber) -> Self {
        number.to_string()
    }
}

/// The number people use for a problem: `pr-<n>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProblemNumber(pub u64);

impl fmt::Display for ProblemNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pr-{}", self.0)
    }
}

/// The text was not a problem number.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{0}\" is not a problem number; one looks like pr-1001")]
pub struct NotAProblemNumber(pub String);

impl FromStr for ProblemNumber {
    type Err = NotAProblemNumber;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_prefix("pr-").and_then(|n| n.parse().ok());
        number.map(ProblemNumber).ok_or_else(|| NotAProblemNumber(text.to_owned()))
    }
}

impl TryFrom<String> for ProblemNumber {
    type Error = NotAProblemNumber;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ProblemNumber> for String {
    fn from(number: ProblemNumber) -> Self {
        number.to_string()
    }
}

/// The number people use for a recovery of many cases: `bk-<n>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BulkNumber(pub u64);

impl fmt::Display for BulkNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bk-{}", self.0)
    }
}

/// The text was not a bulk's number.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{0}\" is not the number of a bulk; one looks like bk-1001")]
pub struct NotABulkNumber(pub String);

impl FromStr for BulkNumber {
    type Err = NotABulkNumber;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_prefix("bk-").and_then(|n| n.parse().ok());
        number.map(BulkNumber).ok_or_else(|| NotABulkNumber(text.to_owned()))
    }
}

impl TryFrom<String> for BulkNumber {
    type Error = NotABulkNumber;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<BulkNumber> for String {
    fn from(number: BulkNumber) -> Self {
        number.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parallel_lines_of_one_step_never_share_an_id() {
        let step = |order: &str, line: &str| crate::step::StepIdentity {
            tenant: "t".into(),
            order: order.into(),
            run: 1,
            line: line.into(),
            step: "provision".into(),
            direction: crate::step::Direction::Do,
        };
        assert_eq!(StepKey::of(&step("a", "1")), StepKey::of(&step("a", "1")));
        assert_ne!(StepKey::of(&step("a", "1")), StepKey::of(&step("a", "2")));
        assert_ne!(StepKey::of(&step("a1", "")), StepKey::of(&step("a", "1")));
    }

    #[test]
    fn a_case_number_reads_back_as_it_was_written() {
        assert_eq!("fc-100912".parse(), Ok(CaseNumber(100_912)));
        assert_eq!(CaseNumber(7).to_string(), "fc-7");
        assert_eq!("100912".parse::<CaseNumber>(), Err(NotACaseNumber("100912".into())));
        assert_eq!("pr-7".parse(), Ok(ProblemNumber(7)));
        assert_eq!("bk-7".parse(), Ok(BulkNumber(7)));
        assert_eq!("fc-7".parse::<ProblemNumber>(), Err(NotAProblemNumber("fc-7".into())));
    }
}
