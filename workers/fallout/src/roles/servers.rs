//! The servers that `demo` and `up` bring along: Postgres, the engine, the sandbox; and the settings that lead to them.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use fallout_embedded::{
    Broker, BrokerOptions, EmbeddedError, Engine, EngineOptions, Postgres, PostgresOptions, Product, suitable_dir,
};
use fallout_sandbox::{FaultScript, Sandbox, SandboxOptions};

use super::{
    logins,
    session::{HOME, Session, only},
};
use crate::{
    codes::Failure,
    config::{Settings, shipped},
    output::Output,
};

/// Enough for a slow machine to create the engine's schema.
const ENGINE_READY_WITHIN: Duration = Duration::from_secs(180);
/// A broker starts within 3 s, six of them on a busy machine.
const BROKER_READY_WITHIN: Duration = Duration::from_secs(60);
/// The engine's working set with history level full is some 300 MB.
const ENGINE_HEAP_MB: u32 = 512;

/// Marks a folder that is not cleared away.
const KEPT: &str = "keep";

#[derive(Debug)]
pub struct Servers {
    // In the order they are dropped: the engine uses Postgres.
    pub engine: Engine,
    pub postgres: Postgres,
    pub sandbox: Sandbox,
    pub broker: Option<Broker>,
    pub book: PathBuf,
    /// Everything of this run: data, logs, the book.
    pub dir: PathBuf,
    session: Session,
    _ours: File,
}

/// What to start.
#[derive(Debug)]
pub struct Wanted {
    pub product: Product,
    pub faults: FaultScript,
    /// A folder for this run alone, or one that is used again.
    pub fresh: bool,
    pub name: &'static str,
    /// A Kafka broker too.
    pub kafka: bool,
}

impl Servers {
    pub async fn start(wanted: Wanted, settings: &mut Settings, out: Output) -> Result<Servers> {
        let (dir, ours) = folder(&wanted)?;
        let product = wanted.product;
        let (at, kafka) = (dir.clone(), wanted.kafka);
        let start = move || {
            let (postgres, engine) = start_both(&at, product, out)?;
            let broker = if kafka { Some(start_broker(&at, out)?) } else { None };
            Ok((postgres, engine, broker))
        };
        let (postgres, engine, broker) =
            tokio::task::spawn_blocking(start).await.context("starting the servers")?.map_err(told)?;
        let book = if settings.sandbox.book.as_os_str().is_empty() {
            dir.join("effects.ndjson")
        } else {
            settings.sandbox.book.clone()
        };
        let options = SandboxOptions { book: book.clone(), script: wanted.faults, ports: BTreeMap::new() };
        let sandbox = Sandbox::start(options).await.context("starting the simulated downstreams")?;
        let urls: BTreeMap<String, String> = sandbox.urls().iter().map(|(n, u)| ((*n).to_owned(), u.clone())).collect();
        logins::settle(&postgres, &mut settings.database);
        settings.engine.url = engine.base_url();
        // Of simulated orders nothing is told to a real system.
        settings.kafka.brokers = broker.as_ref().map(Broker::address).unwrap_or_default();
        only(settings, &urls);
        let session = Session {
            pid: std::process::id(),
            database_url: settings.database.url.reveal().to_owned(),
            database_owner_url: settings.database.owner_url.reveal().to_owned(),
            engine_url: engine.base_url(),
            downstreams: urls,
        };
        session.write().context("writing .fallout/session.json")?;
        Ok(Servers { engine, postgres, sandbox, broker, book, dir, session, _ours: ours })
    }

    /// The next demo leaves the folder of this run alone: something in it has to be looked at.
    pub fn keep_folder(&self) -> Result<()> {
        File::create(self.dir.join(KEPT)).context("marking the folder of this run").map(drop)
    }

    /// Stops everything; the engine first.
    pub async fn stop(self) -> Result<()> {
        self.session.remove();
        self.sandbox.stop().await;
        let (mut engine, mut postgres, broker) = (self.engine, self.postgres, self.broker);
        let stop = move || {
            drop(broker);
            engine.stop();
            postgres.stop();
        };
        tokio::task::spawn_blocking(stop).await.context("stopping the servers")
    }
}

/// The fault script of a file, of the settings, or the built-in one.
pub fn faults(file: Option<&Path>, settings: &Settings) -> Result<FaultScript> {
    let set = settings.sandbox.faults.as_path();
    let script = match file.or((!set.as_os_str().is_empty()).then_some(set)) {
        Some(path) => FaultScript::load(path),
        None => FaultScript::parse(shipped::FAULTS),
    };
    script.map_err(|e| Failure::new("FO-003", "the fault script cannot be used").because(e).into())
}

/// An embedded server's error with its code.
pub fn told(e: EmbeddedError) -> anyhow::Error {
    Failure::new(e.code(), e.to_string()).because(e).into()
}

fn start_both(dir: &Path, product: Product, out: Output) -> Result<(Postgres, Engine), EmbeddedError> {
    out.note("starting PostgreSQL ...");
    let engine_database = if product == Product::Camunda { "camunda" } else { "operaton" };
    let databases = vec!["fallout".to_owned(), engine_database.to_owned()];
    let postgres = Postgres::start(PostgresOptions { dir: dir.join("postgres"), databases, port: 0 })?;
    logins::make(&postgres)?;
    out.note(&format!("starting {} ...", product.name()));
    let options = EngineOptions {
        product,
        home: engine_home(),
        dir: dir.join("engine"),
        port: 0,
        database: postgres.engine_database(engine_database)?,
        heap_mb: ENGINE_HEAP_MB,
        ready_within: ENGINE_READY_WITHIN,
    };
    let mut said = 0;
    let engine = Engine::start(options, &mut |waited: Duration| {
        if waited.as_secs() >= said + 5 {
            said = waited.as_secs();
            out.note(&format!("  still starting, {said} s ..."));
        }
    })?;
    Ok((postgres, engine))
}

fn start_broker(dir: &Path, out: Output) -> Result<Broker, EmbeddedError> {
    out.note("starting Kafka ...");
    let options = BrokerOptions { home: kafka_home(), dir: dir.join("kafka"), ready_within: BROKER_READY_WITHIN };
    Broker::start(options)
}

/// Where `scripts/kafka.sh` put the broker's jars.
pub fn kafka_home() -> PathBuf {
    engine_home().with_file_name("kafka")
}

/// Where `make setup` built the engine's host: beside the program's build folder, or below the working directory.
pub fn engine_home() -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.parent()?.join("engine")));
    beside.filter(|dir| dir.is_dir()).unwrap_or_else(|| PathBuf::from("target/engine"))
}

/// The folder of this run, held by a lock as long as the file lives. Folders of runs that are over are cleared away.
fn folder(wanted: &Wanted) -> Result<(PathBuf, File)> {
    let home = std::path::absolute(HOME).context("finding the working directory")?;
    let home = suitable_dir(&home.join(wanted.name));
    fs::create_dir_all(&home).with_context(|| format!("creating {}", home.display()))?;
    if !wanted.fresh {
        return Ok((home.clone(), lock(&home)?.ok_or_else(|| in_use(&home))?));
    }
    for old in fs::read_dir(&home).into_iter().flatten().flatten().map(|e| e.path()) {
        if old.join(KEPT).exists() {
            continue;
        }
        if let Ok(Some(_ours)) = lock(&old) {
            let _ = fs::remove_dir_all(&old);
        }
    }
    let dir = home.join(std::process::id().to_string());
    fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    let ours = lock(&dir)?.ok_or_else(|| in_use(&dir))?;
    Ok((dir, ours))
}

fn in_use(dir: &Path) -> Failure {
    Failure::new("FO-104", format!("{} is used by another process", dir.display()))
}

/// `None` when another process holds it.
fn lock(dir: &Path) -> Result<Option<File>> {
    let file = File::create(dir.join("run.lock")).with_context(|| format!("creating {}/run.lock", dir.display()))?;
    Ok(file.try_lock().is_ok().then_some(file))
}
