//! Where the matrix takes place: a real Postgres with our tables, the sandbox, and what a worker has to know to work
//! there, also in a process of its own.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use fallout::{
    config::{Secret, Settings},
    handler,
    roles::{session::only, setup::Setup},
};
use fallout_core::{catalogue::Catalogue, operation::Operation};
use fallout_desk::Desk;
use fallout_embedded::{Postgres, PostgresOptions, suitable_dir};
use fallout_fleet::{Fleet, FleetConfig, Handler, Ledger, Probes};
use fallout_sandbox::{FaultScript, Sandbox, SandboxOptions};
use fallout_store::Store;
use serde::{Deserialize, Serialize};

use super::{engine::Dispatcher, stand_in::StandIn};

/// The ways to call a downstream that differ in what a cut means.
const OPERATIONS: [&str; 6] = [
    include_str!("operations/post-keyed.toml"),
    include_str!("operations/post-replayed.toml"),
    include_str!("operations/post-unkeyed.toml"),
    include_str!("operations/post-empty.toml"),
    include_str!("operations/post-asked.toml"),
    include_str!("operations/put.toml"),
];

/// The operations of the matrix.
pub fn operations() -> Result<Vec<Operation>> {
    OPERATIONS.iter().map(|text| Ok(toml::from_str(text)?)).collect()
}

pub fn operation(name: &str) -> Result<Operation> {
    operations()?.into_iter().find(|op| op.name == name).with_context(|| format!("there is no operation {name}"))
}

/// Where runs take place: our database, the downstreams, and who dispatches the steps.
#[derive(Debug)]
pub struct Ground {
    pub database: String,
    pub database_name: String,
    /// Where the database listens, for a proxy.
    pub socket: PathBuf,
    pub downstreams: Downstreams,
    pub dispatcher: Dispatcher,
}

impl Ground {
    /// In this database, whose tables are made here: what the matrix leaves behind must not become anybody's work.
    pub async fn new(postgres: &Postgres, name: &str, dispatcher: Dispatcher) -> Result<Ground> {
        let database = postgres.socket_url(name);
        let store = Store::new(&database, 1)?;
        store.migrate().await?;
        store.close().await;
        Ok(Ground {
            database,
            database_name: name.to_owned(),
            socket: postgres.socket_dir().join(format!(".s.PGSQL.{}", postgres.tcp_port())),
            downstreams: Downstreams::start().await?,
            dispatcher,
        })
    }

    /// What leads straight to everything.
    pub fn wiring(&self, operations: Vec<Operation>) -> Wiring {
        let urls = self.downstreams.sandbox.urls().iter();
        Wiring {
            database: self.database.clone(),
            engine: format!("http://{}{}", self.dispatcher.at(), self.dispatcher.path()),
            downstreams: urls.map(|(name, url)| ((*name).to_owned(), url.clone())).collect(),
            operations,
            ..Wiring::default()
        }
    }
}

/// Orders whose id begins so are rejected.
pub const REJECTED: char = 'r';

/// The simulated downstreams and their book.
#[derive(Debug)]
pub struct Downstreams {
    pub sandbox: Sandbox,
    pub book: PathBuf,
    _dir: tempfile::TempDir,
}

impl Downstreams {
    pub async fn start() -> Result<Downstreams> {
        let dir = tempfile::tempdir()?;
        let book = dir.path().join("effects.ndjson");
        let script =
            format!("[[fault]]\norder = '{REJECTED}*'\nbehaviour = 'reject'\ncode = 'PRODUCT_NOT_AVAILABLE'\n");
        let options =
            SandboxOptions { book: book.clone(), script: FaultScript::parse(&script)?, ports: BTreeMap::new() };
        Ok(Downstreams { sandbox: Sandbox::start(options).await?, book, _dir: dir })
    }

    /// `host:port` of the one that an operation calls.
    pub fn address(&self, name: &str) -> Result<std::net::SocketAddr> {
        let url = self.sandbox.urls().get(name).with_context(|| format!("there is no downstream {name}"))?;
        Ok(url.trim_start_matches("http://").parse()?)
    }
}

/// A Postgres of its own with our tables, in a folder of this name below `target`; and the stand-in as its engine.
pub async fn without_engine(name: &str) -> Result<(Postgres, Ground)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("tests is a folder of the workspace")?;
    let dir = suitable_dir(&root.join("target/test-servers").join(name));
    let start = move || -> Result<Postgres> {
        if dir.exists() {
            std::fs::remove_dir_all(&dir)?;
        }
        std::fs::create_dir_all(&dir)?;
        let databases = vec!["fallout".to_owned()];
        Ok(Postgres::start(PostgresOptions { dir: dir.join("postgres"), databases, port: 0 })?)
    };
    let postgres = tokio::task::spawn_blocking(start).await??;
    let ground = Ground::new(&postgres, "fallout", Dispatcher::StandIn(StandIn::start().await?)).await?;
    Ok((postgres, ground))
}

/// Everything a worker has to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wiring {
    pub database: String,
    pub engine: String,
    /// Name → address.
    pub downstreams: BTreeMap<String, String>,
    pub operations: Vec<Operation>,
    pub lock_duration_ms: u32,
    pub permits: u32,
    pub connections: u32,
}

impl Default for Wiring {
    fn default() -> Self {
        Wiring {
            database: String::new(),
            engine: "http://127.0.0.1:9".into(),
            downstreams: BTreeMap::new(),
            operations: Vec::new(),
            lock_duration_ms: 3_000,
            permits: 8,
            connections: 4,
        }
    }
}

impl Wiring {
    /// As the roles make it from the settings, with operations of the matrix instead of the shipped ones.
    pub fn setup(&self) -> Result<Setup> {
        let mut settings = Settings::default();
        let catalogue = Catalogue { operations: self.by_name(), ..settings.catalogue()? };
        ensure!(catalogue.check().is_empty(), "the operations of the matrix: {}", catalogue.check().join("; "));
        settings.database.url = Secret::new(&self.database);
        settings.database.connections = self.connections;
        settings.engine.url = self.engine.clone();
        // A call of the engine that hangs is asked about soon.
        settings.engine.connect_timeout_ms = 1_000;
        settings.engine.timeout_ms = 3_000;
        settings.fleet.permits = self.permits;
        settings.fleet.lock_duration_ms = self.lock_duration_ms;
        settings.fleet.poll_timeout_ms = 1_000;
        only(&mut settings, &self.downstreams);
        let (store, catalogue) = (settings.database.store()?, Arc::new(catalogue));
        Ok(Setup {
            desk: Desk::new(store.clone(), Arc::clone(&catalogue)),
            engine: settings.engine.client()?,
            downstreams: Arc::new(settings.downstream_clients(&catalogue)?),
            settings,
            catalogue,
            store,
            events: None,
            probes: Default::default(),
        })
    }

    fn by_name(&self) -> BTreeMap<String, Operation> {
        self.operations.iter().map(|op| (op.name.clone(), op.clone())).collect()
    }

    /// A fleet over any ledger, as the role builds it over the desk.
    pub fn fleet<L: Ledger>(&self, setup: &Setup, ledger: L, probes: Probes) -> Fleet<L> {
        let fleet = &setup.settings.fleet;
        let config = FleetConfig {
            permits: fleet.permits,
            lock_duration: fleet.lock_duration(),
            poll_timeout: fleet.poll_timeout(),
            worker_name: "matrix".into(),
            drain_timeout: fleet.drain_timeout(),
        };
        let performer = |(topic, op): (String, Operation)| {
            let handler: Arc<dyn Handler> = handler(&op);
            (topic, (op, handler))
        };
        let performers = self.by_name().into_iter().map(performer).collect();
        Fleet::new(config, setup.engine.clone(), Arc::clone(&setup.downstreams), performers, Arc::new(ledger), probes)
    }
}
