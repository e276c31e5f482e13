//! A recovery command as it is given: the JSON of a domain command, bounded and checked before anything is looked at.

use serde::{Deserialize, Serialize};

use super::{Action, Attestation, catalogue::Authority, correction::Correction, revision::Agreement};
use crate::{ids::CaseNumber, step::Outputs};

/// A reason is a few sentences; what is longer belongs into a ticket that it names.
pub const REASON_CHARS_MAX: usize = 4_000;
/// Keys, ids and references: longer than any UUID, URL of a ticket or order id.
pub const KEY_CHARS_MAX: usize = 200;
/// All values for later steps together; each is an id.
pub const OUTPUTS_MAX: usize = 50;
/// The whole document.
pub const BYTES_MAX: usize = 64 * 1024;

/// What a person or program asks for. Built from nothing it is no command: `check` asks for all that has to be said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecoveryCommand {
    pub idempotency_key: String,
    pub fallout_case_id: String,
    pub action: String,
    #[serde(default)]
    pub target: Option<CommandTarget>,
    pub reason: String,
    pub requested_by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation: Option<Attestation>,
    /// Values that later steps need.
    #[serde(default, skip_serializing_if = "Outputs::is_empty")]
    pub outputs: Outputs,
    /// What a force close means for the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<String>,
    /// Files of the case that show it, by their SHA-256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// Where it is unknown whether the effect exists: ask the downstream first, and decide on its answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub check: bool,
    /// The worker of an open attempt is dead: its attempt counts as unknown first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub takeover: bool,
    /// The policy of the route to take, where a policy permits more than one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The penalty of a cancellation is not asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waive_penalty: bool,
    /// A price that the customer has agreed to, for a new revision of the quote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<Agreement>,
    /// The field that is corrected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction: Option<Correction>,
}

/// Where the sender believes that the case belongs; refused where it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommandTarget {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_id: Option<String>,
}

/// What is wrong with a command in itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("the command is larger than {BYTES_MAX} bytes; what belongs into it is short")]
    TooLarge,
    #[error("this is no recovery command: {0}")]
    NotACommand(String),
    #[error("\"{0}\" is no case number; they look like fc-100912")]
    NotACase(String),
    #[error("there is no action \"{0}\"; fallout action list shows them")]
    UnknownAction(String),
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0} is longer than {1} characters")]
    TooLong(&'static str, usize),
    #[error("{0} has control characters")]
    ControlCharacters(&'static str),
    #[error("more than {OUTPUTS_MAX} outputs; no step has so many")]
    TooManyOutputs,
    #[error("agreement.price is no price: expected more than 0")]
    NoPrice,
}

impl Malformed {
    /// What it is called in the audit.
    pub fn name(&self) -> &'static str {
        match self {
            Malformed::TooLarge => "too_large",
            Malformed::NotACommand(_) => "not_a_command",
            Malformed::NotACase(_) => "not_a_case",
            Malformed::UnknownAction(_) => "unknown_action",
            Malformed::Missing(_) => "missing",
            Malformed::TooLong(..) => "too_long",
            Malformed::ControlCharacters(_) => "control_characters",
            Malformed::TooManyOutputs => "too_many_outputs",
            Malformed::NoPrice => "no_price",
        }
    }
}

impl RecoveryCommand {
    pub fn read(text: &[u8]) -> Result<RecoveryCommand, Malformed> {
        if text.len() > BYTES_MAX {
            return Err(Malformed::TooLarge);
        }
        serde_json::from_slice(text).map_err(|e| Malformed::NotACommand(e.to_string()))
    }

    /// Every right that whoever gives it must have.
    pub fn authorities(&self, action: Action) -> Vec<Authority> {
        let takes_over = self.takeover.then_some(Authority::TakeOver);
        let waives = self.waive_penalty.then_some(Authority::WaivePenalty);
        std::iter::once(action.declaration().authority).chain(takes_over).chain(waives).collect()
    }

    /// The case and the action it names, once everything in it is of the right kind.
    pub fn check(&self) -> Result<(CaseNumber, Action), Malformed> {
        let target = self.target.clone().unwrap_or_default();
        let keys = [
            ("idempotencyKey", Some(self.idempotency_key.as_str())),
            ("falloutCaseId", Some(self.fallout_case_id.as_str())),
            ("action", Some(self.action.as_str())),
            ("requestedBy", Some(self.requested_by.as_str())),
            ("target.orderId", target.order_id.as_deref()),
            ("target.stepId", target.step_id.as_deref()),
            ("route", self.route.as_deref()),
            ("attestation.reference", self.attestation.as_ref().map(|a| a.reference.as_str())),
            ("agreement.reference", self.agreement.as_ref().map(|a| a.reference.as_str())),
            ("correction.field", self.correction.as_ref().map(|c| c.field.as_str())),
            ("correction.source", self.correction.as_ref().and_then(|c| c.source.as_deref())),
        ];
        keys.iter().filter_map(|(name, text)| Some((*name, (*text)?))).try_for_each(|(name, text)| key(name, text))?;
        // Empty is a step of the whole order.
        target.line_id.as_deref().map_or(Ok(()), |line| bounded("target.lineId", line, KEY_CHARS_MAX))?;
        prose("reason", &self.reason)?;
        self.impact.as_deref().map_or(Ok(()), |impact| prose("impact", impact))?;
        self.evidence.iter().try_for_each(|hash| key("evidence", hash))?;
        if let Some(correction) = &self.correction {
            correction.line.as_deref().map_or(Ok(()), |line| bounded("correction.line", line, KEY_CHARS_MAX))?;
            bounded("correction.value", &correction.value.to_string(), REASON_CHARS_MAX)?;
        }
        if self.agreement.as_ref().is_some_and(|agreed| !agreed.price.is_finite() || agreed.price <= 0.0) {
            return Err(Malformed::NoPrice);
        }
        if self.outputs.len() > OUTPUTS_MAX {
            return Err(Malformed::TooManyOutputs);
        }
        for (name, value) in &self.outputs {
            key("outputs", name)?;
            bounded("outputs", &value.to_string(), REASON_CHARS_MAX)?;
        }
        let number = self.fallout_case_id.parse().map_err(|_| Malformed::NotACase(self.fallout_case_id.clone()))?;
        let declared = super::catalogue::named(&self.action);
        let declared = declared.ok_or_else(|| Malformed::UnknownAction(self.action.clone()))?;
        Ok((number, declared.action))
    }
}

fn key(name: &'static str, text: &str) -> Result<(), Malformed> {
    if text.trim().is_empty() { Err(Malformed::Missing(name)) } else { bounded(name, text, KEY_CHARS_MAX) }
}

fn prose(name: &'static str, text: &str) -> Result<(), Malformed> {
    let without_breaks: String = text.chars().filter(|c| !"\n\t".contains(*c)).collect();
    match text.trim().is_empty() {
        true => Err(Malformed::Missing(name)),
        false => bounded(name, &without_breaks, REASON_CHARS_MAX),
    }
}

fn bounded(name: &'static str, text: &str, most: usize) -> Result<(), Malformed> {
    if text.chars().count() > most {
        return Err(Malformed::TooLong(name, most));
    }
    if text.chars().any(char::is_control) { Err(Malformed::ControlCharacters(name)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// §10 of the specification, as it is printed there.
    const PRINTED: &str = r#"{
"idempotencyKey": "e566d7a2-3e7f-4d60-b54b-a012ebd8e9a0",
"falloutCaseId": "fc-100912",
"action": "RETRY_STEP",
"target": {
"orderId": "ord-88210",
"stepId": "step-provision-router"
},
"reason": "Downstream outage resolved. Previous failure occurred before request was accepted.",
"requestedBy": "ops-user-44"
}"#;

    fn printed() -> RecoveryCommand {
        RecoveryCommand::read(PRINTED.as_bytes()).unwrap()
    }

    #[test]
    fn the_command_of_the_specification_is_read_as_it_is_printed() {
        let command = printed();
        let (case, action) = command.check().unwrap();
        assert_eq!((case.to_string().as_str(), action), ("fc-100912", Action::RetryStep));
        let target = command.target.clone().unwrap();
        assert_eq!(target.order_id.as_deref(), Some("ord-88210"));
        assert_eq!(target.step_id.as_deref(), Some("step-provision-router"));
        assert_eq!(
            serde_json::to_value(&command).unwrap(),
            serde_json::from_str::<serde_json::Value>(PRINTED).unwrap()
        );
    }

    #[test]
    fn whoever_waives_a_penalty_needs_the_right_to_it_beside_that_to_cancel() {
        let mut command = printed();
        assert_eq!(command.authorities(Action::CancelOrder), [Authority::CompensateStep]);
        command.waive_penalty = true;
        assert_eq!(command.authorities(Action::CancelOrder), [Authority::CompensateStep, Authority::WaivePenalty]);
    }

    type Change = fn(&mut RecoveryCommand, String);

    #[test]
    fn what_is_wrong_with_a_command_has_a_name() {
        let long = "x".repeat(10_000);
        let rows: [(&str, Change, Malformed); 11] = [
            ("", |c, _| c.agreement = Some(Agreement { reference: "MAIL-1".into(), price: 0.0 }), Malformed::NoPrice),
            (
                "",
                |c, _| c.agreement = Some(Agreement { reference: " ".into(), price: 1.0 }),
                Malformed::Missing("agreement.reference"),
            ),
            ("", |c, _| c.reason = "  ".into(), Malformed::Missing("reason")),
            ("", |c, _| c.idempotency_key = String::new(), Malformed::Missing("idempotencyKey")),
            ("", |c, _| c.requested_by = String::new(), Malformed::Missing("requestedBy")),
            ("", |c, _| c.fallout_case_id = "88".into(), Malformed::NotACase("88".into())),
            ("", |c, _| c.action = "DELETE".into(), Malformed::UnknownAction("DELETE".into())),
            ("", |c, _| c.reason = "a\u{1b}[2J".into(), Malformed::ControlCharacters("reason")),
            (&long, |c, long| c.reason = long, Malformed::TooLong("reason", REASON_CHARS_MAX)),
            (&long, |c, long| c.idempotency_key = long, Malformed::TooLong("idempotencyKey", KEY_CHARS_MAX)),
            (&long, |c, long| drop(c.outputs.insert(long, 1.into())), Malformed::TooLong("outputs", KEY_CHARS_MAX)),
        ];
        for (text, change, expected) in rows {
            let mut command = printed();
            change(&mut command, text.to_owned());
            assert_eq!(command.check(), Err(expected));
        }
        let mut lines = printed();
        lines.reason = "first\nsecond".into();
        assert!(lines.check().is_ok(), "a reason may have lines");
    }

    #[test]
    fn a_misspelt_field_is_refused_and_not_passed_over() {
        let text = PRINTED.replace("requestedBy", "requested_by");
        let Err(Malformed::NotACommand(why)) = RecoveryCommand::read(text.as_bytes()) else { panic!("it was taken") };
        assert!(why.contains("requested_by"), "{why}");
        let big = vec![b' '; BYTES_MAX + 1];
        assert_eq!(RecoveryCommand::read(&big), Err(Malformed::TooLarge));
    }
}
