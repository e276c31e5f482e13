//! `fallout watch [NAME]`: the controllers. `fallout watch status`: how they get on.

use anyhow::Context as _;
use clap::Subcommand;
use fallout_desk::ControllerLine;
use fallout_watch::Controller;
use serde::Serialize;

use super::{
    Context,
    case::told,
    check::preflight,
    who::{self, Need},
};
use crate::{
    codes::Failure,
    exit::Exit,
    output::{plain, table},
    roles::{setup::Setup, stop, watch},
};

/// Run the controllers: relay, lookups, gone-tasks, signals, cancellations, orders, seal, sla, problems, waits, retention,
/// approvals, verify, downstreams, bulk, effects, publish
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Only this one
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// The last run of each controller: what it found, what it changed, when it runs next, and how late that is
    Status,
}

pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    if let Some(Command::Status) = args.command {
        return status(context).await;
    }
    let controllers = match args.name.as_deref().map(str::parse::<Controller>) {
        None => Controller::ALL.to_vec(),
        Some(Ok(controller)) => vec![controller],
        Some(Err(unknown)) => return Err(Failure::new("FO-032", unknown).into()),
    };
    let setup = Setup::new(context.settings.clone())?;
    let mut stopped = stop::on_signal().context("listening for signals")?;
    preflight::fit(&setup.settings, &mut stopped).await?;
    let names: Vec<&str> = controllers.iter().map(|c| c.name()).collect();
    context.out.note(&format!("watching: {}", names.join(", ")));
    watch::run(&setup, &controllers, stopped).await;
    context.out.note("stopped");
    Ok(Exit::Done)
}

/// A controller, and its last run if it ever ran.
#[derive(Serialize)]
struct Line {
    controller: &'static str,
    run: Option<ControllerLine>,
}

async fn status(context: &Context) -> anyhow::Result<Exit> {
    let (desk, _) = who::desk(context, Need::Read).await?;
    let known = desk.controllers().await.map_err(told)?;
    let line = |controller: Controller| Line {
        controller: controller.name(),
        run: known.iter().find(|run| run.controller == controller.name()).cloned(),
    };
    let lines = Controller::ALL.map(line);
    context.out.data(&lines, || status_text(&lines))?;
    Ok(Exit::Done)
}

const TIME: &str = "%Y-%m-%d %H:%M:%S UTC";

fn status_text(lines: &[Line]) -> String {
    let row = |line: &Line| {
        let name = line.controller.to_owned();
        let Some(run) = &line.run else {
            return [name, "never".into(), "-".into(), "-".into(), "-".into(), "-".into()];
        };
        let found = match &run.detail {
            Some(detail) => format!("{}: {}", run.found, plain(detail)),
            None => run.found.to_string(),
        };
        let changed = match run.changed_at {
            Some(at) => format!("{} at {}, {} in all", run.changed, at.format(TIME), run.changed_total),
            None => "nothing yet".to_owned(),
        };
        let lag = if run.lag_s == 0 { "-".to_owned() } else { format!("{} s", run.lag_s) };
        [name, run.last_run.format(TIME).to_string(), found, changed, run.next_run.format(TIME).to_string(), lag]
    };
    table(["controller", "last run", "found", "changed", "next run", "lag"], lines.iter().map(row))
}
