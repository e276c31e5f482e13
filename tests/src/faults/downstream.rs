//! The link to a downstream, cut at every byte of every request and answer. Without an engine: what matters is what the
//! fleet, the ledger and the downstream make of it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use fallout::roles::setup::Setup;
use fallout_core::operation::Operation;
use fallout_fleet::{Ledger, Probes};
use tokio::sync::watch;

use super::{
    judge::Run,
    lanes::{PATIENCE, begin, count, each, next_order, told},
    place::{Ground, Wiring, operation},
    proxy::{Cut, End, Plan, Proxy, Side, Upstream},
    tally::Tally,
};

/// How much of the matrix.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Operations, by name.
    pub operations: Vec<&'static str>,
    /// Cut after every so many bytes (and at both ends): 1 is every byte.
    pub every: usize,
    /// Runs at a time.
    pub width: usize,
}

/// Every operation of the matrix, as the table calls them.
pub const ALL: [&str; 6] = ["post-keyed", "post-replayed", "post-unkeyed", "post-empty", "post-asked", "put"];

fn link(operation: &str) -> &'static str {
    match operation {
        "post-keyed" => "downstream: POST keyed",
        "post-replayed" => "downstream: POST keyed, no lookup",
        "post-unkeyed" => "downstream: POST unkeyed",
        "post-empty" => "downstream: POST with empty body",
        "post-asked" => "downstream: POST unkeyed, with lookup",
        _ => "downstream: PUT",
    }
}

/// One run: the plans of its connections, first to last; those after them pass.
struct Job {
    kind: String,
    what: String,
    plans: Vec<Plan>,
}

/// One proxy with the operation that goes through it.
struct Lane {
    proxy: Proxy,
    topic: String,
}

/// Runs the scope over ledgers made by `ledger`.
pub async fn run<L: Ledger>(
    ground: &Ground,
    scope: &Scope,
    ledger: impl Fn(&Setup) -> L,
    tally: &mut Tally,
) -> Result<()> {
    for name in &scope.operations {
        run_operation(ground, scope, &operation(name)?, &ledger, tally).await?;
    }
    Ok(())
}

async fn run_operation<L: Ledger>(
    ground: &Ground,
    scope: &Scope,
    op: &Operation,
    ledger: impl Fn(&Setup) -> L,
    tally: &mut Tally,
) -> Result<()> {
    let (lanes, wiring) = lanes(ground, scope, op).await?;
    let dispatcher = &ground.dispatcher;
    let setup = wiring.setup()?;
    let (stop, stopped) = watch::channel(false);
    let fleet = tokio::spawn(wiring.fleet(&setup, ledger(&setup), Probes::default()).run(stopped, Default::default()));
    let free = Mutex::new(lanes);
    let one = async |job: Job| -> Result<(Run, Vec<(usize, usize)>)> {
        let lane = free.lock().unwrap_or_else(PoisonError::into_inner).pop().context("a lane is free")?;
        lane.proxy.reset();
        lane.proxy.arm(job.plans);
        let order = next_order();
        let instance = begin(&setup, dispatcher, &order, &lane.topic).await?;
        let told = told(dispatcher, &instance, PATIENCE).await?;
        let passed = lane.proxy.passed();
        lane.proxy.reset();
        free.lock().unwrap_or_else(PoisonError::into_inner).push(lane);
        dispatcher.forget(&instance).await?;
        Ok((Run { row: (link(&op.name), job.kind), order, what: job.what, told }, passed))
    };
    // The first run is whole, and says how many bytes there are to cut.
    let (whole, passed) = one(Job { kind: "none".into(), what: "uncut".into(), plans: Vec::new() }).await?;
    let lengths = *passed.first().context("one connection passed")?;
    let mut runs = each(jobs(lengths, scope.every), scope.width, async |job| Ok(one(job).await?.0)).await?;
    runs.push(whole);
    stop.send_replace(true);
    fleet.await?;
    count(&setup, &ground.downstreams, &runs, tally).await?;
    setup.store.close().await;
    Ok(())
}

/// As many lanes as runs at a time: to each its own topic and address, since one fleet serves them all.
async fn lanes(ground: &Ground, scope: &Scope, op: &Operation) -> Result<(Vec<Lane>, Wiring)> {
    let (mut lanes, mut downstreams, mut operations) = (Vec::new(), BTreeMap::new(), Vec::new());
    let to = ground.downstreams.address(&op.downstream)?;
    for number in 0..scope.width {
        let topic = format!("{}.{number:03}", op.name);
        let proxy = Proxy::start(Upstream::Tcp(to), PATIENCE).await?;
        downstreams.insert(topic.clone(), proxy.url());
        operations.push(Operation { name: topic.clone(), downstream: topic.clone(), ..op.clone() });
        lanes.push(Lane { proxy, topic });
    }
    let wiring = Wiring {
        downstreams,
        lock_duration_ms: 20_000,
        permits: scope.width as u32,
        connections: 24,
        ..ground.wiring(operations)
    };
    Ok((lanes, wiring))
}

/// Every cut of the scope, and what is merely late.
fn jobs((request, answer): (usize, usize), every: usize) -> Vec<Job> {
    let mut jobs = Vec::new();
    for end in End::ALL {
        for (side, length) in [(Side::Request, request), (Side::Answer, answer)] {
            jobs.extend(places(length, every).map(|after| cut(end, side, after, 1)));
            // What is made of it, a lookup or a retry, is cut as well.
            jobs.extend(places(length, every * 16).map(|after| cut(end, side, after, 2)));
        }
    }
    jobs.extend([100, 200, 350, 500, 700].map(late));
    jobs.extend([20_000, 2_000, 1_000, 500].map(slow));
    jobs
}

/// Both ends and every so many between.
fn places(length: usize, every: usize) -> impl Iterator<Item = usize> {
    (0..=length).filter(move |at| at % every == 0 || *at == length || *at + 1 == length || *at == 1)
}

fn cut(end: End, side: Side, after: usize, times: usize) -> Job {
    let plan = Plan { cut: Some(Cut { side, after, end }), ..Plan::default() };
    let word = if side == Side::Request { "request" } else { "answer" };
    let (again, twice) = if times > 1 { (" twice", ", twice") } else { ("", "") };
    Job {
        kind: format!("{}{again}", end.word()),
        what: format!("{word} cut after byte {after}{twice}"),
        plans: vec![plan; times],
    }
}

/// Up to the time that nobody waits for the answer any more, and beyond: the request still arrives.
fn late(ms: u64) -> Job {
    let plan = Plan { delay: Duration::from_millis(ms), ..Plan::default() };
    Job { kind: "late".into(), what: format!("{ms} ms late"), plans: vec![plan] }
}

fn slow(bytes_per_s: u32) -> Job {
    let plan = Plan { bytes_per_s: Some(bytes_per_s), ..Plan::default() };
    Job { kind: "slow".into(), what: format!("{bytes_per_s} bytes per second"), plans: vec![plan] }
}
