//! Starting the engine's JVM and waiting until REST answers.

use std::{
    env,
    path::{PathBuf, absolute},
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    account::Account, child::Supervised, directory::Directory, engine::EngineOptions, engine_log, error::EmbeddedError,
    http, port,
};

/// Everything a start needs that stays the same over restarts.
pub(crate) struct Launch<'a> {
    pub options: &'a EngineOptions,
    pub directory: &'a Directory,
    pub account: &'a Account,
    pub java: &'a PathBuf,
    pub port: u16,
}

impl Launch<'_> {
    pub fn run(&self, progress: &mut dyn FnMut(Duration)) -> Result<(Supervised, String), EmbeddedError> {
        if !port::is_free(self.port) {
            return Err(EmbeddedError::PortTaken { port: self.port, what: "the engine".to_owned() });
        }
        let product = self.options.product.name();
        let (log, file) = self.directory.log(&format!("{product}.log"))?;
        let mut command = self.command()?;
        let output = file.try_clone().map_err(EmbeddedError::io("share the log of the engine"))?;
        command.stdout(output).stderr(file);
        let server = Supervised::spawn(command, libc::SIGKILL).map_err(EmbeddedError::io("run java"))?;
        match self.await_ready(&server, progress) {
            Ok(version) => Ok((server, version)),
            Err(reason) => {
                server.kill();
                let reason = reason.unwrap_or_else(|| engine_log::reason(&log));
                Err(EmbeddedError::EngineDidNotStart { product, reason, log })
            }
        }
    }

    /// Everything secret goes in by the environment: arguments can be read by everyone on the machine.
    fn command(&self) -> Result<Command, EmbeddedError> {
        // Absolute, because the JVM works in /.
        let home = absolute(self.options.home.join(self.options.product.name()))
            .map_err(EmbeddedError::io("find the engine home"))?;
        let temporary = self.directory.emptied("tmp", self.account)?;
        let database = &self.options.database;
        let mut command = Command::new(self.java);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8").env("TZ", "UTC").current_dir("/");
        command.env("SERVER_PORT", self.port.to_string());
        let url = format!("jdbc:postgresql://127.0.0.1:{}/{}", database.port, database.name);
        command.env("SPRING_DATASOURCE_URL", url).env("SPRING_DATASOURCE_USERNAME", &database.role);
        command.env("SPRING_DATASOURCE_PASSWORD", &database.password);
        if let Some(password) = env::var_os("ENGINE_ADMIN_PASSWORD") {
            command.env("ENGINE_ADMIN_PASSWORD", password);
        }
        command.arg(format!("-Xmx{}m", self.options.heap_mb)).args(JVM_FLAGS);
        command.arg(format!("-Djava.io.tmpdir={}", temporary.display()));
        command.arg("-cp").arg(format!("{0}/classes:{0}/lib/*", home.display())).arg("fallout.engine.Engine");
        self.account.apply(&mut command);
        Ok(command)
    }

    /// `Err(None)`: it ended, and its log says why.
    fn await_ready(&self, server: &Supervised, progress: &mut dyn FnMut(Duration)) -> Result<String, Option<String>> {
        let started = Instant::now();
        while started.elapsed() < self.options.ready_within {
            if server.ended_within(Duration::from_millis(200)).is_some() {
                return Err(None);
            }
            progress(started.elapsed());
            if let Some(version) = ask_version(self.port) {
                return Ok(version);
            }
        }
        Err(Some(format!("REST did not answer within {} s", self.options.ready_within.as_secs())))
    }
}

const JVM_FLAGS: [&str; 4] = [
    // The second compiler earns its cost after minutes under load; a start takes twice as long with it on 2 cores.
    "-XX:TieredStopAtLevel=1",
    // Parallel collectors fight with Postgres and our workers for the 2 cores, and cost 100 MB.
    "-XX:+UseSerialGC",
    // A JVM without memory half works; an ended one is noticed.
    "-XX:+ExitOnOutOfMemoryError",
    // Otherwise a killed JVM leaves a file in /tmp.
    "-XX:-UsePerfData",
];

fn ask_version(port: u16) -> Option<String> {
    let (status, body) = http::get(port, "/engine-rest/version").ok()?;
    let answer: serde_json::Value = serde_json::from_str(&body).ok().filter(|_| status == 200)?;
    Some(answer.get("version")?.as_str()?.to_owned())
}

pub(crate) fn find_java() -> Result<PathBuf, EmbeddedError> {
    let home = env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders = home.into_iter().chain(env::split_paths(&path));
    folders
        .find_map(|folder| Some(folder.join("java")).filter(|java| java.is_file()))
        .ok_or_else(|| EmbeddedError::NoJava { searched: "JAVA_HOME and PATH".to_owned() })
}
