//! `fallout policy list | show | versions`: cancellation, penalties, routes and quotes, as they hold for a tenant.

use std::sync::Arc;

use clap::{Subcommand, ValueEnum};
use fallout_core::policy::{Cancellation, Penalty, Policies, Policy, PolicyKind, Revision, Route, When};
use fallout_desk::Desk;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Context, case::told, taxonomy::versions_text};
use crate::{codes::Failure, config::suggest, exit::Exit, output::table};

/// Look up what may be done with an order commercially: cancelling, what it costs, other routes, new quotes
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fallout policy list
  fallout policy list --kind penalty
  fallout policy show WHOLESALE_BY_CONTRACT
  fallout policy versions                    what the database has (fallout taxonomy load keeps the present ones)")]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
    /// For this tenant instead of the one of the settings
    #[arg(long, global = true, value_name = "TENANT")]
    pub tenant: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Every policy, in the order in which they are asked
    List {
        /// Only these
        #[arg(long, value_enum)]
        kind: Option<Kind>,
    },
    /// One policy in full
    Show {
        #[arg(value_name = "CODE")]
        code: String,
    },
    /// The versions that the database has
    Versions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Cancellation,
    Route,
    Revision,
    Penalty,
}

impl Kind {
    fn is(self, kind: PolicyKind) -> bool {
        let of = match self {
            Kind::Cancellation => PolicyKind::Cancellation,
            Kind::Route => PolicyKind::Route,
            Kind::Revision => PolicyKind::Revision,
            Kind::Penalty => PolicyKind::Penalty,
        };
        of == kind
    }
}

/// One policy as a line.
#[derive(Debug, Serialize)]
struct Line {
    kind: PolicyKind,
    code: String,
    rank: u16,
    #[serde(rename = "for")]
    whom: String,
    says: String,
    summary: String,
    version: String,
    #[serde(skip)]
    whole: Value,
}

pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let catalogue = Arc::new(context.settings.catalogue()?);
    let tenant = args.tenant.as_deref().unwrap_or(&context.settings.tenant.id);
    let mut lines = lines(catalogue.policies_of(tenant));
    match args.command {
        Command::List { kind } => {
            lines.retain(|line| kind.is_none_or(|kind| kind.is(line.kind)));
            context.out.data(&lines, || list(&lines))?;
        }
        Command::Show { code } => {
            let line = found(&lines, &code)?;
            let json = json!({ "kind": line.kind, "version": line.version, "policy": line.whole });
            context.out.data(&json, || show(line))?;
        }
        Command::Versions => {
            let desk = Desk::new(context.settings.database.store()?, Arc::clone(&catalogue));
            let versions = desk.policy_versions().await.map_err(told)?;
            context.out.data(&versions, || versions_text(&versions))?;
        }
    }
    Ok(Exit::Done)
}

/// By kind, the highest first.
fn lines(policies: &Policies) -> Vec<Line> {
    let version = policies.label();
    let mut lines = Vec::new();
    add(&policies.cancellations, &version, of_cancellation, &mut lines);
    add(&policies.penalties, &version, of_penalty, &mut lines);
    add(&policies.routes, &version, of_route, &mut lines);
    add(&policies.revisions, &version, of_revision, &mut lines);
    lines
}

fn add<P: Policy + Serialize>(all: &[P], version: &str, says: fn(&P) -> String, lines: &mut Vec<Line>) {
    let line = |policy: &P| Line {
        kind: P::KIND,
        code: policy.code().to_owned(),
        rank: policy.rank(),
        whom: whom(policy.when()),
        says: says(policy),
        summary: policy.summary().to_owned(),
        version: version.to_owned(),
        whole: serde_json::to_value(policy).unwrap_or_default(),
    };
    let mut of_kind: Vec<Line> = all.iter().map(line).collect();
    of_kind.sort_by_key(|line| std::cmp::Reverse(line.rank));
    lines.append(&mut of_kind);
}

fn whom(when: &When) -> String {
    let segments = (!when.segments.is_empty()).then(|| when.segments.join(" or "));
    let value = when.value_from.map(|from| format!("worth {from:.2} or more"));
    let after = (!when.after.is_empty()).then(|| format!("after {}", when.after.join(" or ")));
    let parts: Vec<String> = [segments, value, after].into_iter().flatten().collect();
    if parts.is_empty() { "every order".into() } else { parts.join(", ") }
}

fn of_cancellation(policy: &Cancellation) -> String {
    if policy.allowed { "allowed".into() } else { format!("refused: {}", policy.because) }
}

fn of_penalty(policy: &Penalty) -> String {
    let unit = policy.unit.as_deref().unwrap_or_default();
    let percent = (policy.percent != 0.0).then(|| format!("{} % of the order's value", policy.percent));
    let fixed = (policy.fixed != 0.0).then(|| format!("{:.2} {unit}", policy.fixed));
    let amount = [percent, fixed].into_iter().flatten().collect::<Vec<_>>().join(" and ");
    let amount = if amount.is_empty() { "nothing".to_owned() } else { amount };
    let most = policy.most.map_or(String::new(), |most| format!(", at most {most:.2} {unit}"));
    let waive = if policy.waivable { "" } else { "; never waived" };
    format!("{amount}{most}{waive}")
}

fn of_route(policy: &Route) -> String {
    let causes = if policy.causes.is_empty() { String::new() } else { format!(" on {}", policy.causes.join(" or ")) };
    format!("{} by {}{causes}", policy.operation, policy.by)
}

fn of_revision(policy: &Revision) -> String {
    let accepted = if policy.accepted { "also when it is accepted" } else { "until it is accepted" };
    match policy.free_rise_percent {
        None => format!("{accepted}; the customer has to agree"),
        Some(percent) => format!("{accepted}; a rise of up to {percent} % needs no agreement"),
    }
}

fn list(lines: &[Line]) -> String {
    let row = |l: &Line| [l.kind.to_string(), l.code.clone(), l.rank.to_string(), l.whom.clone(), l.says.clone()];
    table(["kind", "policy", "rank", "for", "says"], lines.iter().map(row))
}

fn found<'a>(lines: &'a [Line], wanted: &str) -> Result<&'a Line, Failure> {
    let by_code = lines.iter().find(|line| line.code.eq_ignore_ascii_case(wanted));
    by_code.ok_or_else(|| {
        let known = lines.iter().map(|line| line.code.as_str());
        let hint = suggest::did_you_mean(suggest::closest(wanted, known));
        Failure::new("FO-085", format!("there is no policy {wanted}{hint}"))
    })
}

fn show(line: &Line) -> String {
    let Line { kind, code, rank, whom, says, summary, version, .. } = line;
    format!("{code}: {summary}\nkind     {kind}\nfor      {whom}\nsays     {says}\nrank     {rank}\nversion  {version}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn shipped() -> Vec<Line> {
        lines(&Settings::default().catalogue().unwrap().policies)
    }

    #[test]
    fn a_policy_is_shown_with_whom_it_is_for_and_what_it_says() {
        let all = shipped();
        let expected = "\
CONSUMER_CAP: A tenth of the order, for consumers at most 50 EUR.
kind     penalty
for      residential or consumer, after provisioning.add or provisioning.modify or provisioning.cease or billing.activate
says     10 % of the order's value, at most 50.00 EUR
rank     20
version  1";
        assert_eq!(show(found(&all, "consumer_cap").unwrap()), expected);
    }

    #[test]
    fn the_list_is_in_the_order_in_which_they_are_asked() {
        let all = shipped();
        let codes: Vec<&str> = all.iter().filter(|l| l.kind == PolicyKind::Penalty).map(|l| l.code.as_str()).collect();
        assert_eq!(codes, ["CONSUMER_CAP", "FULFILMENT_BEGUN", "FREE"]);
        assert_eq!(list(&all).lines().count(), all.len() + 1);
        assert!(list(&all).contains("every order"));
    }

    #[test]
    fn a_slip_is_met_with_a_suggestion() {
        let failure = found(&shipped(), "ANYTIME").unwrap_err();
        assert_eq!(
            (failure.code.id, failure.to_string().as_str()),
            ("FO-085", "there is no policy ANYTIME; did you mean ANY_TIME?")
        );
    }
}
