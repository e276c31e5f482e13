//! One round: cases whose step is parked in a real engine, and the three ways in which they are recovered.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use fallout::{
    adapter::DeskLedger,
    config::Settings,
    roles::{setup::Setup, watch as controllers},
};
use fallout_camunda::{Correlation, Engine, MessageCorrelation, Variables};
use fallout_core::{
    action::{Action, command::RecoveryCommand},
    bulk::{BulkCaseState, BulkState},
    command::{ACTION_VARIABLE, EngineCommand, RECOVERY_MESSAGE},
    ids::CaseNumber,
};
use fallout_desk::{BulkCommand, Desk};
use fallout_downstream::Downstreams;
use fallout_fleet::{Drained, Fleet, FleetConfig, Handler, Point, Probes};
use fallout_watch::Controller;
use serde_json::json;
use tokio::{
    sync::{Notify, watch},
    task::{JoinHandle, JoinSet},
};

use crate::{
    effects::{self, ByPath},
    world::{TENANT, TOPIC, World, catalogue},
};

const PERMITS: u32 = 64;
/// More connections make the engine no faster: it is the bottleneck.
const CONNECTIONS: usize = 16;
const WHO: &str = "local:bench";

/// What became of the cases of bulks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bulk {
    pub cases: usize,
    pub recovered: usize,
    pub twice: usize,
}

impl Bulk {
    pub fn add(&mut self, other: &Bulk) {
        self.cases += other.cases;
        self.recovered += other.recovered;
        self.twice += other.twice;
    }
}

/// Reports and fetches of the fleet so far.
#[derive(Debug, Default)]
struct Seen {
    fetched: AtomicUsize,
    reported: AtomicUsize,
    more: Notify,
}

impl Seen {
    async fn until(&self, what: &AtomicUsize, wanted: usize) {
        while what.load(Ordering::SeqCst) < wanted {
            // Looked at again all the same: a notification between the look and the wait is not kept for everybody.
            let _ = tokio::time::timeout(Duration::from_millis(50), self.more.notified()).await;
        }
    }
}

pub struct Round {
    setup: Setup,
    cases: Vec<CaseNumber>,
    seen: Arc<Seen>,
    stop: watch::Sender<bool>,
    fleet: JoinHandle<Drained>,
}

impl Round {
    /// So many cases whose step is parked, and a fleet that waits for their tasks.
    pub async fn parked(world: &World, cases: usize) -> Result<Round> {
        effects::set_back(false);
        let store = world.store().await?;
        world.seed(&store, cases).await?;
        let (desk, engine) = (Desk::new(store.clone(), Arc::new(catalogue()?)), world.client()?);
        desk.load_reference("bench").await?;
        let downstreams = Arc::new(Downstreams::in_process(effects::effect));
        let mut settings = Settings::default();
        settings.tenant.id = TENANT.into();
        let catalogue = Arc::new(catalogue()?);
        let probes = fallout_watch::Probes::default();
        let setup = Setup { settings, catalogue, store, desk, engine, downstreams, probes, events: None };
        let (seen, (stop, stopped)) = (Arc::new(Seen::default()), watch::channel(false));
        let fleet = tokio::spawn(fleet(&setup, Arc::clone(&seen)).run(stopped, Arc::new(Notify::new())));
        seen.until(&seen.reported, cases).await;
        let open = setup.desk.cases(TENANT, true, None, cases + 1).await?;
        ensure!(open.len() == cases, "{} cases of {cases} are open", open.len());
        let cases = open.iter().map(|c| c.case_number.parse()).collect::<Result<_, _>>()?;
        effects::set_back(true);
        effects::counted();
        Ok(Round { setup, cases, seen, stop, fleet })
    }

    /// How long each worker waits for the task after the command was accepted, one command after the other, in ms.
    pub async fn one_by_one(self) -> Result<Vec<f64>> {
        let relay = self.controllers(&[Controller::Relay]);
        let mut waits = Vec::new();
        for (n, case) in self.cases.iter().enumerate() {
            let fetched = self.seen.fetched.load(Ordering::SeqCst);
            self.setup.desk.command(TENANT, WHO, &command(*case, &format!("one-{n}"))).await?;
            let accepted = Instant::now();
            self.seen.until(&self.seen.fetched, fetched + 1).await;
            waits.push(accepted.elapsed().as_secs_f64() * 1_000.0);
            self.seen.until(&self.seen.reported, self.cases.len() + n + 1).await;
        }
        relay.stop().await?;
        self.end().await?;
        Ok(waits)
    }

    /// The engine's own rate: the desk has accepted everything before, and the messages are correlated by nobody but us. In
    /// seconds.
    pub async fn raw(self) -> Result<f64> {
        self.accept_all().await?;
        let mut commands = Vec::new();
        loop {
            let page = self.setup.desk.take_commands(1_000).await?;
            if page.is_empty() {
                break;
            }
            commands.extend(page.into_iter().map(|pending| pending.command));
        }
        ensure!(commands.len() == self.cases.len(), "{} commands for {} cases", commands.len(), self.cases.len());
        let begun = Instant::now();
        let commands = Arc::new(commands);
        let mut senders = JoinSet::new();
        for sender in 0..CONNECTIONS {
            let (commands, engine) = (Arc::clone(&commands), self.setup.engine.clone());
            senders.spawn(async move {
                for command in commands.iter().skip(sender).step_by(CONNECTIONS) {
                    correlate(&engine, command).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(done) = senders.join_next().await {
            done??;
        }
        self.seen.until(&self.seen.reported, self.cases.len() * 2).await;
        let seconds = begun.elapsed().as_secs_f64();
        self.end().await?;
        Ok(seconds)
    }

    /// As an operator would: asked for once, until each case has its result. In seconds.
    pub async fn bulk(self) -> Result<(f64, Bulk)> {
        let watching = self.controllers(&[Controller::Relay, Controller::Bulk, Controller::Verify]);
        let cases: Vec<_> = self.cases.iter().map(|case| (*case, None)).collect();
        let ask = BulkCommand {
            tenant: TENANT,
            principal: WHO,
            action: Action::RetryStep,
            reason: "the bench",
            selection: &json!({}),
            pace: None,
            idempotency_key: "bench",
            cases: &cases,
        };
        let begun = Instant::now();
        let number = self.setup.desk.begin_bulk(&ask).await?.view.bulk.number;
        self.seen.until(&self.seen.reported, self.cases.len() * 2).await;
        while self.setup.desk.bulk_view(TENANT, number).await?.bulk.state != BulkState::Done {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let seconds = begun.elapsed().as_secs_f64();
        let counts = self.setup.desk.bulk_view(TENANT, number).await?.cases;
        let recovered = counts.iter().find(|(state, _)| *state == BulkCaseState::Recovered).map_or(0, |(_, n)| *n);
        watching.stop().await?;
        let cases = self.cases.len();
        let twice = self.end().await?;
        Ok((seconds, Bulk { cases, recovered: usize::try_from(recovered)?, twice }))
    }

    async fn accept_all(&self) -> Result<()> {
        let mut asking = JoinSet::new();
        for asker in 0..8 {
            let (desk, cases) = (self.setup.desk.clone(), self.cases.clone());
            asking.spawn(async move {
                for case in cases.iter().skip(asker).step_by(8) {
                    desk.command(TENANT, WHO, &command(*case, &format!("raw-{case}"))).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(done) = asking.join_next().await {
            done??;
        }
        Ok(())
    }

    fn controllers(&self, which: &'static [Controller]) -> Watching {
        let (stop, stopped) = watch::channel(false);
        let setup = self.setup.clone();
        Watching { stop, task: tokio::spawn(async move { controllers::run(&setup, which, stopped).await }) }
    }

    /// Stops the fleet; how many effects were made more than once.
    async fn end(self) -> Result<usize> {
        self.stop.send_replace(true);
        self.fleet.await.context("the fleet of a round")?;
        self.setup.store.close().await;
        let (made, twice) = effects::counted();
        ensure!(made == self.cases.len(), "{made} effects for {} cases", self.cases.len());
        Ok(twice)
    }
}

struct Watching {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Watching {
    async fn stop(self) -> Result<()> {
        self.stop.send_replace(true);
        self.task.await.context("the controllers of a round")
    }
}

fn fleet(setup: &Setup, seen: Arc<Seen>) -> Fleet<DeskLedger> {
    let config = FleetConfig {
        permits: PERMITS,
        lock_duration: Duration::from_secs(60),
        poll_timeout: Duration::from_secs(5),
        worker_name: "bench".into(),
        drain_timeout: Duration::from_secs(10),
    };
    let probes = Probes::new(move |point| {
        match point {
            Point::Fetched => seen.fetched.fetch_add(1, Ordering::SeqCst),
            Point::Reported => seen.reported.fetch_add(1, Ordering::SeqCst),
            _ => return,
        };
        seen.more.notify_waiters();
    });
    let operation = setup.catalogue.operations[TOPIC].clone();
    let operations = BTreeMap::from([(TOPIC.to_owned(), (operation, Arc::new(ByPath) as Arc<dyn Handler>))]);
    let ledger = Arc::new(DeskLedger(setup.desk.clone()));
    Fleet::new(config, setup.engine.clone(), Arc::clone(&setup.downstreams), operations, ledger, probes)
}

async fn correlate(engine: &Engine, command: &EngineCommand) -> Result<()> {
    let EngineCommand::Recover { action, process_instance_id, seen, take, .. } = command else { return Ok(()) };
    let keys = Variables::new().with(ACTION_VARIABLE, seen.as_str());
    let set = Variables::new().with(ACTION_VARIABLE, action.to_string()).with("recoveryAction", take.word());
    let correlation = MessageCorrelation {
        message_name: RECOVERY_MESSAGE,
        process_instance_id,
        correlation_keys: &keys,
        process_variables: &set,
    };
    match engine.correlate_message(&correlation).await? {
        Correlation::Correlated(_) => Ok(()),
        Correlation::NoMatch { message } => anyhow::bail!("nobody waits at {process_instance_id}: {message}"),
    }
}

fn command(case: CaseNumber, key: &str) -> RecoveryCommand {
    RecoveryCommand {
        idempotency_key: key.to_owned(),
        fallout_case_id: case.to_string(),
        action: Action::RetryStep.word().to_owned(),
        reason: "the bench".to_owned(),
        requested_by: WHO.to_owned(),
        ..Default::default()
    }
}
