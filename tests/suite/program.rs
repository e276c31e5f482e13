//! The program in a process of its own: it finds a scenario's servers by its environment, and never outlives its handle.

use std::{
    fs::{self, File},
    path::Path,
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use fallout_tests::Scenario;
use tokio::process::{Child, Command};

/// Longer than any of these processes lives; only a failure gets there.
const PATIENCE: Duration = Duration::from_secs(120);

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

pub struct Program {
    child: Child,
    name: String,
    dir: tempfile::TempDir,
}

impl Program {
    /// In a folder of its own, so that it adopts no session of a demo; `environment` is all it knows.
    pub fn start(args: &[&str], environment: &[(String, String)]) -> Result<Program> {
        let dir = tempfile::tempdir()?;
        let out = |name: &str| File::create(dir.path().join(name)).map(Stdio::from);
        let mut command = Command::new(env!("CARGO_BIN_EXE_fallout-under-test"));
        let ours = std::env::vars()
            .map(|(name, _)| name)
            .filter(|name| name.starts_with("FALLOUT_") || name.ends_with("_URL"));
        ours.for_each(|name| {
            command.env_remove(name);
        });
        command.args(args).envs(environment.iter().cloned()).current_dir(dir.path());
        command.stdin(Stdio::null()).stdout(out("stdout")?).stderr(out("stderr")?).kill_on_drop(true);
        let child = command.spawn().context("starting the program under test")?;
        Ok(Program { child, name: args.join(" "), dir })
    }

    pub fn stderr(&self) -> String {
        read(self.dir.path(), "stderr")
    }

    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs until it was waited for")
    }

    pub fn signal(&self, signal: i32) {
        let pid = self.id();
        // SAFETY: a signal to a child of ours that was not waited for yet, so its id is not anyone else's.
        unsafe { libc::kill(pid as i32, signal) };
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> Result<Ended> {
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let said = || format!("fallout {} did not end; it said:\n{}", self.name, read(self.dir.path(), "stderr"));
        let code = status.with_context(said)??.code();
        Ok(Ended { code, stdout: read(self.dir.path(), "stdout"), stderr: self.stderr() })
    }

    /// Asks it to end, as a service manager does, and insists on a good end.
    pub async fn stopped(self) -> Result<Ended> {
        self.signal(libc::SIGTERM);
        let ended = self.ended().await?;
        ensure!(ended.code == Some(0), "it ended with {:?} after SIGTERM:\n{}", ended.code, ended.stderr);
        Ok(ended)
    }
}

fn read(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap_or_default()
}

/// Where a scenario's servers are, for a process of its own.
pub fn environment(s: &Scenario<'_>) -> Vec<(String, String)> {
    let fleet = &s.setup.settings.fleet;
    let mut all = vec![
        ("DATABASE_URL".to_owned(), s.setup.settings.database.url.reveal().to_owned()),
        ("CAMUNDA_URL".to_owned(), s.world.engine.base_url()),
        ("FALLOUT_TENANT__ID".to_owned(), s.tenant.clone()),
        ("FALLOUT_WATCH__TICK_MS".to_owned(), s.setup.settings.watch.tick_ms.to_string()),
        // The shortest that the settings allow.
        ("FALLOUT_FLEET__POLL_TIMEOUT_MS".to_owned(), "1000".to_owned()),
        ("FALLOUT_FLEET__LOCK_DURATION_MS".to_owned(), fleet.lock_duration_ms.to_string()),
    ];
    let downstream =
        |(name, url): (&&str, &String)| (format!("FALLOUT_DOWNSTREAMS__{}__URL", name.to_uppercase()), url.clone());
    all.extend(s.sandbox.urls().iter().map(downstream));
    all
}

/// Starts the program on a scenario's servers.
pub fn start(s: &Scenario<'_>, args: &[&str]) -> Result<Program> {
    Program::start(args, &environment(s))
}

/// Runs it to its end.
pub async fn run(s: &Scenario<'_>, args: &[&str]) -> Result<Ended> {
    start(s, args)?.ended().await
}
