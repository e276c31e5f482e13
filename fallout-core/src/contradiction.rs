//! What evidence proves that comes when its attempt is settled already, and when that is not what it was settled by.
//!
//! Evidence of a superseded sender is never dropped. Most of it says again what is known; what does not is a sign that an
//! effect exists twice, or that a proof was none, and nobody would ever look for it again.

use crate::{
    attempt::AttemptFacts,
    decide::classification,
    operation::{Operation, Repetition},
    outcome::Outcome,
    step::Outputs,
};

/// What the late evidence means beside what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// Settled as not applied, and the effect exists.
    AppliedAfterAll,
    /// The effect exists, and so does the one of another attempt: most likely two.
    AppliedTwice,
    /// Settled as not applied, and the downstream took it on: the effect may still come.
    AcceptedAfterAll,
    /// Settled as applied, and the only attempt that could have made the effect is proven not to have.
    NeverApplied,
    /// Applied, but not as it was settled: other outputs than later steps were given.
    OtherOutputs,
}

impl Contradiction {
    pub fn classification(self) -> &'static str {
        match self {
            Contradiction::AppliedAfterAll => classification::APPLIED_AFTER_ALL,
            Contradiction::AppliedTwice => classification::APPLIED_TWICE,
            Contradiction::AcceptedAfterAll | Contradiction::NeverApplied | Contradiction::OtherOutputs => {
                classification::EFFECT_DISPUTED
            }
        }
    }

    /// Whether the effect has to count as existing from now on: a positive proof outweighs an absent one.
    pub fn proves_effect(self) -> bool {
        matches!(self, Contradiction::AppliedAfterAll | Contradiction::AppliedTwice)
    }
}

/// `attempt` was settled as its outcome tells (or was not settled) before this evidence came, which means `said`; `others` are
/// all other attempts of the step, of every generation. `None` when it agrees, or proves nothing new.
pub fn contradiction(
    op: &Operation,
    attempt: &AttemptFacts,
    said: &Outcome,
    others: &[AttemptFacts],
) -> Option<Contradiction> {
    if op.repetition() == Repetition::Harmless {
        return None;
    }
    let is_same =
        |other: &AttemptFacts| op.repetition() == Repetition::Recognised && other.generation == attempt.generation;
    let settled = attempt.outcome.as_ref().filter(|o| o.is_definite());
    let was_absent = settled.is_some_and(Outcome::is_not_applied);
    match (settled, said) {
        (Some(Outcome::Success { outputs: known }), Outcome::Success { outputs }) => {
            differ(known, outputs).then_some(Contradiction::OtherOutputs)
        }
        (Some(Outcome::Success { .. }), said) if said.is_not_applied() => {
            let could_have = |other: &AttemptFacts| {
                other.generation == attempt.generation && !other.outcome.as_ref().is_some_and(Outcome::is_not_applied)
            };
            (!others.iter().any(could_have)).then_some(Contradiction::NeverApplied)
        }
        (_, Outcome::Success { outputs }) => match others.iter().find_map(|other| Some((other, made(other)?))) {
            None => was_absent.then_some(Contradiction::AppliedAfterAll),
            Some((other, known)) if is_same(other) && !differ(known, outputs) => None,
            Some(_) => Some(Contradiction::AppliedTwice),
        },
        (_, Outcome::Pending) if was_absent && !others.iter().any(is_same) => Some(Contradiction::AcceptedAfterAll),
        _ => None,
    }
}

/// The outputs of the effect that this attempt made.
fn made(attempt: &AttemptFacts) -> Option<&Outputs> {
    match &attempt.outcome {
        Some(Outcome::Success { outputs }) => Some(outputs),
        _ => None,
    }
}

/// Values of the same name that are not the same; a name that only one of them gives says nothing.
fn differ(known: &Outputs, said: &Outputs) -> bool {
    known.iter().any(|(name, value)| said.get(name).is_some_and(|other| other != value))
}

#[cfg(test)]
#[path = "contradiction_tests.rs"]
mod tests;
