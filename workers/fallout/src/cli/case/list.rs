//! `fallout case list`: worklists, as a table, CSV or JSON, page by page.

use std::fmt::Write;

use chrono::{DateTime, NaiveDate, Utc};
use fallout_core::{
    case::{CaseState, Severity},
    worklist::{Assignee, Clock, Filter, Sort, search},
};
use fallout_desk::{CaseLine, Desk, DeskError, Page};

use super::told;
use crate::{
    cli::{Context, csv, problem},
    output::{case_table, plain},
};

/// Cases that are open, gravest and oldest first
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fallout case list --group 'Order Ops' --sla breached
  fallout case list --assignee me --sort due
  fallout case list --text 'address fibr*'           words, or their beginnings with *
  fallout case list --all --customer C-88 --csv      those that are over too
  fallout case list --limit 50 --after CURSOR        the next page; the page before names the cursor")]
pub struct Args {
    #[command(flatten)]
    pub filter: FilterArgs,
    /// severity (gravest, then oldest), due (next first), age (oldest first) or updated (latest first)
    #[arg(long, value_name = "ORDER", default_value = "severity")]
    pub sort: Sort,
    /// Cases on a page, at most 1000
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: i64,
    /// Go on after the page that named this cursor
    #[arg(long, value_name = "CURSOR")]
    pub after: Option<String>,
    /// RFC 4180, every column
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
}

/// Which cases; every filter that is given has to hold.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Which cases")]
pub struct FilterArgs {
    /// Resolved and closed ones too
    #[arg(long)]
    pub all: bool,
    /// For example classified, waiting, resolved
    #[arg(long)]
    pub state: Option<CaseState>,
    /// SEV1 to SEV4
    #[arg(long)]
    pub severity: Option<Severity>,
    /// Code of the taxonomy, for example BILLING
    #[arg(long, value_name = "CODE")]
    pub category: Option<String>,
    /// The group that owns them
    #[arg(long)]
    pub group: Option<String>,
    /// The system that the trouble is at
    #[arg(long, value_name = "NAME")]
    pub downstream: Option<String>,
    /// The order's number as the customer knows it
    #[arg(long)]
    pub order: Option<String>,
    /// The customer's id
    #[arg(long, value_name = "ID")]
    pub customer: Option<String>,
    /// By what a downstream knows it: an idempotency key, a reference
    #[arg(long, value_name = "TEXT")]
    pub external_reference: Option<String>,
    /// Of a service that the order is about
    #[arg(long, value_name = "NUMBER")]
    pub service_number: Option<String>,
    /// A principal; me, or nobody
    #[arg(long, value_name = "USER")]
    pub assignee: Option<String>,
    /// at-risk, breached, or due before a moment: 2026-01-31 or 2026-01-31T12:00:00Z
    #[arg(long, value_name = "CLOCK", value_parser = clock)]
    pub sla: Option<Clock>,
    /// Members of a problem, for example pr-12
    #[arg(long, value_name = "PROBLEM")]
    pub problem: Option<String>,
    /// Members of open problems too, each as a row of its own
    #[arg(long)]
    pub members: bool,
    /// Words of summary, classification or ids; WORD* finds what begins so
    #[arg(long, value_name = "WORDS")]
    pub text: Option<String>,
}

fn clock(text: &str) -> Result<Clock, String> {
    let day = || text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0).map(|at| at.and_utc());
    match text {
        "at-risk" => Ok(Clock::AtRisk),
        "breached" => Ok(Clock::Breached),
        _ => text.parse::<DateTime<Utc>>().ok().or_else(day).map(Clock::DueBefore).ok_or_else(|| {
            "expected at-risk, breached, or a moment like 2026-01-31 or 2026-01-31T12:00:00Z (UTC)".to_owned()
        }),
    }
}

impl FilterArgs {
    /// What was said, by name, for whoever asks later how cases were found.
    pub fn said(&self) -> serde_json::Map<String, serde_json::Value> {
        let word = |word: Option<&str>| word.map(str::to_owned);
        let given = [
            ("state", word(self.state.map(CaseState::word))),
            ("severity", word(self.severity.map(Severity::word))),
            ("category", self.category.clone()),
            ("group", self.group.clone()),
            ("downstream", self.downstream.clone()),
            ("order", self.order.clone()),
            ("customer", self.customer.clone()),
            ("external_reference", self.external_reference.clone()),
            ("service_number", self.service_number.clone()),
            ("assignee", self.assignee.clone()),
            ("sla", self.sla.as_ref().map(|clock| format!("{clock:?}"))),
            ("problem", self.problem.clone()),
            ("text", self.text.clone()),
        ];
        given.into_iter().filter_map(|(name, said)| Some((name.to_owned(), said?.into()))).collect()
    }

    pub fn filter(self, me: &str) -> anyhow::Result<Filter> {
        let words = self.text.as_deref().map(search).transpose();
        let assignee = self.assignee.map(|user| match user.as_str() {
            "me" => Assignee::User(me.to_owned()),
            "nobody" => Assignee::Nobody,
            _ => Assignee::User(user),
        });
        Ok(Filter {
            all: self.all,
            state: self.state,
            severity: self.severity,
            category: self.category,
            group: self.group,
            downstream: self.downstream,
            order: self.order,
            customer: self.customer,
            external_reference: self.external_reference,
            service_number: self.service_number,
            assignee,
            clock: self.sla,
            problem: self.problem,
            members: self.members,
            words: words.map_err(|refused| told(DeskError::Worklist(refused)))?.unwrap_or_default(),
        })
    }
}

pub async fn run(args: Args, desk: &Desk, me: &str, context: &Context) -> anyhow::Result<()> {
    let mut filter = args.filter.filter(me)?;
    // A file has rows of one kind: of cases.
    filter.members |= args.csv;
    let tenant = &context.settings.tenant.id;
    let page = desk.worklist(tenant, &filter, args.sort, args.limit, args.after.as_deref()).await.map_err(told)?;
    if args.csv {
        context.out.raw(&csv_of(&page.cases))?;
    } else {
        context.out.data(&page, || text(&page, &filter))?;
    }
    if let Some(next) = page.next.filter(|_| !context.out.is_json()) {
        context.out.note(&format!("there are more: repeat the command with --after {next}"));
    }
    Ok(())
}

fn text(page: &Page, filter: &Filter) -> String {
    if page.problems.is_empty() {
        return cases(page, filter);
    }
    let problems = problem::list(&page.problems);
    let below = match page.cases.is_empty() {
        true => "no open cases beside their members (--members shows those)".into(),
        false => case_table(&page.cases),
    };
    format!("{problems}\n\n{below}")
}

fn cases(page: &Page, filter: &Filter) -> String {
    let plain_list = Filter { all: filter.all, members: filter.members, ..Filter::default() } == *filter;
    match (page.cases.is_empty(), filter.all, plain_list) {
        (true, true, true) => "no cases".into(),
        (true, false, true) => "no open cases (--all shows resolved ones too)".into(),
        (true, true, false) => "no case is like that".into(),
        (true, false, false) => "no open case is like that (--all looks among resolved ones too)".into(),
        _ => case_table(&page.cases),
    }
}

const COLUMNS: [&str; 20] = [
    "case",
    "version",
    "severity",
    "state",
    "category",
    "classification",
    "order",
    "line",
    "step",
    "customer",
    "group",
    "assignee",
    "recommended",
    "downstream",
    "external_reference",
    "business_key",
    "due",
    "created",
    "updated",
    "summary",
];

fn csv_of(cases: &[CaseLine]) -> String {
    let mut text = csv::line(COLUMNS);
    for c in cases {
        let or = |text: &Option<String>| text.clone().unwrap_or_default();
        let at = |at: DateTime<Utc>| at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let cells = [
            c.case_number.clone(),
            c.version.to_string(),
            c.severity.clone(),
            c.status.clone(),
            c.category.clone(),
            or(&c.classification),
            or(&c.order),
            or(&c.line),
            or(&c.step),
            or(&c.customer),
            or(&c.group),
            or(&c.assignee),
            or(&c.recommended_action),
            or(&c.external_system),
            or(&c.external_reference),
            or(&c.business_key),
            c.sla_due_at.map(at).unwrap_or_default(),
            at(c.created_at),
            at(c.updated_at),
            plain(&or(&c.summary)),
        ];
        let _ = write!(text, "{}", csv::line(cells.iter().map(String::as_str)));
    }
    text
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
