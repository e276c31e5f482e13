//! `make faults`: runs the fault matrix and prints its table.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use fallout::adapter::DeskLedger;
use fallout_tests::faults::{Tally, downstream, ground};

/// The fault matrix
#[derive(Debug, Parser)]
struct Args {
    /// Cut after every so many bytes; 1 is every byte
    #[arg(long, default_value_t = 1)]
    every: usize,
    /// Runs at a time
    #[arg(long, default_value_t = 64)]
    width: usize,
    /// Only these operations
    #[arg(long)]
    operation: Vec<String>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
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
    let ground = ground("faults").await?;
    let wanted = |name: &&str| args.operation.is_empty() || args.operation.iter().any(|one| one == name);
    let operations = downstream::ALL.into_iter().filter(wanted).collect();
    let scope = downstream::Scope { operations, every: args.every, width: args.width };
    downstream::run(&ground, &scope, |setup| DeskLedger(setup.desk.clone()), &mut tally).await?;
    Ok(tally)
}
