//! The loop around the tasks: fetches go out and come back, alarms ring, the engine or the ledger goes away and comes back.
//! What goes out, and when, is in `turn`. A permit comes before every fetch; nothing is fetched before the ledger has
//! answered once, nor while it is away.

use std::{
    collections::{BTreeSet, HashMap},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use fallout_camunda::{EngineError, LockedTask};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, watch},
    task::{Id, JoinError, JoinSet},
    time::{Instant, sleep_until},
};
use tracing::Instrument;

use crate::{
    Away, FleetConfig, Ledger, LedgerError,
    alarm::Alarms,
    errand::{Ask, Brought, Errand},
    fleet::Flow,
    identity::WorkerIds,
    life::Slot,
    sweep::sweep,
    turn::Want,
};

#[derive(Debug)]
pub(crate) struct Rounds<L> {
    pub flow: Arc<Flow<L>>,
    pub permits: Arc<Semaphore>,
    pub total: u32,
    /// Owned: aborted when the rounds are dropped.
    pub errands: JoinSet<Brought>,
    pub under_way: HashMap<Id, Errand>,
    alarms: Alarms,
    wake: Arc<Notify>,
    ids: WorkerIds,
    /// Topics that people declared offline; none when nobody says.
    declared: Option<watch::Receiver<BTreeSet<String>>>,
    pub poll_timeout: Duration,
    engine_away: Away,
    ledger_away: Away,
    pub paused_until: Option<Instant>,
    /// Per lane.
    pub wants: Vec<Want>,
    /// With which lane the next turn begins.
    pub first: usize,
    /// When a lane without room can have some again.
    pub room_at: Option<Instant>,
}

impl<L: Ledger> Rounds<L> {
    pub fn new(flow: Arc<Flow<L>>, alarms: Alarms, wake: Arc<Notify>, ids: WorkerIds, config: &FleetConfig) -> Self {
        let total = config.permits.max(1);
        let wants = vec![Want::default(); flow.shares.lanes()];
        Rounds {
            flow,
            permits: Arc::new(Semaphore::new(total as usize)),
            total,
            errands: JoinSet::new(),
            under_way: HashMap::new(),
            alarms,
            wake,
            ids,
            declared: None,
            poll_timeout: config.poll_timeout,
            engine_away: Away::new("the engine"),
            ledger_away: Away::new("the ledger"),
            paused_until: None,
            wants,
            first: 0,
            room_at: None,
        }
    }

    pub fn leave_out(&mut self, declared: Option<watch::Receiver<BTreeSet<String>>>) {
        self.declared = declared;
        self.take_declared();
    }

    fn take_declared(&mut self) {
        if let Some(declared) = &mut self.declared {
            self.flow.shares.declare(&declared.borrow_and_update(), Instant::now());
            // Of what comes back there may be tasks that no poll was told of.
            self.look_everywhere();
        }
    }

    pub async fn run(&mut self) -> Infallible {
        loop {
            self.set_out();
            let flow = Arc::clone(&self.flow);
            let again = self.paused_until.or(self.room_at);
            tokio::select! {
                Some(done) = self.errands.join_next_with_id() => self.came_back(done),
                () = self.alarms.ring() => self.look_everywhere(),
                () = self.wake.notified() => self.look_everywhere(),
                said = changed(&mut self.declared) => match said {
                    true => self.take_declared(),
                    false => self.declared = None,
                },
                () = flow.gate.closes() => {}
                () = flow.shares.changed() => {}
                () = sleep_until(again.unwrap_or_else(Instant::now)), if again.is_some() => self.paused_until = None,
            }
        }
    }

    pub fn fetch(
        &mut self,
        errand: fn(Ask) -> Errand,
        lanes: Vec<usize>,
        permits: OwnedSemaphorePermit,
        wait: Option<Duration>,
    ) {
        for lane in &lanes {
            self.wants[*lane] = Want::default();
        }
        let ask = Ask { worker_id: self.ids.next(), lanes, most: permits.num_permits() as u32, wait };
        let flow = Arc::clone(&self.flow);
        let asked = ask.clone();
        let span = tracing::info_span!("receive", worker = ask.worker_id);
        let call = async move { Brought::Tasks(flow.fetch(&asked).await, permits) };
        let id = self.errands.spawn(call.instrument(span)).id();
        self.under_way.insert(id, errand(ask));
    }

    pub fn ask_ledger(&mut self) {
        if !self.under_way.values().any(|errand| matches!(errand, Errand::Ready)) {
            let flow = Arc::clone(&self.flow);
            let id = self.errands.spawn(async move { Brought::Ready(flow.ledger.ready().await) }).id();
            self.under_way.insert(id, Errand::Ready);
        }
    }

    fn came_back(&mut self, done: Result<(Id, Brought), JoinError>) {
        let (id, brought) = match done {
            Ok((id, brought)) => (id, Some(brought)),
            Err(error) => (error.id(), None),
        };
        match (self.under_way.remove(&id), brought) {
            (Some(Errand::Standing(ask) | Errand::Extra(ask)), Some(Brought::Tasks(result, permits))) => {
                self.want_more(&ask, result.as_deref());
                self.fetched(&ask, result, permits);
            }
            (_, Some(Brought::Ready(result))) => self.ledger_said(result),
            (_, Some(Brought::Swept | Brought::Tasks(..))) => {}
            (errand, None) => {
                tracing::error!(?errand, "a part of the fleet panicked; it is started again");
                self.paused_until = Some(Instant::now() + self.engine_away.pause());
            }
        }
    }

    pub(crate) fn fetched(
        &mut self,
        ask: &Ask,
        result: Result<Vec<LockedTask>, EngineError>,
        permits: OwnedSemaphorePermit,
    ) {
        match result {
            Ok(tasks) => {
                self.engine_away.answered();
                self.seat(tasks, permits);
            }
            Err(error) => {
                if matches!(error, EngineError::Unknown { .. }) {
                    self.sweep(ask);
                }
                self.paused_until = Some(Instant::now() + self.engine_away.failed(&error));
            }
        }
    }

    fn seat(&self, tasks: Vec<LockedTask>, mut permits: OwnedSemaphorePermit) {
        let (now, flow) = (Instant::now(), &self.flow);
        let (mut seated, mut turned_away) = (Vec::new(), Vec::new());
        for task in tasks {
            let Some(permit) = permits.split(1) else { break };
            match flow.shares.lane(&task.topic_name).map(|lane| flow.shares.sit(lane, now)).transpose() {
                Ok(seat) => seated.push((task, Slot::new(&flow.life, permit, seat))),
                Err(wait) => turned_away.push((task, permit, wait)),
            }
        }
        if !seated.is_empty() {
            tokio::spawn(Arc::clone(flow).take_in_hand(seated));
        }
        if !turned_away.is_empty() {
            tokio::spawn(Arc::clone(flow).turn_away(turned_away));
        }
    }

    fn sweep(&mut self, ask: &Ask) {
        let (flow, worker_id) = (Arc::clone(&self.flow), ask.worker_id.clone());
        // The engine does not notice that nobody listens: the poll goes on to its own end.
        let poll_ends = Instant::now() + ask.wait.unwrap_or_default();
        let call = async move {
            for at in [Instant::now(), poll_ends] {
                sleep_until(at).await;
                sweep(&flow, &worker_id).await;
            }
            Brought::Swept
        };
        let id = self.errands.spawn(call).id();
        self.under_way.insert(id, Errand::Sweep(ask.clone()));
    }

    fn ledger_said(&mut self, result: Result<(), LedgerError>) {
        match result {
            Ok(()) => {
                self.ledger_away.answered();
                self.flow.gate.open();
                // What was given back meanwhile can be had again.
                self.look_everywhere();
            }
            Err(why) => {
                // Said here when it never answered yet: no task has run into it.
                self.flow.gate.close(&why);
                self.paused_until = Some(Instant::now() + self.ledger_away.pause());
            }
        }
    }
}

/// False when whoever said it is gone: what was said last holds.
async fn changed(declared: &mut Option<watch::Receiver<BTreeSet<String>>>) -> bool {
    match declared {
        Some(declared) => declared.changed().await.is_ok(),
        None => std::future::pending().await,
    }
}
