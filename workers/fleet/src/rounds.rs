//! When to fetch and how much. One standing long poll, and an extra look where a poll would sleep through: a retry that
//! falls due, a task handed back, a command of the relay. A permit comes before every fetch; nothing is fetched before the
//! ledger has answered once, nor while it is away.

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};

use fallout_camunda::{EngineError, LockedTask};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
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
    lock::AT_ONCE,
    sweep::sweep,
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
    poll_timeout: Duration,
    engine_away: Away,
    ledger_away: Away,
    paused_until: Option<Instant>,
    look: bool,
}

impl<L: Ledger> Rounds<L> {
    pub fn new(flow: Arc<Flow<L>>, alarms: Alarms, wake: Arc<Notify>, ids: WorkerIds, config: &FleetConfig) -> Self {
        let total = config.permits.max(1);
        Rounds {
            flow,
            permits: Arc::new(Semaphore::new(total as usize)),
            total,
            errands: JoinSet::new(),
            under_way: HashMap::new(),
            alarms,
            wake,
            ids,
            poll_timeout: config.poll_timeout,
            engine_away: Away::new("the engine"),
            ledger_away: Away::new("the ledger"),
            paused_until: None,
            look: false,
        }
    }

    pub async fn run(&mut self) -> Infallible {
        loop {
            self.set_out();
            let needs_permit = self.wants_to_fetch() && self.free() == 0;
            let (flow, permits) = (Arc::clone(&self.flow), Arc::clone(&self.permits));
            tokio::select! {
                Some(done) = self.errands.join_next_with_id() => self.came_back(done),
                () = self.alarms.ring() => self.look = true,
                () = self.wake.notified() => self.look = true,
                () = flow.gate.closes() => {}
                _ = permits.acquire(), if needs_permit => {}
                () = sleep_until(self.paused_until.unwrap_or_else(Instant::now)), if self.paused_until.is_some() => {
                    self.paused_until = None;
                }
            }
        }
    }

    /// Starts whatever can be started now.
    fn set_out(&mut self) {
        if self.paused_until.is_some() {
            return;
        }
        if self.flow.gate.is_closed() {
            return self.ask_ledger();
        }
        if !self.is_standing() {
            // The first thing a long poll does is to look.
            if let Some(permits) = self.take(self.free() - spared(self.free())) {
                self.look = false;
                let wait = self.longest_wait();
                self.fetch(Errand::Standing, permits, Some(wait));
            }
        } else if self.look
            && !self.is_looking()
            && let Some(permits) = self.take(self.free())
        {
            self.look = false;
            self.fetch(Errand::Extra, permits, None);
        }
    }

    fn fetch(&mut self, errand: fn(Ask) -> Errand, permits: OwnedSemaphorePermit, wait: Option<Duration>) {
        let ask = Ask { worker_id: self.ids.next(), most: permits.num_permits() as u32, wait };
        let flow = Arc::clone(&self.flow);
        let asked = ask.clone();
        let span = tracing::info_span!("receive", worker = ask.worker_id);
        let call = async move { Brought::Tasks(flow.fetch(&asked).await, permits) };
        let id = self.errands.spawn(call.instrument(span)).id();
        self.under_way.insert(id, errand(ask));
    }

    fn ask_ledger(&mut self) {
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
            (Some(Errand::Standing(ask)), Some(Brought::Tasks(result, permits))) => self.fetched(&ask, result, permits),
            (Some(Errand::Extra(ask)), Some(Brought::Tasks(result, permits))) => {
                // As many as asked for: there may be more.
                self.look |= result.as_ref().map_or(true, |tasks| tasks.len() == ask.most as usize);
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
        mut permits: OwnedSemaphorePermit,
    ) {
        match result {
            Ok(tasks) => {
                self.engine_away.answered();
                let slot = |task| Some((task, Slot::new(&self.flow.life, permits.split(1)?)));
                let tasks: Vec<_> = tasks.into_iter().map_while(slot).collect();
                if !tasks.is_empty() {
                    tokio::spawn(Arc::clone(&self.flow).take_in_hand(tasks));
                }
            }
            Err(error) => {
                if matches!(error, EngineError::Unknown { .. }) {
                    self.sweep(ask);
                }
                self.paused_until = Some(Instant::now() + self.engine_away.failed(&error));
            }
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
                self.look = true;
            }
            Err(why) => {
                // Said here when it never answered yet: no task has run into it.
                self.flow.gate.close(&why);
                self.paused_until = Some(Instant::now() + self.ledger_away.pause());
            }
        }
    }

    fn wants_to_fetch(&self) -> bool {
        let idle = !self.is_standing() || self.look && !self.is_looking();
        idle && self.paused_until.is_none() && !self.flow.gate.is_closed()
    }

    fn is_standing(&self) -> bool {
        self.under_way.values().any(|errand| matches!(errand, Errand::Standing(_)))
    }

    fn is_looking(&self) -> bool {
        self.under_way.values().any(|errand| matches!(errand, Errand::Extra(_)))
    }

    fn free(&self) -> u32 {
        self.permits.available_permits() as u32
    }

    fn take(&self, permits: u32) -> Option<OwnedSemaphorePermit> {
        if permits == 0 {
            return None;
        }
        Arc::clone(&self.permits).try_acquire_many_owned(permits).ok()
    }

    /// Not past the next alarm when this poll leaves no permit for an extra look.
    fn longest_wait(&mut self) -> Duration {
        match self.alarms.next() {
            Some(at) if self.free() == 0 => {
                self.poll_timeout.min(at.saturating_duration_since(Instant::now())).max(AT_ONCE)
            }
            _ => self.poll_timeout,
        }
    }
}

/// Permits that a standing poll leaves for extra looks: it may hold the others idle for its whole time.
fn spared(free: u32) -> u32 {
    match free {
        0 | 1 => 0,
        free => (free / 8).max(1),
    }
}
