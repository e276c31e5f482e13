//! `make bench-recovery`: how soon a worker has the task again after a recovery was commanded, and how fast many cases are
//! recovered at once, against the engine's own rate: the same instances and the same running fleet, the messages correlated
//! without desk, relay and controller.

mod effects;
mod rounds;
mod world;

use anyhow::{Result, ensure};
use clap::Parser;
use fallout::{config::Settings, telemetry::Telemetry};
use fallout_tests::figures::{Ratio, median};
use rounds::{Bulk, Round};
use world::World;

#[derive(Debug, Parser)]
#[command(about = "How soon a recovery is dispatched, and how fast many are, against the engine's own rate")]
struct Args {
    /// How often each of the two is run, one after the other.
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Cases per run.
    #[arg(long, default_value_t = 10_000)]
    cases: usize,
    /// Commands whose time to the worker is taken, one after the other.
    #[arg(long, default_value_t = 300)]
    commands: usize,
    /// `cargo bench` says it.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    ensure!(args.pairs > 0 && args.cases > 0 && args.commands > 0, "at least one pair, one case and one command");
    let _told = Telemetry::start(&Settings::default().telemetry, "warn")?;
    let runtime = tokio::runtime::Runtime::new()?;
    let world = World::start()?;
    runtime.block_on(measure(&world, &args))?;
    // A long poll of a stopped fleet may still be pending; nobody waits for it.
    drop(world);
    std::process::exit(0);
}

async fn measure(world: &World, args: &Args) -> Result<()> {
    println!("{}", world.describe().await?);
    let mut waits = Round::parked(world, args.commands).await?.one_by_one().await?;
    waits.sort_by(f64::total_cmp);
    let p99 = waits[(waits.len() * 99).div_ceil(100) - 1];
    println!("command to dispatch: median {:.0} ms, p99 {p99:.0} ms, of {} commands", median(&waits), waits.len());

    println!("{:>4}  {:>12}  {:>12}", "pair", "raw/s", "bulk/s");
    let (mut raw, mut bulk, mut all) = (Vec::new(), Vec::new(), Bulk::default());
    for pair in 0..args.pairs {
        // Each is first equally often.
        for turn in 0..2 {
            let round = Round::parked(world, args.cases).await?;
            if (pair + turn) % 2 == 0 {
                raw.push(args.cases as f64 / round.raw().await?);
            } else {
                let (seconds, done) = round.bulk().await?;
                bulk.push(args.cases as f64 / seconds);
                all.add(&done);
            }
        }
        println!("{:>4}  {:>12.1}  {:>12.1}", pair + 1, raw[pair], bulk[pair]);
    }
    let ratio = Ratio::of(&bulk, &raw);
    println!("\nbulk against raw correlation: {ratio}");
    println!(
        r#"{{"command_to_dispatch_p99_ms":{p99:.0},"bulk_vs_raw_correlation":{:.3},"bulk":{{"cases":{},"recovered":{},"twice":{}}}}}"#,
        ratio.median, all.cases, all.recovered, all.twice,
    );
    Ok(())
}
