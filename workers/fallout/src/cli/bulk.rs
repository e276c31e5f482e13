//! `fallout bulk list | show | pause | resume | stop | approve | refuse`: recoveries of many cases, once they were asked for.

use std::fmt::Write;

use clap::Subcommand;
use fallout_core::{
    bulk::{BulkCaseState, BulkEvent, BulkState},
    ids::BulkNumber,
};
use fallout_desk::{BulkView, CaseOfBulk, Desk};
use serde::Serialize;

use super::{
    Context,
    case::told,
    who::{self, Need},
};
use crate::{
    codes::Failure,
    exit::Exit,
    output::{plain, table},
};

/// Follow recoveries of many cases, and steer them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fallout case bulk --problem pr-12 recover --action retry --reason 'vendor is back'          what would be done
  fallout case bulk --problem pr-12 --yes recover --action retry --reason 'vendor is back'    do it
  fallout bulk show bk-1001                                                                    how it goes
  fallout bulk pause bk-1001 --reason 'the vendor asks for it'
  fallout bulk resume bk-1001 --reason 'the vendor is ready'

A bulk that stops itself, since too many of its recoveries failed, is halted and goes on with resume.")]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// The latest first
    List,
    /// One bulk, with what became of each case
    Show {
        /// For example bk-1001
        id: String,
    },
    /// Begin no more cases for now; what is under way ends
    Pause {
        id: String,
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Go on with one that is paused or halted
    Resume {
        id: String,
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Begin no more cases for good; what is under way ends
    Stop {
        id: String,
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Agree, as a second person, to exactly its cases
    Approve {
        id: String,
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Refuse, as a second person, or take your own request back
    Refuse {
        id: String,
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

/// More than a person reads.
const LISTED: i64 = 100;
/// Cases read at once.
const PAGE: i64 = 1_000;

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    view: BulkView,
    results: Vec<CaseOfBulk>,
}

pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let reads = matches!(args.command, Command::List | Command::Show { .. });
    let (desk, me) = who::desk(context, if reads { Need::Read } else { Need::Act }).await?;
    let tenant = context.settings.tenant.id.as_str();
    let (id, event, reason) = match args.command {
        Command::List => {
            let bulks = desk.bulks(tenant, LISTED).await.map_err(told)?;
            context.out.data(&bulks, || list(&bulks))?;
            return Ok(Exit::Done);
        }
        Command::Show { id } => {
            show(number(&id)?, &desk, context).await?;
            return Ok(Exit::Done);
        }
        Command::Pause { id, reason } => (id, BulkEvent::Paused, reason),
        Command::Resume { id, reason } => (id, BulkEvent::Resumed, reason),
        Command::Stop { id, reason } => (id, BulkEvent::Stopped, reason),
        Command::Approve { id, reason } => (id, BulkEvent::Approved, reason),
        Command::Refuse { id, reason } => (id, BulkEvent::NotApproved, reason),
    };
    let number = number(&id)?;
    let view = match event {
        BulkEvent::Approved | BulkEvent::NotApproved => {
            desk.decide_bulk(tenant, &me, number, event == BulkEvent::Approved, &reason).await
        }
        _ => desk.control_bulk(tenant, &me, number, event, &reason).await,
    };
    let view = view.map_err(told)?;
    context.out.data(&view, || stands(&view))?;
    Ok(Exit::Done)
}

async fn show(number: BulkNumber, desk: &Desk, context: &Context) -> anyhow::Result<()> {
    let tenant = &context.settings.tenant.id;
    let view = desk.bulk_view(tenant, number).await.map_err(told)?;
    let mut results: Vec<CaseOfBulk> = Vec::new();
    loop {
        let after = i32::try_from(results.len()).unwrap_or(i32::MAX);
        let page = desk.bulk_cases(tenant, number, after, PAGE).await.map_err(told)?;
        let last = page.len() < PAGE as usize;
        results.extend(page);
        if last {
            break;
        }
    }
    let shown = Shown { view, results };
    context.out.data(&shown, || shown_text(&shown))?;
    Ok(())
}

fn number(text: &str) -> anyhow::Result<BulkNumber> {
    text.parse().map_err(|e| Failure::new("FO-078", format!("{e}")).into())
}

/// How many stand how, in the order in which they go.
pub fn counted(cases: &[(BulkCaseState, i64)]) -> String {
    let of = |state: &BulkCaseState| cases.iter().find(|(is, _)| is == state).map(|(_, n)| format!("{n} {state}"));
    BulkCaseState::ALL.iter().filter_map(of).collect::<Vec<_>>().join(", ")
}

fn list(bulks: &[BulkView]) -> String {
    if bulks.is_empty() {
        return "nothing was recovered in bulk yet".into();
    }
    let row = |view: &BulkView| {
        let b = &view.bulk;
        [
            b.number.to_string(),
            b.state.to_string(),
            b.action.to_string(),
            counted(&view.cases),
            b.requested_by.clone(),
            plain(&b.reason),
        ]
    };
    table(["bulk", "state", "action", "cases", "requested by", "reason"], bulks.iter().map(row))
}

fn stands(view: &BulkView) -> String {
    let under_way = match view.bulk.state {
        BulkState::Paused | BulkState::Stopped => "; what is under way ends",
        _ => "",
    };
    format!("{} is {} ({}){under_way}", view.bulk.number, view.bulk.state, counted(&view.cases))
}

fn shown_text(shown: &Shown) -> String {
    let time = "%Y-%m-%d %H:%M:%S UTC";
    let b = &shown.view.bulk;
    let mut out = format!("{}  {}  {}  {}\n\n", b.number, b.state, b.action, counted(&shown.view.cases));
    let pace = match b.pace.per_second {
        0 => format!("no limit per second, {} at once", b.pace.at_once),
        n => format!("{n} per second, {} at once", b.pace.at_once),
    };
    let rows = [
        ("reason", plain(&b.reason)),
        ("requested by", b.requested_by.clone()),
        ("agreed by", b.approver.clone().unwrap_or_else(|| "-".into())),
        ("pace", format!("{pace}; halts at {} % failures", b.pace.stop_at_percent)),
        ("cases of", plain(&b.selection.to_string())),
    ];
    for (name, value) in rows {
        let _ = writeln!(out, "  {name:<13} {value}");
    }
    let _ = writeln!(out, "\nHistory");
    for entry in &shown.view.history {
        let who = entry.principal.as_deref().unwrap_or("itself");
        let why = entry.reason.as_ref().map(|reason| format!(": {}", plain(reason))).unwrap_or_default();
        let _ = writeln!(out, "  {}  {} ({who}){why}", entry.at.format(time), entry.what);
    }
    let row = |c: &CaseOfBulk| {
        let why = c.why.as_deref().map(plain).unwrap_or_default();
        [c.case.to_string(), c.state.to_string(), c.action.map(|a| a.to_string()).unwrap_or_default(), why]
    };
    let _ = write!(out, "\n{}", table(["case", "result", "action", "why"], shown.results.iter().map(row)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_in_the_order_in_which_cases_go() {
        use BulkCaseState as S;
        let cases = [(S::Recovered, 3), (S::Pending, 2), (S::Excluded, 1)];
        assert_eq!(counted(&cases), "1 excluded, 2 pending, 3 recovered");
        assert_eq!(counted(&[]), "");
    }

    #[test]
    fn a_slip_in_the_number_is_told() {
        let slip = number("fc-7").unwrap_err();
        assert!(slip.to_string().contains("bk-1001"), "{slip}");
    }
}
