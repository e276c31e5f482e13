//! Workers that are killed at every point of a task, while their links break too; a successor takes over each time.

use std::path::Path;

use anyhow::Result;
use fallout::roles::setup::Setup;
use fallout_fleet::Point;
use tokio::time::{Duration, Instant, sleep};

use super::{
    broken::Wrong,
    judge::Run,
    lanes::{PATIENCE, begin, count, each, next_order, told},
    links::{Links, State, Worker, office, own_topic},
    pairs::pairwise,
    place::{Ground, operation},
    tally::Tally,
    victim::{Fate, Orders, Victim},
};

/// Longer than a victim needs whose links break; one that has not come to its point by then is killed where it is.
const COMES_TO_ITS_POINT: Duration = Duration::from_secs(15);

/// One row of the choice.
#[derive(Clone, Debug)]
pub struct Crash {
    pub point: Point,
    pub downstream: State,
    pub engine: State,
    pub database: State,
    pub operation: &'static str,
    pub wrong: Option<Wrong>,
}

/// Every point with every state of every link, pairwise.
pub fn all(operation: &'static str) -> Vec<Crash> {
    let states = State::ALL.len();
    let rows = pairwise(&[Point::ALL.len(), states, states, states]);
    let crash = |row: Vec<usize>| Crash {
        point: Point::ALL[row[0]],
        downstream: State::ALL[row[1]],
        engine: State::ALL[row[2]],
        database: State::ALL[row[3]],
        operation,
        wrong: None,
    };
    rows.into_iter().map(crash).collect()
}

/// `program`: where `fallout-faults` is.
pub async fn run(ground: &Ground, program: &Path, crashes: Vec<Crash>, width: usize, tally: &mut Tally) -> Result<()> {
    let jobs: Vec<(String, Crash)> = crashes.into_iter().map(|crash| (next_order(), crash)).collect();
    let topic = |(order, crash): &(String, Crash)| Ok(own_topic(&operation(crash.operation)?, order));
    let office = office(ground, jobs.iter().map(topic).collect::<Result<_>>()?)?;
    let one = async |(order, crash): (String, Crash)| one(ground, &office, program, order, crash).await;
    let runs = each(jobs, width, one).await?;
    count(&office, &ground.downstreams, &runs, tally).await?;
    office.store.close().await;
    Ok(())
}

async fn one(ground: &Ground, office: &Setup, program: &Path, order: String, crash: Crash) -> Result<Run> {
    let op = own_topic(&operation(crash.operation)?, &order);
    let links = Links::start(ground, &op.downstream).await?;
    links.break_once(crash.downstream, crash.engine, crash.database);
    let wiring = links.wiring(ground, &op);
    let fate = Fate::at(crash.point, 1, libc::SIGKILL);
    let orders = Orders { wrong: crash.wrong, ..Orders::new(wiring.clone(), Some(fate)) };
    let mut victim = Victim::start(program, &orders)?;
    let instance = begin(office, &ground.dispatcher, &order, &op.name).await?;
    let end = Instant::now() + COMES_TO_ITS_POINT;
    while !victim.has_ended() && Instant::now() < end {
        sleep(Duration::from_millis(20)).await;
    }
    let came = victim.has_ended();
    victim.signal(libc::SIGKILL);
    let successor = Worker::start(&wiring)?;
    let told = told(&ground.dispatcher, &instance, PATIENCE).await?;
    successor.stop().await?;
    ground.dispatcher.forget(&instance).await?;
    let Crash { point, downstream, engine, database, operation, .. } = crash;
    let [downstream, engine, database] = [downstream, engine, database].map(State::word);
    Ok(Run {
        row: ("worker killed", if came { point.word() } else { "wherever its broken links held it" }.to_owned()),
        order,
        what: format!("{operation} at {}; downstream {downstream}, engine {engine}, database {database}", point.word()),
        told,
    })
}
