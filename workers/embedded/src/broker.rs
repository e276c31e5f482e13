//! One Kafka broker (a KRaft node) as a supervised JVM on loopback: for tests and the demo.

use std::{
    fs,
    path::{Path, PathBuf, absolute},
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    account::Account, child::Supervised, child::die_with_us, directory::Directory, engine_log, error::EmbeddedError,
    jvm, port,
};

/// Any 22 characters of base64 will do: one node is its own cluster.
const CLUSTER: &str = "MkU3OEVBNTcwNTJENDM2Qg";
/// What the broker says when it takes requests; an open port says less.
const STARTED: &str = "Kafka Server started";
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug, Clone)]
pub struct BrokerOptions {
    /// Where `scripts/kafka.sh` puts the jars: `target/kafka`.
    pub home: PathBuf,
    /// For data and log, one broker per directory.
    pub dir: PathBuf,
    /// How long a start may take: 60 s leaves room for a busy machine, 3 s is usual.
    pub ready_within: Duration,
}

/// A running broker. Dropping it stops it; if we die it is killed, which loses nothing that was acknowledged to us: the
/// kernel keeps what it has written.
#[derive(Debug)]
pub struct Broker {
    options: BrokerOptions,
    directory: Directory,
    account: Account,
    java: PathBuf,
    port: u16,
    controller: u16,
    server: Supervised,
}

impl Broker {
    /// Starts it on `options.dir` and waits until it takes requests.
    ///
    /// # Errors
    /// Each with a code: no Java, jars missing, directory in use, port taken, not started.
    pub fn start(options: BrokerOptions) -> Result<Self, EmbeddedError> {
        let java = jvm::find_java()?;
        let missing = options.home.join("lib");
        if !missing.is_dir() {
            return Err(EmbeddedError::BrokerNotBuilt { missing });
        }
        let account = Account::for_servers()?;
        let directory = Directory::take(&options.dir, &account)?;
        let account = match account.dropped && account.blocked_at(&options.home).is_some() {
            true => Account { dropped: false, ..account },
            false => account,
        };
        let port = port::choose(0, &directory.path.join("port"), "the broker")?;
        let controller = port::choose(0, &directory.path.join("controller.port"), "the broker's controller")?;
        let launch =
            Launch { options: &options, directory: &directory, account: &account, java: &java, port, controller };
        let server = launch.run()?;
        Ok(Self { options, directory, account, java, port, controller, server })
    }

    /// For clients: `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Asks it to shut down and waits. Does nothing when it is down.
    pub fn stop(&mut self) {
        self.server.stop(libc::SIGTERM, Duration::from_secs(20));
    }

    /// For tests: as after a power cut of the broker alone.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Starts it again at the same address, after [`Self::stop`] or [`Self::kill`]; a running one is stopped first.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn restart(&mut self) -> Result<(), EmbeddedError> {
        self.stop();
        let launch = Launch {
            options: &self.options,
            directory: &self.directory,
            account: &self.account,
            java: &self.java,
            port: self.port,
            controller: self.controller,
        };
        self.server = launch.run()?;
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Everything a start needs that stays the same over restarts.
struct Launch<'a> {
    options: &'a BrokerOptions,
    directory: &'a Directory,
    account: &'a Account,
    java: &'a Path,
    port: u16,
    controller: u16,
}

impl Launch<'_> {
    fn run(&self) -> Result<Supervised, EmbeddedError> {
        let data = self.directory.private("data", self.account)?;
        let file = self.directory.path.join("server.properties");
        fs::write(&file, self.properties(&data)).map_err(EmbeddedError::io(format!("write {}", file.display())))?;
        let (log, output) = self.directory.log("kafka.log")?;
        let failed = |reason: Option<String>| EmbeddedError::BrokerDidNotStart {
            reason: reason.unwrap_or_else(|| engine_log::reason(&log)),
            log: log.clone(),
        };
        let share = || output.try_clone().map_err(EmbeddedError::io("share the log of the broker"));
        if !data.join("meta.properties").exists() {
            let mut format = self.command("kafka.tools.StorageTool")?;
            format.args(["format", "-t", CLUSTER, "-c"]).arg(&file).stdout(share()?).stderr(share()?);
            die_with_us(&mut format, libc::SIGKILL);
            let done = format.status().map_err(EmbeddedError::io("run java"))?;
            if !done.success() {
                return Err(failed(None));
            }
        }
        let mut command = self.command("kafka.Kafka")?;
        command.arg(&file).stdout(share()?).stderr(share()?);
        let server = Supervised::spawn(command, libc::SIGKILL).map_err(EmbeddedError::io("run java"))?;
        let begun = Instant::now();
        while begun.elapsed() < self.options.ready_within {
            if server.ended_within(LOOK).is_some() {
                return Err(failed(None));
            }
            if fs::read_to_string(&log).is_ok_and(|text| text.contains(STARTED)) {
                return Ok(server);
            }
        }
        server.kill();
        Err(failed(Some(format!("it took no requests within {} s", self.options.ready_within.as_secs()))))
    }

    fn command(&self, class: &str) -> Result<Command, EmbeddedError> {
        // Absolute, because the JVM works in /.
        let home = absolute(&self.options.home).map_err(EmbeddedError::io("find the broker's jars"))?;
        let mut command = Command::new(self.java);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8").env("TZ", "UTC").current_dir("/");
        command.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData"]);
        command.arg(format!("-Dlog4j2.configurationFile=file:{}/log4j2.properties", home.display()));
        command.arg("-cp").arg(format!("{}/lib/*", home.display())).arg(class);
        self.account.apply(&mut command);
        Ok(command)
    }

    fn properties(&self, data: &Path) -> String {
        let (port, controller, data) = (self.port, self.controller, data.display());
        format!(
            "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs={data}
# Several, so that what is said about order is said about what could be out of order.
num.partitions=3
auto.create.topics.enable=true
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=8388608
"
        )
    }
}
