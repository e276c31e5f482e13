//! One Camunda 7 engine (or Operaton) as a supervised JVM, with REST and Cockpit on loopback.

use std::{fmt, path::PathBuf, time::Duration};

use crate::{account::Account, child::Supervised, directory::Directory, error::EmbeddedError, jvm, port};

/// Which member of the engine family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    Camunda,
    Operaton,
}

impl Product {
    /// Also the name of its folder below the engine home.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Camunda => "camunda",
            Self::Operaton => "operaton",
        }
    }
}

/// A database of a Postgres server that listens on 127.0.0.1.
#[derive(Clone)]
pub struct EngineDatabase {
    pub port: u16,
    pub name: String,
    pub role: String,
    pub password: String,
}

impl fmt::Debug for EngineDatabase {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "EngineDatabase({}@127.0.0.1:{}/{})", self.role, self.port, self.name)
    }
}

#[derive(Debug, Clone)]
pub struct EngineOptions {
    pub product: Product,
    /// Where `scripts/engine.sh` puts the engine hosts: `target/engine`.
    pub home: PathBuf,
    /// For the log and temporary files, one engine per directory.
    pub dir: PathBuf,
    /// For REST and Cockpit on 127.0.0.1; 0 takes a free one and keeps it over restarts.
    pub port: u16,
    pub database: EngineDatabase,
    /// 512 is enough for thousands of running orders: the engine keeps definitions in memory, instances in Postgres.
    pub heap_mb: u32,
    /// How long a start may take: 180 s leaves room for an empty database on a busy machine.
    pub ready_within: Duration,
}

/// A running engine. Dropping it stops it; if we die it is killed: whatever it was doing is a transaction, which
/// Postgres rolls back.
#[derive(Debug)]
pub struct Engine {
    options: EngineOptions,
    directory: Directory,
    account: Account,
    java: PathBuf,
    port: u16,
    version: String,
    server: Supervised,
}

impl Engine {
    /// Starts the engine and waits until REST answers. `progress` hears every fifth of a second how long it took so far.
    ///
    /// # Errors
    /// Each with a code: no Java, host not built, directory in use, port taken, not started.
    pub fn start(options: EngineOptions, progress: &mut dyn FnMut(Duration)) -> Result<Self, EmbeddedError> {
        let java = jvm::find_java()?;
        let missing = options.home.join(options.product.name()).join("classes/fallout/engine/Engine.class");
        if !missing.is_file() {
            return Err(EmbeddedError::EngineNotBuilt { product: options.product.name(), missing });
        }
        let account = Account::for_servers()?;
        let directory = Directory::take(&options.dir, &account)?;
        let account = able_to_read(&options, account);
        let port = port::choose(options.port, &directory.path.join("port"), "the engine")?;
        let server = jvm::Launch { options: &options, directory: &directory, account: &account, java: &java, port };
        let (server, version) = server.run(progress)?;
        Ok(Self { options, directory, account, java, port, version, server })
    }

    /// For REST calls; no slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/engine-rest", self.port)
    }

    /// For a browser; user `demo`, password `demo` unless ENGINE_ADMIN_PASSWORD was set at the first start.
    #[must_use]
    pub fn cockpit_url(&self) -> String {
        format!("http://127.0.0.1:{}/{}/app/cockpit/default/", self.port, self.product().name())
    }

    #[must_use]
    pub fn product(&self) -> Product {
        self.options.product
    }

    /// As the engine itself says it, such as 7.24.0.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the JVM.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Asks it to shut down and waits. Does nothing when it is down.
    pub fn stop(&mut self) {
        self.server.stop(libc::SIGTERM, Duration::from_secs(20));
    }

    /// For tests: as after a power cut of the engine alone.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Starts it again on the same port, after [`Self::stop`] or [`Self::kill`]; a running one is stopped first.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn restart(&mut self, progress: &mut dyn FnMut(Duration)) -> Result<(), EmbeddedError> {
        self.stop();
        let (options, directory, account, java) = (&self.options, &self.directory, &self.account, &self.java);
        let launch = jvm::Launch { options, directory, account, java, port: self.port };
        (self.server, self.version) = launch.run(progress)?;
        Ok(())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A host that the servers' user cannot read (a clone below /root) runs as we do.
fn able_to_read(options: &EngineOptions, account: Account) -> Account {
    if account.dropped && account.blocked_at(&options.home).is_some() {
        tracing::warn!(user = account.name, "the engine's files are closed to this user: the engine runs as root");
        return Account { dropped: false, ..account };
    }
    account
}
