//! A recovery of many cases at once: its life, how fast it goes, when it stops itself, and when a second person has to agree.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    action::{Action, catalogue::Approval},
    words::words,
};

words! {
    /// Where a bulk stands.
    BulkState {
        /// Nothing is done before a second person has agreed.
        AwaitingApproval = "awaiting_approval",
        Running = "running",
        /// By a person.
        Paused = "paused",
        /// By itself: too many of its recoveries failed.
        Halted = "halted",
        /// By a person, for good.
        Stopped = "stopped",
        /// Each of its cases has its result.
        Done = "done",
        /// The second person did not agree, or not in time.
        NotApproved = "not_approved",
    }
}

words! {
    /// What became of one of its cases.
    BulkCaseState {
        /// Its guard said no when the bulk was asked for.
        Excluded = "excluded",
        Pending = "pending",
        /// Its command is being given.
        Taken = "taken",
        /// The command was accepted; its end is not known.
        Recovering = "recovering",
        Recovered = "recovered",
        /// The action failed, was taken back or not agreed to.
        Failed = "failed",
        /// Its guard said no when its turn came.
        Refused = "refused",
    }
}

words! {
    /// What happens to a bulk.
    BulkEvent {
        Approved = "approve",
        NotApproved = "refuse",
        Paused = "pause",
        Resumed = "resume",
        Stopped = "stop",
        Halted = "halt",
        Finished = "finish",
    }
}

/// The bulk does not take this as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a bulk that is {state} takes no {event}")]
pub struct NotNow {
    pub state: BulkState,
    pub event: BulkEvent,
}

/// The state after an event.
pub fn next(state: BulkState, event: BulkEvent) -> Result<BulkState, NotNow> {
    use BulkEvent as E;
    use BulkState as S;
    match (state, event) {
        (S::AwaitingApproval, E::Approved) => Ok(S::Running),
        (S::AwaitingApproval, E::NotApproved) => Ok(S::NotApproved),
        (S::Running, E::Paused) => Ok(S::Paused),
        (S::Running, E::Halted) => Ok(S::Halted),
        (S::Paused | S::Halted, E::Resumed) => Ok(S::Running),
        (S::AwaitingApproval | S::Running | S::Paused | S::Halted, E::Stopped) => Ok(S::Stopped),
        (S::Running | S::Paused | S::Halted, E::Finished) => Ok(S::Done),
        (state, event) => Err(NotNow { state, event }),
    }
}

impl BulkState {
    /// Nothing more is begun.
    pub fn is_over(self) -> bool {
        matches!(self, BulkState::Stopped | BulkState::Done | BulkState::NotApproved)
    }
}

/// How fast it goes, and when it stops itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// Cases begun in a second; 0: as fast as the engine takes them.
    pub per_second: u32,
    /// Cases under way at the same time.
    pub at_once: u32,
    /// Of those that ended, so many in a hundred failed.
    pub stop_at_percent: u32,
}

/// What holds for every bulk (config/bulk.toml).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BulkRules {
    /// More cases than these need a second person, whatever the action.
    pub second_person_above: u32,
    /// A share says nothing before so many have ended.
    pub stop_after: u32,
    /// Where the command names none.
    pub pace: Pace,
}

/// More cases than one command should ever touch.
pub const CASES_MAX: usize = 100_000;
/// So many rows of the ledger held at once, and tasks that are dispatched.
pub const AT_ONCE_MAX: u32 = 5_000;
/// Faster than any engine of the family goes.
pub const PER_SECOND_MAX: u32 = 10_000;
/// How much of a second's worth may be begun at once after a pause. A controller looks once a second at least.
const BURST_S: f64 = 2.0;

impl Default for BulkRules {
    fn default() -> Self {
        BulkRules {
            second_person_above: 100,
            stop_after: 20,
            pace: Pace { per_second: 50, at_once: 200, stop_at_percent: 20 },
        }
    }
}

impl BulkRules {
    pub fn needs_second_person(&self, action: Action, cases: usize) -> bool {
        action.declaration().approval == Approval::SecondPerson || cases > self.second_person_above as usize
    }

    /// Whether it stops itself.
    pub fn halts(&self, pace: &Pace, ended: Ended) -> bool {
        let all = ended.recovered + ended.failed;
        all >= u64::from(self.stop_after.max(1)) && ended.failed * 100 >= all * u64::from(pace.stop_at_percent)
    }

    pub fn check(&self) -> Vec<String> {
        self.pace.check()
    }
}

impl Pace {
    /// Everything wrong with it, at once.
    pub fn check(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if !(1..=AT_ONCE_MAX).contains(&self.at_once) {
            wrong.push(format!("pace: {} at once; expected 1 to {AT_ONCE_MAX}", self.at_once));
        }
        if self.per_second > PER_SECOND_MAX {
            wrong.push(format!(
                "pace: {} per second; expected at most {PER_SECOND_MAX}, or 0 for no limit",
                self.per_second
            ));
        }
        if !(1..=100).contains(&self.stop_at_percent) {
            wrong.push(format!("pace: stop at {} percent; expected 1 to 100", self.stop_at_percent));
        }
        wrong
    }

    /// How many may be begun now, and what is left of the tokens if so many are.
    pub fn allows(&self, tokens: Tokens, under_way: u32, now: DateTime<Utc>) -> (u32, f64) {
        let room = self.at_once.saturating_sub(under_way);
        if self.per_second == 0 {
            return (room, 0.0);
        }
        let rate = f64::from(self.per_second);
        let passed = (now - tokens.at).num_microseconds().map_or(0.0, |us| us.max(0) as f64 / 1e6);
        let filled = (tokens.left + passed * rate).min(rate * BURST_S);
        (room.min(filled as u32), filled)
    }
}

/// What was left of a second's worth at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tokens {
    pub left: f64,
    pub at: DateTime<Utc>,
}

/// How its recoveries ended since it was begun or went on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    pub recovered: u64,
    pub failed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;

    fn rules() -> BulkRules {
        toml::from_str(include_str!("../../config/bulk.toml")).unwrap()
    }

    #[test]
    fn what_ships_is_whole_and_is_what_holds_without_a_file() {
        assert_eq!((rules().check(), rules()), (Vec::new(), BulkRules::default()));
        let wild = Pace { per_second: 99_999, at_once: 0, stop_at_percent: 0 };
        assert_eq!(BulkRules { pace: wild, ..rules() }.check().len(), 3);
    }

    #[test]
    fn a_bulk_goes_on_after_a_pause_and_never_after_its_end() {
        use BulkEvent as E;
        use BulkState as S;
        for (state, event, expected) in [
            (S::AwaitingApproval, E::Approved, Some(S::Running)),
            (S::AwaitingApproval, E::NotApproved, Some(S::NotApproved)),
            (S::AwaitingApproval, E::Resumed, None),
            (S::AwaitingApproval, E::Stopped, Some(S::Stopped)),
            (S::Running, E::Paused, Some(S::Paused)),
            (S::Running, E::Halted, Some(S::Halted)),
            (S::Running, E::Approved, None),
            (S::Paused, E::Resumed, Some(S::Running)),
            (S::Paused, E::Halted, None),
            (S::Paused, E::Finished, Some(S::Done)),
            (S::Halted, E::Resumed, Some(S::Running)),
            (S::Halted, E::Stopped, Some(S::Stopped)),
        ] {
            assert_eq!(next(state, event).ok(), expected, "{state} {event}");
        }
        let over = S::ALL.iter().filter(|s| s.is_over());
        for (state, event) in over.flat_map(|s| E::ALL.iter().map(move |e| (*s, *e))) {
            assert_eq!(next(state, event), Err(NotNow { state, event }));
        }
    }

    #[test]
    fn it_begins_as_many_as_are_allowed_in_a_second_and_under_way_at_once() {
        let pace = Pace { per_second: 10, at_once: 25, stop_at_percent: 20 };
        let tokens = |left| Tokens { left, at: at(100) };
        for (left, under_way, second, expected) in [
            (0.0, 0, 100, 0),
            (0.0, 0, 101, 10),
            (4.9, 0, 100, 4),
            (0.0, 0, 200, 20),
            (0.0, 18, 200, 7),
            (0.0, 25, 200, 0),
            (5.0, 30, 99, 0),
        ] {
            assert_eq!(pace.allows(tokens(left), under_way, at(second)).0, expected, "{left} {under_way} {second}");
        }
        assert_eq!(Pace { per_second: 0, ..pace }.allows(tokens(0.0), 5, at(100)).0, 20, "no limit but the room");
    }

    #[test]
    fn it_stops_itself_when_too_many_fail_and_not_over_the_first_few() {
        let halts = |recovered, failed| rules().halts(&rules().pace, Ended { recovered, failed });
        assert!(!halts(0, 19), "too few have ended");
        assert!(halts(16, 4) && halts(0, 20));
        assert!(!halts(17, 3) && !halts(10_000, 1_999) && halts(8_000, 2_000));
    }

    #[test]
    fn many_cases_need_a_second_person_and_so_does_an_action_that_needs_one_for_one_case() {
        let needs = |action, cases| rules().needs_second_person(action, cases);
        assert!(!needs(Action::RetryStep, 100) && needs(Action::RetryStep, 101));
        assert!(needs(Action::ForceClose, 1));
    }
}
