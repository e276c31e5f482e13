//! The servers of the bench, and the tasks they are given.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use fallout_camunda::{EngineConfig, Variables};
use fallout_core::ids::{OrderKey, RunId};
use fallout_embedded::{Engine, EngineOptions, Postgres, PostgresOptions, suitable_dir};
use fallout_store::{Scope, Store, orders, server};
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

const MODEL: &str = include_str!("noop.bpmn");
pub const TENANT: &str = "bench";
/// Enough to keep the engine busy while it is given work.
const STARTERS: usize = 8;

#[derive(Debug)]
pub struct World {
    // The engine is dropped first: it uses Postgres.
    pub engine: Engine,
    pub postgres: Postgres,
}

const PROGRAM: &str = "fallout_app";

impl World {
    pub fn start() -> Result<World> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
        let dir = suitable_dir(&std::path::absolute(root.join("target/bench-servers"))?);
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir)?;
        eprintln!("starting PostgreSQL and the engine ...");
        let databases = vec!["fallout".to_owned(), "engine".to_owned()];
        let postgres = Postgres::start(PostgresOptions { dir: dir.join("postgres"), databases, port: 0 })?;
        postgres.add_role("fallout", PROGRAM)?;
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
        Ok(World { engine, postgres })
    }

    pub async fn prepare(&self) -> Result<()> {
        let store = self.store()?;
        store.migrate().await?;
        store.close().await;
        let files = vec![("noop.bpmn".to_owned(), MODEL.as_bytes().to_vec())];
        self.client()?.deploy("bench", "bench", files, true).await.context("deploying the model of the bench")?;
        Ok(())
    }

    /// What the figures were taken on.
    pub async fn describe(&self) -> Result<String> {
        let store = self.store()?;
        let mut tx = store.begin(&Scope::System("bench")).await?;
        let settings = server::durability(&mut tx).await?;
        tx.commit().await?;
        store.close().await;
        let settings = settings.iter().map(|s| format!("{} {}", s.name, s.value)).collect::<Vec<_>>();
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        Ok(format!(
            "{} {}, PostgreSQL {} ({}), all on the same {cores} cores",
            self.engine.product().name(),
            self.engine.version(),
            self.postgres.major(),
            settings.join(", "),
        ))
    }

    /// Process instances that wait at their task, each with the order run that its step belongs to.
    pub async fn seed(&self, tasks: usize) -> Result<()> {
        let batch = Uuid::now_v7();
        let store = self.store()?;
        let mut tx = store.begin(&Scope::System("bench")).await?;
        for n in 0..tasks {
            let order = format!("{batch}-{n}");
            let document =
                json!({ "id": order, "@type": "ProductOrder", "productOrderItem": [{ "id": "1", "action": "add" }] });
            let key = OrderKey(Uuid::now_v7());
            orders::upsert_order(&mut tx, key, TENANT, &order, None, &document).await?;
            orders::insert_run(&mut tx, RunId(Uuid::now_v7()), TENANT, key, 1, &format!("{TENANT}:{order}:1")).await?;
        }
        tx.commit().await?;
        store.close().await;
        let engine = self.client()?;
        let mut starters = JoinSet::new();
        for starter in 0..STARTERS {
            let engine = engine.clone();
            starters.spawn(async move {
                for n in (starter..tasks).step_by(STARTERS) {
                    let order = format!("{batch}-{n}");
                    engine.start_by_key("bench", &format!("{TENANT}:{order}:1"), &identity(&order)).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(done) = starters.join_next().await {
            done??;
        }
        Ok(())
    }

    fn store(&self) -> Result<Store> {
        Ok(Store::new(&self.database(), 2)?.owned_by(&self.postgres.socket_url("fallout"))?)
    }

    /// As the program works on it: by a role that owns nothing.
    pub fn database(&self) -> String {
        self.postgres.socket_url_as("fallout", PROGRAM)
    }

    fn client(&self) -> Result<fallout_camunda::Engine> {
        Ok(fallout_camunda::Engine::new(EngineConfig::new(self.engine.base_url()))?)
    }
}

/// As our models hand it down.
fn identity(order: &str) -> Variables {
    Variables::new()
        .with("tenantId", TENANT)
        .with("orderId", order)
        .with("orderRun", 1_i32)
        .with("lineId", "1")
        .with("stepId", "noop")
        .with("stepDirection", "do")
        .with("handledCodes", "")
        .with("recoveryActionId", "none")
}
