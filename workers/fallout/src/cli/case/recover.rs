//! `fallout case recover | withdraw | approve | refuse-approval`: recovery commands, by flags or as JSON.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use clap::{Subcommand, ValueEnum};
use fallout_core::{
    action::{
        Attestation, Declaration,
        command::{BYTES_MAX, Malformed, RecoveryCommand},
        correction::Correction,
        revision::Agreement,
    },
    ids::ActionId,
};
use fallout_desk::{Approved, Desk, DeskError, NotRecovered, Plan, Taken, Withdrawn};
use uuid::Uuid;

use super::{evidence, told};
use crate::{cli::Context, cli::action::find, codes::Failure};

/// Choose how a case goes on
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fallout case recover fc-12 --action retry --reason 'address corrected in CRM'
  fallout case recover fc-13 --action resume --reason 'service is there' --attest applied --reference INC-881 --output serviceId=S-77
  fallout case recover fc-14 --action cancel --reason 'customer withdrew' --dry-run
  fallout case recover fc-14 --action reroute --reason 'no capacity there before May' --route ADD_BY_PARTNER
  fallout case recover fc-16 --action correct --set billing-account=ba-70001 --reason 'typed wrongly'
  fallout case recover fc-17 --action reprice --reason 'the price has ended' --agreed 13.10 --reference MAIL-5
  fallout case recover fc-15 --action force-close --reason 'CHG-7' --impact 'the old tariff stays until May'
  fallout case recover fc-16 --action resolve-outside --reason 'made by hand' --attest applied --reference INC-9 --evidence scan.pdf
  fallout case recover --command command.json

`fallout action list` shows every action. A step whose outcome is unknown needs an attestation: applied allows resume,
not-applied allows retry; or ask the downstream: --action reconcile, or --check to have it asked and the action done if it fits. An attestation is kept as evidence under your name.
An action on a step that is at work waits for the end of the exchange: nothing follows that, and then it is checked again.
Where the worker is dead: --takeover, once its time is over; the outcome is unknown from then on.")]
pub struct Args {
    /// Case number, e.g. fc-100001
    #[arg(required_unless_present = "command", conflicts_with = "command")]
    pub id: Option<String>,
    /// The whole command as JSON, from a file or `-` for standard input (docs/ACTIONS.md)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["action", "reason", "attest", "outputs", "impact", "evidence", "check", "takeover", "route", "waive_penalty", "set", "agreed", "idempotency_key"])]
    pub command: Option<PathBuf>,
    /// What to do, e.g. retry; see `fallout action list`
    #[arg(long, value_name = "ACTION", required_unless_present = "command")]
    pub action: Option<String>,
    /// Why; kept in the case's history
    #[arg(long, value_name = "TEXT", required_unless_present = "command")]
    pub reason: Option<String>,
    /// What you found out about the effect outside
    #[arg(long, value_enum, requires = "reference", group = "proof")]
    pub attest: Option<Attest>,
    /// A file that shows it, kept with the case; may be repeated (at most 1 MiB each)
    #[arg(long, value_name = "FILE")]
    pub evidence: Vec<PathBuf>,
    /// A new price that the customer has agreed to, where a quote is revised beyond what the policy allows
    #[arg(long, value_name = "PRICE", requires = "reference", group = "proof")]
    pub agreed: Option<f64>,
    /// Where the proof can be found: a ticket, a mail, a screen
    #[arg(long, value_name = "TEXT", requires = "proof")]
    pub reference: Option<String>,
    /// A value that later steps need; may be repeated
    #[arg(long = "output", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub outputs: Vec<(String, String)>,
    /// What a force close means for the customer
    #[arg(long, value_name = "TEXT")]
    pub impact: Option<String>,
    /// The outcome is unknown: have the downstream asked first, and decide on its answer
    #[arg(long, conflicts_with = "attest")]
    pub check: bool,
    /// The worker of the open attempt is dead: call its outcome unknown now, then do this
    #[arg(long)]
    pub takeover: bool,
    /// Which permitted route to take (fallout policy list --kind route); without it the first
    #[arg(long, value_name = "CODE")]
    pub route: Option<String>,
    /// Do not ask for the penalty of a cancellation; needs the authority waive_penalty
    #[arg(long)]
    pub waive_penalty: bool,
    /// The field to correct, of a line where it belongs to one; see docs/CORRECTIONS.md
    #[arg(long, value_name = "FIELD[@LINE]=VALUE", value_parser = field_and_value)]
    pub set: Option<Correction>,
    /// Where the corrected value comes from: a ticket, a mail, a check of the address
    #[arg(long, value_name = "TEXT", requires = "set")]
    pub source: Option<String>,
    /// Makes the command safe to repeat: the same key with the same content is answered, not done again
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    /// Check everything and show what would change; write nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Attest {
    Applied,
    NotApplied,
}

/// What becomes of an action that was asked for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Take an action back before it is sent
    Withdraw {
        /// The action's id, as `case recover` printed it
        #[arg(value_name = "ACTION")]
        action: Uuid,
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Agree, as a second person, to an action that waits for it
    Approve {
        /// The approval's id, as `case recover` printed it
        #[arg(value_name = "APPROVAL")]
        approval: Uuid,
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Refuse, as a second person, an action that waits for it
    RefuseApproval {
        #[arg(value_name = "APPROVAL")]
        approval: Uuid,
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// An address is an object; anything that is no JSON object is a text as it stands.
fn field_and_value(text: &str) -> Result<Correction, String> {
    let (place, value) = text.split_once('=').filter(|(place, _)| !place.is_empty()).ok_or("expected FIELD=VALUE")?;
    let (field, line) = place.split_once('@').map_or((place, None), |(field, line)| (field, Some(line.to_owned())));
    let object = value.trim_start().starts_with('{');
    let value = match object.then(|| serde_json::from_str(value)) {
        Some(Err(e)) => return Err(format!("the value is no JSON: {e}")),
        Some(Ok(object)) => object,
        None => serde_json::Value::from(value),
    };
    Ok(Correction { field: field.to_owned(), line, value, source: None })
}

pub async fn run(args: Args, desk: &Desk, me: &str, context: &Context) -> anyhow::Result<()> {
    let tenant = &context.settings.tenant.id;
    let command = match &args.command {
        Some(file) => from_file(file)?,
        None => from_flags(&args, me)?,
    };
    if args.dry_run {
        let plan = desk.plan(tenant, me, &command).await.map_err(told)?;
        context.out.data(&plan, || planned(&plan))?;
        return Ok(());
    }
    let mut command = command;
    for file in &args.evidence {
        let kept = evidence::add(desk, tenant, me, &command.fallout_case_id, file, None).await?;
        command.evidence.push(kept.sha256);
    }
    let taken = desk.command(tenant, me, &command).await.map_err(told)?;
    context.out.data(&taken, || taken_text(&command.fallout_case_id, &taken))?;
    Ok(())
}

pub async fn decide(command: Command, desk: &Desk, me: &str, context: &Context) -> anyhow::Result<()> {
    let tenant = &context.settings.tenant.id;
    match command {
        Command::Withdraw { action, reason } => {
            let done = desk.withdraw(tenant, me, ActionId(action), &reason).await.map_err(told)?;
            context.out.data(&done, || withdrawn(&done))?;
        }
        Command::Approve { approval, reason } => {
            let done = desk.approve(tenant, me, approval, &reason).await.map_err(told)?;
            context.out.data(&done, || decided(&done))?;
        }
        Command::RefuseApproval { approval, reason } => {
            let done = desk.refuse_approval(tenant, me, approval, &reason).await.map_err(told)?;
            context.out.data(&done, || decided(&done))?;
        }
    }
    Ok(())
}

fn from_file(file: &Path) -> anyhow::Result<RecoveryCommand> {
    let mut text = Vec::new();
    let most = BYTES_MAX as u64 + 1;
    let name = file.display();
    let read = match file.to_str() {
        Some("-") => std::io::stdin().take(most).read_to_end(&mut text),
        _ => std::fs::File::open(file).and_then(|file| file.take(most).read_to_end(&mut text)),
    };
    read.map_err(|e| Failure::new("FO-060", format!("{name} cannot be read")).because(e))?;
    RecoveryCommand::read(&text).map_err(|e| told(malformed(e)))
}

fn malformed(e: Malformed) -> DeskError {
    DeskError::Recovery(NotRecovered::Malformed(e))
}

fn from_flags(args: &Args, principal: &str) -> anyhow::Result<RecoveryCommand> {
    let attestation = args.attest.zip(args.reference.clone());
    let attestation = attestation.map(|(said, reference)| Attestation { applied: said == Attest::Applied, reference });
    let agreement = args.agreed.zip(args.reference.clone()).map(|(price, reference)| Agreement { price, reference });
    let text = |(name, value): &(String, String)| (name.clone(), serde_json::Value::from(value.as_str()));
    let declared: &Declaration = find(args.action.as_deref().unwrap_or_default())?;
    Ok(RecoveryCommand {
        idempotency_key: args.idempotency_key.clone().unwrap_or_else(|| Uuid::now_v7().to_string()),
        fallout_case_id: args.id.clone().unwrap_or_default(),
        action: declared.action.word().to_owned(),
        target: None,
        reason: args.reason.clone().unwrap_or_default(),
        requested_by: principal.to_owned(),
        attestation,
        outputs: args.outputs.iter().map(text).collect(),
        impact: args.impact.clone(),
        evidence: Vec::new(),
        check: args.check,
        takeover: args.takeover,
        route: args.route.clone(),
        waive_penalty: args.waive_penalty,
        agreement,
        correction: args.set.clone().map(|set| Correction { source: args.source.clone(), ..set }),
    })
}

fn taken_text(case: &str, taken: &Taken) -> String {
    let action = taken.action;
    let mut text = match (taken.repeated, taken.approval) {
        (true, _) => format!("already done: the same command was accepted before as action {action}"),
        (false, None) => format!("accepted as action {action}; see how it goes: fallout case show {case}"),
        (false, Some(approval)) => format!(
            "action {action} waits for a second person; with a token of their own, which you did not make, they run:\n\
             fallout case approve {approval} --reason TEXT"
        ),
    };
    if !taken.also.is_empty() {
        let also: Vec<String> = taken.also.iter().map(ToString::to_string).collect();
        text += &format!("\nother parked steps of the order go with it: {}", also.join(", "));
    }
    text
}

fn planned(plan: &Plan) -> String {
    let d = plan.declaration;
    let changes: String = plan.changes.iter().map(|change| format!("  - {change}\n")).collect();
    format!(
        "{} of {} would be accepted; nothing was written\n\n  does      {}\n  does not  {}\n  customer  {}\n\n{changes}",
        d.action, plan.case, d.does, d.does_not, d.customer
    )
}

fn withdrawn(done: &Withdrawn) -> String {
    let Withdrawn { action, case, state, already } = done;
    match already {
        true => format!("already done: action {action} was taken back before; case {case} is {state}"),
        false => format!("action {action} is taken back; case {case} is {state}"),
    }
}

fn decided(done: &Approved) -> String {
    let Approved { action, case, approval_state, case_state, .. } = done;
    format!("the approval is {approval_state}: action {action}; case {case} is {case_state}")
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use fallout_core::action::Action;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parsed(words: &str) -> Result<Args, clap::Error> {
        Line::try_parse_from(std::iter::once("recover").chain(words.split(' '))).map(|line| line.args)
    }

    #[test]
    fn flags_make_the_command_that_a_file_would_hold() {
        let args =
            parsed("fc-12 --action force-close --reason R --impact I --idempotency-key k --output id=7").unwrap();
        let command = from_flags(&args, "local:ann").unwrap();
        let (case, action) = command.check().unwrap();
        assert_eq!((case.to_string().as_str(), action), ("fc-12", Action::ForceClose));
        assert_eq!((command.requested_by.as_str(), command.impact.as_deref()), ("local:ann", Some("I")));
        assert_eq!(command.outputs["id"], "7");
        let text = serde_json::to_vec(&command).unwrap();
        assert_eq!(RecoveryCommand::read(&text).unwrap(), command);
    }

    #[test]
    fn a_correction_names_its_field_its_line_and_a_text_or_an_object() {
        let rows = [
            ("device-id=CPE-7", ("device-id", None, json!("CPE-7"))),
            ("device-id@2.1=a=b", ("device-id", Some("2.1"), json!("a=b"))),
            ("service-address@1={\"city\":\"Bern\"}", ("service-address", Some("1"), json!({ "city": "Bern" }))),
        ];
        for (text, (field, line, value)) in rows {
            let line = line.map(str::to_owned);
            assert_eq!(field_and_value(text), Ok(Correction { field: field.into(), line, value, source: None }));
        }
        for text in ["device-id", "=x", "service-address={\"city\""] {
            assert!(field_and_value(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_command_is_given_by_flags_or_by_a_file_and_not_by_both() {
        assert!(parsed("--command -").is_ok());
        for words in ["fc-12", "fc-12 --action retry", "fc-12 --command -", "--command - --reason x"] {
            assert!(parsed(words).is_err(), "{words}");
        }
        let slip = from_flags(&parsed("fc-12 --action retri --reason x").unwrap(), "p").unwrap_err();
        assert!(slip.to_string().contains("did you mean retry?"), "{slip}");
    }

    #[test]
    fn what_was_taken_says_how_it_goes_on() {
        let id = Uuid::nil();
        let taken = Taken { action: ActionId(id), repeated: false, also: Vec::new(), approval: Some(id) };
        assert!(taken_text("fc-1", &taken).contains(&format!("fallout case approve {id} --reason")));
        let again = Taken { repeated: true, ..taken };
        assert!(taken_text("fc-1", &again).starts_with("already done"));
    }
}
