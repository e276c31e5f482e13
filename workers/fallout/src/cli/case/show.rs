//! `fallout case show`: what is known, what is not, what was done, what may be done.

use std::fmt::Write;

use fallout_core::{
    action::Action, decide::classification, evidence::Evidence, lookup::Said, outcome::Outcome, step::Outputs,
};
use fallout_desk::{AttemptView, CaseDetail};
use fallout_store::actions::StoredAction;
use serde_json::Value;

use crate::output::{action_name, recommended};

/// Minutes are enough for people; the JSON has the rest.
const TIME: &str = "%Y-%m-%d %H:%M:%S UTC";

/// `taken` are the actions that were asked for so far.
pub fn text(detail: &CaseDetail, taken: &[StoredAction]) -> String {
    let mut out = String::new();
    head(&mut out, detail);
    attempts(&mut out, &detail.attempts);
    timeline(&mut out, detail, taken);
    actions(&mut out, detail);
    out
}

fn head(out: &mut String, detail: &CaseDetail) {
    let case = &detail.case;
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    let classification = or_dash(&case.classification);
    let _ = writeln!(out, "{}  {}  {}  {}\n", case.case_number, case.status, case.severity, classification);
    let due = case.sla_due_at.map_or_else(|| "-".into(), |at| at.format(TIME).to_string());
    let rows = [
        ("what", or_dash(&case.summary)),
        ("category", case.category.clone()),
        ("owner", or_dash(&case.group)),
        ("due", due),
        ("order", or_dash(&case.order)),
        ("customer", or_dash(&case.customer)),
        ("line", or_dash(&case.line.clone().filter(|l| !l.is_empty()))),
        ("step", or_dash(&case.step)),
        ("downstream", or_dash(&case.external_system)),
        ("business key", or_dash(&case.business_key)),
        ("instance", or_dash(&case.process_instance_id)),
        ("recommended", recommended(case)),
    ];
    let to_undo = to_undo(detail).map(|effect| ("to undo", effect));
    for (name, value) in rows.into_iter().chain(to_undo) {
        let _ = writeln!(out, "  {name:<13} {value}");
    }
}

/// By what the downstream knows the effect that a person has to undo there.
fn to_undo(detail: &CaseDetail) -> Option<String> {
    if detail.case.classification.as_deref() != Some(classification::UNDO_REQUIRED) {
        return None;
    }
    detail.attempts.iter().rev().find_map(|attempt| match &attempt.outcome {
        Some(Outcome::Success { outputs }) if outputs.is_empty() => Some(format!("key {}", attempt.idempotency_key)),
        Some(Outcome::Success { outputs }) => Some(format!("{} (key {})", values(outputs), attempt.idempotency_key)),
        _ => None,
    })
}

fn attempts(out: &mut String, attempts: &[AttemptView]) {
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
            let _ = writeln!(out, "     {}", proven(evidence));
        }
        match &attempt.outcome {
            Some(Outcome::Business { code, message, .. }) => {
                let _ = writeln!(out, "     rejected: {code}: {message}");
            }
            Some(Outcome::Success { outputs }) if !outputs.is_empty() => {
                let _ = writeln!(out, "     gave: {}", values(outputs));
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
fn attested(attestation: &Value) -> String {
    let word = if attestation.get("applied") == Some(&Value::Bool(true)) { "applied" } else { "not applied" };
    format!("{word} ({})", text_of(attestation, "reference"))
}

fn timeline(out: &mut String, detail: &CaseDetail, taken: &[StoredAction]) {
    let _ = writeln!(out, "\nTimeline");
    for event in &detail.timeline {
        let who = event.actor.as_deref().unwrap_or("-");
        let reason = event.reason.as_deref().map(|r| format!(": {r}")).unwrap_or_default();
        let _ = writeln!(out, "  {}  {} ({who}){reason}", event.at.format(TIME), event.event);
        if let Some(asked) = event.payload.as_ref().and_then(|payload| asked(payload, taken)) {
            let _ = writeln!(out, "    {asked}");
        }
    }
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
    Some(text)
}

fn actions(out: &mut String, detail: &CaseDetail) {
    if detail.actions.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nActions");
    for action in &detail.actions {
        let said = action.refused.as_ref().map_or_else(|| "possible".to_owned(), |why| format!("not now: {why}"));
        let _ = writeln!(out, "  {:<8} {said}", action_name(action.action));
    }
}

/// Outputs as `case recover --output` takes them.
fn values(outputs: &Outputs) -> String {
    let one = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("{name}={text}"),
        other => format!("{name}={other}"),
    };
    outputs.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn text_of<'a>(of: &'a Value, name: &str) -> &'a str {
    of.get(name).and_then(Value::as_str).unwrap_or("-")
}

#[cfg(test)]
#[path = "show_tests.rs"]
mod tests;
