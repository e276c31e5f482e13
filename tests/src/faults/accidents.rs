//! Workers that stall and wake up too late, that share their work, or whose clock is wrong: accidents of workers.

use std::{path::Path, time::Duration};

use anyhow::{Result, ensure};
use fallout::roles::setup::Setup;
use fallout_core::{ids::StepKey, operation::Operation};
use fallout_fleet::Point;
use fallout_store::{Scope, attempts};
use tokio::time::sleep;
use uuid::Uuid;

use super::{
    judge::{Run, identity},
    lanes::{PATIENCE, begin, count, each, next_order, told},
    links::{Links, Worker, office, own_topic},
    place::{Ground, operation},
    proxy::{Cut, End, Plan, Side},
    tally::{Row, Tally},
    victim::{Fate, Orders, Victim},
};

/// A worker stops dead at a point, wakes up after a while, and goes on as if nothing had been.
#[derive(Clone, Debug)]
pub struct Stall {
    pub point: Point,
    pub pause: Duration,
    pub operation: &'static str,
    /// Short: another worker comes while this one may still send. Long: when it may not any more.
    pub lock_duration_ms: u32,
}

/// Before the first byte at every moment that matters: within its time, after it, and around the lookups of its
/// successor; at every other point for longer than all of that takes.
pub fn stalls(operations: &[&'static str]) -> Vec<Stall> {
    let mut stalls = Vec::new();
    for operation in operations.iter().copied() {
        let stall = |point, ms, lock_duration_ms| Stall {
            point,
            pause: Duration::from_millis(ms),
            operation,
            lock_duration_ms,
        };
        let moments = [200, 500, 700, 1_000, 1_500, 2_000, 2_200, 2_400, 2_700, 3_000, 5_000];
        stalls.extend(moments.map(|ms| stall(Point::BeforeSend, ms, 1_200)));
        stalls.extend([500, 2_900, 3_100, 3_300, 3_600, 6_000].map(|ms| stall(Point::BeforeSend, ms, 3_000)));
        stalls.extend(Point::ALL.map(|point| stall(point, 4_000, 1_200)));
    }
    stalls
}

/// `program`: where `fallout-faults` is.
pub async fn stalled(
    ground: &Ground,
    program: &Path,
    stalls: Vec<Stall>,
    width: usize,
    tally: &mut Tally,
) -> Result<()> {
    let jobs: Vec<(String, Stall)> = stalls.into_iter().map(|stall| (next_order(), stall)).collect();
    let topic = |(order, stall): &(String, Stall)| Ok(own_topic(&operation(stall.operation)?, order));
    let office = office(ground, jobs.iter().map(topic).collect::<Result<_>>()?)?;
    let one = async |(order, stall): (String, Stall)| stalls_once(ground, &office, program, order, stall).await;
    let runs = each(jobs, width, one).await?;
    count(&office, &ground.downstreams, &runs, tally).await?;
    office.store.close().await;
    Ok(())
}

async fn stalls_once(ground: &Ground, office: &Setup, program: &Path, order: String, stall: Stall) -> Result<Run> {
    let op = own_topic(&operation(stall.operation)?, &order);
    let mut wiring = ground.wiring(vec![op.clone()]);
    wiring.lock_duration_ms = stall.lock_duration_ms;
    let fate = Fate::at(stall.point, 1, libc::SIGSTOP);
    let mut sleeper = Victim::start(program, &Orders::new(wiring.clone(), Some(fate)))?;
    let instance = begin(office, &ground.dispatcher, &order, &op.name).await?;
    sleeper.is_stopped().await?;
    let successor = Worker::start(&wiring)?;
    sleep(stall.pause).await;
    sleeper.signal(libc::SIGCONT);
    let told = told(&ground.dispatcher, &instance, PATIENCE).await?;
    // What it does with what it had in hand is part of the run.
    sleeper.end().await?;
    successor.stop().await?;
    ground.dispatcher.forget(&instance).await?;
    Ok(Run {
        row: ("worker stalled and woke up", stall.point.word().to_owned()),
        order,
        what: format!("{} for {} ms, lock of {} ms", stall.operation, stall.pause.as_millis(), stall.lock_duration_ms),
        told,
    })
}

/// Two workers serve one topic and one of them is killed at its third visit to each point.
pub async fn two_fleets(ground: &Ground, program: &Path, orders: usize, tally: &mut Tally) -> Result<()> {
    for point in Point::ALL {
        let op = own_topic(&operation("post-asked")?, &next_order());
        let links = troubled(ground, &op, orders).await?;
        let wiring = links.wiring(ground, &op);
        let doomed = Orders::new(wiring.clone(), Some(Fate::at(point, 3, libc::SIGKILL)));
        let mut doomed = Victim::start(program, &doomed)?;
        let other = Victim::start(program, &Orders::new(wiring, None))?;
        let row = ("two workers, one killed", point.word().to_owned());
        let died = async { doomed.dies().await };
        many(ground, &op, orders, row, tally, died).await?;
        other.end().await?;
    }
    Ok(())
}

/// A worker whose clock is off does everything, lookups and retries included.
pub async fn wrong_clock(ground: &Ground, program: &Path, orders: usize, tally: &mut Tally) -> Result<()> {
    for minutes in [-10, 10] {
        let op = own_topic(&operation("post-asked")?, &next_order());
        let links = troubled(ground, &op, orders).await?;
        let about = Orders { clock_off_s: minutes * 60, ..Orders::new(links.wiring(ground, &op), None) };
        let worker = Victim::start(program, &about)?;
        let row = ("worker's clock off", format!("{minutes:+} minutes"));
        let runs = many(ground, &op, orders, row, tally, async { Ok(()) }).await?;
        worker.end().await?;
        let off = clock_was_off(ground, &op, &runs[0].order).await?;
        ensure!((off - minutes * 60).abs() < 120, "the worker's clock was off by {off} s, not by {minutes} minutes");
    }
    Ok(())
}

/// By how many seconds the clock was off of the worker that made the first attempt: its id holds the time of its start.
async fn clock_was_off(ground: &Ground, op: &Operation, order: &str) -> Result<i64> {
    let office = office(ground, vec![op.clone()])?;
    let mut tx = office.store.begin(&Scope::Tenant(order.to_owned())).await?;
    let lines = attempts::lines(&mut tx, StepKey::of(&identity(order))).await?;
    tx.commit().await?;
    ensure!(!lines.is_empty(), "order {order} was never attempted");
    let started = lines[0].worker_id.split('/').nth(1).and_then(|id| id.parse::<Uuid>().ok());
    let started = started.and_then(|id| id.get_timestamp()).map_or(0, |at| at.to_unix().0 as i64);
    Ok(started - lines[0].opened_at.timestamp())
}

/// Links on which many orders take a while: answers are late, and every third is lost.
pub async fn troubled(ground: &Ground, op: &Operation, orders: usize) -> Result<Links> {
    let links = Links::start(ground, &op.downstream).await?;
    let plan = |number: usize| Plan {
        delay: Duration::from_millis(60),
        cut: number.is_multiple_of(3).then_some(Cut { side: Side::Answer, after: 0, end: End::Reset }),
        ..Plan::default()
    };
    links.downstream.arm((0..orders * 2).map(plan));
    Ok(links)
}

/// Many orders on one topic, and an accident meanwhile.
pub async fn many(
    ground: &Ground,
    op: &Operation,
    orders: usize,
    row: Row,
    tally: &mut Tally,
    accident: impl Future<Output = Result<()>>,
) -> Result<Vec<Run>> {
    let office = office(ground, vec![op.clone()])?;
    let one = async |order: String| {
        let instance = begin(&office, &ground.dispatcher, &order, &op.name).await?;
        let told = told(&ground.dispatcher, &instance, PATIENCE).await?;
        ground.dispatcher.forget(&instance).await?;
        Ok(Run { row: row.clone(), order, what: op.name.clone(), told })
    };
    let all = each((0..orders).map(|_| next_order()).collect(), orders, one);
    let (runs, happened) = tokio::join!(all, accident);
    happened?;
    let runs = runs?;
    count(&office, &ground.downstreams, &runs, tally).await?;
    office.store.close().await;
    Ok(runs)
}
