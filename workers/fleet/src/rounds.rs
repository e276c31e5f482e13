//! When to fetch, and for which topics. Every topic that may have a task in hand now is in exactly one standing long poll;
//! beside them there are looks, which do not wait: where a poll would sleep through (a retry that falls due, a task handed
//! back, a command of the relay), and for the rest of a topic that has more than a poll brought. Polls bring little, so that
//! few permits lie idle; looks bring as much as there is room for.
//!
//! A permit comes before every fetch; nothing is fetched before the ledger has answered once, nor while it is away.

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};

use fallout_camunda::{EngineError, LockedTask};
use fallout_downstream::health::Room;
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
    sweep::sweep,
};

/// A poll that holds the last permit keeps everybody else from looking.
const LAST_PERMIT: Duration = Duration::from_secs(1);

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
    /// Per lane.
    wants: Vec<Want>,
    /// With which lane the next turn begins.
    first: usize,
    /// When a lane without room can have some again.
    room_at: Option<Instant>,
}

/// Why a lane has to be looked at.
#[derive(Clone, Copy, Debug, Default)]
struct Want {
    /// There may be tasks that wake no poll.
    look: bool,
    /// The last fetch brought as many as it asked for.
    more: bool,
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
            poll_timeout: config.poll_timeout,
            engine_away: Away::new("the engine"),
            ledger_away: Away::new("the ledger"),
            paused_until: None,
            wants,
            first: 0,
            room_at: None,
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
                () = flow.gate.closes() => {}
                () = flow.shares.changed() => {}
                () = sleep_until(again.unwrap_or_else(Instant::now)), if again.is_some() => self.paused_until = None,
            }
        }
    }

    /// Starts whatever can be started now.
    fn set_out(&mut self) {
        self.room_at = None;
        if self.paused_until.is_some() {
            return;
        }
        if self.flow.gate.is_closed() {
            return self.ask_ledger();
        }
        self.leave_out_offline();
        let turn = self.turn();
        for lane in &turn {
            if self.wants[*lane].more && !self.is_looked_at(*lane) {
                self.look(&[*lane]);
            }
        }
        // The first thing a long poll does is to look.
        self.poll(&turn);
        let due = |lane: &&usize| self.wants[**lane].look && !self.is_looked_at(**lane);
        let due: Vec<usize> = turn.iter().filter(due).copied().collect();
        self.look(&due);
    }

    /// All lanes, each time beginning with another.
    fn turn(&mut self) -> Vec<usize> {
        let lanes = self.wants.len();
        self.first = (self.first + 1) % lanes.max(1);
        (0..lanes).map(|n| (self.first + n) % lanes).collect()
    }

    /// A poll that is pending since before a downstream went offline does not count for its topics when it is back.
    fn leave_out_offline(&mut self) {
        let now = Instant::now();
        for errand in self.under_way.values_mut() {
            if let Errand::Standing(ask) = errand {
                ask.lanes.retain(|lane| !self.flow.shares.is_offline(*lane, now));
            }
        }
    }

    fn poll(&mut self, lanes: &[usize]) {
        let uncovered: Vec<usize> = lanes.iter().filter(|lane| !self.is_covered(**lane)).copied().collect();
        let (lanes, room) = self.with_room(&uncovered);
        if let Some(permits) = self.take(room.min(self.waiting_part(lanes.len()))) {
            let wait = if self.free() == 0 { self.poll_timeout.min(LAST_PERMIT) } else { self.poll_timeout };
            self.fetch(Errand::Standing, lanes, permits, Some(wait));
        }
    }

    fn look(&mut self, lanes: &[usize]) {
        let (lanes, room) = self.with_room(lanes);
        if let Some(permits) = self.take(room) {
            self.fetch(Errand::Extra, lanes, permits, None);
        }
    }

    /// Those of the lanes that may get a task, and how many any one of them may get: the engine may give all of one topic.
    fn with_room(&mut self, lanes: &[usize]) -> (Vec<usize>, u32) {
        let (now, free) = (Instant::now(), self.free());
        let looks = self.under_way.values().filter_map(Errand::look).map(|ask| (ask.lanes.clone(), ask.most));
        let expected = self.flow.shares.expected(looks);
        let (mut open, mut least) = (Vec::new(), free);
        for lane in lanes {
            match self.flow.shares.room(*lane, free, &expected, now) {
                Room::AtMost(0) => {}
                Room::AtMost(room) => {
                    open.push(*lane);
                    least = least.min(room);
                }
                Room::Knock => self.flow.shares.knock(*lane, &self.flow.downstreams),
                Room::NotBefore(at) => self.room_at = Some(self.room_at.map_or(at, |other| other.min(at))),
            }
        }
        let room = if open.is_empty() { 0 } else { least };
        (open, room)
    }

    /// What a standing poll may hold: all of them together an eighth of the permits, since they may lie idle for as long as
    /// the engine waits.
    fn waiting_part(&self, lanes: usize) -> u32 {
        let part = self.total as usize * lanes / (self.wants.len().max(1) * 8);
        (part as u32).max(1)
    }

    fn fetch(
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

    /// As many as asked for: there may be more, of these topics or of the others.
    fn want_more(&mut self, ask: &Ask, brought: Result<&[LockedTask], &EngineError>) {
        let full = brought.is_ok_and(|tasks| tasks.len() == ask.most as usize);
        for task in brought.unwrap_or_default().iter().filter(|_| full) {
            if let Some(lane) = self.flow.shares.lane(&task.topic_name) {
                self.wants[lane].more = true;
            }
        }
        // What a look was for is not seen yet; what a poll was for the next one sees.
        if ask.wait.is_none() && (full || brought.is_err()) {
            ask.lanes.iter().for_each(|lane| self.wants[*lane].look = true);
        }
    }

    fn fetched(&mut self, ask: &Ask, result: Result<Vec<LockedTask>, EngineError>, permits: OwnedSemaphorePermit) {
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
        self.under_way.insert(id, Errand::Sweep);
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

    fn look_everywhere(&mut self) {
        self.wants.iter_mut().for_each(|want| want.look = true);
    }

    fn is_covered(&self, lane: usize) -> bool {
        self.under_way.values().filter_map(Errand::fetch).any(|ask| ask.lanes.contains(&lane))
    }

    fn is_looked_at(&self, lane: usize) -> bool {
        self.under_way.values().filter_map(Errand::look).any(|ask| ask.lanes.contains(&lane))
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
}
