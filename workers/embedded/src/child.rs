//! A child process that ends with us. Linux sends the death signal when the *thread* that spawned the child ends, so
//! each child has a thread of its own that lives exactly as long as the child.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

#[derive(Debug)]
pub(crate) struct Supervised {
    pid: libc::pid_t,
    ending: Arc<Ending>,
}

/// How the child ended. The lock is also held while the child is reaped, so that no signal can reach a process that
/// got the same number later.
#[derive(Debug, Default)]
struct Ending {
    status: Mutex<Option<ExitStatus>>,
    changed: Condvar,
}

impl Ending {
    fn lock(&self) -> MutexGuard<'_, Option<ExitStatus>> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Supervised {
    /// Spawns `command` in a process group of its own (Ctrl-C is for us, not for it). When we die it gets `death_signal`.
    pub fn spawn(mut command: Command, death_signal: libc::c_int) -> io::Result<Self> {
        die_with_us(&mut command, death_signal);
        command.stdin(Stdio::null()).process_group(0);
        let (tell, told) = mpsc::channel();
        let ending = Arc::new(Ending::default());
        let theirs = Arc::clone(&ending);
        thread::Builder::new().name("supervisor".to_owned()).spawn(move || match command.spawn() {
            Ok(child) => {
                // The other side waits for this message, it cannot be gone.
                let _ = tell.send(Ok(child.id().cast_signed()));
                reap(child, &theirs);
            }
            Err(error) => {
                let _ = tell.send(Err(error));
            }
        })?;
        let pid = told.recv().map_err(|_| io::Error::other("the supervising thread ended early"))??;
        Ok(Self { pid, ending })
    }

    pub fn pid(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    /// Does nothing when the child has ended already.
    pub fn signal(&self, signal: libc::c_int) {
        let status = self.ending.lock();
        if status.is_none() {
            // SAFETY: the child is not reaped while we hold the lock, so the number is still its own.
            unsafe { libc::kill(self.pid, signal) };
        }
    }

    /// Waits at most `bound` for the child to end; `None`: it still runs.
    pub fn ended_within(&self, bound: Duration) -> Option<ExitStatus> {
        let status = self.ending.lock();
        let waited = self.ending.changed.wait_timeout_while(status, bound, |status| status.is_none());
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Asks with `signal`; a child that has not ended after `bound` is killed.
    pub fn stop(&self, signal: libc::c_int, bound: Duration) {
        self.signal(signal);
        if self.ended_within(bound).is_none() {
            tracing::warn!(pid = self.pid, "a child did not stop in time and is killed");
            self.kill();
        }
    }

    pub fn kill(&self) {
        self.signal(libc::SIGKILL);
        self.ended_within(Duration::from_secs(10)); // only a process stuck in the kernel takes longer
    }
}

/// To be called before each spawn, also of short-lived helpers. The signal is set after std has changed the user,
/// because a change of user clears it.
pub(crate) fn die_with_us(command: &mut Command, signal: libc::c_int) {
    let us = std::process::id();
    // SAFETY: between fork and exec only async-signal-safe calls are made: prctl, getppid and no allocation.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, signal) != 0 {
                return Err(io::Error::last_os_error());
            }
            // We may have died before the call above, then no signal would ever come.
            if libc::getppid().unsigned_abs() != us {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        });
    }
}

/// Waits without reaping, then reaps under the lock.
fn reap(mut child: Child, ending: &Ending) {
    loop {
        // SAFETY: siginfo_t is plain data, and the pointer is valid for the call.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let flags = libc::WEXITED | libc::WNOWAIT;
        // SAFETY: as above.
        let answer = unsafe { libc::waitid(libc::P_PID, child.id(), &raw mut info, flags) };
        if answer == 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            break;
        }
    }
    let mut status = ending.lock();
    *status = child.wait().ok();
    ending.changed.notify_all();
}
