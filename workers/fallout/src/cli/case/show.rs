//! `fallout case show`: what it is, whom it touches, what is proven, what was done, what may be done.

mod context;
mod ledger;

use std::fmt::Write;

use chrono::{DateTime, Utc};
use fallout_core::{
    action::{
        ActionState,
        catalogue::{Approval, Contact},
    },
    decide::classification,
};
use fallout_desk::{ActionView, CaseDetail, Desk};
use fallout_store::actions::StoredAction;

use super::{number, told};
use crate::{
    cli::Context,
    output::{action_name, plain, recommended},
};

/// One case: what is known, what is not, what may be done
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Case number, e.g. fc-100001
    pub id: String,
    /// The newest entries of its timeline, at most 1000
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(i64).range(1..=1000))]
    pub timeline: i64,
}

pub async fn run(args: Args, desk: &Desk, context: &Context) -> anyhow::Result<()> {
    let tenant = &context.settings.tenant.id;
    let number = number(&args.id)?;
    let case = desk.case_with(tenant, number, args.timeline).await.map_err(told)?;
    let taken = desk.actions(tenant, number).await.map_err(told)?;
    context.out.data(&case, || text(&case, &taken))?;
    Ok(())
}

/// Seconds are enough for people; the JSON has the rest.
const TIME: &str = "%Y-%m-%d %H:%M:%S UTC";

fn at(at: DateTime<Utc>) -> String {
    at.format(TIME).to_string()
}

/// How long from now, or ago, in its two largest units.
fn apart(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    let minutes = (to - from).num_minutes();
    let units = [("d", minutes.abs() / 1440), ("h", minutes.abs() / 60 % 24), ("min", minutes.abs() % 60)];
    let said: Vec<String> =
        units.iter().filter(|(_, n)| *n > 0).take(2).map(|(unit, n)| format!("{n} {unit}")).collect();
    match (said.is_empty(), minutes < 0) {
        (true, _) => "now".into(),
        (false, true) => format!("{} ago", said.join(" ")),
        (false, false) => format!("in {}", said.join(" ")),
    }
}

fn row(out: &mut String, name: &str, value: &str) {
    let _ = writeln!(out, "  {name:<13} {}", plain(value));
}

/// A row that is left out where there is nothing to say.
fn maybe(out: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        row(out, name, value);
    }
}

/// `taken` are the actions that were asked for so far.
pub fn text(detail: &CaseDetail, taken: &[StoredAction]) -> String {
    let mut out = String::new();
    head(&mut out, detail);
    context::text(&mut out, detail);
    ledger::known(&mut out, detail);
    ledger::attempts(&mut out, &detail.attempts);
    signals(&mut out, detail);
    timeline(&mut out, detail, taken);
    evidence(&mut out, detail);
    under_way(&mut out, detail);
    actions(&mut out, detail);
    related(&mut out, detail);
    out
}

fn head(out: &mut String, detail: &CaseDetail) {
    let case = &detail.case;
    let code = case.classification.as_deref().unwrap_or("not classified");
    let title = [&case.case_number, &case.status, &case.severity, &format!("{code} ({})", detail.category_name)];
    let _ = writeln!(out, "{}\n", title.map(|part| plain(part)).join("  "));
    row(out, "what", case.summary.as_deref().unwrap_or("-"));
    maybe(out, "to undo", ledger::to_undo(detail).as_deref());
    let owner = [case.group.as_deref(), case.assignee.as_deref()].into_iter().flatten().collect::<Vec<_>>();
    row(out, "owner", &if owner.is_empty() { "nobody".to_owned() } else { owner.join(", ") });
    if !detail.actions.is_empty() {
        row(out, "recommended", &recommended(case));
    }
    let due = case.sla_due_at.map(|due| format!("{}, {}", at(due), apart(detail.now, due)));
    row(out, "due", due.as_deref().unwrap_or("-"));
    let opened =
        format!("{}, {}, by {}", at(case.created_at), apart(detail.now, case.created_at), detail.fields.source);
    row(out, "opened", &opened);
    standing(out, detail);
    if !detail.runbook.is_empty() {
        let page = detail.runbook.starts_with("https://");
        let runbook = if page { detail.runbook.clone() } else { format!("fallout explain {}", detail.runbook) };
        row(out, "runbook", &runbook);
    }
    row(out, "version", &case.version.to_string());
}

/// What it waits for, or how it ended.
fn standing(out: &mut String, detail: &CaseDetail) {
    let fields = &detail.fields;
    if let Some(what) = &fields.waiting_for {
        let until = fields.wait_until.map(|until| format!(", returns {}", at(until))).unwrap_or_default();
        row(out, "waits for", &format!("{what}: {}{until}", fields.wait_reason.as_deref().unwrap_or("-")));
    }
    if let Some(why) = &fields.unresolved_reason {
        let review = fields.review_at.map(|review| format!(", looked at again {}", at(review))).unwrap_or_default();
        row(out, "unresolved", &format!("{why}{review}"));
    }
    if let Some(problem) = &detail.problem {
        let [cases, orders] = [problem.cases, problem.orders];
        row(out, "problem", &format!("{} is {}: {cases} cases of {orders} orders", problem.number, problem.state));
    }
    maybe(out, "duplicate of", fields.duplicate_of.as_deref());
    if let Some(code) = &fields.resolution_code {
        let when = fields.resolved_at.map(|when| format!(", {}", at(when))).unwrap_or_default();
        let by = fields.fixing_action.as_ref().map(|by| format!(", by {by}")).unwrap_or_default();
        row(out, "resolution", &format!("{code}{by}{when}"));
    }
    if let Some(how) = &fields.verification {
        row(out, "verified", &format!("{how}, by {}", fields.verified_by.as_deref().unwrap_or("-")));
    }
    if fields.verification_failures > 0 {
        row(out, "not verified", &format!("{} times so far", fields.verification_failures));
    }
    maybe(out, "root cause", fields.root_cause.as_deref());
    maybe(out, "follow-up", fields.preventive_follow_up.as_deref());
    maybe(out, "closed", fields.closed_at.map(at).as_deref());
}

fn signals(out: &mut String, detail: &CaseDetail) {
    if detail.signals.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nSignals");
    let hidden = detail.signals_received - detail.signals.len() as i64;
    if hidden > 0 {
        let _ = writeln!(out, "  {hidden} earlier ones are not shown");
    }
    for signal in &detail.signals {
        let reason = signal.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let _ = writeln!(
            out,
            "  {}  {} says {}{}",
            at(signal.at),
            plain(&signal.source),
            plain(&signal.kind),
            plain(&reason)
        );
    }
}

fn timeline(out: &mut String, detail: &CaseDetail, taken: &[StoredAction]) {
    let _ = writeln!(out, "\nTimeline");
    let hidden = detail.timeline_entries - detail.timeline.len() as i64;
    if hidden > 0 {
        let all = detail.timeline_entries.min(1_000);
        let _ = writeln!(out, "  {hidden} earlier entries are not shown; --timeline {all} shows more");
    }
    for event in &detail.timeline {
        let who = event.actor.as_deref().unwrap_or("-");
        let reason = event.reason.as_deref().map(|r| format!(": {r}")).unwrap_or_default();
        let _ = writeln!(out, "  {}  {} ({}){}", at(event.at), plain(&event.event), plain(who), plain(&reason));
        if let Some(said) = event.payload.as_ref().and_then(|payload| ledger::said(payload, taken)) {
            let _ = writeln!(out, "    {}", plain(&said));
        }
    }
    if let Some(change) = &detail.last_change {
        let said = format!("{} by {}: {}", change.event, change.by, change.reason);
        let _ = writeln!(out, "  last reason given, for the audit: {}", plain(&said));
    }
}

fn evidence(out: &mut String, detail: &CaseDetail) {
    if detail.evidence.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nEvidence (fallout case evidence get {} SHA256)", detail.case.case_number);
    for file in &detail.evidence {
        let hash: String = file.sha256.chars().take(12).collect();
        let erased = if file.erased_at.is_some() { ", erased" } else { "" };
        let _ = writeln!(
            out,
            "  {hash}  {}  {}, {} bytes, by {} {}{erased}",
            plain(&file.name),
            plain(&file.media_type),
            file.size_bytes,
            plain(&file.added_by),
            at(file.added_at)
        );
    }
}

/// What waits, for what, and the commands that go on with it or end it.
fn under_way(out: &mut String, detail: &CaseDetail) {
    let Some(waits) = &detail.under_way else { return };
    let _ = writeln!(out, "\nUnder way");
    row(out, "action", &format!("{}, asked for by {}: {}", action_name(waits.kind), waits.requested_by, waits.reason));
    let state = match waits.state {
        ActionState::Stopping => "waits for the end of the exchange, and is then checked again over what is known",
        ActionState::Checking => "the downstream is asked",
        ActionState::AwaitingApproval => "waits for a second person",
        ActionState::Performing => "makes an effect of its own, and goes on when that is proven",
        _ => "accepted; its effect is not seen yet",
    };
    row(out, "state", state);
    if let Some(approval) = &waits.approval {
        row(
            out,
            "who agrees",
            &format!("another person, with a token of their own (FALLOUT_TOKEN), until {}", at(approval.expires_at)),
        );
        row(out, "agree", &format!("fallout case approve {} --reason TEXT", approval.id));
        row(out, "refuse", &format!("fallout case refuse-approval {} --reason TEXT", approval.id));
    }
    row(out, "take back", &format!("fallout case withdraw {} --reason TEXT", waits.action));
}

fn actions(out: &mut String, detail: &CaseDetail) {
    let _ = writeln!(out, "\nActions");
    if detail.actions.is_empty() {
        let why = match (&detail.fields.duplicate_of, detail.case.step.is_some()) {
            (Some(original), _) => format!("it is a duplicate: {original} is worked on"),
            (None, true) => format!("it is {}; nothing is to be recovered any more", detail.case.status),
            (None, false) => "it belongs to no step; work on it, then resolve what it is about".into(),
        };
        let _ = writeln!(out, "  none: {}", plain(&why));
        if let Some(next) = &detail.next {
            let _ = writeln!(out, "  run   {next}");
        }
    }
    for view in &detail.actions {
        let said = view.refused.as_ref().map_or_else(|| "possible".to_owned(), |why| format!("not now: {why}"));
        let _ = writeln!(out, "  {:<11} {said}", action_name(view.action));
        if view.refused.is_none() {
            meaning(out, view);
        }
        if let Some(command) = &view.command {
            let _ = writeln!(out, "              {:<9} {command}", "run");
        }
    }
}

/// What a person has to know before they choose it.
fn meaning(out: &mut String, view: &ActionView) {
    let of = view.declaration;
    let contact = match of.contact {
        Contact::None => "contacts no downstream",
        Contact::Reads => "asks the downstream",
        Contact::Sends => "sends to the downstream",
    };
    let decided = match &view.second_person {
        Some(why) => format!("{}: {why}", Approval::SecondPerson),
        None => of.approval.to_string(),
    };
    let facts = format!("{contact}; reversible: {}; decided by {decided}", of.reversible);
    let needs = view.required.as_deref().unwrap_or(of.authority.word());
    let rows =
        [("does", of.does), ("does not", of.does_not), ("customer", of.customer), ("is", &facts), ("needs", needs)];
    for (name, text) in rows {
        let _ = writeln!(out, "              {name:<9} {text}");
    }
}

fn related(out: &mut String, detail: &CaseDetail) {
    if detail.related.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nRelated cases");
    for other in &detail.related {
        let code = other.classification.as_deref().unwrap_or("-");
        let summary = other.summary.as_deref().map(|s| format!(": {s}")).unwrap_or_default();
        let _ = writeln!(
            out,
            "  {}  {}  {}  {}  {code}{}",
            other.case_number,
            other.relation,
            other.severity,
            other.status,
            plain(&summary)
        );
    }
}

/// Whether the case asks for an effect to be undone by hand.
fn is_undo(detail: &CaseDetail) -> bool {
    detail.case.classification.as_deref() == Some(classification::UNDO_REQUIRED)
}

#[cfg(test)]
#[path = "show_tests.rs"]
mod tests;
