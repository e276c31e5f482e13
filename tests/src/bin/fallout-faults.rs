//! `make faults`: runs the fault matrix and prints its table. Its own workers are processes of this program too.

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::atomic::{AtomicI64, Ordering},
};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum};
use fallout::adapter::DeskLedger;
use fallout_embedded::Product;
use fallout_tests::{
    World,
    faults::{
        Ground, Tally, accidents, crashes, downstream,
        links::{self, Link},
        servers,
        victim::Orders,
        without_engine,
    },
};
use tokio::runtime::Runtime;

/// The fault matrix: cuts every link everywhere, kills every server and worker, and counts what came of it.
///
/// Prints one table and, as its last line, the sums as one JSON object; ends with 0 only if nothing was duplicated, lost,
/// misclassified or parked without a case. docs/FAULTS.md says how to read it.
#[derive(Debug, Parser)]
#[command(name = "fallout-faults", disable_help_subcommand = true)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only these parts
    #[arg(long, value_enum)]
    part: Vec<Part>,
    #[arg(long, value_enum, default_value = "camunda")]
    engine: EngineName,
    /// Cut at every so many bytes or messages
    #[arg(long, default_value_t = 1)]
    every: usize,
    /// Runs at a time on the link to a downstream
    #[arg(long, default_value_t = 96)]
    width: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Every byte of the link to a downstream, without an engine
    Downstream,
    /// Every message of the link to the engine
    Engine,
    /// Every message of the link to our database
    Database,
    /// A worker killed at every point while its links break
    Crashes,
    /// A worker that stalls and wakes up too late
    Stalls,
    /// Two workers of one topic, one killed; and a worker whose clock is off
    Workers,
    /// Postgres killed; one of two engine nodes killed
    Servers,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EngineName {
    Camunda,
    Operaton,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A worker that meets its fate; started by the matrix
    #[command(hide = true)]
    Victim { orders: String },
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.command {
        Some(Command::Victim { orders }) => victim(orders),
        None => matrix(&args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}

fn victim(orders: &str) -> Result<ExitCode> {
    let orders: Orders = serde_json::from_str(orders).context("reading the orders")?;
    CLOCK_OFF_S.store(orders.clock_off_s, Ordering::SeqCst);
    Runtime::new()?.block_on(orders.obey())?;
    Ok(ExitCode::SUCCESS)
}

fn matrix(args: &Args) -> Result<ExitCode> {
    let runtime = Runtime::new()?;
    let mut tally = Tally::default();
    if args.wants(Part::Downstream) {
        runtime.block_on(downstream(args, &mut tally))?;
    }
    if [Part::Engine, Part::Database, Part::Crashes, Part::Stalls, Part::Workers, Part::Servers]
        .map(|p| args.wants(p))
        .contains(&true)
    {
        eprintln!("starting {} ...", args.product().name());
        let mut world = World::take_with(args.product());
        runtime.block_on(with_engine(args, &mut world, &mut tally))?;
    }
    for finding in &tally.findings {
        eprintln!("{finding}");
    }
    println!("{}\n\n{}", tally.table(), tally.summary());
    Ok(if tally.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Args {
    fn wants(&self, part: Part) -> bool {
        self.part.is_empty() || self.part.contains(&part)
    }

    fn product(&self) -> Product {
        match self.engine {
            EngineName::Camunda => Product::Camunda,
            EngineName::Operaton => Product::Operaton,
        }
    }
}

async fn downstream(args: &Args, tally: &mut Tally) -> Result<()> {
    let (_postgres, ground) = without_engine("faults").await?;
    for operation in downstream::ALL {
        eprintln!("the link to a downstream: {operation} ...");
        let scope = downstream::Scope { operations: vec![operation], every: args.every, width: args.width };
        downstream::run(&ground, &scope, |setup| DeskLedger(setup.desk.clone()), tally).await?;
    }
    Ok(())
}

async fn with_engine(args: &Args, world: &mut World, tally: &mut Tally) -> Result<()> {
    let ground = servers::with_engine(world).await?;
    // The engine's link carries a dozen messages in a run: there is nothing to leave out.
    for (part, link, every) in [(Part::Engine, Link::Engine, 1), (Part::Database, Link::Database, args.every)] {
        if args.wants(part) {
            eprintln!("the link to the {} ...", link.word());
            links::run(&ground, link, every, 16, tally).await?;
        }
    }
    workers(args, &ground, tally).await?;
    if args.wants(Part::Servers) {
        eprintln!("servers ...");
        servers::postgres_killed(world, 40, tally).await?;
        servers::node_killed(world, 40, tally).await?;
    }
    Ok(())
}

async fn workers(args: &Args, ground: &Ground, tally: &mut Tally) -> Result<()> {
    let program: PathBuf = std::env::current_exe()?;
    if args.wants(Part::Crashes) {
        for operation in downstream::ALL {
            eprintln!("workers killed: {operation} ...");
            crashes::run(ground, &program, crashes::all(operation), 12, tally).await?;
        }
    }
    if args.wants(Part::Stalls) {
        eprintln!("workers stalled ...");
        let stalls = accidents::stalls(&["post-asked", "post-keyed", "post-replayed", "post-unkeyed"]);
        accidents::stalled(ground, &program, stalls, 10, tally).await?;
    }
    if args.wants(Part::Workers) {
        eprintln!("two workers, wrong clocks ...");
        accidents::two_fleets(ground, &program, 24, tally).await?;
        accidents::wrong_clock(ground, &program, 24, tally).await?;
    }
    Ok(())
}

/// How far the wall clock of this process is off.
static CLOCK_OFF_S: AtomicI64 = AtomicI64::new(0);

/// Everything in this process that asks libc for the time asks here: the program's own symbol comes before libc's. So the
/// wall clock of one worker can be wrong on a machine whose clock is right.
///
/// # Safety
/// As of libc's: `at` must be valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, at: *mut libc::timespec) -> libc::c_int {
    // SAFETY: passes on what our caller promises.
    let answer = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, at) };
    if answer == 0 && clock == libc::CLOCK_REALTIME {
        // SAFETY: the kernel has just written to it.
        unsafe { (*at).tv_sec += CLOCK_OFF_S.load(Ordering::Relaxed) };
    }
    answer as libc::c_int
}
