//! The three that take the same tasks: plain HTTP, the fleet with a ledger that remembers nothing, the fleet with ours.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::ValueEnum;
use fallout::adapter::DeskLedger;
use fallout_camunda::{Engine, EngineConfig};
use fallout_core::{
    attempt::{Prepared, StoredRequest},
    catalogue::Catalogue,
    claim::{Claim, Permission, Recorded},
    decide::Verdict,
    evidence::{Evidence, Phase},
    ids::AttemptId,
    lookup::Said,
    operation::{Method, Operation},
    step::Outputs,
    task::{Definition, StepContext, TaskRef},
};
use fallout_desk::Desk;
use fallout_downstream::Downstreams;
use fallout_fleet::{Asked, Fleet, FleetConfig, Handler, Ledger, LedgerError, Point, Probes, Proof};
use fallout_store::Store;
use fallout_tests::usage::{cpu_s, memory_mb};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Mutex, Notify, mpsc, watch};
use uuid::Uuid;

const TOPIC: &str = "bench.noop";
/// In flight, for all three.
const PERMITS: usize = 64;
/// More connections make the engine no faster: it is the bottleneck.
const CONNECTIONS: usize = 16;
const LOCK: Duration = Duration::from_secs(60);
const OPERATION: &str = r#"
name = "bench.noop"
version = 1
downstream = "nowhere"
kind = "effect"
idempotency = { kind = "key_header", header = "Idempotency-Key", retention_s = 86400 }
request = { method = "POST", path = "/noop" }
answers = { on_503 = "unknown" }
timeouts = { connect_ms = 1000, total_ms = 10000 }
retry = { attempts = 3, first_delay_ms = 1000, max_delay_ms = 1000 }
owner_group = "Platform Ops"
"#;

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Client {
    Raw,
    None,
    Ledger,
}

impl Client {
    pub const ALL: [Client; 3] = [Client::Raw, Client::None, Client::Ledger];

    pub fn word(self) -> &'static str {
        ["raw", "none", "ledger"][self as usize]
    }
}

/// What one run took, of the client's process alone.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Took {
    pub tasks: usize,
    pub seconds: f64,
    pub cpu_s: f64,
    /// At most.
    pub rss_mb: f64,
    pub rss_on_the_way: Vec<f64>,
}

impl Took {
    pub fn per_s(&self) -> f64 {
        self.tasks as f64 / self.seconds
    }
}

pub async fn run(client: Client, engine: &str, database: &str, tasks: usize) -> Result<Took> {
    match client {
        Client::Raw => raw(engine, tasks).await,
        Client::None => fleet(engine, Arc::new(NoLedger), tasks).await,
        Client::Ledger => {
            let operation: Operation = toml::from_str(OPERATION)?;
            let catalogue =
                Catalogue { operations: BTreeMap::from([(TOPIC.to_owned(), operation)]), ..Catalogue::default() };
            let desk = Desk::new(Store::new(database, 8)?, Arc::new(catalogue));
            fleet(engine, Arc::new(DeskLedger(desk)), tasks).await
        }
    }
}

/// What the engine is asked for is what the fleet asks for: the same variables to load and to store.
async fn raw(engine: &str, tasks: usize) -> Result<Took> {
    let http = reqwest::Client::builder().pool_max_idle_per_host(PERMITS).build()?;
    let fetch = json!({ "workerId": "raw", "maxTasks": PERMITS, "asyncResponseTimeout": 5_000, "topics": [{
        "topicName": TOPIC, "lockDuration": LOCK.as_millis() as u64,
        "variables": ["tenantId", "orderId", "orderRun", "lineId", "stepId", "stepDirection", "handledCodes", "recoveryActionId"],
    }] });
    let (ids, waiting) = mpsc::channel::<String>(PERMITS);
    let waiting = Arc::new(Mutex::new(waiting));
    let begun = Begun::now()?;
    let mut completers = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (http, waiting, engine) = (http.clone(), Arc::clone(&waiting), engine.to_owned());
        completers.spawn(async move {
            loop {
                let Some(id) = waiting.lock().await.recv().await else { return anyhow::Ok(()) };
                let body = json!({ "workerId": "raw", "variables": {
                    "reportId": { "value": Uuid::now_v7().to_string(), "type": "String" },
                    "stepState": { "value": "DONE", "type": "String" },
                } });
                let said = http.post(format!("{engine}/external-task/{id}/complete")).json(&body).send().await?;
                said.error_for_status().context("completing a task")?;
            }
        });
    }
    let mut fetched = 0;
    while fetched < tasks {
        let answer = http.post(format!("{engine}/external-task/fetchAndLock")).json(&fetch).send().await?;
        let locked: Vec<Value> = answer.error_for_status()?.json().await?;
        fetched += locked.len();
        for id in locked.iter().filter_map(|task| task["id"].as_str()) {
            ids.send(id.to_owned()).await?;
        }
    }
    drop(ids);
    while let Some(done) = completers.join_next().await {
        done??;
    }
    begun.took(tasks, Vec::new())
}

async fn fleet<L: Ledger>(engine: &str, ledger: Arc<L>, tasks: usize) -> Result<Took> {
    let config = FleetConfig {
        permits: PERMITS as u32,
        lock_duration: LOCK,
        poll_timeout: Duration::from_secs(5),
        worker_name: "bench".into(),
        drain_timeout: Duration::from_secs(10),
    };
    let engine = Engine::new(EngineConfig::new(engine))?;
    let downstreams = Arc::new(Downstreams::in_process(|_, _| Evidence::answered(200, json!({}))));
    let operation: Operation = toml::from_str(OPERATION)?;
    let operations = BTreeMap::from([(TOPIC.to_owned(), (operation, Arc::new(Noop) as Arc<dyn Handler>))]);
    let (done, all) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let on_the_way = Arc::new(std::sync::Mutex::new(Vec::new()));
    let probes = {
        let (done, all, on_the_way) = (Arc::clone(&done), Arc::clone(&all), Arc::clone(&on_the_way));
        Probes::new(move |point| {
            if point != Point::Reported {
                return;
            }
            let now = done.fetch_add(1, Ordering::SeqCst) + 1;
            if now * 10 / tasks > (now - 1) * 10 / tasks
                && let (Ok(mut seen), Ok(rss)) = (on_the_way.lock(), memory_mb("VmRSS"))
            {
                seen.push(rss);
            }
            if now == tasks {
                all.notify_one();
            }
        })
    };
    let (stop, stopped) = watch::channel(false);
    let begun = Begun::now()?;
    let fleet = Fleet::new(config, engine, downstreams, operations, ledger, probes);
    let running = tokio::spawn(fleet.run(stopped, Arc::new(Notify::new())));
    all.notified().await;
    let took = begun.took(tasks, on_the_way.lock().map(|seen| seen.clone()).unwrap_or_default());
    stop.send_replace(true);
    running.await?;
    took
}

/// An effect that is none.
struct Noop;

impl Handler for Noop {
    fn prepare(&self, _: &TaskRef, _: &StepContext) -> Result<StoredRequest, String> {
        Ok(StoredRequest { method: Method::Post, path: "/noop".into(), headers: Vec::new(), body: Some("{}".into()) })
    }

    fn read(&self, evidence: &Evidence) -> Result<Outputs, String> {
        match evidence.phase {
            Phase::Answered { .. } => Ok(Outputs::new()),
            _ => Err("an answer".into()),
        }
    }
}

/// Remembers nothing: every task may send, every effect succeeded.
struct NoLedger;

impl Ledger for NoLedger {
    async fn contexts(&self, tasks: &[TaskRef]) -> Result<Vec<StepContext>, LedgerError> {
        Ok(vec![StepContext { next_generation: 1, ..StepContext::default() }; tasks.len()])
    }

    async fn knows(&self, _: &str) -> Result<bool, LedgerError> {
        Ok(true)
    }

    async fn learn(&self, _: Definition) -> Result<(), LedgerError> {
        Ok(())
    }

    async fn claim_all(&self, asked: Vec<Asked>) -> Result<Vec<Option<Claim>>, LedgerError> {
        Ok(asked.into_iter().map(|one| Some(fresh(one.prepared?.ok()?))).collect())
    }

    async fn claim(&self, _: &TaskRef, prepared: Option<Result<Prepared, String>>) -> Result<Claim, LedgerError> {
        let prepared = prepared.and_then(Result::ok);
        prepared.map(fresh).ok_or_else(|| LedgerError::Broken("the bench renders every request".into()))
    }

    async fn record_all(&self, proofs: Vec<Proof>) -> Result<Vec<Option<Recorded>>, LedgerError> {
        Ok(proofs.iter().map(|_| Some(complete())).collect())
    }

    async fn record(&self, _: AttemptId, _: Evidence, _: Result<Outputs, String>) -> Result<Recorded, LedgerError> {
        Ok(complete())
    }

    async fn record_read(&self, _: AttemptId, _: Said, _: Instant) -> Result<Recorded, LedgerError> {
        Ok(complete())
    }

    async fn settle_read(&self, _: &TaskRef, _: Evidence, _: Result<Outputs, String>) -> Result<Claim, LedgerError> {
        Err(LedgerError::Broken("the bench has no reads".into()))
    }

    async fn reported(&self, _: Vec<(AttemptId, Uuid)>) -> Result<(), LedgerError> {
        Ok(())
    }

    async fn ready(&self) -> Result<(), LedgerError> {
        Ok(())
    }
}

fn fresh(prepared: Prepared) -> Claim {
    let attempt = AttemptId(Uuid::now_v7());
    let Prepared { request, generation } = prepared;
    Claim::Fresh(Permission { attempt, request, key: attempt.to_string(), generation, send_within_ms: 5_000 })
}

fn complete() -> Recorded {
    Recorded { verdict: Some(Verdict::Complete { outputs: Outputs::new() }), case: None }
}

/// Time and processor time of this process since a moment.
struct Begun {
    at: Instant,
    cpu_s: f64,
}

impl Begun {
    fn now() -> Result<Self> {
        Ok(Begun { at: Instant::now(), cpu_s: cpu_s()? })
    }

    fn took(self, tasks: usize, rss_on_the_way: Vec<f64>) -> Result<Took> {
        let seconds = self.at.elapsed().as_secs_f64();
        Ok(Took { tasks, seconds, cpu_s: cpu_s()? - self.cpu_s, rss_mb: memory_mb("VmHWM")?, rss_on_the_way })
    }
}
