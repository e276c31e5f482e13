//! What a controller's loop writes down of its runs, for `fallout watch status`.

use std::{fs, process, time::Instant};

use fallout_core::controller::{Run, RunOutcome, is_written};
use fallout_desk::Desk;

/// Of one controller, in this process.
#[derive(Debug)]
pub(super) struct Diary {
    desk: Desk,
    controller: &'static str,
    process: String,
    /// Things done that are not written yet.
    changed: u64,
    last: Option<(RunOutcome, Instant)>,
}

impl Diary {
    pub(super) fn new(desk: Desk, controller: &'static str) -> Diary {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Diary { desk, controller, process: format!("{}@{}", process::id(), host.trim()), changed: 0, last: None }
    }

    /// Where it cannot be written the controller goes on all the same.
    pub(super) async fn ran(&mut self, run: Run) {
        self.changed += run.changed;
        let run = Run { changed: self.changed, ..run };
        if !is_written(&run, self.last.map(|(outcome, at)| (outcome, at.elapsed()))) {
            return;
        }
        self.last = Some((run.outcome, Instant::now()));
        match self.desk.controller_ran(self.controller, &self.process, &run).await {
            Ok(()) => self.changed = 0,
            Err(e) => tracing::debug!(controller = self.controller, error = %e, "its run was not written down"),
        }
    }
}
