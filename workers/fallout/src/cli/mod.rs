//! The command line: what there is to say, and the way every command takes.

mod access;
mod action;
mod args;
mod audit;
mod bulk;
mod case;
mod check;
mod csv;
mod customer_status;
mod demo;
pub mod deploy;
mod downstream;
mod duration;
mod explain;
mod group;
mod ledger;
mod migrate;
mod operation;
mod order;
mod policy;
mod problem;
mod report;
mod serve;
mod shift;
mod signal;
mod taxonomy;
mod up;
mod watch;
mod who;
mod worker;

#[cfg(test)]
mod tests;

use std::{process::ExitCode, time::Duration};

use clap::Parser;

use crate::{
    codes::Failure,
    config::{self, Problem, Settings, Sources, listed},
    exit::Exit,
    output::Output,
    roles::session,
    telemetry::Telemetry,
};
use args::{Cli, Command};

/// How long a command that is done waits for threads it left behind (embedded servers end by themselves).
const LEFT_BEHIND: Duration = Duration::from_secs(5);

/// What every command works with.
#[derive(Debug, Clone)]
pub struct Context {
    pub settings: Settings,
    pub out: Output,
}

/// The program: parse, configure, run, and say how it ended.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let out = Output::new(cli.json);
    // A panic is a defect of ours; people get a sentence and its place, not a backtrace.
    std::panic::set_hook(Box::new(|panic| tracing::error!("a defect of this program: {panic}")));
    match run(cli, out) {
        Ok(exit) => exit.into(),
        Err(error) => {
            out.note(report::text(&error).trim_end());
            report::exit(&error).into()
        }
    }
}

fn run(cli: Cli, out: Output) -> anyhow::Result<Exit> {
    // Explains also to someone whose configuration is refused.
    if let Command::Explain(args) = &cli.command {
        return explain::run(args, out);
    }
    let (mut settings, problems) = config::read(&Sources::of_process(cli.config));
    if !matches!(cli.command, Command::Check(_)) && !problems.is_empty() {
        return Err(Failure::new("FO-001", listed("the configuration cannot be used:", &problems)).into());
    }
    if !matches!(cli.command, Command::Demo(_) | Command::Up(_)) {
        session::adopt(&mut settings);
    }
    let telemetry = Telemetry::start(&settings.telemetry, cli.command.log_filter())?;
    let result = in_runtime(cli.command, Context { settings, out }, problems);
    telemetry.finish();
    result
}

fn in_runtime(command: Command, context: Context, problems: Vec<Problem>) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(dispatch(command, &context, problems));
    runtime.shutdown_timeout(LEFT_BEHIND);
    result
}

async fn dispatch(command: Command, context: &Context, problems: Vec<Problem>) -> anyhow::Result<Exit> {
    match command {
        Command::Demo(args) => demo::run(args, context).await,
        Command::Up(args) => up::run(args, context).await,
        Command::Worker(args) => worker::run(args, context).await,
        Command::Watch(args) => watch::run(args, context).await,
        Command::Serve(args) => serve::run(args, context).await,
        Command::Deploy(args) => deploy::run(args, context).await,
        Command::Migrate(args) => migrate::run(args, context).await,
        Command::Access(args) => access::run(args, context).await,
        Command::Operation(args) => operation::run(args, context).await,
        Command::Check(args) => check::run(args, context, problems).await,
        Command::Case(args) => case::run(*args, context).await,
        Command::Bulk(args) => bulk::run(args, context).await,
        Command::Action(args) => action::run(&args, context),
        Command::Downstream(args) => downstream::run(args, context).await,
        Command::Group(args) => group::run(args, context).await,
        Command::Ledger(args) => ledger::run(args, context).await,
        Command::Audit(args) => audit::run(args, context).await,
        Command::Order(args) => order::run(args, context).await,
        Command::Shift(args) => shift::run(args, context).await,
        Command::Problem(args) => problem::run(args, context).await,
        Command::Signal(args) => signal::run(args, context).await,
        Command::Taxonomy(args) => taxonomy::run(args, context).await,
        Command::Policy(args) => policy::run(args, context).await,
        Command::CustomerStatus(args) => customer_status::run(args, context).await,
        Command::Explain(args) => explain::run(&args, context.out),
    }
}
