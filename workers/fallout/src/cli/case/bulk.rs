//! `fallout case bulk`: one command for many cases, looked at first and done with --yes, each case for itself.

use std::{fmt::Write, path::PathBuf};

use clap::Subcommand;
use fallout_core::{ids::CaseNumber, worklist::Sort};
use fallout_desk::{Assignment, Bulk, CaseCommand, Desk, DeskError, Stands, Wait, When};
use serde::Serialize;
use uuid::Uuid;

use super::{
    bulk_recover::{self, Recover},
    list::FilterArgs,
    number,
    people::when,
    told,
};
use crate::{
    cli::{Context, csv},
    codes::Failure,
    exit::Exit,
    output::{plain, table},
};

/// Do the same to many cases: without --yes it only shows which
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fallout case bulk --group 'Order Ops' --assignee nobody assign --user me
  fallout case bulk --csv cases.csv --yes --idempotency-key 2026-01-31 note --note 'outage over'
  fallout case bulk --problem pr-12 recover --action retry --reason 'vendor is back'
  fallout case bulk --problem pr-12 --yes recover --action retry --reason 'vendor is back' --per-second 20

The file has a column `case`, as `fallout case list --csv` writes it; with a column `version` a case that was changed since
is refused. Repeated with the same key nothing is done twice.")]
pub struct Args {
    #[command(flatten)]
    pub filter: FilterArgs,
    /// The cases of this file instead
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Do it
    #[arg(long)]
    pub yes: bool,
    /// Makes the command safe to repeat
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    #[command(subcommand)]
    pub what: What,
}

#[derive(Debug, Subcommand)]
pub enum What {
    /// Give them to a group, or to somebody in their group
    Assign {
        #[arg(long = "to-group", value_name = "GROUP", required_unless_present = "user")]
        to: Option<String>,
        /// A principal; me
        #[arg(long, value_name = "PRINCIPAL")]
        user: Option<String>,
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Say what kind of trouble they are
    Classify {
        #[arg(long = "as", value_name = "CODE")]
        code: String,
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Write the same on each timeline
    Note {
        #[arg(long = "note", value_name = "TEXT")]
        note: String,
    },
    /// Let them wait until a time; they return by themselves
    Wait {
        #[arg(long, value_name = "TIME", value_parser = when)]
        until: When,
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Recover them all in the same way, at a pace; goes on by itself: fallout bulk
    Recover(Recover),
    /// They are the same trouble as another case
    Link {
        #[arg(long, value_name = "CASE")]
        duplicate_of: String,
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

/// A case that is meant, and the version that the file saw.
struct Row {
    case: CaseNumber,
    if_version: Option<i32>,
}

#[derive(Debug, Serialize)]
struct Outcome {
    case: String,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

pub async fn run(args: Args, desk: &Desk, me: &str, context: &Context) -> anyhow::Result<Exit> {
    let tenant = &context.settings.tenant.id;
    let rows = match &args.csv {
        Some(file) => from_file(file)?,
        None => from_filter(args.filter.clone(), desk, tenant, me).await?,
    };
    if let What::Recover(recover) = &args.what {
        return recovered(recover, &args, &rows, desk, (me, context)).await;
    }
    let original = match &args.what {
        What::Link { duplicate_of, .. } => Some(number(duplicate_of)?),
        _ => None,
    };
    let Some(what) = bulk(&args.what, me, original) else { return Ok(Exit::Done) };
    let given = args.idempotency_key.as_deref();
    let key = given.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
    let (mut outcomes, begun) = (Vec::new(), std::time::Instant::now());
    for (n, row) in rows.iter().enumerate() {
        if n > 0 && n % 100 == 0 && begun.elapsed().as_secs() >= 1 {
            context.out.note(&format!("{n} of {} cases", rows.len()));
        }
        let ask = CaseCommand { tenant, principal: me, case: row.case, if_version: row.if_version, key: None };
        let said = match args.yes {
            true => desk.bulk(&ask, &what, &key).await,
            false => desk.bulk_foreseen(&ask, &what, given).await,
        };
        outcomes.push(outcome(row, said)?);
    }
    if !args.yes {
        context.out.data(&Preview::of(&outcomes), || preview(&outcomes))?;
        return Ok(Exit::Done);
    }
    context.out.data(&outcomes, || told_all(&outcomes))?;
    let refused = outcomes.iter().any(|outcome| outcome.result == "refused");
    Ok(if refused { Exit::Refused } else { Exit::Done })
}

/// Looked at case by case; with --yes it is stored with what is excluded, and its controller goes on.
async fn recovered(
    recover: &Recover,
    args: &Args,
    rows: &[Row],
    desk: &Desk,
    (me, context): (&str, &Context),
) -> anyhow::Result<Exit> {
    bulk_recover::without_versions(rows.iter().any(|row| row.if_version.is_some()))?;
    let cases: Vec<CaseNumber> = rows.iter().map(|row| row.case).collect();
    let foreseen = bulk_recover::foreseen(recover, &cases, desk, (me, context)).await?;
    if !args.yes {
        let outcome = |(case, why): &(CaseNumber, Option<String>)| {
            let result = if why.is_some() { "refused" } else { "done" };
            Outcome { case: case.to_string(), result, why: why.clone() }
        };
        let outcomes: Vec<Outcome> = foreseen.iter().map(outcome).collect();
        context.out.data(&Preview::of(&outcomes), || preview(&outcomes))?;
        return Ok(Exit::Done);
    }
    let selection = match &args.csv {
        Some(file) => serde_json::json!({ "file": file.display().to_string() }),
        None => args.filter.said().into(),
    };
    let key = args.idempotency_key.clone().unwrap_or_else(|| Uuid::now_v7().to_string());
    bulk_recover::begin(recover, &foreseen, &selection, &key, desk, (me, context)).await?;
    Ok(Exit::Done)
}

/// A refusal is a row; a database that is away ends the command, which is repeated with its key.
fn outcome(row: &Row, said: Result<Stands, DeskError>) -> anyhow::Result<Outcome> {
    let (result, why) = match said {
        Ok(stands) => (if stands.already { "already" } else { "done" }, None),
        Err(DeskError::Away(e)) => return Err(told(DeskError::Away(e))),
        Err(refused) => ("refused", Some(refused.to_string())),
    };
    Ok(Outcome { case: row.case.to_string(), result, why })
}

/// `None`: its controller does it.
fn bulk<'a>(what: &'a What, me: &'a str, original: Option<CaseNumber>) -> Option<Bulk<'a>> {
    Some(match what {
        What::Assign { to, user, reason } => {
            let user = user.as_deref().map(|user| if user == "me" { me } else { user });
            Bulk::Assign(Assignment { group: to.as_deref(), user, reason: reason.as_deref() })
        }
        What::Classify { code, reason } => Bulk::Classify { code, reason },
        What::Note { note } => Bulk::Note { text: note },
        What::Wait { until, reason } => {
            let waits_for = fallout_core::case::WaitsFor::Until;
            Bulk::Wait(Wait { waits_for, reason, until: Some(*until) })
        }
        What::Link { reason, .. } => Bulk::Link { original: original.unwrap_or(CaseNumber(0)), reason },
        What::Recover(_) => return None,
    })
}

/// Every case that the filter finds now, page by page, before anything is changed.
async fn from_filter(filter: FilterArgs, desk: &Desk, tenant: &str, me: &str) -> anyhow::Result<Vec<Row>> {
    let filter = filter.filter(me)?;
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let page = desk.worklist(tenant, &filter, Sort::Age, 1_000, after.as_deref()).await.map_err(told)?;
        for case in page.cases {
            rows.push(Row { case: number(&case.case_number)?, if_version: None });
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(rows),
        }
    }
}

fn from_file(file: &std::path::Path) -> anyhow::Result<Vec<Row>> {
    let name = file.display();
    let text =
        std::fs::read_to_string(file).map_err(|e| Failure::new("FO-057", format!("{name} cannot be read: {e}")))?;
    Ok(read(&text).map_err(|why| Failure::new("FO-057", format!("{name}: {why}")))?)
}

/// Every mistake of a file before anything is done.
fn read(text: &str) -> Result<Vec<Row>, String> {
    let rows = csv::read(text).map_err(|line| format!("the quote of line {line} is never closed"))?;
    let Some(((_, head), rows)) = rows.split_first() else { return Err("it is empty".into()) };
    let column = |name: &str| head.iter().position(|cell| cell == name);
    let case = column("case").ok_or("it has no column `case` in its first line")?;
    let version = column("version");
    let row = |(line, cells): &(usize, Vec<String>)| {
        let of = |column: usize| cells.get(column).map(String::as_str).unwrap_or_default();
        let case = of(case).parse().map_err(|e| format!("line {line}: {e}"))?;
        let given = version.map(of).filter(|text| !text.is_empty());
        let if_version = given.map(|text| text.parse::<i32>()).transpose();
        Ok(Row { case, if_version: if_version.map_err(|_| format!("line {line}: the version is no number"))? })
    };
    rows.iter().map(row).collect()
}

/// As many as one looks at before saying yes.
const SHOWN: usize = 10;

/// What would be done, what was done before, and what would be refused.
#[derive(Debug, Serialize)]
struct Preview<'a> {
    cases: Vec<&'a str>,
    already: Vec<&'a str>,
    excluded: Vec<&'a Outcome>,
    done: bool,
}

impl Preview<'_> {
    fn of(outcomes: &[Outcome]) -> Preview<'_> {
        let of = |result| outcomes.iter().filter(move |o: &&Outcome| o.result == result);
        let cases = |result| of(result).map(|outcome| outcome.case.as_str()).collect();
        Preview { cases: cases("done"), already: cases("already"), excluded: of("refused").collect(), done: false }
    }
}

fn preview(outcomes: &[Outcome]) -> String {
    let Preview { cases, already, .. } = Preview::of(outcomes);
    let first = |cases: &[&str]| {
        let more = if cases.len() > SHOWN { ", …" } else { "" };
        format!("{}{more}", cases.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", "))
    };
    let mut text = match cases.len() {
        0 => "no case is like that; nothing would be done".into(),
        n => format!("{n} cases: {}\nnothing was done; add --yes to do it", first(&cases)),
    };
    if !already.is_empty() {
        let _ = write!(text, "\n{} already: {}", already.len(), first(&already));
    }
    excluded(&mut text, outcomes, "excluded");
    text
}

/// Each case that something stands in the way of, and what.
fn excluded(text: &mut String, outcomes: &[Outcome], head: &str) {
    let refused: Vec<_> = outcomes.iter().filter_map(|o| Some([o.case.clone(), plain(o.why.as_deref()?)])).collect();
    if !refused.is_empty() {
        let _ = write!(text, "\n\n{}", table(["case", head], refused));
    }
}

fn told_all(outcomes: &[Outcome]) -> String {
    let count = |result: &str| outcomes.iter().filter(|outcome| outcome.result == result).count();
    let mut text = format!("{} done, {} already, {} refused", count("done"), count("already"), count("refused"));
    excluded(&mut text, outcomes, "refused");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(case: &str, result: &'static str, why: Option<&str>) -> Outcome {
        Outcome { case: case.into(), result, why: why.map(str::to_owned) }
    }

    #[test]
    fn a_preview_counts_shows_the_first_and_says_why_others_are_excluded() {
        let cases = |n: usize| (1..=n).map(|n| outcome(&format!("fc-{n}"), "done", None)).collect::<Vec<_>>();
        assert_eq!(preview(&cases(2)), "2 cases: fc-1, fc-2\nnothing was done; add --yes to do it");
        assert!(preview(&cases(11)).starts_with("11 cases: fc-1, "));
        assert_eq!(preview(&[]), "no case is like that; nothing would be done");
        let mut mixed = cases(1);
        mixed.push(outcome("fc-8", "already", None));
        mixed.push(outcome("fc-9", "refused", Some("there is no case fc-9 for this tenant")));
        let expected = "\
1 cases: fc-1
nothing was done; add --yes to do it
1 already: fc-8

case  excluded
fc-9  there is no case fc-9 for this tenant";
        assert_eq!(preview(&mixed), expected);
        let json = serde_json::to_value(Preview::of(&mixed)).unwrap();
        let excluded = serde_json::json!([{ "case": "fc-9", "result": "refused", "why": "there is no case fc-9 for this tenant" }]);
        let expected =
            serde_json::json!({ "cases": ["fc-1"], "already": ["fc-8"], "excluded": excluded, "done": false });
        assert_eq!(json, expected);
    }

    #[test]
    fn each_row_has_its_answer() {
        let outcomes = [outcome("fc-1", "done", None), outcome("fc-2", "refused", Some("it is resolved"))];
        let expected = "1 done, 0 already, 1 refused\n\ncase  refused\nfc-2  it is resolved";
        assert_eq!(told_all(&outcomes), expected);
    }

    #[test]
    fn a_file_is_read_whole_or_refused_with_its_line() {
        let rows = read("version,case\r\n3,fc-7\r\n,fc-8\r\n").unwrap();
        let read_rows: Vec<_> = rows.iter().map(|row| (row.case.0, row.if_version)).collect();
        assert_eq!(read_rows, [(7, Some(3)), (8, None)]);
        let refused = |text: &str| read(text).err().unwrap();
        assert_eq!(refused(""), "it is empty");
        assert_eq!(refused("x\n1"), "it has no column `case` in its first line");
        assert_eq!(refused("case,version\nfc-1,x"), "line 2: the version is no number");
        assert!(refused("case\nfc-1\nnonsense").starts_with("line 3: "));
        assert_eq!(refused("case\n\"fc-1"), "the quote of line 2 is never closed");
    }
}
