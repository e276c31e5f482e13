//! What evidence means: the table of exchanges (docs/OUTCOMES.md), one `match` arm per group of rows.
//!
//! The three columns of the table are [`Repetition`]: a read, a request that the downstream recognises when repeated,
//! and one that would be a second effect. Only "proven not applied" is technical; what cannot be proven is unknown, or
//! replayable where the same key is the way to ask.

use serde::{Deserialize, Serialize};

use crate::{
    evidence::{Body, Evidence, Phase},
    operation::{On408, On409, On500, On503, Operation, Rejection, Repetition},
    step::Outputs,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    Success {
        outputs: Outputs,
    },
    /// A meaningful rejection.
    Business {
        /// The BPMN error code.
        code: String,
        /// Where it is another than the code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        classification: Option<String>,
        message: String,
    },
    /// Proven not applied and worth another try.
    Technical {
        reason: String,
        retry_after_ms: Option<u64>,
    },
    /// Proven not applied, and another try would end the same way.
    Defect {
        reason: String,
    },
    /// Accepted (202): the result comes later.
    Pending,
    /// May have been applied: look it up before anything else.
    Unknown {
        reason: String,
    },
    /// May have been applied, and the same key with the same bytes is a safe way to ask.
    Replayable {
        reason: String,
    },
}

impl Outcome {
    /// The word stored beside the outcome, for queries and people.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Success { .. } => "success",
            Outcome::Business { .. } => "business",
            Outcome::Technical { .. } => "technical",
            Outcome::Defect { .. } => "defect",
            Outcome::Pending => "pending",
            Outcome::Unknown { .. } => "unknown",
            Outcome::Replayable { .. } => "replayable",
        }
    }

    /// A rejection in the operation's own terms.
    pub(crate) fn rejected(known: &Rejection, message: String) -> Self {
        let Rejection { bpmn_error, classification } = known.clone();
        let classification = Some(classification).filter(|c| *c != bpmn_error);
        Outcome::Business { code: bpmn_error, classification, message }
    }

    /// What the case of a rejection is filed under.
    pub fn classification(&self) -> Option<&str> {
        match self {
            Outcome::Business { code, classification, .. } => Some(classification.as_deref().unwrap_or(code)),
            _ => None,
        }
    }

    /// Whether it is settled what happened to the effect.
    pub fn is_definite(&self) -> bool {
        !matches!(self, Outcome::Pending | Outcome::Unknown { .. } | Outcome::Replayable { .. })
    }

    /// Whether the effect is proven not to exist.
    pub fn is_not_applied(&self) -> bool {
        matches!(self, Outcome::Business { .. } | Outcome::Technical { .. } | Outcome::Defect { .. })
    }
}

/// What one exchange means. `read` is what the handler read from a complete success answer (the outputs, or what was
/// missing); `earlier_unknown` whether an earlier attempt of the step is still unresolved.
pub fn classify(op: &Operation, evidence: &Evidence, read: &Result<Outputs, String>, earlier_unknown: bool) -> Outcome {
    let not_applied = || Outcome::Technical { reason: evidence.summary(), retry_after_ms: evidence.retry_after_ms };
    match &evidence.phase {
        Phase::NotBuilt => Outcome::Defect { reason: evidence.summary() },
        Phase::TooLate | Phase::NotConnected | Phase::NotSerialised | Phase::BodyNotPolled => not_applied(),
        Phase::BodyPartlySent | Phase::Sent | Phase::Unproven => unproven(op, evidence.summary()),
        Phase::Answered { status, body, request_sent } => {
            Answer { op, evidence, read, earlier_unknown, status: *status, body, request_sent: *request_sent }.outcome()
        }
    }
}

/// The column of the table for everything that proves neither way.
fn unproven(op: &Operation, reason: String) -> Outcome {
    match op.repetition() {
        Repetition::Harmless => Outcome::Technical { reason, retry_after_ms: None },
        Repetition::Recognised => Outcome::Replayable { reason },
        Repetition::Dangerous => Outcome::Unknown { reason },
    }
}

struct Answer<'a> {
    op: &'a Operation,
    evidence: &'a Evidence,
    read: &'a Result<Outputs, String>,
    earlier_unknown: bool,
    status: u16,
    body: &'a Body,
    request_sent: bool,
}

impl Answer<'_> {
    fn outcome(&self) -> Outcome {
        match self.status {
            // "There is one already" or "it has changed since": the earlier attempt may be what it is about.
            409 | 412 if self.earlier_unknown => self.unproven(),
            _ => self.business().unwrap_or_else(|| self.by_status()),
        }
    }

    fn by_status(&self) -> Outcome {
        let answers = &self.op.answers;
        match self.status {
            202 if self.op.accepted.is_some() => Outcome::Pending,
            // Noncommittal, and the operation does not say how the result would come.
            202 => self.unproven(),
            200..=299 | 303 => self.success(),
            301 | 302 | 307 | 308 => self.defect("redirects are not followed; give the address of the system itself"),
            408 if !self.request_sent || answers.on_408 == On408::NotProcessed => self.not_applied(),
            408 => self.unproven(),
            409 => match answers.on_409 {
                On409::NotProcessed => self.not_applied(),
                On409::Refused => self.defect("a conflict without a known code"),
                On409::Unknown => self.unproven(),
            },
            412 => Outcome::rejected(&Rejection::from("PRECONDITION_FAILED".to_owned()), self.evidence.summary()),
            401 | 403 | 407 | 421 => self.defect("our credential or route is not accepted"),
            400 | 404..=406 | 410 | 411 | 413..=415 | 417 | 422 | 428 | 431 => {
                self.defect("refused without a known code")
            }
            423 | 425 | 429 => self.not_applied(),
            500 => match answers.on_500 {
                On500::NotProcessed => self.not_applied(),
                On500::Replayable => self.unproven(),
                On500::Unknown => self.replay_tells_nothing(),
            },
            501 | 505 => self.defect("the downstream does not support the request"),
            502 | 504 => self.unproven(),
            503 if answers.on_503 == On503::NotProcessed => self.not_applied(),
            503 => self.unproven(),
            _ => self.replay_tells_nothing(),
        }
    }

    fn success(&self) -> Outcome {
        match (self.body, self.read) {
            (Body::Cut | Body::TooLong, _) => self.unproven(),
            // Not JSON and nothing was read from it: it may be a gateway's page. A 303 says it all in its status.
            (Body::Text(_), Ok(outputs)) if outputs.is_empty() && self.status != 303 => self.unproven(),
            (_, Ok(outputs)) => Outcome::Success { outputs: outputs.clone() },
            (_, Err(missing)) => unproven(self.op, format!("HTTP {} without {missing}", self.status)),
        }
    }

    /// Some systems store a 500 under the key and would only repeat it; what nobody foresaw may be stored as well.
    fn replay_tells_nothing(&self) -> Outcome {
        match self.op.repetition() {
            Repetition::Recognised => Outcome::Unknown { reason: self.evidence.summary() },
            _ => self.unproven(),
        }
    }

    /// A rejection of the catalogue, whatever the status says: common in APIs that answer 200 with an error body.
    fn business(&self) -> Option<Outcome> {
        if !(200..500).contains(&self.status) {
            return None;
        }
        let body = self.body.json();
        let (code, known) = self.op.rejection(body)?;
        let message = body.get("message").and_then(|m| m.as_str()).unwrap_or(code);
        Some(Outcome::rejected(known, message.to_owned()))
    }

    fn unproven(&self) -> Outcome {
        if self.op.repetition() == Repetition::Harmless {
            return self.not_applied();
        }
        unproven(self.op, self.evidence.summary())
    }

    fn not_applied(&self) -> Outcome {
        Outcome::Technical { reason: self.evidence.summary(), retry_after_ms: self.evidence.retry_after_ms }
    }

    fn defect(&self, why: &str) -> Outcome {
        let code = self.body.json().pointer(&self.op.answers.code_at).and_then(|c| c.as_str());
        let code = code.map(|c| format!(" {c}")).unwrap_or_default();
        Outcome::Defect { reason: format!("{}{code}: {why}", self.evidence.summary()) }
    }
}

#[cfg(test)]
#[path = "outcome_table.rs"]
mod table;
