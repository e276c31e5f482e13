//! What a recorded verdict says to the engine. Pure: variables, texts and times of a report.

use std::time::Duration;

use fallout_camunda::Variables;
use fallout_core::{decide::Verdict, ids::CaseNumber};
use uuid::Uuid;

use crate::work::Settled;

/// A case that could not be written with its verdict is written by its controller within moments.
pub(crate) const SOON: Duration = Duration::from_secs(2);

/// One call about one task, complete: a repetition says exactly the same.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Telling {
    Complete { variables: Variables },
    BpmnError { code: String, message: String, variables: Variables },
    Failure { message: String, retries: u32, retry_timeout: Duration, variables: Variables },
}

/// What a verdict comes to for the engine.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Word {
    Tell(Telling),
    /// Nothing is told: the task comes back after this time.
    Wait(Duration),
}

/// `report` is kept by the engine's history: the only trace a BPMN error leaves that is surely ours.
pub(crate) fn word(settled: &Settled, report: Uuid) -> Word {
    let Settled { verdict, case, .. } = settled;
    let variables = Variables::new().with("reportId", report.to_string());
    // Set on every complete: an old PENDING would send the token back to the callback wait for ever.
    let complete = |state: &str| Telling::Complete { variables: variables.clone().with("stepState", state) };
    Word::Tell(match verdict {
        verdict if verdict.needs_case() && case.is_none() => return Word::Wait(SOON),
        Verdict::Complete { .. } => complete("DONE"),
        Verdict::End { ending } => complete(ending.word()),
        Verdict::AwaitCallback { deadline_ms } => Telling::Complete {
            variables: variables.with("stepState", "PENDING").with("callbackDeadline", iso_8601(*deadline_ms)),
        },
        Verdict::RaiseError { code, message, .. } => {
            Telling::BpmnError { code: code.clone(), message: with_case(*case, message), variables }
        }
        Verdict::RetryAfter { delay_ms, retries_left, reason }
        | Verdict::ReplayAfter { delay_ms, retries_left, reason } => {
            Telling::Failure {
                message: reason.clone(),
                // Zero would park without a case; a verdict to retry never means it.
                retries: (*retries_left).max(1),
                retry_timeout: Duration::from_millis(*delay_ms),
                variables,
            }
        }
        Verdict::LookUpAfter { delay_ms } => return Word::Wait(Duration::from_millis(*delay_ms)),
        Verdict::Park { classification, reason } => {
            park(with_case(*case, &format!("{classification}: {reason}")), variables)
        }
    })
}

/// A task of a step that waits for its recovery was raised again, in Cockpit for example.
pub(crate) fn parked_again(case: CaseNumber) -> Telling {
    park(format!("{case} is open: the step waits for its recovery"), Variables::new())
}

/// Without retries and without delay: raised retries would stay invisible until a delay is over.
fn park(message: String, variables: Variables) -> Telling {
    Telling::Failure { message, retries: 0, retry_timeout: Duration::ZERO, variables }
}

fn with_case(case: Option<CaseNumber>, message: &str) -> String {
    match case {
        Some(case) => format!("{case} {message}"),
        None => message.to_owned(),
    }
}

/// A duration as the engine's timers read it (XML Schema: seconds may have a fraction).
fn iso_8601(ms: u64) -> String {
    format!("PT{}.{:03}S", ms / 1_000, ms % 1_000)
}

#[cfg(test)]
#[path = "telling_tests.rs"]
mod tests;
