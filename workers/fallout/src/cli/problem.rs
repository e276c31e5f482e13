//! `fallout problem list | show | take | assign | note`: many cases with one cause, worked on as one.

use std::fmt::Write;

use clap::Subcommand;
use fallout_core::ids::ProblemNumber;
use fallout_desk::{Problem, ProblemDetail};
use serde_json::json;

use super::{
    Context,
    case::told,
    who::{self, Need},
};
use crate::{codes::Failure, exit::Exit, output::table};

/// Work on many cases with one cause as one
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fallout problem list
  fallout problem take pr-1001
  fallout problem note pr-1001 'the vendor works on it, INC-881'

A problem opens by itself (config/problems.toml), takes in the cases of its cause, and closes when none is open any more.")]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Problems that are open, the gravest first
    List {
        /// Closed ones too
        #[arg(long)]
        all: bool,
    },
    /// One problem with its history
    Show {
        /// Problem number, e.g. pr-1001
        id: String,
    },
    /// Work on it yourself
    Take { id: String },
    /// Give it to a group, a person of it, or both
    #[command(group = clap::ArgGroup::new("owner").required(true).multiple(true).args(["group", "user"]))]
    Assign {
        id: String,
        #[arg(long)]
        group: Option<String>,
        /// Who is authenticated, e.g. local:jane
        #[arg(long)]
        user: Option<String>,
    },
    /// Add to its history
    Note { id: String, text: String },
}

pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let reads = matches!(args.command, Command::List { .. } | Command::Show { .. });
    let (desk, me) = who::desk(context, if reads { Need::Read } else { Need::Act }).await?;
    let tenant = context.settings.tenant.id.as_str();
    match args.command {
        Command::List { all } => {
            let problems = desk.problems(tenant, !all, LISTED).await.map_err(told)?;
            context.out.data(&problems, || list(&problems))?;
        }
        Command::Show { id } => {
            let problem = desk.problem(tenant, number(&id)?).await.map_err(told)?;
            context.out.data(&problem, || show(&problem))?;
        }
        Command::Take { id } => {
            let changed = desk.assign_problem(tenant, &me, number(&id)?, None, Some(&me)).await.map_err(told)?;
            owner(context, &id, changed, &me)?;
        }
        Command::Assign { id, group, user } => {
            let given = desk.assign_problem(tenant, &me, number(&id)?, group.as_deref(), user.as_deref());
            let changed = given.await.map_err(told)?;
            let to = [group, user].into_iter().flatten().collect::<Vec<_>>().join(", ");
            owner(context, &id, changed, &to)?;
        }
        Command::Note { id, text } => {
            desk.note_problem(tenant, &me, number(&id)?, &text).await.map_err(told)?;
            context.out.data(&json!({ "problem": id }), || format!("noted with {id}"))?;
        }
    }
    Ok(Exit::Done)
}

/// More than a person reads.
const LISTED: i64 = 1_000;

fn number(text: &str) -> anyhow::Result<ProblemNumber> {
    text.parse().map_err(|e| Failure::new("FO-047", format!("{e}")).into())
}

fn owner(context: &Context, id: &str, changed: bool, to: &str) -> anyhow::Result<()> {
    context.out.data(&json!({ "problem": id, "owner": to, "already": !changed }), || match changed {
        true => format!("{id} is with {to} now"),
        false => format!("already done: {id} is with {to}"),
    })?;
    Ok(())
}

/// One row each; worklists have them above their cases.
pub fn list(problems: &[Problem]) -> String {
    if problems.is_empty() {
        return "no open problems (--all shows closed ones too)".into();
    }
    let row = |p: &Problem| {
        let owner = p.user.clone().unwrap_or_else(|| p.group.clone());
        let cause = format!("{} at {}", p.classification, p.downstream);
        let counts = format!("{} / {}", p.cases, p.orders);
        [p.number.to_string(), p.severity.to_string(), p.state.to_string(), cause, counts, owner]
    };
    table(["PROBLEM", "SEVERITY", "STATE", "CAUSE", "CASES / ORDERS", "OWNER"], problems.iter().map(row))
}

fn show(detail: &ProblemDetail) -> String {
    let time = "%Y-%m-%d %H:%M:%S UTC";
    let p = &detail.problem;
    let mut out = format!("{}  {}  {}  {}\n\n", p.number, p.state, p.severity, p.classification);
    let until = match (p.closed_at, p.taking) {
        (Some(at), _) => format!("closed at {}", at.format(time)),
        (None, true) => format!("takes in cases until {}", p.takes_until.format(time)),
        (None, false) => "takes in no more cases".into(),
    };
    let operation = if p.operation.is_empty() { "-" } else { &p.operation };
    let rows = [
        ("downstream", p.downstream.as_str()),
        ("operation", operation),
        ("category", &p.category),
        ("owner", &p.group),
        ("taken by", p.user.as_deref().unwrap_or("-")),
        ("window", &until),
    ];
    for (name, value) in rows {
        let _ = writeln!(out, "  {name:<11} {value}");
    }
    let _ = writeln!(out, "  {:<11} {} cases of {} orders", "impact", p.cases, p.orders);
    let _ = writeln!(out, "\nTimeline");
    for entry in &detail.timeline {
        let reason = entry.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let _ = writeln!(out, "  {}  {} ({}){reason}", entry.at.format(time), entry.event, entry.actor);
    }
    out
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use fallout_core::{case::Severity, ids::ProblemId, problem::ProblemState};
    use fallout_desk::ProblemEntry;
    use uuid::Uuid;

    use super::*;

    fn problem() -> Problem {
        let at = DateTime::UNIX_EPOCH;
        Problem {
            id: ProblemId(Uuid::nil()),
            tenant: "t".into(),
            number: ProblemNumber(1001),
            downstream: "billing".into(),
            operation: "billing.activate".into(),
            classification: "RETRIES_EXHAUSTED".into(),
            category: "WORKFLOW_INCIDENT".into(),
            state: ProblemState::Open,
            severity: Severity::Sev1,
            cases: 120,
            orders: 100,
            group: "Platform Ops".into(),
            user: None,
            opened_at: at,
            joined_at: at,
            takes_until: at,
            taking: true,
            closed_at: None,
        }
    }

    #[test]
    fn a_problem_is_one_row_with_its_cause_and_its_size() {
        let text = list(&[problem()]);
        let said = ["pr-1001", "SEV1", "open", "RETRIES_EXHAUSTED at billing", "120 / 100", "Platform Ops"];
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(said.iter().all(|said| text.contains(said)), "{text}");
    }

    #[test]
    fn a_problem_shows_its_impact_its_owner_and_its_history() {
        let entry = ProblemEntry {
            at: DateTime::UNIX_EPOCH,
            event: "FalloutProblemNoted".into(),
            actor: "local:a".into(),
            reason: Some("the vendor works on it".into()),
            payload: None,
        };
        let expected = "\
pr-1001  open  SEV1  RETRIES_EXHAUSTED

  downstream  billing
  operation   billing.activate
  category    WORKFLOW_INCIDENT
  owner       Platform Ops
  taken by    -
  window      takes in cases until 1970-01-01 00:00:00 UTC
  impact      120 cases of 100 orders

Timeline
  1970-01-01 00:00:00 UTC  FalloutProblemNoted (local:a): the vendor works on it
";
        assert_eq!(show(&ProblemDetail { problem: problem(), timeline: vec![entry] }), expected);
    }
}
