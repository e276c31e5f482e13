//! `fallout case show`: what is known, what is not, what was done, what may be done.

use std::fmt::Write;

use fallout_core::{evidence::Evidence, lookup::Said};
use fallout_desk::{AttemptView, CaseDetail};
use serde_json::Value;

/// Minutes are enough for people; the JSON has the rest.
const TIME: &str = "%Y-%m-%d %H:%M:%S UTC";

pub fn text(detail: &CaseDetail) -> String {
    let mut out = String::new();
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
        ("recommended", or_dash(&case.recommended_action)),
    ];
    for (name, value) in rows {
        let _ = writeln!(out, "  {name:<13} {value}");
    }
    attempts(&mut out, &detail.attempts);
    let _ = writeln!(out, "\nTimeline");
    for event in &detail.timeline {
        let who = event.actor.as_deref().unwrap_or("-");
        let reason = event.reason.as_deref().map(|r| format!(": {r}")).unwrap_or_default();
        let _ = writeln!(out, "  {}  {} ({who}){reason}", event.at.format(TIME), event.event);
    }
    actions(&mut out, detail);
    out
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
    }
}

/// One piece of evidence in words.
fn proven(evidence: &Value) -> String {
    let detail = evidence.get("detail").cloned().unwrap_or_default();
    let source = evidence.get("source").and_then(Value::as_str).unwrap_or_default();
    let what = match source {
        "exchange" => serde_json::from_value::<Evidence>(detail).map(|e| e.summary()).ok(),
        "lookup" => serde_json::from_value::<Said>(detail).map(|said| said.to_string()).ok(),
        "attestation" => Some(attested(&detail, evidence)),
        _ => detail.get("why").and_then(Value::as_str).map(str::to_owned),
    };
    format!("{source}: {}", what.unwrap_or_else(|| "unreadable".into()))
}

fn attested(detail: &Value, evidence: &Value) -> String {
    let word = if detail.get("applied") == Some(&Value::Bool(true)) { "applied" } else { "not applied" };
    let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    format!("{word}, says {} ({})", text(evidence, "principal"), text(detail, "reference"))
}

fn actions(out: &mut String, detail: &CaseDetail) {
    if detail.actions.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nActions");
    for action in &detail.actions {
        let said = action.refused.as_ref().map_or_else(|| "possible".to_owned(), |why| format!("not now: {why}"));
        let _ = writeln!(out, "  {:<16} {said}", action.action.word());
    }
}
