//! What both test binaries need: a directory servers may enter, a program of ours to kill, and waiting for conditions.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use fallout_embedded::{Postgres, PostgresOptions};
use tempfile::TempDir;

/// Names the directory in which the helper of a test binary starts its servers.
pub const HELPER: &str = "FALLOUT_EMBEDDED_HELPER";

/// Open to the user that servers run as when the tests run as root.
pub fn workspace() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

pub fn options(dir: &Path) -> PostgresOptions {
    let databases = vec!["fallout".to_owned(), "camunda".to_owned()];
    PostgresOptions { dir: dir.to_owned(), databases, port: 0 }
}

pub fn start(dir: &Path) -> Postgres {
    Postgres::start(options(dir)).unwrap()
}

/// Runs this test binary again as a program that starts servers in `dir`. Returns it with the process ids it prints.
pub fn program_with_servers(dir: &Path) -> (Child, Vec<u32>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "helper", "--nocapture"]).env(HELPER, dir).stdout(Stdio::piped());
    let mut program = command.spawn().unwrap();
    let lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let line = lines.map(Result::unwrap).find_map(|line| line.split_once("pids:").map(|(_, pids)| pids.to_owned()));
    let pids = line.expect("the helper prints the process ids of its servers");
    (program, pids.split_whitespace().map(|pid| pid.parse().unwrap()).collect())
}

/// The body of each binary's `helper`: prints the ids and waits to be killed.
pub fn print_and_wait(pids: &[u32]) -> ! {
    let text: Vec<String> = pids.iter().map(u32::to_string).collect();
    println!("\npids: {}", text.join(" "));
    loop {
        thread::park();
    }
}

pub fn helper_dir() -> Option<PathBuf> {
    std::env::var_os(HELPER).map(PathBuf::from)
}

/// A process that ended but was not yet collected by its parent counts as ended.
pub fn alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(30), "not within 30 s: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
