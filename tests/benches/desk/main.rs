//! `make bench-desk`: what a signal costs at the desk, in ratios taken in one run, since absolute figures move by a factor
//! of two on a shared machine; what a storm of them leaves behind; and how long a worklist takes over a million cases.

mod place;
mod signals;
mod storm;
mod worklist;

use anyhow::{Result, ensure};
use clap::Parser;
use fallout::config::Settings;
use fallout_desk::Desk;
use fallout_store::Store;
use fallout_tests::figures::{Ratio, median};
use place::Place;
use serde_json::json;

#[derive(Debug, Parser)]
#[command(about = "Signals, storms and worklists of the desk")]
struct Args {
    /// How often each pair is run.
    #[arg(long, default_value_t = 7)]
    pairs: usize,
    /// Seconds per run.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Orders in the storm.
    #[arg(long, default_value_t = 10_000)]
    orders: usize,
    /// How often each of them is told.
    #[arg(long, default_value_t = 10)]
    told: usize,
    /// Cases that the worklists are asked over; 0 leaves them out.
    #[arg(long, default_value_t = 1_000_000)]
    cases: u32,
    /// Be the storm, on this database; used by the bench itself.
    #[arg(long, hide = true)]
    storm_on: Option<String>,
    /// `cargo bench` says it.
    #[arg(long, hide = true)]
    bench: bool,
}

/// As many as the most clients.
const CONNECTIONS: u32 = 16;

fn desk(database: &str) -> Result<Desk> {
    Ok(Desk::new(Store::new(database, CONNECTIONS)?, Settings::default().catalogue()?.into()))
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    if let Some(database) = &args.storm_on {
        let took = storm::rage(&desk(database)?, args.orders, args.told).await?;
        println!("{}", serde_json::to_string(&took)?);
        return Ok(());
    }
    ensure!(args.pairs > 0 && args.seconds > 0, "at least one pair of one second");
    let place = Place::start().await?;
    println!("{}", place.describe().await?);
    let desk = desk(&place.database())?;
    signals::prepare(&place, &desk).await?;
    let mut against_plain = Vec::new();
    let mut alone = Vec::new();
    for clients in [1, 16] {
        let (ratio, rates) = compare(&place, &desk, clients, &args).await?;
        println!("{clients:>2} clients, desk against plain SQL: {ratio}");
        against_plain.push(ratio.median);
        if clients == 1 {
            alone = rates;
        }
    }
    let batched = batches(&desk, &args, &alone).await?;
    println!("batches of {} against one by one: {batched}", signals::BATCH);
    let storm = storm::run(&place, args.orders, args.told)?;
    println!("storm: {} signals in {:.1} s, {} cases", storm.signals, storm.seconds, storm.cases);
    let worklist = match args.cases {
        0 => None,
        cases => Some(place.worklist(cases).await?),
    };
    println!(
        "{}",
        json!({
            "signal_vs_pgbench": rounded(against_plain.iter().copied().fold(f64::INFINITY, f64::min)),
            "batch_vs_single": rounded(batched.median),
            "storm": {
                "signals": storm.signals, "cases": storm.cases, "problems": storm.problems, "lost": storm.lost,
                "rss_growth_mb": rounded(storm.rss_growth_mb),
            },
            "worklist_p99_ms": worklist.map(rounded),
        })
    );
    Ok(())
}

fn rounded(figure: f64) -> f64 {
    (figure * 1_000.0).round() / 1_000.0
}

/// Desk and plain SQL in turns, each first equally often; the rates of the desk too.
async fn compare(place: &Place, desk: &Desk, clients: usize, args: &Args) -> Result<(Ratio, Vec<f64>)> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for pair in 0..args.pairs {
        for turn in 0..2 {
            if (pair + turn) % 2 == 0 {
                ours.push(signals::singles(desk, clients, args.seconds).await?);
            } else {
                theirs.push(signals::pgbench(place, clients, args.seconds)?);
            }
        }
        println!("{clients:>2} clients  desk {:>7.0}/s  plain SQL {:>7.0}/s", ours[pair], theirs[pair]);
    }
    Ok((Ratio::of(&ours, &theirs), ours))
}

/// Against singles of one client.
async fn batches(desk: &Desk, args: &Args, alone: &[f64]) -> Result<Ratio> {
    let mut batched = Vec::new();
    for _ in 0..args.pairs {
        batched.push(signals::batches(desk, args.seconds).await?);
    }
    println!("batches {:>7.0}/s, one by one {:>7.0}/s", median(&batched), median(alone));
    Ok(Ratio::of(&batched, alone))
}
