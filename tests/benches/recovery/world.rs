//! The servers of the bench. Each round has a database of ours to itself; the engine is the same for all.

use std::{
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use fallout_camunda::{EngineConfig, Variables};
use fallout_core::{
    bulk::{BulkRules, Pace},
    catalogue::Catalogue,
    ids::{OrderKey, RunId},
    operation::Operation,
};
use fallout_embedded::{Engine, EngineOptions, Postgres, PostgresOptions, suitable_dir};
use fallout_store::{Scope, Store, orders, server};
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

const MODEL: &str = include_str!("../../../bpmn/recoverable-step.bpmn");
pub const PROCESS: &str = "recoverable-step";
pub const TENANT: &str = "bench";
pub const TOPIC: &str = "bench.step";
/// As the program works: a role that owns nothing, under row-level security.
const PROGRAM: &str = "fallout_app";
/// Enough to keep the engine busy while it is given work.
const STARTERS: usize = 8;

/// One try, and it is a person's.
const OPERATION: &str = r#"
name = "bench.step"
version = 1
downstream = "nowhere"
kind = "effect"
idempotency = { kind = "key_header", header = "Idempotency-Key", retention_s = 86400 }
request = { method = "POST", path = "/step" }
answers = { on_503 = "not_processed" }
timeouts = { connect_ms = 1000, total_ms = 10000 }
retry = { attempts = 1, first_delay_ms = 1000, max_delay_ms = 1000 }
owner_group = "Platform Ops"
"#;

#[derive(Debug)]
pub struct World {
    // The engine is dropped first: it uses Postgres.
    pub engine: Engine,
    postgres: Mutex<Postgres>,
    rounds: AtomicU32,
}

impl World {
    pub fn start() -> Result<World> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
        let dir = suitable_dir(&std::path::absolute(root.join("target/bench-recovery"))?);
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir)?;
        eprintln!("starting PostgreSQL and the engine ...");
        let databases = vec!["fallout".to_owned(), "engine".to_owned()];
        let postgres = Postgres::start(PostgresOptions { dir: dir.join("postgres"), databases, port: 0 })?;
        let options = EngineOptions {
            product: fallout_tests::product(),
            home: root.join("target/engine"),
            dir: dir.join("engine"),
            port: 0,
            database: postgres.engine_database("engine")?,
            heap_mb: 512,
            ready_within: Duration::from_secs(180),
        };
        let engine = Engine::start(options, &mut |_| {})?;
        Ok(World { engine, postgres: Mutex::new(postgres), rounds: AtomicU32::new(0) })
    }

    /// What the figures were taken on.
    pub async fn describe(&self) -> Result<String> {
        let (url, major) = {
            let postgres = self.postgres();
            (postgres.socket_url("fallout"), postgres.major())
        };
        let store = Store::new(&url, 1)?;
        let mut tx = store.begin(&Scope::System("bench")).await?;
        let settings = server::durability(&mut tx).await?;
        tx.commit().await?;
        store.close().await;
        let settings = settings.iter().map(|s| format!("{} {}", s.name, s.value)).collect::<Vec<_>>();
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        Ok(format!(
            "{} {}, PostgreSQL {major} ({}), all on the same {cores} cores",
            self.engine.product().name(),
            self.engine.version(),
            settings.join(", "),
        ))
    }

    /// A database of ours that is empty, and the model deployed.
    pub async fn store(&self) -> Result<Store> {
        let name = format!("round_{}", self.rounds.fetch_add(1, Ordering::Relaxed));
        let (url, owner) = {
            let postgres = self.postgres();
            postgres.add_database(&name)?;
            postgres.add_role(&name, PROGRAM)?;
            (postgres.socket_url_as(&name, PROGRAM), postgres.socket_url(&name))
        };
        let store = Store::new(&url, 16)?.owned_by(&owner)?;
        store.migrate().await?;
        let files = vec![("recoverable-step.bpmn".to_owned(), MODEL.as_bytes().to_vec())];
        self.client()?.deploy("bench", "bench", files, true).await.context("deploying the model of the bench")?;
        Ok(store)
    }

    /// Process instances at their step, each with the order run that its step belongs to.
    pub async fn seed(&self, store: &Store, cases: usize) -> Result<()> {
        let batch = Uuid::now_v7();
        let mut tx = store.begin(&Scope::System("bench")).await?;
        for n in 0..cases {
            let order = format!("{batch}-{n}");
            let document =
                json!({ "id": order, "@type": "ProductOrder", "productOrderItem": [{ "id": "1", "action": "add" }] });
            let key = OrderKey(Uuid::now_v7());
            orders::upsert_order(&mut tx, key, TENANT, &order, None, &document).await?;
            orders::insert_run(&mut tx, RunId(Uuid::now_v7()), TENANT, key, 1, &format!("{TENANT}:{order}:1")).await?;
        }
        tx.commit().await?;
        let engine = self.client()?;
        let mut starters = JoinSet::new();
        for starter in 0..STARTERS {
            let engine = engine.clone();
            starters.spawn(async move {
                for n in (starter..cases).step_by(STARTERS) {
                    let order = format!("{batch}-{n}");
                    engine.start_by_key(PROCESS, &format!("{TENANT}:{order}:1"), &identity(&order)).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(done) = starters.join_next().await {
            done??;
        }
        Ok(())
    }

    pub fn client(&self) -> Result<fallout_camunda::Engine> {
        Ok(fallout_camunda::Engine::new(EngineConfig::new(self.engine.base_url()))?)
    }

    fn postgres(&self) -> std::sync::MutexGuard<'_, Postgres> {
        self.postgres.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// One operation, and everything that a case needs; no second person, and no pace but the engine's.
pub fn catalogue() -> Result<Catalogue> {
    let operation: Operation = toml::from_str(OPERATION)?;
    let pace = Pace { per_second: 0, at_once: 1_000, stop_at_percent: 100 };
    Ok(Catalogue {
        operations: [(TOPIC.to_owned(), operation)].into(),
        taxonomy: toml::from_str(include_str!("../../../config/taxonomy.toml"))?,
        severity: toml::from_str(include_str!("../../../config/severity.toml"))?,
        sla: toml::from_str(include_str!("../../../config/sla.toml"))?,
        policies: toml::from_str(include_str!("../../../config/policies.toml"))?,
        bulk: BulkRules { second_person_above: u32::MAX, pace, ..BulkRules::default() },
        ..Catalogue::default()
    })
}

/// As our models hand it down.
fn identity(order: &str) -> Variables {
    Variables::new()
        .with("tenantId", TENANT)
        .with("orderId", order)
        .with("orderRun", 1_i32)
        .with("lineId", "1")
        .with("stepId", "step")
        .with("stepDirection", "do")
        .with("stepTopic", TOPIC)
        .with("handledCodes", "")
        .with("recoveryActionId", "none")
}
