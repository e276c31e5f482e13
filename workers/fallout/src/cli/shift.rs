//! `fallout shift report | workload`: what a shift hands to the next, and who has how much.

use std::fmt::Write;

use chrono::{DateTime, Duration, Utc};
use clap::Subcommand;
use fallout_core::case::CaseEvent;
use fallout_desk::{CaseLine, Load, Note, ShiftReport};

use super::{
    Context,
    case::told,
    duration::parse_duration,
    who::{self, Need},
};
use crate::{
    exit::Exit,
    output::{plain, table},
};

/// Hand a shift over: what happened, what is open, who has how much
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fallout shift report --since 8h --group 'Order Ops'
  fallout shift workload")]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// What happened, what presses, what was noted
    Report {
        /// How far back, and how far ahead for what returns by itself
        #[arg(long, value_name = "DURATION", default_value = "8h", value_parser = parse_duration)]
        since: std::time::Duration,
        /// Cases of one group only
        #[arg(long)]
        group: Option<String>,
    },
    /// Open cases per person and group
    Workload {
        /// Of one group only
        #[arg(long)]
        group: Option<String>,
    },
}

pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let (desk, _) = who::desk(context, Need::Read).await?;
    let tenant = &context.settings.tenant.id;
    match args.command {
        Command::Report { since, group } => {
            // More than a year is no shift; the database has no time before its own.
            let back = Duration::from_std(since).unwrap_or(Duration::MAX).min(Duration::days(366));
            let report = desk.shift_report(tenant, back, group.as_deref()).await.map_err(told)?;
            context.out.data(&report, || text(&report))?;
        }
        Command::Workload { group } => {
            let load = desk.workload(tenant, group.as_deref()).await.map_err(told)?;
            context.out.data(&load, || workload(&load))?;
        }
    }
    Ok(Exit::Done)
}

fn at(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

fn text(report: &ShiftReport) -> String {
    let group = report.group.as_deref().map(|group| format!(" of {}", plain(group))).unwrap_or_default();
    let mut out = format!("Shift{group} from {} to {}\n\n", at(report.since), at(report.now));
    let times = |event: CaseEvent| report.happened.iter().find(|h| h.event == event.word()).map_or(0, |h| h.times);
    let counted = [
        ("opened", CaseEvent::Created),
        ("resolved", CaseEvent::Resolved),
        ("reopened", CaseEvent::Reopened),
        ("breached", CaseEvent::SlaBreached),
        ("at risk", CaseEvent::SlaAtRisk),
        ("escalated", CaseEvent::Escalated),
        ("came back from waiting", CaseEvent::WaitEnded),
    ];
    let counted: Vec<String> = counted.iter().map(|(name, event)| format!("{} {name}", times(*event))).collect();
    let _ = writeln!(out, "{}", counted.join(", "));
    let open: i64 = report.open.iter().map(Load::open).sum();
    let unassigned: i64 = report.open.iter().filter(|load| load.user.is_none()).map(Load::open).sum();
    let _ = writeln!(out, "{open} open, {unassigned} of them with nobody");
    section(&mut out, "Open by group and person", workload_rows(&report.open));
    let problems = report.problems.iter().map(|p| {
        let what = format!("{} at {}", p.classification, p.downstream);
        format!("{}  {}  {}  {} cases, {} orders", p.problem, p.severity, plain(&what), p.cases, p.orders)
    });
    section(&mut out, "Problems", problems.collect());
    section(&mut out, "Breached", cases(&report.breached));
    section(&mut out, "At risk", cases(&report.at_risk));
    section(&mut out, "Oldest", cases(&report.oldest));
    section(&mut out, "Return by themselves", notes(&report.returning));
    section(&mut out, "Noted", notes(&report.notes));
    out
}

fn section(out: &mut String, title: &str, lines: Vec<String>) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{title}");
    for line in lines {
        let _ = writeln!(out, "  {line}");
    }
}

fn cases(cases: &[CaseLine]) -> Vec<String> {
    let line = |c: &CaseLine| {
        let owner = c.assignee.as_deref().or(c.group.as_deref()).unwrap_or("-");
        let due = c.sla_due_at.map_or_else(|| "-".into(), at);
        let code = c.classification.as_deref().unwrap_or("-");
        let order = c.order.as_deref().unwrap_or("-");
        format!("{}  {}  {code}  order {}  {}  due {due}", c.case_number, c.severity, plain(order), plain(owner))
    };
    cases.iter().map(line).collect()
}

fn notes(notes: &[Note]) -> Vec<String> {
    let line = |n: &Note| {
        let text = n.text.as_deref().unwrap_or("-");
        format!("{}  {}  {}: {}", n.case_number, at(n.at), plain(n.by.as_deref().unwrap_or("-")), plain(text))
    };
    notes.iter().map(line).collect()
}

fn workload(load: &[Load]) -> String {
    if load.is_empty() { "no case is open".into() } else { workload_rows(load).join("\n") }
}

fn workload_rows(load: &[Load]) -> Vec<String> {
    if load.is_empty() {
        return Vec::new();
    }
    let row = |l: &Load| {
        let counts = [l.open(), l.sev1, l.sev2, l.sev3, l.sev4, l.waiting, l.breached].map(|n| n.to_string());
        let [open, sev1, sev2, sev3, sev4, waiting, breached] = counts;
        let name = |text: &Option<String>, none: &str| plain(text.as_deref().unwrap_or(none));
        let oldest = l.oldest.map_or_else(|| "-".into(), at);
        let (group, user) = (name(&l.group, "-"), name(&l.user, "nobody"));
        [group, user, open, sev1, sev2, sev3, sev4, waiting, breached, oldest]
    };
    let headers = ["group", "person", "open", "SEV1", "SEV2", "SEV3", "SEV4", "waiting", "breached", "oldest"];
    table(headers, load.iter().map(row)).lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use fallout_desk::{Happened, ProblemLine};

    use super::*;

    #[test]
    fn a_shift_is_handed_over_whole() {
        let moment = |hours: i64| DateTime::UNIX_EPOCH + Duration::hours(hours);
        let load = |user: Option<&str>| Load {
            group: Some("Order Ops".into()),
            user: user.map(str::to_owned),
            sev1: 0,
            sev2: 1,
            sev3: 2,
            sev4: 0,
            waiting: 1,
            breached: 0,
            oldest: Some(moment(1)),
        };
        let happened = |event: CaseEvent, times| Happened { event: event.word().into(), times };
        let note = |text: &str| Note {
            case_number: "fc-2".into(),
            at: moment(7),
            by: Some("local:ann".into()),
            text: Some(text.into()),
        };
        let report = ShiftReport {
            since: moment(0),
            now: moment(8),
            group: Some("Order Ops".into()),
            happened: vec![happened(CaseEvent::Created, 4), happened(CaseEvent::Resolved, 1)],
            open: vec![load(None), load(Some("local:ann"))],
            problems: vec![ProblemLine {
                problem: "pr-1".into(),
                severity: "SEV1".into(),
                classification: "DOWNSTREAM_UNAVAILABLE".into(),
                downstream: "billing".into(),
                group: "Order Ops".into(),
                user: None,
                cases: 40,
                orders: 38,
                opened_at: moment(2),
            }],
            breached: Vec::new(),
            at_risk: Vec::new(),
            oldest: Vec::new(),
            returning: vec![note("customer calls back")],
            notes: vec![note("asked the\ndepot")],
        };
        let expected = "\
Shift of Order Ops from 1970-01-01 00:00 UTC to 1970-01-01 08:00 UTC

4 opened, 1 resolved, 0 reopened, 0 breached, 0 at risk, 0 escalated, 0 came back from waiting
6 open, 3 of them with nobody

Open by group and person
  group      person     open  SEV1  SEV2  SEV3  SEV4  waiting  breached  oldest
  Order Ops  nobody     3     0     1     2     0     1        0         1970-01-01 01:00 UTC
  Order Ops  local:ann  3     0     1     2     0     1        0         1970-01-01 01:00 UTC

Problems
  pr-1  SEV1  DOWNSTREAM_UNAVAILABLE at billing  40 cases, 38 orders

Return by themselves
  fc-2  1970-01-01 07:00 UTC  local:ann: customer calls back

Noted
  fc-2  1970-01-01 07:00 UTC  local:ann: asked the\u{fffd}depot
";
        assert_eq!(text(&report), expected);
        assert_eq!(workload(&[]), "no case is open");
    }
}
