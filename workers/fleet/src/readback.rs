//! What to do when a report did not simply succeed. Pure: the decision given the error and what was read since.
//!
//! A report is an effect too. `complete` and `bpmnError` can take effect once, so they may be said again; a second
//! `failure` writes another log entry and starts the retry's time anew, so it needs proof that the first was not applied.

use fallout_camunda::ReportError;

use crate::telling::Telling;

/// A step of the model behind the task may have met a passing fault; more often it is the model's own.
const FAULTS: u32 = 3;
/// One reading may be earlier than the engine's own transaction; the second comes a pause later.
const READINGS_FOR_FAILURE: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Applied,
    /// The task is gone or someone else's: nothing to report any more.
    NotOurs,
    /// Not applied for certain, or harmless to repeat.
    Again,
    Read,
    /// The instance is suspended and answers 400 to everything: a later claim reports.
    Suspended,
    /// Our user may not say it: nothing is wrong with the step, and the report waits for the next claim.
    NotAllowed,
    /// The engine will not take it: a case, and a later claim reports again, a whole lock later.
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Complete,
    BpmnError,
    Failure,
}

impl Verb {
    pub fn word(self) -> &'static str {
        match self {
            Verb::Complete => "complete",
            Verb::BpmnError => "bpmnError",
            Verb::Failure => "failure",
        }
    }
}

/// What happened to this report so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SoFar {
    /// One was sent without an answer: from then on a refusal may be the echo of our own success.
    pub unknown: bool,
    /// It was refused for a reason that is not known here: the task says whether it is ours at all.
    pub refused: bool,
    pub faults: u32,
    pub readings: u32,
}

/// The task as it was read, and whether the history holds our mark: a log entry by our worker id, or our report id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub task: Held,
    pub traced: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    Gone,
    Ours,
    ByAnother,
    Suspended,
}

impl Telling {
    pub fn verb(&self) -> Verb {
        match self {
            Telling::Complete { .. } => Verb::Complete,
            Telling::BpmnError { .. } => Verb::BpmnError,
            Telling::Failure { .. } => Verb::Failure,
        }
    }
}

pub(crate) fn after_error(error: &ReportError, so_far: &mut SoFar) -> Next {
    match error {
        ReportError::Unknown { .. } => {
            *so_far = SoFar { unknown: true, readings: 0, ..*so_far };
            Next::Read
        }
        ReportError::Retry { .. } => Next::Again,
        ReportError::Gone | ReportError::Superseded { .. } if so_far.unknown => Next::Read,
        ReportError::Gone | ReportError::Superseded { .. } | ReportError::Expired => Next::NotOurs,
        ReportError::Suspended if so_far.unknown => Next::Read,
        ReportError::Suspended => Next::Suspended,
        ReportError::EngineFault { .. } => {
            so_far.faults += 1;
            if so_far.faults < FAULTS { Next::Again } else { Next::Refused }
        }
        ReportError::Unauthorised { .. } => Next::NotAllowed,
        ReportError::Refused { .. } => {
            so_far.refused = true;
            Next::Read
        }
        ReportError::CannotAdvance { .. } => Next::Refused,
    }
}

pub(crate) fn after_reading(verb: Verb, reading: Reading, so_far: &mut SoFar) -> Next {
    so_far.readings += 1;
    match (reading.task, verb) {
        _ if reading.traced => Next::Applied,
        (Held::Gone | Held::ByAnother, _) => Next::NotOurs,
        (Held::Suspended, _) => Next::Suspended,
        (Held::Ours, _) if so_far.refused => Next::Refused,
        (Held::Ours, Verb::Failure) if so_far.readings < READINGS_FOR_FAILURE => Next::Read,
        (Held::Ours, _) => Next::Again,
    }
}

#[cfg(test)]
#[path = "readback_tests.rs"]
mod tests;
