//! `fallout order show`: what is known of an order, and how it and its lines stand.

use fallout_desk::{LineView, OrderView};

use crate::output::{STRONG, plain, styled, table};

/// As people read it.
pub fn text(view: &OrderView) -> String {
    let mut parts = vec![head(view), facts(view), lines(&view.lines)];
    if !view.steps.is_empty() {
        let row = |s: &fallout_store::context::OrderStep| {
            [s.step.clone(), s.direction.clone(), stands(s), s.operation.clone()]
        };
        let rows = table(["step", "direction", "state", "operation"], view.steps.iter().map(row));
        parts.push(format!("steps of the whole order\n{rows}"));
    }
    if !view.corrections.is_empty() {
        parts.push(corrections(view));
    }
    parts.push(cases(view));
    parts.join("\n\n")
}

fn head(view: &OrderView) -> String {
    let state = match (view.state, &view.run) {
        (Some(state), Some(run)) => format!("{state} (run {}, {})", run.run, run.state),
        _ => "its fulfilment was never started here".to_owned(),
    };
    let owner = match (view.context.state, view.as_of) {
        (Some(state), Some(at)) => format!("{state}, as of {}", at.to_rfc3339()),
        (Some(state), None) => format!("{state}, as it was taken in"),
        (None, _) => "not told".to_owned(),
    };
    let mut text = format!("{}\n  here        {state}\n  owner       {owner}", styled(STRONG, &view.order));
    for hold in &view.holds {
        let what = if hold.line.is_empty() { "the order".to_owned() } else { format!("line {}", hold.line) };
        let at = hold.held_at.to_rfc3339();
        text += &format!("\n  held        {what}, by {} at {at}: {}", hold.held_by, plain(&hold.reason));
    }
    if let Some(at) = view.deleted_at {
        text += &format!("\n  deleted     by its owner at {}", at.to_rfc3339());
    }
    if let Some(at) = view.erased_at {
        text += &format!("\n  erased      its personal data at {}", at.to_rfc3339());
    }
    text
}

fn facts(view: &OrderView) -> String {
    let context = &view.context;
    let date = |at: Option<chrono::DateTime<chrono::Utc>>| at.map(|t| t.to_rfc3339());
    let worth = context.value.zip(context.unit.as_deref()).map(|(value, unit)| format!("{value:.2} {unit}"));
    let references = (!context.external_references.is_empty()).then(|| context.external_references.join(", "));
    let known = [
        ("customer", context.customer.clone()),
        ("segment", context.category.clone()),
        ("value", worth),
        ("promised", date(context.promised)),
        ("requested", date(context.requested)),
        ("priority", context.priority.clone()),
        ("references", references),
        ("taken in", date(Some(view.taken_in_at))),
    ];
    let line = |(name, value): (&str, Option<String>)| format!("  {name:<12}{}", value.as_deref().unwrap_or("-"));
    known.map(line).join("\n")
}

/// What holds has a version; what has none failed or is under way, as the case says.
fn corrections(view: &OrderView) -> String {
    let shown = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let rows = view.corrections.iter().map(|c| {
        let field = if c.line.is_empty() { c.field.clone() } else { format!("{}@{}", c.field, c.line) };
        let (old, new) =
            if c.personal { ("personal".into(), "personal".into()) } else { (shown(&c.old), shown(&c.new)) };
        let version = c.version.map_or("-".to_owned(), |version| version.to_string());
        [version, field, plain(&old), plain(&new), c.by.clone(), c.at.to_rfc3339(), c.case.clone(), plain(&c.reason)]
    });
    let head = ["version", "corrected", "from", "to", "by", "at", "case", "reason"];
    format!("corrections\n{}", table(head, rows))
}

fn lines(lines: &[LineView]) -> String {
    let row = |line: &LineView| {
        let item = &line.item;
        let within = item.parent.as_ref().map_or(String::new(), |parent| format!(" (in {parent})"));
        let product = item.offering.clone().or_else(|| item.offering_name.clone());
        let steps: Vec<String> = line.steps.iter().map(|s| format!("{} {}", s.step, stands(s))).collect();
        [
            format!("{}{within}", item.line),
            item.action.clone(),
            product.unwrap_or_default(),
            line.state.map_or("-".to_owned(), |s| s.to_string()),
            item.state.map_or("-".to_owned(), |s| s.to_string()),
            steps.join(", "),
            line.cases.join(", "),
        ]
    };
    table(["line", "action", "product", "here", "owner", "steps", "open cases"], lines.iter().map(row))
}

fn stands(step: &fallout_store::context::OrderStep) -> String {
    if step.unknown { format!("{} (unknown outcome)", step.state) } else { step.state.to_string() }
}

fn cases(view: &OrderView) -> String {
    if view.cases.is_empty() {
        return "no cases".into();
    }
    let row = |case: &fallout_store::context::OrderCase| {
        let summary = case.summary.clone().unwrap_or_default();
        [
            case.number.clone(),
            case.line.clone().unwrap_or_else(|| "-".into()),
            case.severity.clone(),
            case.status.clone(),
            case.classification.clone().unwrap_or_default(),
            summary.chars().filter(|c| !c.is_control()).take(80).collect(),
        ]
    };
    table(["case", "line", "severity", "state", "classification", "summary"], view.cases.iter().map(row))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use fallout_core::{
        context::{ItemContext, ItemState, OrderContext, OrderState, RunState},
        ids::RunId,
        step::StepState,
    };
    use fallout_desk::Hold;
    use fallout_store::context::{LatestRun, OrderCase, OrderStep};

    use super::*;

    #[test]
    fn an_order_is_shown_with_how_it_stands_here_and_at_its_owner_line_by_line() {
        let at = |s| DateTime::from_timestamp(s, 0).unwrap();
        let step = OrderStep {
            line: "1".into(),
            step: "provision".into(),
            direction: "do".into(),
            operation: "provisioning.add".into(),
            state: StepState::Parked,
            unknown: true,
        };
        let item = |line: &str, parent: Option<&str>| ItemContext {
            line: line.into(),
            parent: parent.map(str::to_owned),
            action: "add".into(),
            offering: Some("PO-1".into()),
            state: Some(ItemState::InProgress),
            ..ItemContext::default()
        };
        let line = |item, state, steps, cases: &[&str]| LineView {
            state: Some(state),
            item,
            steps,
            cases: cases.iter().map(|c| (*c).to_owned()).collect(),
        };
        let case = OrderCase {
            id: uuid::Uuid::nil(),
            number: "fc-1".into(),
            line: Some("1".into()),
            severity: "SEV3".into(),
            status: "assigned".into(),
            open: true,
            classification: Some("OUTCOME_UNKNOWN".into()),
            summary: Some("nobody\u{1b}[2J knows".into()),
        };
        let view = OrderView {
            order: "ord-1".into(),
            state: Some(OrderState::Held),
            context: OrderContext {
                customer: Some("c-1".into()),
                value: Some(20.0),
                unit: Some("EUR".into()),
                state: Some(OrderState::InProgress),
                external_references: vec!["WEB-1".into()],
                ..OrderContext::default()
            },
            taken_in_at: at(0),
            as_of: Some(at(60)),
            deleted_at: None,
            erased_at: None,
            holds: vec![Hold {
                id: uuid::Uuid::nil(),
                line: "1".into(),
                reason: "moves".into(),
                held_by: "local:ann".into(),
                held_at: at(30),
            }],
            run: Some(LatestRun {
                id: RunId(uuid::Uuid::nil()),
                run: 1,
                state: RunState::Running,
                cancel_requested: false,
                process_instance_id: None,
                started_at: None,
                ended_at: None,
                archived_at: None,
            }),
            lines: vec![
                line(item("1", None), ItemState::Held, vec![step], &["fc-1"]),
                line(item("1.1", Some("1")), ItemState::Acknowledged, Vec::new(), &[]),
            ],
            steps: Vec::new(),
            corrections: Vec::new(),
            cases: vec![case],
        };
        let shown = text(&view);
        let shown: Vec<String> = shown
            .lines()
            .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|l| !l.is_empty())
            .collect();
        let plain = |line: &String| line.replace("\u{1b}[1m", "").replace("\u{1b}[0m", "");
        assert_eq!(
            shown.iter().map(plain).collect::<Vec<_>>(),
            [
                "ord-1",
                "here held (run 1, running)",
                "owner inProgress, as of 1970-01-01T00:01:00+00:00",
                "held line 1, by local:ann at 1970-01-01T00:00:30+00:00: moves",
                "customer c-1",
                "segment -",
                "value 20.00 EUR",
                "promised -",
                "requested -",
                "priority -",
                "references WEB-1",
                "taken in 1970-01-01T00:00:00+00:00",
                "line action product here owner steps open cases",
                "1 add PO-1 held inProgress provision parked (unknown outcome) fc-1",
                "1.1 (in 1) add PO-1 acknowledged inProgress",
                "case line severity state classification summary",
                "fc-1 1 SEV3 assigned OUTCOME_UNKNOWN nobody[2J knows",
            ]
        );
    }
}
