//! An action on a step that is at work: it waits for the end of the exchange, and then either has the step or is refused over
//! what is known by then. And the step of a worker that is dead, which a senior takes over.

use chrono::{DateTime, Utc};

use super::{Accepted, Action, Refusal};
use crate::{
    attempt::AttemptFacts,
    claim::sender_gone_at,
    decide::Verdict,
    ids::AttemptId,
    outcome::Outcome,
    step::{Ending, StepState},
};

/// What becomes of an action at the end of the exchange that it waited for.
#[derive(Clone, Debug, PartialEq)]
pub enum AtEnd {
    /// It does not fit what is known now: the step goes on as it would have.
    Refused(Refusal),
    /// What it was for comes about without it.
    Fulfilled,
    /// It has the step. `parks`: the verdict parks the step by itself, and is reported; any other is not followed.
    Takes { settles: Option<Outcome>, parks: bool },
}

/// `answer` is what the guard says, asked anew as if the step had parked.
pub fn at_end(action: Action, verdict: &Verdict, answer: Result<Accepted, Refusal>) -> AtEnd {
    match (verdict, answer) {
        (Verdict::AwaitCallback { .. }, _) => AtEnd::Refused(Refusal::NotParked(StepState::AwaitingCallback)),
        (Verdict::End { ending: Ending::Cancelled }, _) if action == Action::CancelOrder => AtEnd::Fulfilled,
        // Only the end of its instance, or of its order, ends a step that tried something.
        (Verdict::End { .. }, _) => AtEnd::Refused(Refusal::InstanceGone),
        (_, Err(refusal)) => AtEnd::Refused(refusal),
        // A cancelled order undoes what exists by itself.
        (Verdict::Complete { .. }, Ok(_)) if matches!(action, Action::CancelOrder | Action::ResumeWorkflow) => {
            AtEnd::Fulfilled
        }
        (verdict, Ok(Accepted::Correlate { settles })) => AtEnd::Takes { settles, parks: verdict.needs_case() },
        (_, Ok(_)) => AtEnd::Refused(Refusal::NotParked(StepState::Running)),
    }
}

/// The open attempt whose sender is certainly gone.
pub fn dead(attempts: &[AttemptFacts], now: DateTime<Utc>) -> Result<AttemptId, Refusal> {
    let open = attempts.iter().find(|attempt| attempt.is_open()).ok_or(Refusal::NothingToTakeOver)?;
    match sender_gone_at(open) {
        gone_at if now < gone_at => Err(Refusal::SenderAtWork(gone_at)),
        _ => Ok(open.id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, attempts, outputs, technical, unknown};

    fn correlate() -> Result<Accepted, Refusal> {
        Ok(Accepted::Correlate { settles: None })
    }

    #[test]
    fn at_the_end_of_the_exchange_the_action_has_the_step_or_is_refused_over_what_is_known() {
        use Action as A;
        let complete = Verdict::Complete { outputs: outputs() };
        let again = Verdict::RetryAfter { delay_ms: 1, retries_left: 2, reason: "503".into() };
        let replay = Verdict::ReplayAfter { delay_ms: 1, retries_left: 2, reason: "504".into() };
        let look_up = Verdict::LookUpAfter { delay_ms: 1 };
        let park = Verdict::Park { classification: "RETRIES_EXHAUSTED".into(), reason: "503".into() };
        let raise = |handled| Verdict::RaiseError { code: "NO".into(), message: "no".into(), handled };
        let pending = Verdict::AwaitCallback { deadline_ms: 1 };
        let gone = Verdict::End { ending: Ending::Cancelled };
        let takes = |parks| AtEnd::Takes { settles: None, parks };
        let refused = |refusal: Refusal| (Err(refusal.clone()), AtEnd::Refused(refusal));
        let (applied, applied_end) = refused(Refusal::Applied);
        let (unclear, unclear_end) = refused(Refusal::OutcomeUnknown);
        let rows = [
            (A::RetryStep, &complete, applied, applied_end),
            (A::ResumeWorkflow, &complete, correlate(), AtEnd::Fulfilled),
            (A::CancelOrder, &complete, correlate(), AtEnd::Fulfilled),
            (A::CompensateStep, &complete, correlate(), takes(false)),
            (A::RetryStep, &again, correlate(), takes(false)),
            (A::SkipStep, &again, correlate(), takes(false)),
            (A::RetryStep, &replay, correlate(), takes(false)),
            (A::SkipStep, &look_up, unclear, unclear_end),
            (A::RetryStep, &park, correlate(), takes(true)),
            (A::RetryStep, &raise(false), correlate(), takes(true)),
            (A::RetryStep, &raise(true), correlate(), takes(false)),
            (A::RetryStep, &pending, correlate(), AtEnd::Refused(Refusal::NotParked(StepState::AwaitingCallback))),
            (A::RetryStep, &gone, correlate(), AtEnd::Refused(Refusal::InstanceGone)),
            (A::CancelOrder, &gone, correlate(), AtEnd::Fulfilled),
        ];
        for (action, verdict, answer, expected) in rows {
            assert_eq!(at_end(action, verdict, answer), expected, "{action} {verdict:?}");
        }
    }

    /// Over at 15, and a second for its evidence.
    #[test]
    fn only_the_step_of_a_dead_worker_is_taken_over() {
        let open = attempts([Some(technical()), None]);
        let gone_at = sender_gone_at(&open[1]);
        assert_eq!(dead(&open, gone_at - chrono::Duration::milliseconds(1)), Err(Refusal::SenderAtWork(gone_at)));
        assert_eq!(dead(&open, gone_at), Ok(open[1].id));
        for history in [vec![], vec![Some(unknown())], vec![Some(technical())]] {
            assert_eq!(dead(&attempts(history), at(9_999)), Err(Refusal::NothingToTakeOver));
        }
    }
}
