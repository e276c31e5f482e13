//! `fallout action list | show`: what each recovery action does, does not do, and needs.

use clap::Subcommand;
use fallout_core::action::{
    Action,
    catalogue::{self, Contact, Declaration, Relay},
};

use super::Context;
use crate::{codes::Failure, config::suggest, exit::Exit, output::table};

/// Look up the recovery actions: what each does, who may take it, what it needs
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fallout action list
  fallout action show retry")]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Every action of the catalogue
    List,
    /// One action in full
    Show {
        /// As it is typed or as it is called, e.g. retry or RETRY_STEP
        #[arg(value_name = "NAME")]
        name: String,
    },
}

pub fn run(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    match &args.command {
        Command::List => context.out.data(&catalogue::all().collect::<Vec<_>>(), list)?,
        Command::Show { name } => {
            let declared = find(name)?;
            context.out.data(declared, || show(declared))?;
        }
    }
    Ok(Exit::Done)
}

/// The action that is typed so.
pub(super) fn find(name: &str) -> Result<&'static Declaration, Failure> {
    catalogue::named(name).ok_or_else(|| {
        let known = catalogue::all().map(|d| d.name).chain(Action::ALL.iter().map(|a| a.word()));
        let hint = suggest::did_you_mean(suggest::closest(name, known));
        Failure::new("FO-060", format!("there is no action \"{name}\"{hint}"))
    })
}

fn list() -> String {
    let row = |d: &Declaration| {
        [
            d.name.to_owned(),
            d.action.word().to_owned(),
            d.authority.word().to_owned(),
            d.approval.word().to_owned(),
            d.meaning.to_owned(),
        ]
    };
    table(["action", "called", "authority", "decided by", "meaning"], catalogue::all().map(row))
}

fn show(d: &Declaration) -> String {
    let contact = match d.contact {
        Contact::None => "no",
        Contact::Reads => "asks it",
        Contact::Sends => "sends to it",
    };
    let engine = if d.relay == Relay::Nothing { "nothing" } else { "which branch to take" };
    let rows = [
        ("does", d.does),
        ("does not", d.does_not),
        ("guard", d.guard),
        ("effect has to be", d.wants.word()),
        ("authority", d.authority.word()),
        ("decided by", d.approval.word()),
        ("reversible", d.reversible.word()),
        ("downstream", contact),
        ("customer", d.customer),
        ("engine is told", engine),
        ("step", d.transitions.step),
        ("order item", d.transitions.item),
        ("order", d.transitions.order),
        ("done when", d.expected.word()),
    ];
    let performs = d.performs.map(|operation| ("performs itself", operation));
    let rows =
        rows.into_iter().chain(performs).map(|(name, text)| format!("  {name:<17} {text}\n")).collect::<String>();
    format!("{}  {}\n{}\n\n{rows}", d.name, d.action, d.meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_shown_with_everything_that_a_person_decides_on() {
        let expected = "\
resume  RESUME_WORKFLOW
Go on: the effect exists.

  does              Goes back to the task, which completes with the outputs of the ledger.
  does not          Send anything to the downstream.
  guard             The step is parked, no attempt is open, and its effect is proven or attested to exist, with every output that later steps need.
  effect has to be  applied
  authority         retry_safe_step
  decided by        one person
  reversible        until the engine has it
  downstream        no
  customer          The delay ends.
  engine is told    which branch to take
  step              parked -> running -> done
  order item        held -> inProgress
  order             held -> inProgress
  done when         the step is done at the action's epoch
";
        assert_eq!(show(Action::ResumeWorkflow.declaration()), expected);
    }

    #[test]
    fn a_list_has_a_line_per_action() {
        let text = list();
        assert_eq!(text.lines().count(), 1 + Action::ALL.len());
        let row = |line: &str| line.starts_with("force-close ") && line.contains(" FORCE_CLOSE ");
        assert!(text.lines().any(row), "{text}");
    }

    #[test]
    fn a_slip_in_a_name_is_suggested() {
        assert_eq!(find("retyr").unwrap_err().to_string(), "there is no action \"retyr\"; did you mean retry?");
    }
}
