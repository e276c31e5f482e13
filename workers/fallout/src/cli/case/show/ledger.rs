//! What the ledger proves: of every step of the order at its downstream, and of each try of the case's own step.

use std::fmt::Write;

use fallout_core::{action::Action, evidence::Evidence, lookup::Said, outcome::Outcome, step::Outputs};
use fallout_desk::{AttemptView, CaseDetail};
use fallout_store::actions::StoredAction;
use serde_json::Value;

use super::{TIME, at, is_undo};
use crate::output::{action_name, plain, table};

/// Across all systems, so that a person sees what exists before they decide.
pub fn known(out: &mut String, detail: &CaseDetail) {
    if detail.known.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nWhat is known at each system");
    let rows = detail.known.iter().map(|known| {
        let line = if known.line.is_empty() { "-".to_owned() } else { known.line.clone() };
        let undo = if known.direction == "undo" { " (undo)" } else { "" };
        let lookups = match known.lookups {
            0 => String::new(),
            1 => ", looked up once".into(),
            n => format!(", looked up {n} times"),
        };
        let proven = format!("{}{lookups}", known.proven);
        [
            known.downstream.clone(),
            format!("{}{undo}", known.step),
            line,
            known.state.clone(),
            known.tries.to_string(),
            at(known.at),
            proven,
        ]
        .map(|cell| plain(&cell))
    });
    let text = table(["system", "step", "line", "state", "tries", "last", "what that proves"], rows);
    text.lines().for_each(|line| {
        let _ = writeln!(out, "  {line}");
    });
}

/// By what the downstream knows the effect that a person has to undo there.
pub fn to_undo(detail: &CaseDetail) -> Option<String> {
    if !is_undo(detail) {
        return None;
    }
    detail.attempts.iter().rev().find_map(|attempt| match &attempt.outcome {
        Some(Outcome::Success { outputs }) if outputs.is_empty() => Some(format!("key {}", attempt.idempotency_key)),
        Some(Outcome::Success { outputs }) => Some(format!("{} (key {})", values(outputs), attempt.idempotency_key)),
        _ => None,
    })
}

pub fn attempts(out: &mut String, attempts: &[AttemptView]) {
    let _ = writeln!(out, "\nAttempts");
    if attempts.is_empty() {
        let _ = writeln!(out, "  none: nothing was ever sent");
    }
    for attempt in attempts {
        let outcome = attempt.outcome.as_ref().map_or("still open", |o| o.word());
        let AttemptView { number, generation, operation, opened_at, idempotency_key, .. } = attempt;
        let at = opened_at.format(TIME);
        let _ = writeln!(
            out,
            "  {number}. {operation} at {at}: {outcome}   (generation {generation}, key {idempotency_key})"
        );
        for evidence in &attempt.evidence {
            let _ = writeln!(out, "     {}", plain(&proven(evidence)));
        }
        match &attempt.outcome {
            Some(Outcome::Business { code, message, .. }) => {
                let _ = writeln!(out, "     rejected: {}: {}", plain(code), plain(message));
            }
            Some(Outcome::Success { outputs }) if !outputs.is_empty() => {
                let _ = writeln!(out, "     gave: {}", plain(&values(outputs)));
            }
            _ => {}
        }
    }
}

/// One piece of evidence in words.
fn proven(evidence: &Value) -> String {
    let detail = evidence.get("detail").cloned().unwrap_or_default();
    let source = evidence.get("source").and_then(Value::as_str).unwrap_or_default();
    let what = match source {
        "exchange" => serde_json::from_value::<Evidence>(detail).map(|e| e.summary()).ok(),
        "lookup" => serde_json::from_value::<Said>(detail).map(|said| said.to_string()).ok(),
        "attestation" => Some(format!("{}, says {}", attested(&detail), text_of(evidence, "principal"))),
        _ => detail.get("why").and_then(Value::as_str).map(str::to_owned),
    };
    format!("{source}: {}", what.unwrap_or_else(|| "unreadable".into()))
}

/// What a person said about an effect, with where the proof is.
pub fn attested(attestation: &Value) -> String {
    let word = if attestation.get("applied") == Some(&Value::Bool(true)) { "applied" } else { "not applied" };
    format!("{word} ({})", text_of(attestation, "reference"))
}

/// What an entry of the timeline holds beside its reason: a change from one thing to another, an owner, an action.
pub fn said(payload: &Value, taken: &[StoredAction]) -> Option<String> {
    let text = |name: &str| payload.get(name).and_then(Value::as_str);
    if let Some(asked) = asked(payload, taken) {
        return Some(asked);
    }
    if let (Some(from), Some(to)) = (text("from"), text("to")) {
        return Some(format!("{from} -> {to}"));
    }
    let named = ["classification", "category", "group", "user", "resolution", "message", "channel"];
    let parts: Vec<String> = named.iter().filter_map(|name| Some(format!("{name} {}", text(name)?))).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Which action an entry of the timeline asked for, and what was said and given with it.
fn asked(payload: &Value, taken: &[StoredAction]) -> Option<String> {
    let action: Action = payload.get("type")?.as_str()?.parse().ok()?;
    let mut text = format!("action {}", action_name(action));
    if let Some(attestation) = payload.get("attestation").filter(|a| !a.is_null()) {
        text += &format!(", attested {}", attested(attestation));
    }
    let id = payload.get("action").and_then(Value::as_str).unwrap_or_default();
    let stored = taken.iter().find(|a| a.id.to_string() == id);
    let outputs = stored.and_then(|a| serde_json::from_value(a.target.get("outputs")?.clone()).ok());
    if let Some(outputs) = outputs.filter(|o: &Outputs| !o.is_empty()) {
        text += &format!(", with {}", values(&outputs));
    }
    for said in stored.and_then(|a| a.terms.as_ref()).into_iter().flat_map(|terms| terms.told()) {
        text += &format!(", {said}");
    }
    Some(text)
}

/// Outputs as `case recover --output` takes them.
pub fn values(outputs: &Outputs) -> String {
    let one = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("{name}={text}"),
        other => format!("{name}={other}"),
    };
    outputs.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn text_of<'a>(of: &'a Value, name: &str) -> &'a str {
    of.get(name).and_then(Value::as_str).unwrap_or("-")
}
