//! A running fleet between its scripted neighbours.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use fallout_camunda::EngineConfig;
use fallout_core::{
    attempt::StoredRequest,
    evidence::Evidence,
    operation::Operation,
    step::Outputs,
    task::{StepContext, TaskRef},
};
use fallout_downstream::{Address, Downstreams};
use fallout_fleet::{Drained, Fleet, FleetConfig, Handler, Probes};
use serde_json::json;
use tokio::{
    sync::{Notify, Semaphore, watch},
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{
    engine::Engine,
    http::serve,
    ledger::{Memory, request},
};

pub const OPERATION: &str = r#"
name = "reserve"
version = 1
downstream = "inventory"
kind = "effect"
idempotency = { kind = "none" }
request = { method = "POST", path = "/things" }
answers = { on_503 = "unknown" }
timeouts = { connect_ms = 1000, total_ms = 30000 }
retry = { attempts = 3, first_delay_ms = 1, max_delay_ms = 1 }
[lookup]
path = "/things/{key}"
found = { status = 200 }
not_found = { status = 404 }
consistency_delay_ms = 1
max_reads = 3
interval_ms = 1
"#;

/// Longer than any condition is waited for, so that nothing passes by the end of a poll.
const POLL: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(20);

pub fn config() -> FleetConfig {
    FleetConfig {
        permits: 8,
        lock_duration: Duration::from_secs(30),
        poll_timeout: POLL,
        worker_name: "test".into(),
        drain_timeout: Duration::from_secs(10),
    }
}

/// Answers 200 to everything, as many requests at a time as it is let.
#[derive(Debug, Default)]
pub struct Downstream {
    pub in_flight: AtomicUsize,
    pub most: AtomicUsize,
    pub requests: AtomicUsize,
}

pub struct Rig {
    pub engine: Engine,
    pub downstream: Arc<Downstream>,
    /// Each permit lets one answer of the downstream out.
    pub answers: Arc<Semaphore>,
    pub ledger: Arc<Memory>,
    pub wake: Arc<Notify>,
    stop: watch::Sender<bool>,
    running: JoinHandle<Drained>,
}

pub struct Plain;

impl Handler for Plain {
    fn prepare(&self, task: &TaskRef, _: &StepContext) -> Result<StoredRequest, String> {
        assert!(task.step.order != "panics", "order {} cannot be rendered", task.step.order);
        Ok(request())
    }

    fn read(&self, _: &Evidence) -> Result<Outputs, String> {
        Ok(Outputs::new())
    }
}

impl Rig {
    pub async fn start(config: FleetConfig, ledger: Memory) -> Rig {
        let (engine, url) = Engine::start().await;
        Self::with(engine, &url, config, ledger).await
    }

    pub async fn with(engine: Engine, url: &str, config: FleetConfig, ledger: Memory) -> Rig {
        let (downstream, answers) = (Arc::new(Downstream::default()), Arc::new(Semaphore::new(0)));
        let downstreams = downstreams(&downstream, &answers).await;
        let operation: Operation = toml::from_str(OPERATION).unwrap();
        let operations = BTreeMap::from([("reserve".to_owned(), (operation, Arc::new(Plain) as Arc<dyn Handler>))]);
        let (ledger, wake) = (Arc::new(ledger), Arc::new(Notify::new()));
        let client = fallout_camunda::Engine::new(EngineConfig::new(url)).unwrap();
        let fleet = Fleet::new(config, client, downstreams, operations, Arc::clone(&ledger), Probes::default());
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(fleet.run(stopped, Arc::clone(&wake)));
        Rig { engine, downstream, answers, ledger, wake, stop, running }
    }

    /// The downstream answers as fast as it can from here on.
    pub fn let_answer(&self) {
        self.answers.add_permits(10_000);
    }

    /// Waits until a long poll is pending at the engine.
    pub async fn polls(&self) {
        until("a poll is pending", || !self.engine.calls("fetchAndLock").is_empty()).await;
    }

    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub async fn drained(self) -> Drained {
        self.stop();
        self.running.await.unwrap()
    }
}

async fn downstreams(downstream: &Arc<Downstream>, answers: &Arc<Semaphore>) -> Arc<Downstreams> {
    let (downstream, answers) = (Arc::clone(downstream), Arc::clone(answers));
    let url = serve(move |_| {
        let (downstream, answers) = (Arc::clone(&downstream), Arc::clone(&answers));
        async move {
            downstream.requests.fetch_add(1, Ordering::SeqCst);
            let now = downstream.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
            downstream.most.fetch_max(now, Ordering::SeqCst);
            answers.acquire().await.unwrap().forget();
            downstream.in_flight.fetch_sub(1, Ordering::SeqCst);
            Some((200, json!({ "id": "r-1" })))
        }
    })
    .await;
    let address = Address { url, bearer: None };
    Arc::new(Downstreams::new(BTreeMap::from([("inventory".to_owned(), address)])).unwrap())
}

/// Waits for a condition, and says which when it does not come.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let given_up = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < given_up, "waited in vain: {what}");
        sleep(Duration::from_millis(2)).await;
    }
}
