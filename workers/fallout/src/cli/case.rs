//! `fallout case list | show | open | recover | severity | take | …`: what an operator uses instead of Cockpit.

mod bulk;
mod bulk_recover;
mod evidence;
pub mod list;
mod open;
pub(super) mod people;
pub mod recover;
mod severity;
mod show;

use clap::Subcommand;
use fallout_core::ids::CaseNumber;
use fallout_desk::{DeskError, NoEvidence, NotRecovered};

pub(super) use super::who::principal;
use super::{
    Context,
    who::{self, Need},
};
use crate::{codes::Failure, exit::Exit};

/// Find fallout cases, work on them, recover and close them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A case from beginning to end:
  fallout case list --group 'Order Ops'                      what waits
  fallout case show fc-12                                    what is proven, and which actions are possible
  fallout case take fc-12
  fallout case wait fc-12 --for customer --until 2d --reason 'asked for the right address'
  fallout case recover fc-12 --action retry --reason 'address corrected in CRM'
  fallout case close fc-12 --root-cause 'typo at the point of sale'

A case is resolved by proof, not by a command: when the recovered step ends well. A resolved one can be closed.
What each action does and needs: fallout action list. Cases with one cause: fallout problem list.")]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    List(Box<list::Args>),
    Bulk(Box<bulk::Args>),
    Show(show::Args),
    Open(open::Args),
    Recover(Box<recover::Args>),
    #[command(flatten)]
    Actions(recover::Command),
    Severity(severity::Args),
    Evidence(evidence::Args),
    #[command(flatten)]
    People(people::Command),
}

pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let reads = matches!(args.command, Command::List(_) | Command::Show(_));
    let (desk, me) = who::desk(context, if reads { Need::Read } else { Need::Act }).await?;
    match args.command {
        Command::List(args) => list::run(*args, &desk, &me, context).await?,
        Command::Bulk(args) => return bulk::run(*args, &desk, &me, context).await,
        Command::Show(args) => show::run(args, &desk, context).await?,
        Command::People(command) => people::run(command, &desk, &me, context).await?,
        Command::Open(args) => open::run(args, &desk, &me, context).await?,
        Command::Severity(args) => severity::run(args, &desk, &me, context).await?,
        Command::Evidence(args) => evidence::run(args, &desk, &me, context).await?,
        Command::Recover(args) => recover::run(*args, &desk, &me, context).await?,
        Command::Actions(command) => recover::decide(command, &desk, &me, context).await?,
    }
    Ok(Exit::Done)
}

fn number(text: &str) -> anyhow::Result<CaseNumber> {
    text.parse().map_err(|e| Failure::new("FO-041", format!("{e}")).into())
}

pub(super) fn told(e: DeskError) -> anyhow::Error {
    let code = match &e {
        DeskError::Away(_) => "FO-020",
        DeskError::NoSuchCase(_) => "FO-041",
        DeskError::NoSuchProblem(_) => "FO-047",
        DeskError::Worklist(_) => "FO-056",
        DeskError::Refused(_)
        | DeskError::Illegal(_)
        | DeskError::CaseIsOver(..)
        | DeskError::ProblemIsOver(_)
        | DeskError::NoStep(_)
        | DeskError::KeyReused(_)
        | DeskError::NoReason
        | DeskError::NotLower(..)
        | DeskError::CannotLink(_)
        | DeskError::AnotherIsOpen { .. }
        | DeskError::NoReference => "FO-040",
        DeskError::Recovery(NotRecovered::Malformed(_)) => "FO-060",
        DeskError::Recovery(NotRecovered::NoSuchApproval(_) | NotRecovered::NotApprovable(_)) => "FO-062",
        DeskError::Recovery(NotRecovered::NoSwitch(_) | NotRecovered::HoursOff { .. }) => "FO-097",
        DeskError::Recovery(_) => "FO-061",
        DeskError::Evidence(NoEvidence::NotThere { .. } | NoEvidence::Several(_)) => "FO-091",
        DeskError::Evidence(_) => "FO-090",
        DeskError::StaleVersion { .. } => "FO-043",
        DeskError::NotAllowed(_) => "FO-044",
        DeskError::NotAuthorised(_) => "FO-095",
        DeskError::NotGranted(_) => "FO-096",
        DeskError::BadText(_)
        | DeskError::UnknownClassification(_)
        | DeskError::NotToCome(_)
        | DeskError::TooFar(_) => "FO-045",
        DeskError::NoWindow => "FO-042",
        DeskError::NoSuchOrder(_) | DeskError::NoSuchLine { .. } => "FO-048",
        DeskError::DeclaredAlready(_) => "FO-076",
        DeskError::BadBulk(_) | DeskError::BulkNotNow(_) => "FO-077",
        DeskError::NoSuchBulk(_) => "FO-078",
        DeskError::NotUnderWay(_) => "FO-070",
        DeskError::NothingParked(_) => "FO-071",
        DeskError::NotModified(_) => "FO-072",
        DeskError::NoSuchModification(_) => "FO-073",
        DeskError::TokenName { .. } | DeskError::TokenExists(_) => "FO-052",
        DeskError::NotErasable { .. } | DeskError::OrderErased(_) => "FO-053",
        _ => return e.into(),
    };
    Failure::new(code, e.to_string()).because(e).into()
}
