//! Problems: one cause behind many cases. When one opens, whom it takes in and until when, and how grave it is; reference
//! data (config/problems.toml).

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use crate::words::words;

words! {
    /// Where a problem stands.
    ProblemState { Open = "open", Closed = "closed" }
}

words! {
    /// What happens to a problem; also the type of its entry in the problem's timeline.
    ProblemEvent {
        Opened = "FalloutProblemOpened",
        SeverityRaised = "FalloutProblemSeverityRaised",
        Assigned = "FalloutProblemAssigned",
        Taken = "FalloutProblemTaken",
        Noted = "FalloutProblemNoted",
        Closed = "FalloutProblemClosed",
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProblemRules {
    /// A case belongs to a problem when the one before it was opened so long ago at most.
    pub window_minutes: u32,
    /// No problem takes in cases for longer than this.
    pub cap_hours: u32,
    /// Cases in the window that are one problem.
    pub opens_at: u32,
    /// The same for a single minute: a storm is seen before the window is full.
    pub opens_at_per_minute: u32,
    /// How long none of its cases is open, and no new one came, before a problem is over.
    pub quiet_minutes: u32,
    /// Where other counts hold; the first that fits.
    #[serde(default, rename = "except")]
    pub exceptions: Vec<Exception>,
}

/// Other counts for a downstream, a classification or both.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    pub downstream: Option<String>,
    pub classification: Option<String>,
    pub opens_at: u32,
    pub opens_at_per_minute: u32,
}

/// No rules: nothing is ever a problem.
impl Default for ProblemRules {
    fn default() -> Self {
        ProblemRules {
            window_minutes: 60,
            cap_hours: 24,
            opens_at: u32::MAX,
            opens_at_per_minute: u32::MAX,
            quiet_minutes: 10,
            exceptions: Vec::new(),
        }
    }
}

/// Active cases with one cause that belong to no problem yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathering {
    pub tenant: String,
    pub downstream: String,
    pub operation: String,
    pub classification: String,
    /// Opened within the window.
    pub cases: i64,
    /// Opened within the last minute.
    pub last_minute: i64,
}

impl ProblemRules {
    pub fn window(&self) -> Duration {
        Duration::minutes(self.window_minutes.into())
    }

    /// Until when a problem takes in cases, after one that came `at` this moment.
    pub fn takes_until(&self, opened: DateTime<Utc>, at: DateTime<Utc>) -> DateTime<Utc> {
        (at + self.window()).min(opened + Duration::hours(self.cap_hours.into()))
    }

    /// Fewer are never a problem.
    pub fn least(&self) -> i64 {
        let of = |cases: u32, per_minute: u32| i64::from(cases.min(per_minute));
        let exceptions = self.exceptions.iter().map(|e| of(e.opens_at, e.opens_at_per_minute));
        exceptions.fold(of(self.opens_at, self.opens_at_per_minute), i64::min)
    }

    pub fn is_problem(&self, found: &Gathering) -> bool {
        let fits = |named: &Option<String>, is: &str| named.as_deref().is_none_or(|named| named == is);
        let mut fitting = self.exceptions.iter();
        let other =
            fitting.find(|e| fits(&e.downstream, &found.downstream) && fits(&e.classification, &found.classification));
        let (cases, per_minute) =
            other.map_or((self.opens_at, self.opens_at_per_minute), |e| (e.opens_at, e.opens_at_per_minute));
        found.cases >= i64::from(cases) || found.last_minute >= i64::from(per_minute)
    }

    /// Whether a problem without an open case is over; `joined` is when the last case came.
    pub fn is_over(&self, open_cases: i64, joined: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        open_cases == 0 && now >= joined + Duration::minutes(self.quiet_minutes.into())
    }

    /// Everything wrong with it, at once. `knows` says whether the taxonomy has a classification.
    pub fn check(&self, knows: impl Fn(&str) -> bool) -> Vec<String> {
        let mut wrong = Vec::new();
        for (name, value) in [("window_minutes", self.window_minutes), ("cap_hours", self.cap_hours)] {
            if value == 0 {
                wrong.push(format!("{name} is 0: no case could ever join a problem"));
            }
        }
        if i64::from(self.cap_hours) * 60 < i64::from(self.window_minutes) {
            wrong.push("cap_hours is shorter than window_minutes".to_owned());
        }
        let own = ("", self.opens_at, self.opens_at_per_minute);
        let counts = self.exceptions.iter().map(|e| ("except: ", e.opens_at, e.opens_at_per_minute));
        for (place, cases, per_minute) in [own].into_iter().chain(counts) {
            if cases.min(per_minute) < 2 {
                wrong.push(format!("{place}opens_at and opens_at_per_minute are 2 at least: one case is no problem"));
            }
        }
        for exception in &self.exceptions {
            match &exception.classification {
                Some(code) if !knows(code) => wrong.push(format!("except: there is no classification {code}")),
                None if exception.downstream.is_none() => {
                    wrong.push("except: names neither downstream nor classification, so it holds for all".to_owned());
                }
                _ => {}
            }
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;

    fn shipped() -> ProblemRules {
        toml::from_str(include_str!("../../config/problems.toml")).unwrap()
    }

    fn gathering(cases: i64, last_minute: i64) -> Gathering {
        Gathering {
            tenant: "t".into(),
            downstream: "billing".into(),
            operation: "billing.activate".into(),
            classification: "RETRIES_EXHAUSTED".into(),
            cases,
            last_minute,
        }
    }

    #[test]
    fn many_cases_or_many_at_once_are_a_problem() {
        let mut rules = ProblemRules { opens_at: 10, opens_at_per_minute: 5, ..ProblemRules::default() };
        for (cases, last_minute, expected) in [(9, 4, false), (10, 0, true), (5, 5, true), (4, 4, false)] {
            assert_eq!(rules.is_problem(&gathering(cases, last_minute)), expected, "{cases} {last_minute}");
        }
        assert_eq!(rules.least(), 5);
        let other =
            Exception { downstream: Some("billing".into()), classification: None, opens_at: 3, opens_at_per_minute: 3 };
        rules.exceptions.push(other);
        assert!(rules.is_problem(&gathering(3, 0)));
        let elsewhere = Gathering { downstream: "payment".into(), ..gathering(3, 0) };
        assert!(!rules.is_problem(&elsewhere));
        assert_eq!(rules.least(), 3);
    }

    #[test]
    fn each_new_case_extends_the_window_up_to_the_cap() {
        let rules = ProblemRules { window_minutes: 60, cap_hours: 2, ..ProblemRules::default() };
        assert_eq!(rules.takes_until(at(0), at(0)), at(3_600));
        assert_eq!(rules.takes_until(at(0), at(3_000)), at(6_600));
        assert_eq!(rules.takes_until(at(0), at(7_000)), at(7_200));
    }

    #[test]
    fn a_problem_is_over_when_its_cases_are_and_nothing_comes() {
        let rules = ProblemRules { quiet_minutes: 10, ..ProblemRules::default() };
        for (open, joined, now, expected) in [(1, 0, 10_000, false), (0, 0, 599, false), (0, 0, 600, true)] {
            assert_eq!(rules.is_over(open, at(joined), at(now)), expected);
        }
    }

    #[test]
    fn what_is_shipped_is_right_and_every_mistake_is_found_at_once() {
        assert_eq!(shipped().check(|_| true), Vec::<String>::new());
        assert_eq!(ProblemRules::default().check(|_| true), Vec::<String>::new());
        let exception = |classification: Option<&str>| Exception {
            downstream: None,
            classification: classification.map(str::to_owned),
            opens_at: 1,
            opens_at_per_minute: 9,
        };
        let wrong = ProblemRules {
            window_minutes: 0,
            cap_hours: 0,
            opens_at: 0,
            opens_at_per_minute: 2,
            quiet_minutes: 0,
            exceptions: vec![exception(None), exception(Some("NEVER"))],
        };
        assert_eq!(wrong.check(|_| false).len(), 7);
    }
}
