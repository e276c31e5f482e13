//! `fallout case classify | assign | take | …`: what people do with a case beside recovering it.

use chrono::{DateTime, Utc};
use clap::{Subcommand, ValueEnum};
use fallout_core::case::{Resolution, WaitsFor};
use fallout_desk::{Assignment, CaseCommand, Closing, Desk, DeskError, Stands, Wait, When};

use super::{number, told};
use crate::{
    cli::{Context, duration::parse_duration},
    codes::Failure,
    config::suggest,
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what kind of trouble it is; owner, clock and severity follow
    Classify {
        #[command(flatten)]
        case: Case,
        /// A classification of the taxonomy
        #[arg(long = "as", value_name = "CODE")]
        code: String,
        #[command(flatten)]
        why: Why,
    },
    /// Give it to a group, or to somebody in it
    Assign {
        #[command(flatten)]
        case: Case,
        /// Without it the case stays in its group
        #[arg(long, value_name = "GROUP", required_unless_present = "user")]
        group: Option<String>,
        /// As `fallout group list` shows them; `me` is you
        #[arg(long, value_name = "PRINCIPAL")]
        user: Option<String>,
        /// Why; kept in the case's history
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Say that you work on it now
    Take {
        #[command(flatten)]
        case: Case,
    },
    /// Give it to another person of its group
    HandOver {
        #[command(flatten)]
        case: Case,
        /// As `fallout group list` shows them
        #[arg(long, value_name = "PRINCIPAL")]
        to: String,
        #[command(flatten)]
        why: Why,
    },
    /// Give it to a group that can do more
    Escalate {
        #[command(flatten)]
        case: Case,
        #[arg(long, value_name = "GROUP")]
        to: String,
        #[command(flatten)]
        why: Why,
    },
    /// Write something on its timeline
    Note {
        #[command(flatten)]
        case: Case,
        /// What there is to know, at most 4,000 characters
        #[arg(value_name = "TEXT")]
        text: String,
    },
    /// Say that another case is about the same trouble; this one's signals go there
    Link {
        #[command(flatten)]
        case: Case,
        /// The case that is worked on
        #[arg(long, value_name = "CASE")]
        duplicate_of: String,
        #[command(flatten)]
        why: Why,
    },
    /// Let it wait for somebody or until a time; where its policy says so its clock stops meanwhile
    Wait {
        #[command(flatten)]
        case: Case,
        /// Who has to do something first
        #[arg(long = "for", value_enum, value_name = "WHO", required_unless_present = "until")]
        waits_for: Option<Who>,
        /// When it comes back by itself: 4h, 2d, or 2026-12-01T08:00:00Z
        #[arg(long, value_name = "TIME", value_parser = when)]
        until: Option<When>,
        #[command(flatten)]
        why: Why,
    },
    /// Go on with one that waits or was left unresolved
    Resume {
        #[command(flatten)]
        case: Case,
        /// What came of it; kept in the case's history
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Leave it for now: it cannot be resolved, and comes back on the day of its review
    Unresolved {
        #[command(flatten)]
        case: Case,
        /// 14d, or 2026-12-01T08:00:00Z
        #[arg(long, value_name = "TIME", value_parser = when)]
        review: When,
        #[command(flatten)]
        why: Why,
    },
    /// Close a resolved one with what it came from
    Close {
        #[command(flatten)]
        case: Case,
        /// What it came from
        #[arg(long, value_name = "TEXT")]
        root_cause: String,
        /// What ended it, where you know better than the program
        #[arg(long, value_name = "CODE")]
        resolution: Option<Resolution>,
        /// What is done so that it does not happen again
        #[arg(long, value_name = "TEXT")]
        follow_up: Option<String>,
    },
    /// Say that one which was over is not; a linked duplicate stands on its own again
    Reopen {
        #[command(flatten)]
        case: Case,
        #[command(flatten)]
        why: Why,
    },
}

/// Which case, and as of when.
#[derive(Debug, clap::Args)]
pub struct Case {
    /// Case number, e.g. fc-100001
    pub id: String,
    /// Only if it still has this version (`case show` tells it)
    #[arg(long, value_name = "N")]
    pub if_version: Option<i32>,
}

#[derive(Debug, clap::Args)]
pub struct Why {
    /// Why; kept in the case's history
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Who {
    Customer,
    Downstream,
}

impl From<Who> for WaitsFor {
    fn from(who: Who) -> Self {
        match who {
            Who::Customer => WaitsFor::Customer,
            Who::Downstream => WaitsFor::Downstream,
        }
    }
}

/// A moment with its offset, or a duration from now.
pub(in crate::cli) fn when(text: &str) -> Result<When, String> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(When::At(at.with_timezone(&Utc)));
    }
    parse_duration(text)
        .map(When::In)
        .map_err(|_| "expected a duration such as 4h or 2d, or a time such as 2026-12-01T08:00:00Z".to_owned())
}

pub async fn run(command: Command, desk: &Desk, me: &str, context: &Context) -> anyhow::Result<()> {
    let tenant = context.settings.tenant.id.as_str();
    let stands = perform(&command, desk, tenant, me).await?;
    Ok(context.out.data(&stands, || sentence(&stands))?)
}

fn ask<'a>(case: &Case, tenant: &'a str, principal: &'a str) -> anyhow::Result<CaseCommand<'a>> {
    Ok(CaseCommand { tenant, principal, case: number(&case.id)?, if_version: case.if_version, key: None })
}

async fn perform(command: &Command, desk: &Desk, tenant: &str, me: &str) -> anyhow::Result<Stands> {
    let of = |case: &Case| ask(case, tenant, me);
    let done = match command {
        Command::Classify { case, code, why } => {
            let done = desk.classify(&of(case)?, code, &why.reason).await;
            return done.map_err(|e| unknown_code(e, desk, tenant));
        }
        Command::Assign { case, group, user, reason } => {
            let user = user.as_deref().map(|user| if user == "me" { me } else { user });
            let to = Assignment { group: group.as_deref(), user, reason: reason.as_deref() };
            desk.assign(&of(case)?, &to).await
        }
        Command::Take { case } => desk.take(&of(case)?).await,
        Command::HandOver { case, to, why } => desk.hand_over(&of(case)?, to, &why.reason).await,
        Command::Escalate { case, to, why } => desk.escalate(&of(case)?, to, &why.reason).await,
        Command::Note { case, text } => desk.note(&of(case)?, text).await,
        Command::Link { case, duplicate_of, why } => desk.link(&of(case)?, number(duplicate_of)?, &why.reason).await,
        Command::Wait { case, waits_for, until, why } => {
            let waits_for = waits_for.map_or(WaitsFor::Until, WaitsFor::from);
            desk.wait(&of(case)?, &Wait { waits_for, reason: &why.reason, until: *until }).await
        }
        Command::Resume { case, reason } => desk.resume(&of(case)?, reason.as_deref()).await,
        Command::Unresolved { case, review, why } => desk.leave_unresolved(&of(case)?, &why.reason, *review).await,
        Command::Close { case, root_cause, resolution, follow_up } => {
            let closing = Closing { root_cause, resolution: *resolution, follow_up: follow_up.as_deref() };
            desk.close(&of(case)?, &closing).await
        }
        Command::Reopen { case, why } => desk.reopen(&of(case)?, &why.reason).await,
    };
    done.map_err(told)
}

fn unknown_code(e: DeskError, desk: &Desk, tenant: &str) -> anyhow::Error {
    let DeskError::UnknownClassification(code) = &e else { return told(e) };
    let known = desk.taxonomy(tenant).classifications.iter().map(|c| c.code.as_str());
    let hint = suggest::did_you_mean(suggest::closest(code, known));
    Failure::new("FO-045", format!("{e}{hint}")).next("see `fallout taxonomy list` for the codes there are").into()
}

fn sentence(stands: &Stands) -> String {
    let Stands { case, state, version, already } = stands;
    match already {
        true => format!("already done: {case} is {state} (version {version})"),
        false => format!("{case} is {state} now (version {version})"),
    }
}

#[cfg(test)]
mod tests {
    use fallout_core::{
        case::CaseState,
        ids::CaseNumber,
        people::{BadText, NotAllowed},
    };

    use super::*;

    #[test]
    fn the_answer_says_where_the_case_stands_and_whether_anything_was_done() {
        let stands = |already| Stands { case: CaseNumber(7), state: CaseState::InProgress, version: 4, already };
        assert_eq!(sentence(&stands(false)), "fc-7 is in_progress now (version 4)");
        assert_eq!(sentence(&stands(true)), "already done: fc-7 is in_progress (version 4)");
    }

    #[test]
    fn each_refusal_has_the_code_whose_page_says_what_to_do() {
        let case = CaseNumber(7);
        for (refusal, expected) in [
            (DeskError::StaleVersion { case, asked: 1, has: 2 }, "error FO-043: case fc-7 has version 2 by now, not 1"),
            (NotAllowed::NobodyHasIt.into(), "error FO-044: nobody has it"),
            (BadText::Empty("the note").into(), "error FO-045: the note is empty"),
            (DeskError::NotToCome(DateTime::UNIX_EPOCH), "error FO-045: 1970-01-01 00:00:00 UTC is no later than now"),
            (DeskError::AnotherIsOpen { case, other: CaseNumber(8) }, "error FO-040: case fc-8 is open about the same"),
            (DeskError::NoSuchCase(case), "error FO-041: there is no case fc-7"),
        ] {
            let text = crate::cli::report::text(&told(refusal));
            let text = anstream::adapter::strip_str(&text).to_string();
            assert!(text.starts_with(expected), "{text}");
            assert!(text.contains("  next: "), "{text}");
        }
    }

    #[test]
    fn a_time_is_a_moment_with_its_offset_or_so_long_from_now() {
        assert_eq!(when("90m"), Ok(When::In(std::time::Duration::from_secs(5_400))));
        let at = "2026-12-01T07:00:00Z".parse().unwrap();
        assert_eq!(when("2026-12-01T08:00:00+01:00"), Ok(When::At(at)));
        for unclear in ["2026-12-01", "2026-12-01T08:00:00", "tomorrow", "-4h", ""] {
            assert!(when(unclear).unwrap_err().contains("4h or 2d"), "{unclear}");
        }
    }
}
