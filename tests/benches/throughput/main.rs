//! `make bench`: what our ledger costs. The same tasks of the same engine, taken by plain HTTP, by the fleet that remembers
//! nothing, and by the fleet with the ledger written in full; interleaved, each in a process of its own, and compared
//! pair by pair in one run, since absolute figures move by a factor of two on a shared machine.

mod clients;
mod world;

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use clients::{Client, Took};
use fallout::{config::Settings, telemetry::Telemetry};
use fallout_tests::figures::{Ratio, median};
use world::World;

#[derive(Debug, Parser)]
#[command(about = "What the ledger costs: raw HTTP, the fleet without a ledger, the fleet with it")]
struct Args {
    /// How often each of the three is run.
    #[arg(long, default_value_t = 10)]
    pairs: usize,
    /// Tasks per run.
    #[arg(long, default_value_t = 2_000)]
    tasks: usize,
    /// One long run of the fleet with its ledger instead, to see whether its memory stays flat.
    #[arg(long)]
    soak: Option<usize>,
    /// Run as one of the three; used by the bench itself.
    #[arg(long, hide = true)]
    client: Option<Client>,
    #[arg(long, hide = true, default_value = "")]
    engine: String,
    #[arg(long, hide = true, default_value = "")]
    database: String,
    /// `cargo bench` says it.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    if let Some(client) = args.client {
        let _told = Telemetry::start(&Settings::default().telemetry, "warn")?;
        let took = runtime.block_on(clients::run(client, &args.engine, &args.database, args.tasks))?;
        println!("{}", serde_json::to_string(&took)?);
        // A long poll of a stopped fleet may still be pending; nobody waits for it.
        std::process::exit(0);
    }
    let world = World::start()?;
    runtime.block_on(world.prepare())?;
    println!("{}", runtime.block_on(world.describe())?);
    match args.soak {
        Some(tasks) => soak(&world, &runtime, tasks),
        None => compare(&world, &runtime, &args),
    }
}

fn compare(world: &World, runtime: &tokio::runtime::Runtime, args: &Args) -> Result<()> {
    ensure!(args.pairs > 0 && args.tasks > 0, "at least one pair of one task");
    let mut took: [Vec<Took>; 3] = Default::default();
    println!("{:>4}  {:>10}  {:>10}  {:>10}", "pair", "raw/s", "no ledger/s", "ledger/s");
    for pair in 0..args.pairs {
        // Each is first, second and last equally often.
        for turn in 0..3 {
            let client = Client::ALL[(pair + turn) % 3];
            took[client as usize].push(once(world, runtime, client, args.tasks)?);
        }
        let [raw, none, ledger] = took.each_ref().map(|runs| runs[pair].per_s());
        println!("{:>4}  {raw:>10.0}  {none:>10.0}  {ledger:>10.0}", pair + 1);
    }
    let rates = took.each_ref().map(|runs| runs.iter().map(Took::per_s).collect::<Vec<_>>());
    let against_none = Ratio::of(&rates[2], &rates[1]);
    let against_raw = Ratio::of(&rates[2], &rates[0]);
    println!("\nledger against no ledger: {against_none}");
    println!("ledger against raw HTTP:  {against_raw}");
    let cpu: Vec<f64> = took[2].iter().map(|t| t.cpu_s / t.tasks as f64 * 1_000.0).collect();
    let rss = took[2].iter().map(|t| t.rss_mb).fold(0.0, f64::max);
    println!(
        r#"{{"raw_per_s":{:.0},"no_ledger_per_s":{:.0},"ledger_per_s":{:.0},"ledger_vs_no_ledger":{:.3},"ledger_vs_raw":{:.3},"cpu_s_per_1000":{:.3},"rss_mb":{:.1}}}"#,
        median(&rates[0]),
        median(&rates[1]),
        median(&rates[2]),
        against_none.median,
        against_raw.median,
        median(&cpu),
        rss,
    );
    Ok(())
}

/// The memory of one process at every tenth of its way.
fn soak(world: &World, runtime: &tokio::runtime::Runtime, tasks: usize) -> Result<()> {
    let took = once(world, runtime, Client::Ledger, tasks)?;
    for (tenth, rss) in took.rss_on_the_way.iter().enumerate() {
        println!("{:>3} %  {rss:.1} MB", (tenth + 1) * 10);
    }
    println!(r#"{{"tasks":{},"per_s":{:.0},"rss_mb":{:.1}}}"#, took.tasks, took.per_s(), took.rss_mb);
    Ok(())
}

fn once(world: &World, runtime: &tokio::runtime::Runtime, client: Client, tasks: usize) -> Result<Took> {
    runtime.block_on(world.seed(tasks))?;
    let out = Command::new(std::env::current_exe()?)
        .args(["--client", client.word(), "--tasks", &tasks.to_string()])
        .args(["--engine", &world.engine.base_url(), "--database", &world.database()])
        .stderr(Stdio::inherit())
        .output()
        .context("running a client")?;
    ensure!(out.status.success(), "the {} client ended with {}", client.word(), out.status);
    serde_json::from_slice(&out.stdout).context("reading what the client printed")
}
