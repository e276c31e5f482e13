//! The three links of one worker, each through a proxy; and the matrix over the link to the engine and the one to the
//! database: before and after every message, each way to end a connection.

use std::{collections::BTreeSet, time::Duration};

use anyhow::Result;
use fallout::{adapter::DeskLedger, roles::setup::Setup};
use fallout_core::operation::Operation;
use fallout_fleet::{Drained, Probes};
use tokio::{sync::watch, task::JoinHandle};

use super::{
    judge::Run,
    lanes::{PATIENCE, begin, count, each, next_order, next_rejected, told},
    place::{Ground, Wiring, operation},
    proxy::{Cut, End, Message, Plan, Proxy, Side, Strike, Upstream},
    tally::Tally,
};

/// A connection of ours to the database that hangs does so for longer than a lock is extended and a call is waited for.
const DATABASE_HANGS: Duration = Duration::from_secs(4);

/// The links of one worker.
#[derive(Debug)]
pub struct Links {
    pub downstream: Proxy,
    pub engine: Proxy,
    pub database: Proxy,
}

impl Links {
    pub async fn start(ground: &Ground, downstream: &str) -> Result<Links> {
        let to = Upstream::Tcp(ground.downstreams.address(downstream)?);
        Ok(Links {
            downstream: Proxy::start(to, PATIENCE).await?,
            engine: Proxy::start(Upstream::Tcp(ground.dispatcher.at()), PATIENCE).await?,
            database: Proxy::start(Upstream::Unix(ground.socket.clone()), DATABASE_HANGS).await?,
        })
    }

    /// What a worker is given that works through them.
    pub fn wiring(&self, ground: &Ground, op: &Operation) -> Wiring {
        Wiring {
            database: format!(
                "postgres://{name}@127.0.0.1:{}/{name}?sslmode=disable",
                self.database.port(),
                name = ground.database_name
            ),
            engine: format!("{}{}", self.engine.url(), ground.dispatcher.path()),
            downstreams: [(op.downstream.clone(), self.downstream.url())].into(),
            ..ground.wiring(vec![op.clone()])
        }
    }
}

/// A fleet of this process, to be stopped.
#[derive(Debug)]
pub struct Worker {
    setup: Setup,
    stop: watch::Sender<bool>,
    running: JoinHandle<Drained>,
}

impl Worker {
    pub fn start(wiring: &Wiring) -> Result<Worker> {
        let setup = wiring.setup()?;
        let (stop, stopped) = watch::channel(false);
        let fleet = wiring.fleet(&setup, DeskLedger(setup.desk.clone()), Probes::default());
        Ok(Worker { setup, stop, running: tokio::spawn(fleet.run(stopped, Default::default())) })
    }

    pub async fn stop(self) -> Result<()> {
        self.stop.send_replace(true);
        self.running.await?;
        self.setup.store.close().await;
        Ok(())
    }
}

/// The operation with a topic of its own: what a stopped worker left at the engine then meets no later run.
pub fn own_topic(op: &Operation, order: &str) -> Operation {
    Operation { name: format!("{}.{order}", op.name), ..op.clone() }
}

/// Straight to everything, for taking orders in and for judging: knows the operation of every run.
pub fn office(ground: &Ground, operations: Vec<Operation>) -> Result<Setup> {
    Wiring { connections: 24, ..ground.wiring(operations) }.setup()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    Engine,
    Database,
}

impl Link {
    pub fn word(self) -> &'static str {
        match self {
            Link::Engine => "engine",
            Link::Database => "database",
        }
    }
}

/// How the step of a run ends when nothing is broken: each verb of a report once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    Completes,
    /// The answer of its first exchange is lost, and asked for.
    LooksUp,
    Rejects,
    /// The answer of its first exchange is lost, and nobody can be asked.
    Parks,
}

impl Course {
    fn operation(self) -> &'static str {
        match self {
            Course::Completes | Course::Rejects => "post-keyed",
            Course::LooksUp => "post-asked",
            Course::Parks => "post-unkeyed",
        }
    }

    fn order(self) -> String {
        if self == Course::Rejects { next_rejected() } else { next_order() }
    }

    fn word(self) -> &'static str {
        match self {
            Course::Completes => "completes",
            Course::LooksUp => "looks up",
            Course::Rejects => "is rejected",
            Course::Parks => "parks",
        }
    }

    fn plan(self) -> Option<Plan> {
        let cut = Cut { side: Side::Answer, after: 0, end: End::Fin };
        matches!(self, Course::LooksUp | Course::Parks).then(|| Plan { cut: Some(cut), ..Plan::default() })
    }
}

struct Job {
    order: String,
    course: Course,
    link: Link,
    /// The number of the message, and whether it is delivered before the connection ends.
    at: Option<(usize, bool, End)>,
}

/// Every `every`th message boundary of a link, `width` runs at a time.
pub async fn run(ground: &Ground, link: Link, every: usize, width: usize, tally: &mut Tally) -> Result<()> {
    let mut jobs = Vec::new();
    for course in [Course::Completes, Course::LooksUp, Course::Rejects, Course::Parks] {
        let job = |at| Job { order: course.order(), course, link, at };
        let whole = job(None);
        let office = office(ground, vec![own_topic(&operation(course.operation())?, &whole.order)])?;
        let (run, messages) = one(ground, &office, &whole).await?;
        count(&office, &ground.downstreams, &[run], tally).await?;
        office.store.close().await;
        let places = (1..=messages + 2).filter(|at| every == 1 || at % every == 0);
        let places = places.flat_map(|at| [(at, false), (at, true)]);
        jobs.extend(places.flat_map(|(at, after)| End::ALL.map(|end| (at, after, end))).map(Some).map(job));
    }
    let topic = |job: &Job| Ok(own_topic(&operation(job.course.operation())?, &job.order));
    let office = office(ground, jobs.iter().map(topic).collect::<Result<_>>()?)?;
    let runs = each(jobs, width, async |job| Ok(one(ground, &office, &job).await?.0)).await?;
    count(&office, &ground.downstreams, &runs, tally).await?;
    office.store.close().await;
    Ok(())
}

/// One run, and how many messages passed.
async fn one(ground: &Ground, office: &Setup, job: &Job) -> Result<(Run, usize)> {
    let op = own_topic(&operation(job.course.operation())?, &job.order);
    let links = Links::start(ground, &op.downstream).await?;
    links.downstream.arm(job.course.plan());
    let proxy = if job.link == Link::Engine { &links.engine } else { &links.database };
    if let Some((number, after, end)) = job.at {
        proxy.watch(move |message| strike_at(message, number, after, end));
    }
    let instance = begin(office, &ground.dispatcher, &job.order, &op.name).await?;
    let worker = Worker::start(&links.wiring(ground, &op))?;
    let told = told(&ground.dispatcher, &instance, PATIENCE).await?;
    let (messages, struck) = (proxy.messages(), proxy.struck());
    worker.stop().await?;
    ground.dispatcher.forget(&instance).await?;
    Ok((Run { row: row(job, struck), order: job.order.clone(), what: what(job), told }, messages))
}

fn strike_at(message: &Message<'_>, number: usize, after: bool, end: End) -> Option<Strike> {
    let strike = if after { Strike::After(end) } else { Strike::Before(end) };
    (message.number == number).then_some(strike)
}

fn row(job: &Job, struck: usize) -> (&'static str, String) {
    let kind = match job.at {
        Some((_, after, end)) if struck > 0 => {
            format!("{} {} a message", end.word(), if after { "after" } else { "before" })
        }
        // The run was over before this message: it counts as one where nothing was cut.
        _ => "none".to_owned(),
    };
    (job.link.word(), kind)
}

fn what(job: &Job) -> String {
    let course = job.course.word();
    match job.at {
        None => course.to_owned(),
        Some((number, after, end)) => {
            format!("{course}, {} {} message {number}", end.word(), if after { "after" } else { "before" })
        }
    }
}

/// How a link stands in a run where more than one thing goes wrong. A fault meets the first who comes to the call that
/// matters: the request itself, the report, the commit of the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Up,
    CutBefore,
    CutAfter,
    Hang,
}

impl State {
    pub const ALL: [State; 4] = [State::Up, State::CutBefore, State::CutAfter, State::Hang];

    pub fn word(self) -> &'static str {
        match self {
            State::Up => "up",
            State::CutBefore => "cut before",
            State::CutAfter => "cut after",
            State::Hang => "hang",
        }
    }
}

impl Links {
    /// Each link breaks once, at its call that matters.
    pub fn break_once(&self, downstream: State, engine: State, database: State) {
        break_at(&self.downstream, downstream, |_| true);
        break_at(&self.engine, engine, |message| is_report(message.begins));
        let mut with_evidence = BTreeSet::new();
        break_at(&self.database, database, move |message| {
            if contains(message.begins, b"insert into evidence") {
                with_evidence.insert(message.connection);
            }
            with_evidence.contains(&message.connection) && contains(message.begins, b"COMMIT")
        });
    }
}

/// Before the request is delivered, or after it was and its answer is not.
fn break_at(proxy: &Proxy, state: State, mut matters: impl FnMut(&Message<'_>) -> bool + Send + 'static) {
    if state == State::Up {
        return;
    }
    let mut asked = None;
    proxy.watch(move |message| match (message.side, state) {
        (Side::Request, _) => {
            if !matters(message) {
                return None;
            }
            asked = Some(message.connection);
            (state == State::CutBefore).then_some(Strike::Before(End::Reset))
        }
        (Side::Answer, State::Hang) if asked == Some(message.connection) => Some(Strike::Before(End::Hang)),
        (Side::Answer, _) if asked == Some(message.connection) => Some(Strike::Before(End::Fin)),
        (Side::Answer, _) => None,
    });
}

fn is_report(request: &[u8]) -> bool {
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    ["/complete ", "/failure ", "/bpmnError "].iter().any(|verb| contains(line, verb.as_bytes()))
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
