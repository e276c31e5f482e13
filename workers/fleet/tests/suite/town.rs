//! A running fleet among several downstreams, each with a mood of its own.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use fallout_camunda::EngineConfig;
use fallout_core::operation::Operation;
use fallout_downstream::{Address, Declared, Downstreams};
use fallout_fleet::{Fleet, FleetConfig, Handler, Probes};
use serde_json::json;
use tokio::sync::{Notify, watch};

use crate::{
    engine::Engine,
    http::{Answer, serve},
    ledger::Memory,
    rig::{OPERATION, Plain},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// 503, at once.
    Fails,
    /// 503 with an hour of patience asked for.
    AsksForPatience,
    /// Answers when the mood is another.
    Hangs,
}

/// How long a downstream works on a call: long enough that calls at the same time meet.
const WORK: Duration = Duration::from_millis(5);

/// A downstream of one topic; both have the same name.
#[derive(Debug)]
pub struct Neighbour {
    mood: Mutex<Mood>,
    changed: Notify,
    pub requests: AtomicUsize,
    pub in_flight: AtomicUsize,
    pub most: AtomicUsize,
    pub failed: AtomicUsize,
    /// Per request, whether no other was in flight when it came.
    pub alone: Mutex<Vec<bool>>,
}

pub struct Town {
    pub engine: Engine,
    pub ledger: Arc<Memory>,
    neighbours: BTreeMap<String, Arc<Neighbour>>,
    _stop: watch::Sender<bool>,
}

/// One topic, its downstream's mood, and what is laid down.
#[derive(Clone, Copy, Debug)]
pub struct Plot {
    pub name: &'static str,
    pub mood: Mood,
    pub declared: Declared,
    /// `limits` of the operation, as TOML.
    pub limits: &'static str,
}

pub fn plot(name: &'static str, mood: Mood) -> Plot {
    Plot { name, mood, declared: Declared::default(), limits: "" }
}

impl Town {
    pub async fn start(config: FleetConfig, ledger: Memory, plots: &[Plot]) -> Town {
        let (engine, url) = Engine::start().await;
        let (mut neighbours, mut addresses, mut operations) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for plot in plots {
            let neighbour = Arc::new(Neighbour::new(plot.mood));
            let answering = Arc::clone(&neighbour);
            let url = serve(move |_| Arc::clone(&answering).answer()).await;
            addresses.insert(plot.name.to_owned(), Address { url, bearer: None });
            operations.insert(plot.name.to_owned(), (operation(plot), Arc::new(Plain) as Arc<dyn Handler>));
            neighbours.insert(plot.name.to_owned(), neighbour);
        }
        let declared = plots.iter().map(|plot| (plot.name.to_owned(), plot.declared)).collect();
        let downstreams = Arc::new(Downstreams::new(addresses).unwrap().declaring(declared));
        let client = fallout_camunda::Engine::new(EngineConfig::new(&url)).unwrap();
        let ledger = Arc::new(ledger);
        let fleet = Fleet::new(config, client, downstreams, operations, Arc::clone(&ledger), Probes::default());
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(fleet.run(stopped, Arc::default()));
        Town { engine, ledger, neighbours, _stop: stop }
    }

    pub fn at(&self, name: &str) -> &Neighbour {
        &self.neighbours[name]
    }

    /// New tasks of a topic, `<topic>-0` and so on.
    pub fn add(&self, topic: &str, count: usize) {
        (0..count).for_each(|n| self.engine.add_for(topic, &format!("{topic}-{n}")));
    }

    pub fn ended(&self, topic: &str, count: usize) -> usize {
        (0..count).filter(|n| self.engine.ended(&format!("{topic}-{n}")).is_some()).count()
    }
}

fn operation(plot: &Plot) -> Operation {
    let text = format!("{}\n{OPERATION}", plot.limits);
    let mut operation: Operation = toml::from_str(&text).unwrap();
    operation.name = plot.name.into();
    operation.downstream = plot.name.into();
    operation
}

impl Neighbour {
    fn new(mood: Mood) -> Self {
        Neighbour {
            mood: Mutex::new(mood),
            changed: Notify::new(),
            requests: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            alone: Mutex::default(),
        }
    }

    pub fn now(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
        self.changed.notify_waiters();
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    async fn answer(self: Arc<Self>) -> Answer {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        self.alone.lock().unwrap().push(now == 1);
        tokio::time::sleep(WORK).await;
        let mood = self.decided().await;
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        if mood == Mood::Well {
            return Some((200, json!({ "id": "r-1" })));
        }
        self.failed.fetch_add(1, Ordering::SeqCst);
        Some((503, if mood == Mood::AsksForPatience { json!({ "retryAfter": true }) } else { json!({}) }))
    }

    async fn decided(&self) -> Mood {
        loop {
            let changed = self.changed.notified();
            let mood = *self.mood.lock().unwrap();
            if mood != Mood::Hangs {
                return mood;
            }
            changed.await;
        }
    }
}
