//! The servers that scenarios share: two worlds, each started when it is first needed and stopped with the test process (they
//! die with us). A scenario has one to itself, since workers of all scenarios serve the same topics.

use std::{
    ops::{Deref, DerefMut},
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
    time::Duration,
};

use fallout::{
    config::Settings,
    roles::{logins, setup::Setup},
};
use fallout_embedded::{Engine, EngineOptions, Postgres, PostgresOptions, Product, suitable_dir};

#[derive(Debug)]
pub struct World {
    pub postgres: Postgres,
    pub engine: Engine,
    pub dir: PathBuf,
}

/// As many engines as the test machines hold.
static WORLDS: [Mutex<Option<World>>; 2] = [const { Mutex::new(None) }; 2];

/// A world, until it is dropped.
#[derive(Debug)]
pub struct Taken(MutexGuard<'static, Option<World>>);

impl Deref for Taken {
    type Target = World;
    fn deref(&self) -> &World {
        self.0.as_ref().expect("it was started when it was taken")
    }
}

impl DerefMut for Taken {
    fn deref_mut(&mut self) -> &mut World {
        self.0.as_mut().expect("it was started when it was taken")
    }
}

/// Which engine this run is for: FALLOUT_TEST_ENGINE, as `make test` sets it.
pub fn product() -> Product {
    match std::env::var("FALLOUT_TEST_ENGINE").as_deref() {
        Ok("operaton") => Product::Operaton,
        _ => Product::Camunda,
    }
}

impl World {
    /// A world, to oneself: a scenario that failed has not broken it for the others.
    pub fn take() -> Taken {
        World::take_with(product())
    }

    /// The first to take one says which engine it has.
    pub fn take_with(product: Product) -> Taken {
        // A failed scenario poisons the lock and nothing else.
        let free = WORLDS.iter().enumerate().find_map(|(number, world)| match world.try_lock() {
            Ok(free) => Some((number, free)),
            Err(TryLockError::Poisoned(free)) => Some((number, free.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        });
        let (number, mut world) = free.unwrap_or_else(|| (0, WORLDS[0].lock().unwrap_or_else(PoisonError::into_inner)));
        world.get_or_insert_with(|| World::start(product, number));
        Taken(world)
    }

    fn start(product: Product, number: usize) -> World {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("tests is a folder of the workspace")
            .to_path_buf();
        let name = format!("{}-{number}", product.name().to_lowercase());
        let dir = suitable_dir(&root.join("target/test-servers").join(name));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("the folder for the test servers can be made");
        let databases = ["fallout", "engine", "faults"].map(str::to_owned).to_vec();
        let postgres = Postgres::start(PostgresOptions { dir: dir.join("postgres"), databases, port: 0 });
        let postgres = postgres.unwrap_or_else(|e| panic!("{e} ({})", e.code()));
        logins::make(&postgres).expect("the roles of the database can be made");
        let options = EngineOptions {
            product,
            home: root.join("target/engine"),
            dir: dir.join("engine"),
            port: 0,
            database: postgres.engine_database("engine").expect("the engine's database was made"),
            heap_mb: 512,
            ready_within: Duration::from_secs(180),
        };
        let engine = Engine::start(options, &mut |_| {}).unwrap_or_else(|e| panic!("{e} ({})", e.code()));
        let world = World { postgres, engine, dir };
        world.prepare();
        world
    }

    /// Our tables and our models, once.
    fn prepare(&self) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
        runtime.block_on(async {
            let setup = Setup::new(self.settings("default")).expect("the default settings are whole");
            setup.store.migrate().await.expect("our tables can be made");
            setup.desk.load_reference("tests").await.expect("the shipped reference data are whole");
            fallout::cli::deploy::deploy(&setup.engine, &setup.settings).await.expect("our models can be deployed");
            setup.store.close().await;
        });
    }

    /// Settings that lead to these servers, for one tenant; every downstream is nowhere until a sandbox is.
    pub fn settings(&self, tenant: &str) -> Settings {
        let mut settings = Settings::default();
        settings.tenant.id = tenant.to_owned();
        logins::settle(&self.postgres, &mut settings.database);
        settings.engine.url = self.engine.base_url();
        settings.watch.tick_ms = 200;
        // The engine goes on with a poll that nobody listens to, so short ones let the next scenario begin soon. The lock
        // is as short as the slowest operation allows: what a killed worker held is free again after it.
        settings.fleet.poll_timeout_ms = 500;
        settings.fleet.lock_duration_ms = 8_000;
        nowhere(&mut settings);
        settings
    }
}

/// Every downstream is where nobody listens.
pub fn nowhere(settings: &mut Settings) {
    let names = ["inventory", "contract", "provisioning", "billing", "payment", "orders", "partner", "quote"];
    let nowhere = names.map(|name| (name.to_owned(), "http://127.0.0.1:9".to_owned()));
    fallout::roles::session::only(settings, &nowhere.into_iter().collect());
}
