//! `fallout downstream offline | online | list`: downstreams that are unavailable because people say so, now or planned.

use clap::Subcommand;
use fallout_core::{catalogue::Catalogue, offline::Phase};
use fallout_desk::{DeclaredOffline, DeskError, Offline, When, WindowView};

use super::{
    Context,
    case::{people::when, told},
    who::{self, Need},
};
use crate::{
    codes::Failure,
    config::suggest,
    exit::Exit,
    output::{plain, table},
};

/// Say when a downstream is unavailable, so that its steps wait and nothing is tried
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fallout downstream offline billing --until 2h --reason 'INC-881: vendor outage'
  fallout downstream offline billing --operation billing.activate --until 30m --reason 'rating engine is down'
  fallout downstream offline provisioning --from 2026-12-01T22:00:00Z --until 2026-12-02T04:00:00Z --reason 'CHG-77'
  fallout downstream offline billing --until 5h --reason 'vendor needs longer'     (moves the end)
  fallout downstream online billing --reason 'vendor is back'

Meanwhile nothing is sent to it or asked of it, its cases wait with their clocks as the policy says, and its customers are
told of a delay. At the end what was left unknown is looked up first, then its steps go on, carefully at first.")]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Nothing is sent to it from now, or from a time on; said again, the end moves
    Offline {
        /// As the operations name it (`fallout worker list`)
        #[arg(value_name = "NAME")]
        downstream: String,
        /// Only this operation of it
        #[arg(long, value_name = "OPERATION")]
        operation: Option<String>,
        /// Why; kept, and told by its cases
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// When it is back: 2h, 1d, or 2026-12-02T04:00:00Z
        #[arg(long, value_name = "TIME", value_parser = when)]
        until: When,
        /// When it goes [default: now]
        #[arg(long, value_name = "TIME", value_parser = when)]
        from: Option<When>,
    },
    /// It is back, or does not go: what is declared of it ends
    Online {
        #[arg(value_name = "NAME")]
        downstream: String,
        /// Only what is declared of this operation
        #[arg(long, value_name = "OPERATION")]
        operation: Option<String>,
        /// Why; kept
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// What is declared for now and for later
    List {
        /// What is over too, the latest first
        #[arg(long)]
        all: bool,
    },
}

pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let need = if matches!(args.command, Command::List { .. }) { Need::Read } else { Need::Act };
    let (desk, me) = who::desk(context, need).await?;
    let (tenant, catalogue) = (context.settings.tenant.id.as_str(), desk.catalogue());
    match args.command {
        Command::Offline { downstream, operation, reason, until, from } => {
            let operation = operation.as_deref();
            let ask = Offline { downstream: &downstream, operation, reason: &reason, from, until };
            let declared = desk.declare_offline(tenant, &me, &ask).await;
            let declared = declared.map_err(|e| refused(e, catalogue))?;
            context.out.data(&declared, || declared_text(&declared))?;
        }
        Command::Online { downstream, operation, reason } => {
            let ended = desk.declare_online(tenant, &me, &downstream, operation.as_deref(), &reason).await;
            let ended = ended.map_err(|e| refused(e, catalogue))?;
            context.out.data(&ended, || ended_text(&downstream, &ended))?;
        }
        Command::List { all } => {
            let windows = desk.declared_offline(tenant, all).await.map_err(told)?;
            context.out.data(&windows, || list(&windows))?;
        }
    }
    Ok(Exit::Done)
}

/// A slip in a name is answered with the one that was meant.
fn refused(e: DeskError, catalogue: &Catalogue) -> anyhow::Error {
    let meant = match &e {
        DeskError::NoSuchDownstream(said) => {
            suggest::closest(said, catalogue.operations.values().map(|op| op.downstream.as_str()))
        }
        DeskError::NoSuchOperation { downstream, operation } => {
            let of = catalogue.operations.values().filter(|op| op.downstream == *downstream);
            suggest::closest(operation, of.map(|op| op.name.as_str()))
        }
        _ => return told(e),
    };
    Failure::new("FO-075", format!("{e}{}", suggest::did_you_mean(meant))).because(e).into()
}

const TIME: &str = "%Y-%m-%d %H:%M:%S UTC";

fn name(view: &WindowView) -> String {
    let w = &view.window;
    w.operation.clone().unwrap_or_else(|| w.downstream.clone())
}

fn declared_text(declared: &DeclaredOffline) -> String {
    let view = &declared.view;
    let (from, until) = (view.window.starts_at.format(TIME), view.window.ends_at.format(TIME));
    match (declared.already, view.phase) {
        (true, _) => format!("already done: {} is offline until {until}", name(view)),
        (false, Phase::Planned) => format!("{} will be offline from {from} until {until}", name(view)),
        (false, _) => format!("{} is offline until {until}; its steps wait", name(view)),
    }
}

fn ended_text(downstream: &str, ended: &[WindowView]) -> String {
    if ended.is_empty() {
        return format!("already done: nothing is declared of {downstream}");
    }
    let line = |view: &WindowView| match view.phase {
        Phase::Over => format!("{} does not go offline", name(view)),
        _ => format!("{} is not offline any more: what is unknown is looked up, then its steps go on", name(view)),
    };
    ended.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn list(windows: &[WindowView]) -> String {
    if windows.is_empty() {
        return "no downstream is declared offline".into();
    }
    let row = |view: &WindowView| {
        let w = &view.window;
        let (from, until) = (w.starts_at.format(TIME).to_string(), w.ends_at.format(TIME).to_string());
        let operation = w.operation.clone().unwrap_or_else(|| "all".into());
        [
            w.downstream.clone(),
            operation,
            view.phase.to_string(),
            from,
            until,
            view.declared_by.clone(),
            plain(&view.reason),
        ]
    };
    let head = ["downstream", "operation", "state", "from", "until", "declared by", "reason"];
    table(head, windows.iter().map(row))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use fallout_core::offline::Window;

    use super::*;

    fn view(phase: Phase, operation: Option<&str>) -> WindowView {
        let at = |s| DateTime::from_timestamp(s, 0).unwrap();
        let (downstream, operation) = ("billing".to_owned(), operation.map(str::to_owned));
        WindowView {
            window: Window { downstream, operation, starts_at: at(0), ends_at: at(3_600), released_at: None },
            phase,
            reason: "INC-881".into(),
            declared_by: "local:ann".into(),
            history: Vec::new(),
        }
    }

    #[test]
    fn what_was_declared_is_said_with_its_end() {
        let said = |phase, already| declared_text(&DeclaredOffline { view: view(phase, None), already });
        assert_eq!(said(Phase::Offline, false), "billing is offline until 1970-01-01 01:00:00 UTC; its steps wait");
        assert!(said(Phase::Planned, false).starts_with("billing will be offline from 1970-01-01 00:00:00 UTC until"));
        assert!(said(Phase::Offline, true).starts_with("already done"));
        assert_eq!(ended_text("billing", &[]), "already done: nothing is declared of billing");
        assert!(
            ended_text("billing", &[view(Phase::Releasing, Some("billing.activate"))]).starts_with("billing.activate")
        );
    }

    #[test]
    fn the_list_says_who_and_why() {
        let text = list(&[view(Phase::Offline, Some("billing.activate"))]);
        for said in ["billing.activate", "offline", "local:ann", "INC-881"] {
            assert!(text.contains(said), "{said}: {text}");
        }
    }
}
