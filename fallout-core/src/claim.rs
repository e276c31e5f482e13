//! Whether a fetched task may send, and what else it is for: the rule behind every claim.

use chrono::{DateTime, Duration, Utc};

use crate::{
    attempt::{AttemptFacts, StoredRequest},
    decide::{self, Joined, Situation, Verdict, join},
    ids::{ActionId, AttemptId, CaseNumber, StepKey},
    offline::Stop,
    operation::Operation,
    outcome::Outcome,
    step::{Ending, Outputs, StepState},
    undo::Left,
};

/// The step as it stands in the ledger when a task is claimed.
#[derive(Clone, Debug)]
pub struct StepFacts {
    pub key: StepKey,
    pub state: StepState,
    pub epoch: i32,
    /// The action that has reserved the step.
    pub gate: Option<ActionId>,
    /// The action that asked for the step while it was at work: nothing more is tried, and it has its say at the next end.
    pub stop: Option<ActionId>,
    pub outputs: Outputs,
    /// The code a rejected step ended with.
    pub rejected_code: Option<String>,
    pub case: Option<CaseNumber>,
    pub order_cancelled: bool,
    /// Nothing is sent for now, whatever is known.
    pub stopped: Option<Stop>,
    /// A field that its latest request was rendered from was corrected since.
    pub outdated: bool,
    /// Of a step that takes an effect back: what is left of that.
    pub undoes: Option<Left>,
    /// Attempts of the latest generation, oldest first.
    pub attempts: Vec<AttemptFacts>,
    /// The latest generation; 0 before the first intent.
    pub generation: i32,
    /// An action gave the step another operation, of which there is no intent yet.
    pub rerouted: bool,
}

impl StepFacts {
    fn is_rendered_anew(&self, outcome: &Outcome) -> bool {
        self.outdated && matches!(outcome, Outcome::Technical { .. })
    }

    /// A step that nobody has seen yet.
    pub fn unknown(key: StepKey, order_cancelled: bool) -> Self {
        StepFacts {
            key,
            state: StepState::New,
            epoch: 0,
            gate: None,
            stop: None,
            outputs: Outputs::new(),
            rejected_code: None,
            case: None,
            order_cancelled,
            stopped: None,
            outdated: false,
            undoes: None,
            attempts: Vec::new(),
            generation: 0,
            rerouted: false,
        }
    }
}

/// What the claim comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Open a new attempt of this generation; a generation without an intent needs one rendered.
    Send {
        generation: i32,
    },
    /// Another sender may be at work, or it is too early to read: come back then.
    Wait {
        until: DateTime<Utc>,
    },
    /// The sender of this open attempt is certainly gone: settle it as unproven, then decide again.
    Orphaned(AttemptId),
    LookUp(AttemptId),
    /// The effect is known; only the report is missing.
    Report(Verdict),
    /// Waits for a recovery, and this task was not dispatched by one.
    Parked,
    /// An action has the step's gate and did not dispatch this task, or waits for the end of what is under way.
    Withheld,
    /// There would be something to send or to ask, and nothing is for now.
    Stopped(Stop),
}

/// The claim as the fleet gets it.
#[derive(Clone, Debug)]
pub enum Claim {
    Fresh(Permission),
    InFlight { wait_ms: u64 },
    LookUp { attempt: AttemptId, request: StoredRequest, key: String },
    Report { attempt: Option<AttemptId>, verdict: Verdict, case: Option<CaseNumber> },
    Parked { case: CaseNumber },
    Withheld { why: String, wait_ms: u64 },
}

/// The right to send one stored request once.
#[derive(Clone, Debug)]
pub struct Permission {
    pub attempt: AttemptId,
    pub request: StoredRequest,
    pub key: String,
    pub generation: i32,
    /// From the database's clock: how long after the claim began a first byte may leave.
    pub send_within_ms: u64,
}

/// What recording came to; without a verdict there is nothing to report (the step is someone else's or waits).
#[derive(Clone, Debug)]
pub struct Recorded {
    pub verdict: Option<Verdict>,
    pub case: Option<CaseNumber>,
}

/// Two steps of time a margin has to cover: the sender's last byte, and its evidence on the way to us.
const EVIDENCE_MARGIN_MS: i64 = 1_000;

/// From then on the sender of an open attempt is certainly gone.
pub fn sender_gone_at(attempt: &AttemptFacts) -> DateTime<Utc> {
    attempt.over_at + Duration::milliseconds(EVIDENCE_MARGIN_MS)
}

/// The decision for a task that the engine handed out. `task_action` is the action that the task's variables name.
///
/// Where nothing is to be sent for now, what needs no downstream still goes on. Of a held order it may be asked what became
/// of an effect; of a downstream that is offline not even that.
pub fn decide_claim(op: &Operation, step: &StepFacts, task_action: Option<ActionId>, at: &Situation<'_>) -> Decision {
    match (decided(op, step, task_action, at), step.stopped) {
        (Decision::Send { .. }, Some(stop)) | (Decision::LookUp(_), Some(stop @ Stop::Offline)) => {
            Decision::Stopped(stop)
        }
        (decision, _) => decision,
    }
}

fn decided(op: &Operation, step: &StepFacts, task_action: Option<ActionId>, at: &Situation<'_>) -> Decision {
    match step.state {
        StepState::Done => Decision::Report(Verdict::Complete { outputs: step.outputs.clone() }),
        StepState::Skipped => Decision::Report(Verdict::End { ending: Ending::Skipped }),
        StepState::Cancelled => Decision::Report(Verdict::End { ending: Ending::Cancelled }),
        StepState::Rejected => Decision::Report(rejected(step)),
        StepState::Parked if step.gate.is_some() && step.gate != task_action => Decision::Withheld,
        StepState::Parked => parked(op, step, at),
        StepState::New | StepState::Running | StepState::AwaitingCallback => running(op, step, at),
    }
}

/// A rejection that is parked waits in the model; if its task is handed out again, the engine has not heard of it yet.
fn parked(op: &Operation, step: &StepFacts, at: &Situation<'_>) -> Decision {
    match decide::decide(op, &step.attempts, at) {
        Some(verdict @ Verdict::RaiseError { handled: false, .. }) => Decision::Report(verdict),
        _ => Decision::Parked,
    }
}

fn rejected(step: &StepFacts) -> Verdict {
    let code = step.rejected_code.clone().unwrap_or_default();
    Verdict::RaiseError { message: format!("rejected with {code}"), code, handled: true }
}

/// A cancelled order tries nothing anew: what is proven not applied stays so, whatever retry or action asked for it. Asking
/// about what may be applied goes on, by a replay too.
fn running(op: &Operation, step: &StepFacts, at: &Situation<'_>) -> Decision {
    let unresolved = matches!(join(&step.attempts), Joined::Unresolved(..));
    match tried(op, step, at) {
        // What was under way has ended: neither a retry nor a lookup is begun before the action has had its say.
        Decision::Send { .. } | Decision::LookUp(_) if step.stop.is_some() => Decision::Withheld,
        Decision::Send { .. } if step.order_cancelled && step.undoes.is_none() && !unresolved => {
            Decision::Report(Verdict::End { ending: Ending::Cancelled })
        }
        decision => decision,
    }
}

fn tried(op: &Operation, step: &StepFacts, at: &Situation<'_>) -> Decision {
    match join(&step.attempts) {
        Joined::Nothing if step.generation == 0 => first(step),
        // What the first route was asked stays what it was; the other one is asked something else.
        Joined::Nothing if step.rerouted => Decision::Send { generation: step.generation + 1 },
        Joined::Settled(last, outcome) if step.rerouted && !matches!(outcome, Outcome::Success { .. }) => {
            Decision::Send { generation: last.generation + 1 }
        }
        Joined::Nothing => Decision::Send { generation: step.generation.max(1) },
        Joined::Open(attempt) => {
            let gone_at = sender_gone_at(attempt);
            if at.now < gone_at { Decision::Wait { until: gone_at } } else { Decision::Orphaned(attempt.id) }
        }
        // An action since the last try asked for it: a rejection or defect is proof enough for a new generation. What was
        // corrected since is not sent as it was, once it is proven that it was not applied.
        Joined::Settled(last, outcome)
            if step.attempts.iter().all(|a| a.epoch < step.epoch)
                && (is_another_request(outcome) || step.is_rendered_anew(outcome)) =>
        {
            Decision::Send { generation: last.generation + 1 }
        }
        Joined::Settled(last, _) | Joined::Unresolved(last, _) => follow(op, step, last, at),
    }
}

fn is_another_request(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Business { .. } | Outcome::Defect { .. })
}

/// Undoing needs something that is left.
fn first(step: &StepFacts) -> Decision {
    match step.undoes {
        Some(Left::Nothing) => Decision::Report(Verdict::End { ending: Ending::Cancelled }),
        Some(Left::Unsure) => Decision::Withheld,
        None | Some(Left::Effect) => Decision::Send { generation: 1 },
    }
}

fn follow(op: &Operation, step: &StepFacts, last: &AttemptFacts, at: &Situation<'_>) -> Decision {
    match decide::decide(op, &step.attempts, at) {
        Some(Verdict::RetryAfter { .. } | Verdict::ReplayAfter { .. }) => {
            Decision::Send { generation: last.generation }
        }
        // No verdict means that a sender may be at work; never a reason to send.
        None => Decision::Wait { until: last.over_at },
        Some(Verdict::LookUpAfter { delay_ms: 0 }) => Decision::LookUp(last.id),
        Some(Verdict::LookUpAfter { delay_ms }) => {
            Decision::Wait { until: at.now + Duration::milliseconds(delay_ms as i64) }
        }
        Some(verdict) => Decision::Report(verdict),
    }
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
