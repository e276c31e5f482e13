//! How the program ends: one number per class, so that a script can decide without reading.

use std::process::ExitCode;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or already done.
    Done = 0,
    /// It went wrong in a way that has no class of its own; also the demo whose effects do not add up.
    Failed = 1,
    /// The command line, the configuration or an input file has to change (clap uses 2 as well).
    Usage = 2,
    /// Everything is there, and the answer is no: a guard, a check or the engine refused it.
    Refused = 3,
    /// The engine or the database is away: trying again later may help.
    Unreachable = 4,
    /// Software is missing on this machine (`EX_UNAVAILABLE` of sysexits.h).
    Missing = 69,
    /// A person stopped it (128 + SIGINT, as a shell says).
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}
