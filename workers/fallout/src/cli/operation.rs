//! `fallout operation`: what a downstream team does with the files that describe its calls.

mod check;
mod trial;

use clap::Subcommand;

use super::Context;
use crate::exit::Exit;

/// Check the files that describe calls of downstreams, and try them on a test system
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Check(check::Args),
    Try(trial::Args),
}

pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    match args.command {
        Command::Check(args) => check::run(&args, context),
        Command::Try(args) => trial::run(args, context).await,
    }
}
