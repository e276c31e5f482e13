//! Whom a case touches and how much: customer, order, lines, money, time, and what the customer sees.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use fallout_desk::{CaseDetail, OrderContext};

use super::{apart, at, maybe, row};

pub fn text(out: &mut String, detail: &CaseDetail) {
    let _ = writeln!(out, "\nCustomer and order");
    match &detail.order_context {
        Some(order) => of_order(out, detail, order),
        None => row(out, "order", "none is known"),
    }
    if let Some(status) = &detail.customer_status {
        row(out, "customer sees", &format!("{}: {}", status.label, status.message));
    }
    place(out, detail);
    impact(out, detail);
}

fn of_order(out: &mut String, detail: &CaseDetail, order: &OrderContext) {
    let run = order.run.map(|run| format!(", run {run}")).unwrap_or_default();
    let state = order.run_state.as_deref().map(|state| format!(" is {state}")).unwrap_or_default();
    row(out, "order", &format!("{}{run}{state}", order.order));
    let segment = order.segment.as_deref().map(|segment| format!(" ({segment})")).unwrap_or_default();
    row(out, "customer", &format!("{}{segment}", detail.case.customer.as_deref().unwrap_or("-")));
    maybe(out, "value", order.value.as_deref());
    maybe(out, "priority", order.priority.as_deref());
    let wished = order.requested.as_deref().map(|date| format!("not promised, wished for {date}"));
    maybe(out, "promised", order.promised.as_deref().or(wished.as_deref()));
    for line in &order.lines {
        let touched = if line.affected { ", affected" } else { "" };
        row(out, "line", &format!("{} {} {}{touched}", line.line, line.action, line.product));
    }
}

/// Where in the process and at which system it stands.
fn place(out: &mut String, detail: &CaseDetail) {
    let case = &detail.case;
    let line =
        case.line.as_deref().filter(|line| !line.is_empty()).map(|line| format!(" of line {line}")).unwrap_or_default();
    maybe(out, "step", case.step.as_deref().map(|step| format!("{step}{line}")).as_deref());
    maybe(out, "downstream", case.external_system.as_deref());
    maybe(out, "reference", case.external_reference.as_deref());
    maybe(out, "business key", case.business_key.as_deref());
    let root = detail
        .fields
        .root_process_instance_id
        .as_deref()
        .filter(|root| case.process_instance_id.as_deref() != Some(root));
    maybe(out, "instance", case.process_instance_id.as_deref());
    maybe(out, "of the order", root);
}

/// Why it is as grave as it is, and until when.
fn impact(out: &mut String, detail: &CaseDetail) {
    let clock = &detail.clock;
    let _ = writeln!(out, "\nSeverity and clock");
    if let Some(judgement) = &clock.judgement {
        let derived = &judgement.derived;
        let gravest = derived.reasons.iter().filter(|reason| reason.severity == derived.severity && !reason.assumed);
        let gravest: Vec<String> = gravest
            .map(|reason| format!("{} {}", reason.factor.word(), reason.value.as_deref().unwrap_or("-")))
            .collect();
        let because = if gravest.is_empty() { "its classification".to_owned() } else { gravest.join(", ") };
        let assumed = derived.reasons.iter().filter(|reason| reason.assumed).count();
        let assumed = if assumed == 0 { String::new() } else { format!("; {assumed} of 9 factors assumed") };
        let severity = derived.severity;
        row(
            out,
            "severity",
            &format!("{severity} by {because}{assumed}; all: fallout case severity {}", detail.case.case_number),
        );
        if let (Some(to), Some(by), Some(why)) =
            (&judgement.lowered_to, &judgement.lowered_by, &judgement.lowered_reason)
        {
            row(out, "lowered", &format!("to {to} by {by}: {why}"));
        }
    }
    if let Some(policy) = &clock.policy {
        row(out, "clock", &format!("{policy}, {} min of working time used", clock.used_minutes));
    }
    let moment = |when: Option<DateTime<Utc>>| when.map(|when| format!("{}, {}", at(when), apart(detail.now, when)));
    maybe(out, "answer by", moment(clock.response_due).as_deref());
    maybe(out, "warning", moment(clock.jeopardy_at).as_deref());
    maybe(out, "due", moment(clock.due).as_deref());
}
