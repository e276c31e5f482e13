//! A worker in a process of its own that is killed or stopped at a named point, or whose clock is wrong. The program of
//! it is `fallout-faults victim`, with everything it has to know as one JSON argument.

use std::{
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use fallout::{adapter::DeskLedger, roles::stop};
use fallout_fleet::{Point, Probes};
use serde::{Deserialize, Serialize};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use super::{
    broken::{BrokenLedger, Wrong},
    place::Wiring,
};

/// Longer than a victim needs to come as far as it can; only then it is killed from outside.
const PATIENCE: Duration = Duration::from_secs(30);

/// What becomes of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Orders {
    pub wiring: Wiring,
    pub fate: Option<Fate>,
    pub wrong: Option<Wrong>,
    /// How far its clock is off, in seconds.
    pub clock_off_s: i64,
}

/// A signal to itself when it comes to a point (by its place in `Point::ALL`) for the nth time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Fate {
    pub point: usize,
    pub nth: usize,
    pub signal: i32,
}

impl Fate {
    pub fn at(point: Point, nth: usize, signal: i32) -> Fate {
        let place = Point::ALL.iter().position(|one| *one == point);
        Fate { point: place.unwrap_or(0), nth, signal }
    }
}

impl Orders {
    pub fn new(wiring: Wiring, fate: Option<Fate>) -> Orders {
        Orders { wiring, fate, wrong: None, clock_off_s: 0 }
    }

    /// The process of it: works until SIGTERM, or until its fate.
    pub async fn obey(self) -> Result<()> {
        let setup = self.wiring.setup()?;
        let stopped = stop::on_signal()?;
        let probes = self.fate.map_or_else(Probes::default, probes);
        match self.wrong {
            None => {
                self.wiring.fleet(&setup, DeskLedger(setup.desk.clone()), probes).run(stopped, Default::default()).await
            }
            Some(wrong) => {
                self.wiring
                    .fleet(&setup, BrokenLedger::new(&setup, wrong), probes)
                    .run(stopped, Default::default())
                    .await
            }
        };
        Ok(())
    }
}

fn probes(fate: Fate) -> Probes {
    let times = AtomicUsize::new(0);
    Probes::new(move |point| {
        if Point::ALL[fate.point] == point && times.fetch_add(1, Ordering::SeqCst) + 1 == fate.nth {
            // SAFETY: a signal to ourselves; both calls have no preconditions.
            unsafe { libc::kill(libc::getpid(), fate.signal) };
        }
    })
}

/// Our handle on it; it never outlives it.
#[derive(Debug)]
pub struct Victim(Child);

impl Victim {
    /// `program`: where `fallout-faults` is.
    pub fn start(program: &Path, orders: &Orders) -> Result<Victim> {
        let mut command = Command::new(program);
        command.arg("victim").arg(serde_json::to_string(orders)?);
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        if std::env::var_os("FALLOUT_LOG").is_none() {
            command.stderr(Stdio::null());
        }
        Ok(Victim(command.spawn().with_context(|| format!("starting {}", program.display()))?))
    }

    pub fn signal(&self, signal: i32) {
        if let Some(pid) = self.0.id() {
            // SAFETY: a child of ours that was not waited for yet, so its id is not anyone else's.
            unsafe { libc::kill(pid as i32, signal) };
        }
    }

    /// Whether it met its end.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    /// Waits until its own signal has stopped it.
    pub async fn is_stopped(&mut self) -> Result<()> {
        let pid = self.0.id().context("the victim has ended")?;
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
            // The name before it may hold anything, but no closing bracket behind it.
            if stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T')) {
                return Ok(());
            }
            sleep(Duration::from_millis(10)).await;
        }
        anyhow::bail!("the victim never came to its point")
    }

    /// Asks it to end and waits; one that does not is killed.
    pub async fn end(mut self) -> Result<()> {
        self.signal(libc::SIGTERM);
        if timeout(PATIENCE, self.0.wait()).await.is_err() {
            self.0.kill().await?;
        }
        Ok(())
    }

    /// Waits until its own signal has killed it.
    pub async fn dies(&mut self) -> Result<()> {
        use std::os::unix::process::ExitStatusExt;
        let status = timeout(PATIENCE, self.0.wait()).await.context("the victim never came to its point")??;
        ensure!(status.signal() == Some(libc::SIGKILL), "the victim ended by itself: {status}");
        Ok(())
    }
}
