//! `fallout case list | show | open | recover | severity | take | …`: what an operator uses instead of Cockpit.

mod bulk;
pub mod list;
mod open;
mod people;
mod severity;
mod show;

use std::sync::Arc;

use clap::{Subcommand, ValueEnum};
use fallout_core::{
    action::{Action, Attestation},
    ids::CaseNumber,
};
use fallout_desk::{Desk, DeskError, Recovery, Taken};
use uuid::Uuid;

use super::Context;
use crate::{codes::Failure, exit::Exit};

/// List, show, recover and weigh fallout cases
#[derive(Debug, clap::Args)]
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
    Recover(Recover),
    Severity(severity::Args),
    #[command(flatten)]
    People(people::Command),
}

/// Choose how a parked step goes on
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fallout case recover fc-12 --action retry --reason 'address corrected in CRM'
  fallout case recover fc-13 --action resume --reason 'service is there' --attest applied --reference INC-881 --output serviceId=S-77
  fallout case recover fc-14 --action cancel --reason 'customer withdrew'

A step whose outcome is unknown needs an attestation: applied allows resume, not-applied allows retry. It is kept as
evidence under your name. While an attempt is still open, every action is refused: wait for its end.")]
pub struct Recover {
    /// Case number, e.g. fc-100001
    pub id: String,
    /// What to do
    #[arg(long, value_enum)]
    pub action: Choice,
    /// Why; kept in the case's history
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// What you found out about the effect outside
    #[arg(long, value_enum, requires = "reference")]
    pub attest: Option<Attest>,
    /// Where the proof can be found: a ticket, a mail, a screen
    #[arg(long, value_name = "TEXT", requires = "attest")]
    pub reference: Option<String>,
    /// A value that later steps need; may be repeated
    #[arg(long = "output", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub outputs: Vec<(String, String)>,
    /// Makes the command safe to repeat: the same key with the same content is answered, not done again
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// Perform the step again
    Retry,
    /// Go on: the effect exists
    Resume,
    /// Go on without the effect
    Skip,
    /// Cancel the order; its other lines drain first
    Cancel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Attest {
    Applied,
    NotApplied,
}

impl From<Choice> for Action {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::Retry => Action::RetryStep,
            Choice::Resume => Action::ResumeWorkflow,
            Choice::Skip => Action::SkipStep,
            Choice::Cancel => Action::CancelOrder,
        }
    }
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let catalogue = Arc::new(context.settings.catalogue()?);
    let desk = Desk::new(context.settings.database.store()?, catalogue);
    let tenant = &context.settings.tenant.id;
    match args.command {
        Command::List(args) => list::run(*args, &desk, context).await?,
        Command::Bulk(args) => return bulk::run(*args, &desk, context).await,
        Command::Show(args) => show::run(args, &desk, context).await?,
        Command::People(command) => people::run(command, &desk, context).await?,
        Command::Open(args) => open::run(args, &desk, context).await?,
        Command::Severity(args) => severity::run(args, &desk, context).await?,
        Command::Recover(recover) => {
            let taken = ask(&desk, tenant, &recover).await?;
            let text = || taken_text(&recover, &taken);
            let json = serde_json::json!({ "action": taken.action, "repeated": taken.repeated, "also": taken.also });
            context.out.data(&json, text)?;
        }
    }
    Ok(Exit::Done)
}

fn number(text: &str) -> anyhow::Result<CaseNumber> {
    text.parse().map_err(|e| Failure::new("FO-041", format!("{e}")).into())
}

async fn ask(desk: &Desk, tenant: &str, recover: &Recover) -> anyhow::Result<Taken> {
    let attestation = recover.attest.zip(recover.reference.clone());
    let attestation = attestation.map(|(said, reference)| Attestation { applied: said == Attest::Applied, reference });
    let text = |(name, value): &(String, String)| (name.clone(), serde_json::Value::from(value.as_str()));
    let fresh = || Uuid::now_v7().to_string();
    let recovery = Recovery {
        tenant,
        principal: &principal(),
        case: number(&recover.id)?,
        action: recover.action.into(),
        reason: &recover.reason,
        attestation,
        outputs: recover.outputs.iter().map(text).collect(),
        idempotency_key: &recover.idempotency_key.clone().unwrap_or_else(fresh),
    };
    desk.recover(&recovery).await.map_err(told)
}

/// Who the operating system says it is; never a name typed into the command.
pub(super) fn principal() -> String {
    // SAFETY: geteuid cannot fail and touches no memory of ours.
    let uid = unsafe { libc::geteuid() };
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    format!("local:{}", name.unwrap_or_else(|| uid.to_string()))
}

fn taken_text(recover: &Recover, taken: &Taken) -> String {
    let id = &recover.id;
    if taken.repeated {
        return format!("already done: the same command was accepted before as action {}", taken.action);
    }
    let mut text = format!("accepted as action {}; see how it goes: fallout case show {id}", taken.action);
    if !taken.also.is_empty() {
        let also: Vec<String> = taken.also.iter().map(ToString::to_string).collect();
        text += &format!("\nother parked steps of the order go with it: {}", also.join(", "));
    }
    text
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
        DeskError::StaleVersion { .. } => "FO-043",
        DeskError::NotAllowed(_) => "FO-044",
        DeskError::BadText(_)
        | DeskError::UnknownClassification(_)
        | DeskError::NotToCome(_)
        | DeskError::TooFar(_) => "FO-045",
        DeskError::NoWindow => "FO-042",
        DeskError::NoSuchOrder(_) => "FO-048",
        DeskError::TokenName { .. } | DeskError::TokenExists(_) => "FO-052",
        DeskError::NotErasable { .. } | DeskError::OrderErased(_) => "FO-053",
        _ => return e.into(),
    };
    Failure::new(code, e.to_string()).because(e).into()
}
