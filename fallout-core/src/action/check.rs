//! What a check of the outcome came to: a lookup that a person asked for, and how long it is waited for.

use chrono::{DateTime, Duration, Utc};

use super::Action;
use crate::{
    attempt::AttemptFacts,
    decide::{Joined, join},
    lookup::Said,
    operation::Lookup,
    outcome::Outcome,
};

/// So many answers that prove nothing are an answer: a person waits for it.
const READS: usize = 4;
/// A "not found" that counts only after this is not waited for.
const PATIENCE: Duration = Duration::hours(1);

/// What the answers so far mean for who asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Checked {
    /// Proven; this is what to do now.
    Proven { applied: bool, next: Action },
    /// Ask again then.
    Again(DateTime<Utc>),
    /// The downstream did not say.
    NoAnswer { why: String },
}

/// Over the attempts of the step's latest generation; only reads since `asked` count as answers to this check.
pub fn checked(lookup: &Lookup, attempts: &[AttemptFacts], asked: DateTime<Utc>, now: DateTime<Utc>) -> Checked {
    let attempt = match join(attempts) {
        Joined::Settled(_, Outcome::Success { .. }) => {
            return Checked::Proven { applied: true, next: Action::ResumeWorkflow };
        }
        Joined::Settled(..) | Joined::Nothing => {
            return Checked::Proven { applied: false, next: Action::RetryStep };
        }
        Joined::Open(attempt) | Joined::Unresolved(attempt, _) => attempt,
    };
    let soon = now + Duration::milliseconds(i64::from(lookup.interval_ms.max(1)));
    let mut said = attempt.reads.iter().filter(|read| read.at >= asked);
    let (count, last) = (said.clone().count(), said.next_back().map(|read| &read.said));
    let counts_from = attempt.not_found_counts_from(lookup);
    match (last, counts_from) {
        (None, _) => Checked::Again(now),
        (Some(Said::NotFound), None) => Checked::NoAnswer {
            why: "it was not found, which proves nothing here: no bound is declared for how late a request may take effect".into(),
        },
        (Some(Said::NotFound), Some(from)) if from > now + PATIENCE => {
            let from = from.format("%Y-%m-%d %H:%M:%S UTC");
            Checked::NoAnswer { why: format!("it was not found, which counts only from {from} on; ask again then") }
        }
        (Some(said), _) if count >= READS => Checked::NoAnswer { why: format!("asked {count} times: {said}") },
        (Some(Said::NotFound), Some(from)) => Checked::Again(soon.max(from)),
        (Some(_), _) => Checked::Again(soon),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, attempt, attempts, business, lookup, reads, success, technical, unknown};

    #[test]
    fn what_is_proven_says_which_action_fits() {
        let rows = [
            (success(), true, Action::ResumeWorkflow),
            (technical(), false, Action::RetryStep),
            (business(), false, Action::RetryStep),
        ];
        for (outcome, applied, next) in rows {
            let proven = attempts([Some(outcome)]);
            assert_eq!(checked(&lookup(), &proven, at(50), at(60)), Checked::Proven { applied, next });
        }
    }

    /// Over at 15; "not found" counts from 20 on. Asked at 50.
    #[test]
    fn what_proves_nothing_is_asked_again_a_few_times() {
        let nothing = || Said::Nothing { why: "HTTP 500".into() };
        let rows: [(&[(i64, Said)], Checked); 5] = [
            (&[], Checked::Again(at(60))),
            (&[(49, Said::NotFound)], Checked::Again(at(60))),
            (&[(51, Said::InFlight)], Checked::Again(at(61))),
            (&[(51, Said::NotFound)], Checked::Again(at(61))),
            (
                &[(51, nothing()), (52, nothing()), (53, nothing()), (54, nothing())],
                Checked::NoAnswer { why: "asked 4 times: no answer: HTTP 500".into() },
            ),
        ];
        for (said, expected) in rows {
            let mut unknown = attempt(1, unknown());
            unknown.reads = reads(said);
            assert_eq!(checked(&lookup(), &[unknown], at(50), at(60)), expected, "{said:?}");
        }
    }

    #[test]
    fn not_found_is_waited_for_until_it_counts_but_not_for_ever() {
        let mut unknown = attempt(1, unknown());
        unknown.reads = reads(&[(2, Said::NotFound)]);
        assert_eq!(checked(&lookup(), &[unknown.clone()], at(1), at(3)), Checked::Again(at(20)));
        let unbounded = Lookup { max_late_arrival_ms: None, ..lookup() };
        let never = checked(&unbounded, &[unknown.clone()], at(1), at(3));
        assert!(matches!(never, Checked::NoAnswer { ref why } if why.contains("no bound is declared")), "{never:?}");
        unknown.callback_deadline = Some(at(10_000));
        let late = checked(&lookup(), &[unknown], at(1), at(3));
        assert!(matches!(late, Checked::NoAnswer { ref why } if why.contains("ask again then")), "{late:?}");
    }
}
