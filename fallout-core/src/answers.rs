//! What a downstream's answers mean where HTTP leaves it open: data of an operation, agreed with the downstream's owner.
//!
//! `on_503` has no default on purpose: proxies answer 503 after the origin did the work, so only the owner can say what
//! it means. The others default to what is safe whoever answered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::short;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    pub on_503: On503,
    #[serde(default)]
    pub on_408: On408,
    #[serde(default)]
    pub on_409: On409,
    #[serde(default)]
    pub on_500: On500,
    /// JSON pointer to the downstream's own code in an error body.
    #[serde(default = "code_pointer")]
    pub code_at: String,
    /// The downstream's code → what it is to us.
    #[serde(default, deserialize_with = "short::map")]
    pub business: BTreeMap<String, Rejection>,
}

fn code_pointer() -> String {
    "/code".into()
}

/// A meaningful refusal. The short form, one text, stands for both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rejection {
    /// What models catch.
    pub bpmn_error: String,
    /// What the case is filed under: owner, severity and recovery follow from it.
    pub classification: String,
}

impl From<String> for Rejection {
    fn from(code: String) -> Self {
        Rejection { bpmn_error: code.clone(), classification: code }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On503 {
    /// The origin itself answers 503 before it starts anything.
    NotProcessed,
    Unknown,
}

/// A 408 after the whole request had left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On408 {
    /// Only the origin answers 408, and only to requests that it has not begun.
    NotProcessed,
    /// Proxies answer 408 for their own timeouts.
    #[default]
    Unknown,
}

/// A 409 without a known code at the first attempt. While an earlier attempt is unresolved it always proves nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On409 {
    /// A conflict of versions or locks: nothing was applied, and another try may work.
    NotProcessed,
    /// A conflict that another try meets again: nothing was applied.
    Refused,
    /// In flight, duplicate or conflict: it does not say.
    #[default]
    Unknown,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On500 {
    /// Rolled back: a 500 never leaves an effect.
    NotProcessed,
    /// May have been applied, and 500s are not stored under the key: a replay tells.
    Replayable,
    /// May have been applied, and a replay may only repeat a stored 500.
    #[default]
    Unknown,
}
