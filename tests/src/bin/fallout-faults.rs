//! `make faults`: runs the fault matrix and prints its table.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use fallout::adapter::DeskLedger;
use fallout_tests::faults::{Tally, crashes, downstream, links, victim::Orders, without_engine};

/// The fault matrix
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Cut after every so many bytes; 1 is every byte
    #[arg(long, default_value_t = 1)]
    every: usize,
    /// Runs at a time
    #[arg(long, default_value_t = 64)]
    width: usize,
    /// Only these operations
    #[arg(long)]
    operation: Vec<String>,
    #[arg(long)]
    section: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A worker that meets its fate
    #[command(hide = true)]
    Victim { orders: String },
}

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    if let Some(Command::Victim { orders }) = &args.command {
        let orders: Orders = serde_json::from_str(orders).expect("the matrix writes them");
        runtime.block_on(orders.obey()).expect("a victim works until its fate");
        return ExitCode::SUCCESS;
    }
    match runtime.block_on(run(args)) {
        Ok(tally) => {
            for finding in tally.findings.iter().take(50) {
                eprintln!("{finding}");
            }
            println!("{}\n\n{}", tally.table(), tally.summary());
            if tally.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<Tally> {
    let mut tally = Tally::default();
    let (_postgres, ground) = without_engine("faults").await?;
    let wanted = |name: &&str| args.operation.is_empty() || args.operation.iter().any(|one| one == name);
    let section = |name: &str| args.section.is_empty() || args.section.iter().any(|one| one == name);
    let operations = downstream::ALL.into_iter().filter(wanted).collect();
    let scope = downstream::Scope { operations, every: args.every, width: args.width };
    if section("downstream") {
        downstream::run(&ground, &scope, |setup| DeskLedger(setup.desk.clone()), &mut tally).await?;
    }
    if section("crashes") {
        let program = std::env::current_exe()?;
        crashes::run(&ground, &program, crashes::all("post-asked"), 12, &mut tally).await?;
    }
    if section("engine") {
        links::run(&ground, links::Link::Engine, args.every, 16, &mut tally).await?;
    }
    if section("database") {
        links::run(&ground, links::Link::Database, args.every, 16, &mut tally).await?;
    }
    Ok(tally)
}
