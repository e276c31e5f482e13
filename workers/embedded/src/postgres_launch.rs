//! Starting the server process and waiting until it answers.

use std::{
    os::unix::net::UnixStream,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    account::Account, binaries::Binaries, child::Supervised, cluster, directory::Directory, error::EmbeddedError, port,
    postmaster,
};

/// Crash recovery of a large write-ahead log takes this long at most; an ordinary start takes some 50 ms.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Everything a start needs that stays the same over restarts.
pub(crate) struct Place<'a> {
    pub directory: &'a Directory,
    pub binaries: &'a Binaries,
    pub account: &'a Account,
    pub socket_dir: &'a Path,
}

impl Place<'_> {
    /// Starts until it works or fails for good: sessions of a killed server may hold its memory for a moment, and a
    /// port that was free a moment ago may be taken by now.
    pub fn launch(&self, wanted_port: u16) -> Result<(Supervised, u16), EmbeddedError> {
        let started = Instant::now();
        loop {
            let port = port::choose(wanted_port, &self.directory.path.join("port"), "PostgreSQL")?;
            let (log, file) = self.directory.log("postgres.log")?;
            let mut command = self.command(port);
            let output = file.try_clone().map_err(EmbeddedError::io("share the log of PostgreSQL"))?;
            command.stdout(output).stderr(file);
            let server = Supervised::spawn(command, libc::SIGINT).map_err(EmbeddedError::io("run postgres"))?;
            let Err(reason) = self.await_ready(&server, port) else {
                return Ok((server, port));
            };
            server.kill();
            let reason = reason.unwrap_or_else(|| postmaster::last_words(&log));
            let passes = reason.contains("shared memory block") || reason.contains("TCP/IP sockets");
            if !passes || started.elapsed() > postmaster::GONE_WITHIN {
                return Err(EmbeddedError::PostgresDidNotStart { reason, log });
            }
        }
    }

    /// Durability is said on the command line, where no edited file can switch it off.
    fn command(&self, port: u16) -> Command {
        let mut command = cluster::command(self.binaries, "postgres", self.account);
        command.arg("-D").arg(self.directory.path.join("data")).args(["-p", &port.to_string()]);
        let sockets = format!("unix_socket_directories={}", self.socket_dir.display());
        for setting in [
            sockets.as_str(),
            "listen_addresses=127.0.0.1",
            "fsync=on",
            "full_page_writes=on",
            "synchronous_commit=on",
            // The engine's pool takes 16, each role of ours about 10, and the suite runs a dozen of them at once. An
            // unused slot costs some kilobytes.
            "max_connections=200",
            // Our queries are short; compiling one costs more than running it.
            "jit=off",
            "timezone=UTC",
            "log_timezone=UTC",
        ] {
            command.args(["-c", setting]);
        }
        command
    }

    /// `Err(None)`: it ended, and its log says why.
    fn await_ready(&self, server: &Supervised, port: u16) -> Result<(), Option<String>> {
        let started = Instant::now();
        let socket = self.socket_dir.join(format!(".s.PGSQL.{port}"));
        let data = self.directory.path.join("data");
        while !(postmaster::says_ready(&data, server.pid()) && UnixStream::connect(&socket).is_ok()) {
            if server.ended_within(Duration::from_millis(5)).is_some() {
                return Err(None);
            }
            if started.elapsed() > READY_WITHIN {
                return Err(Some(format!("it was not ready after {} s", READY_WITHIN.as_secs())));
            }
        }
        Ok(())
    }
}
