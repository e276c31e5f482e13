//! One try at an intent as the rules see it, and the intent's request as it is kept.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    ids::{AttemptId, IntentId},
    lookup::LookupRead,
    operation::{Lookup, Method},
    outcome::Outcome,
};

/// A request as it is stored and sent: rendered once, the same bytes for every attempt, without secrets (the sender
/// adds credentials).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRequest {
    pub method: Method,
    /// Path and query below the downstream's address.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
}

/// What a handler prepared: the request without its idempotency key, which the claim decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prepared {
    pub request: StoredRequest,
    pub generation: i32,
}

/// One attempt with everything that bears on the step's outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptFacts {
    pub id: AttemptId,
    pub intent: IntentId,
    pub generation: i32,
    /// The step's epoch when it was opened: retry budgets start anew with each confirmed action.
    pub epoch: i32,
    pub opened_at: DateTime<Utc>,
    /// No byte leaves after this.
    pub send_before: DateTime<Utc>,
    /// `send_before` plus the operation's total timeout: no sender is at work after this.
    pub over_at: DateTime<Utc>,
    /// `None` while it is open.
    pub outcome: Option<Outcome>,
    pub reads: Vec<LookupRead>,
    /// Set when the downstream accepted (202).
    pub callback_deadline: Option<DateTime<Utc>>,
}

impl AttemptFacts {
    pub fn is_open(&self) -> bool {
        self.outcome.is_none()
    }

    /// Open or unknown: nothing but the same key with the same bytes may be sent.
    pub fn is_unresolved(&self) -> bool {
        self.outcome.as_ref().is_none_or(|o| !o.is_definite())
    }

    /// The earliest moment from which "not found" says anything: the request can take effect no later, what was accepted
    /// (202) had its time to finish, and the lookup shows what there is. `None` where nothing bounds a late arrival.
    pub fn not_found_counts_from(&self, lookup: &Lookup) -> Option<DateTime<Utc>> {
        let over = self.callback_deadline.map_or(self.over_at, |deadline| deadline.max(self.over_at));
        let ms = |ms: u32| Duration::milliseconds(i64::from(ms));
        Some(over + ms(lookup.max_late_arrival_ms?) + ms(lookup.consistency_delay_ms))
    }
}

/// The idempotency key of an intent: the same for every attempt, another for every generation.
pub fn idempotency_key(step: crate::ids::StepKey, generation: i32) -> String {
    format!("{step}.{generation}")
}

/// The JSON a request's body holds, for lookups that are rendered from the stored intent.
pub fn body_json(request: &StoredRequest) -> Value {
    request.body.as_deref().and_then(|b| serde_json::from_str(b).ok()).unwrap_or(Value::Null)
}
