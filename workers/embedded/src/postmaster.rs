//! What a Postgres server leaves for others to read: postmaster.pid and its log.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::error::EmbeddedError;

/// A server whose program was killed ends by itself within two seconds; more only under a heavy checkpoint.
pub(crate) const GONE_WITHIN: Duration = Duration::from_secs(30);

/// Waits until the server of a killed program has let go of `data`.
pub(crate) fn wait_out(data: &Path) -> Result<(), EmbeddedError> {
    let started = Instant::now();
    while let Some(pid) = serving(data) {
        if started.elapsed() > GONE_WITHIN {
            let dir = data.to_owned();
            return Err(EmbeddedError::InUse { dir, by: format!("a PostgreSQL server (process {pid})") });
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The process that serves `data`. A server's working directory is its data directory, which tells it from a process
/// that got the same number later.
fn serving(data: &Path) -> Option<u32> {
    let pid = recorded(data, 0)?.parse().ok()?;
    let working_in = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
    (working_in == data).then_some(pid)
}

pub(crate) fn says_ready(data: &Path, pid: u32) -> bool {
    recorded(data, 0).is_some_and(|line| line == pid.to_string())
        && recorded(data, 7).is_some_and(|line| line == "ready")
}

fn recorded(data: &Path, line: usize) -> Option<String> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    Some(text.lines().nth(line)?.trim().to_owned())
}

/// The sentence with which a server gave up.
pub(crate) fn last_words(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let fatal = text.lines().rev().find(|line| line.contains("FATAL:"));
    let last = fatal.or_else(|| text.lines().rev().find(|line| !line.trim().is_empty()));
    let last = last.unwrap_or("it ended without a word");
    last.split_once("FATAL:").map_or(last, |(_, words)| words).trim().to_owned()
}
