//! How the permits are shared: how many tasks of each topic may be in hand now. A topic gets what its operation allows, what
//! its downstream bears, and never so much that nothing is left for the others.
//!
//! Every task in hand has a seat of its topic, so that what is held is known on every path.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fallout_camunda::Topic;
use fallout_core::{evidence::Evidence, operation::Operation};
use fallout_downstream::{
    Downstreams,
    health::{Bucket, Change, Health, Room},
};
use tokio::{sync::Notify, time::Instant};
use uuid::Uuid;

use crate::errand::Ask;

/// One that wants everything gets at most so many times what it leaves free: alone four fifths, two of them four ninths
/// each. So whoever comes next always finds something, and nobody has to know who wants how much.
const TIMES_THE_REST: u32 = 4;

/// A task too many: its topic is at the operation's limit, where seats are given up all the time. Or its downstream was
/// declared offline while it was fetched, and it is not fetched again before that is over.
const SOON: Duration = Duration::from_secs(1);

/// For a connection, as the operations' own times allow it.
const KNOCK: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Shares {
    lanes: Vec<Lane>,
    /// Names.
    downstreams: Vec<String>,
    state: Mutex<State>,
    changed: Notify,
}

/// One topic.
#[derive(Debug)]
struct Lane {
    topic: Topic,
    downstream: usize,
    /// The operation's own limit.
    in_flight: u32,
}

#[derive(Debug)]
struct State {
    /// Per downstream.
    health: Vec<Health>,
    /// Per lane: tasks in hand.
    held: Vec<u32>,
    /// Per lane: people declared it offline.
    declared: Vec<bool>,
    buckets: Vec<Option<Bucket>>,
}

/// What looks that are under way may bring: per lane, and per downstream. Standing polls hold permits and nothing else, or
/// a topic that may have one task in hand could not be looked at while its poll is pending.
#[derive(Debug)]
pub(crate) struct Expected {
    lanes: Vec<u32>,
    downstreams: Vec<u32>,
}

/// The place of one task in hand; given up by being dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    shares: Arc<Shares>,
    lane: usize,
}

impl Shares {
    /// The topics whose downstream is declared offline have no lane: they are not fetched.
    pub fn new(topics: Vec<(Topic, &Operation)>, configured: &Downstreams, permits: u32) -> Arc<Self> {
        let now = Instant::now();
        let (offline, topics): (Vec<_>, Vec<_>) =
            topics.into_iter().partition(|(_, op)| configured.declared(&op.downstream).offline);
        for name in names(&offline) {
            tracing::warn!(
                downstream = name,
                "{name} is declared offline: its steps wait, none of its topics is fetched"
            );
        }
        let downstreams = names(&topics);
        // Before anything is known everyone gets an equal share; who answers gets more.
        let equal = permits / (downstreams.len().max(1) as u32);
        let most = |name: &String| configured.declared(name).in_flight.unwrap_or(permits).min(permits);
        let state = State {
            health: downstreams.iter().map(|name| Health::new(equal, most(name))).collect(),
            held: vec![0; topics.len()],
            declared: vec![false; topics.len()],
            buckets: topics.iter().map(|(_, op)| bucket(op, now)).collect(),
        };
        let lane = |(topic, op): (Topic, &Operation)| Lane {
            topic,
            downstream: downstreams.binary_search(&op.downstream).unwrap_or_default(),
            in_flight: op.limits.as_ref().map_or(permits, |limits| limits.in_flight.clamp(1, permits)),
        };
        let lanes = topics.into_iter().map(lane).collect();
        Arc::new(Shares { lanes, downstreams, state: Mutex::new(state), changed: Notify::new() })
    }

    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }

    pub fn topics(&self, lanes: &[usize]) -> Vec<Topic> {
        lanes.iter().map(|lane| self.lanes[*lane].topic.clone()).collect()
    }

    pub fn lane(&self, topic: &str) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.topic.topic_name == topic)
    }

    /// Until somebody gave up a seat, or a downstream showed how it is.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Each lane of a look may get all of it, and so may each of their downstreams.
    pub fn expected<'a>(&self, looks: impl Iterator<Item = &'a Ask>) -> Expected {
        let mut expected = Expected { lanes: vec![0; self.lanes.len()], downstreams: vec![0; self.downstreams.len()] };
        for ask in looks {
            ask.lanes.iter().for_each(|lane| expected.lanes[*lane] += ask.most);
            let downstreams: BTreeSet<usize> = ask.lanes.iter().map(|lane| self.lanes[*lane].downstream).collect();
            downstreams.into_iter().for_each(|downstream| expected.downstreams[downstream] += ask.most);
        }
        expected
    }

    /// How many more a fetch may bring, with so many permits free; or from when there can be any.
    pub fn room(&self, lane: usize, free: u32, expected: &Expected, now: Instant) -> Room {
        let Lane { downstream, in_flight, .. } = self.lanes[lane];
        let mut state = self.state();
        if state.declared[lane] {
            return Room::AtMost(0);
        }
        let bears = match state.health[downstream].room(now) {
            Room::AtMost(bears) => bears,
            offline => return offline,
        };
        let of_downstream = state.health[downstream].held() + expected.downstreams[downstream];
        let of_lane = state.held[lane] + expected.lanes[lane];
        let borne = bears.saturating_sub(of_downstream);
        let alone = self.lanes.iter().filter(|lane| lane.downstream == downstream).count() == 1;
        let borne = if alone { borne } else { share(borne, of_lane) };
        let permitted = if self.downstreams.len() == 1 { free } else { share(free, of_downstream) };
        let room = borne.min(permitted).min(in_flight.saturating_sub(of_lane));
        match &mut state.buckets[lane] {
            Some(bucket) if room > 0 => match bucket.available(now).saturating_sub(expected.lanes[lane]) {
                0 => Room::NotBefore(bucket.ready_at(expected.lanes[lane] + 1)),
                tokens => Room::AtMost(room.min(tokens)),
            },
            _ => Room::AtMost(room),
        }
    }

    /// Whether its downstream is not to be asked at all.
    pub fn is_offline(&self, lane: usize, now: Instant) -> bool {
        let state = self.state();
        state.declared[lane] || !matches!(state.health[self.lanes[lane].downstream].room(now), Room::AtMost(_))
    }

    /// These topics and no others are declared offline from now on. A downstream of which nothing was asked meanwhile is
    /// asked carefully at first: it may not be back.
    pub fn declare(&self, topics: &BTreeSet<String>, now: Instant) {
        let mut state = self.state();
        let declared = self.lanes.iter().map(|lane| topics.contains(&lane.topic.topic_name)).collect();
        let was = std::mem::replace(&mut state.declared, declared);
        for downstream in 0..self.downstreams.len() {
            let of = |declared: &[bool]| {
                self.lanes
                    .iter()
                    .zip(declared)
                    .filter(|(lane, _)| lane.downstream == downstream)
                    .all(|(_, declared)| *declared)
            };
            if of(&was) && !of(&state.declared) {
                state.health[downstream].tries_again(now);
            }
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Finds out whether the lane's downstream can be reached. Not owned by anybody: it ends by itself.
    pub fn knock(self: &Arc<Self>, lane: usize, downstreams: &Arc<Downstreams>) {
        let (shares, downstreams) = (Arc::clone(self), Arc::clone(downstreams));
        let of = self.lanes[lane].downstream;
        self.state().health[of].knocks(Instant::now() + KNOCK + SOON);
        tokio::spawn(async move {
            let reached = downstreams.knock(&shares.downstreams[of], KNOCK).await;
            shares.state().health[of].knocked(Instant::now(), reached, jitter());
            shares.changed.notify_one();
        });
    }

    /// The place of a task that was fetched; or how long the task has to wait, because things changed while the fetch was
    /// under way.
    pub fn sit(self: &Arc<Self>, lane: usize, now: Instant) -> Result<Seat, Duration> {
        let mut state = self.state();
        if state.declared[lane] || state.held[lane] >= self.lanes[lane].in_flight {
            return Err(SOON);
        }
        state.health[self.lanes[lane].downstream].sit(now)?;
        state.held[lane] += 1;
        if let Some(bucket) = &mut state.buckets[lane] {
            bucket.take(now);
        }
        Ok(Seat { shares: Arc::clone(self), lane })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// How the exchange ended, for the health of the downstream.
    pub fn heard(&self, evidence: &Evidence) {
        let Lane { topic, downstream, .. } = &self.shares.lanes[self.lane];
        let now = Instant::now();
        let change = self.shares.state().health[*downstream].heard(now, &topic.topic_name, evidence, jitter());
        self.shares.changed.notify_one();
        let name = &self.shares.downstreams[*downstream];
        match change {
            Some(Change::Offline) => tracing::warn!(
                downstream = name,
                "{name} is offline from now on, after failures one after the other, the last: {}; its steps wait, and it \
                 is probed until it answers",
                evidence.summary()
            ),
            Some(Change::Back { after }) => {
                tracing::info!(downstream = name, "{name} answers again, after {} s", after.as_secs());
            }
            None => {}
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.shares.state();
        state.held[self.lane] = state.held[self.lane].saturating_sub(1);
        state.health[self.shares.lanes[self.lane].downstream].leave();
        drop(state);
        self.shares.changed.notify_one();
    }
}

fn names(topics: &[(Topic, &Operation)]) -> Vec<String> {
    topics.iter().map(|(_, op)| op.downstream.clone()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Of what is free, for one who has so many. Whoever has nothing gets at least one.
fn share(free: u32, has: u32) -> u32 {
    let more = (TIMES_THE_REST * free).saturating_sub(has) / (TIMES_THE_REST + 1);
    if has == 0 { more.max(1).min(free) } else { more }
}

fn bucket(op: &Operation, now: Instant) -> Option<Bucket> {
    let per_second = op.limits.as_ref()?.per_second.filter(|per_second| *per_second > 0.0)?;
    Some(Bucket::new(per_second, now))
}

/// From 0 to 1. The low bits of an id are random.
fn jitter() -> f64 {
    f64::from(Uuid::now_v7().as_u128() as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
#[path = "shares_tests.rs"]
mod tests;
