//! The servers that every scenario shares, started once and stopped with the test process (they die with us).

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, OnceLock},
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

/// Which engine this run is for: FALLOUT_TEST_ENGINE, as `make test` sets it.
pub fn product() -> Product {
    match std::env::var("FALLOUT_TEST_ENGINE").as_deref() {
        Ok("operaton") => Product::Operaton,
        _ => Product::Camunda,
    }
}

impl World {
    /// The world, to oneself: a scenario that failed has not broken it for the others.
    pub fn take() -> MutexGuard<'static, World> {
        World::take_with(product())
    }

    /// The first to take it says which engine.
    pub fn take_with(product: Product) -> MutexGuard<'static, World> {
        static WORLD: OnceLock<Mutex<World>> = OnceLock::new();
        let world = WORLD.get_or_init(|| Mutex::new(World::start(product)));
        world.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn start(product: Product) -> World {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("tests is a folder of the workspace")
            .to_path_buf();
        let dir = suitable_dir(&root.join("target/test-servers").join(product.name().to_lowercase()));
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
        let nowhere = ["inventory", "contract", "provisioning", "billing", "payment", "orders", "partner"];
        let nowhere = nowhere.map(|name| (name.to_owned(), "http://127.0.0.1:9".to_owned()));
        fallout::roles::session::only(&mut settings, &nowhere.into_iter().collect());
        settings
    }
}
