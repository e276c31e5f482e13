//! Verification: what is read before a case may be resolved, how long that may take, and what the answers prove. The numbers
//! are reference data (config/verification.toml).

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    action::Action,
    lookup::{LookupRead, Said, interval_ms},
    operation::Lookup,
    words::words,
};

words! {
    /// How it is known that a case is resolved.
    Verification {
        /// Read: from the answer to the exchange, by a lookup, or from the engine's history.
        Machine = "machine",
        /// A named person says so, and nobody could be asked.
        Attested = "attested",
        /// Ended by authority, without proof.
        Unverified = "none",
    }
}

words! {
    /// What a lookup has to show.
    Shows { Applied = "applied", Absent = "absent" }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerificationRules {
    /// Rises with every change.
    pub version: u32,
    /// From the moment an action took effect: by then its step has settled and was read.
    pub within_minutes: Option<u32>,
    /// The same for single actions, by the words of a command.
    #[serde(default)]
    pub actions: BTreeMap<Action, u32>,
    /// The same for single operations; it goes before the action's.
    #[serde(default)]
    pub operations: BTreeMap<String, u32>,
    /// A trouble that comes back so soon after its case was resolved was not: the case is reopened. 0: never.
    #[serde(default)]
    pub reopen_within_hours: u32,
}

/// A shift: the next one would not know what was wanted.
const WITHIN_MINUTES: u32 = 480;
/// Longer, and nobody remembers the action.
const WITHIN_MINUTES_MAX: u32 = 14 * 1_440;

impl VerificationRules {
    pub fn within(&self, action: Action, operation: &str) -> Duration {
        let minutes = self.operations.get(operation).or_else(|| self.actions.get(&action)).copied();
        Duration::minutes(i64::from(minutes.or(self.within_minutes).unwrap_or(WITHIN_MINUTES)))
    }

    /// Whether what was resolved then and is seen now again was not solved.
    pub fn comes_back(&self, resolved_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        now < resolved_at + Duration::hours(i64::from(self.reopen_within_hours))
    }

    /// Everything wrong with it, at once.
    pub fn check(&self) -> Vec<String> {
        let default = ("within_minutes".to_owned(), self.within_minutes.unwrap_or(WITHIN_MINUTES));
        let actions = self.actions.iter().map(|(action, minutes)| (format!("actions.{action}"), *minutes));
        let operations = self.operations.iter().map(|(op, minutes)| (format!("operations.{op}"), *minutes));
        let wrong = |(name, minutes): (String, u32)| {
            (!(1..=WITHIN_MINUTES_MAX).contains(&minutes))
                .then(|| format!("{name} is {minutes}; expected 1 to {WITHIN_MINUTES_MAX} minutes"))
        };
        std::iter::once(default).chain(actions).chain(operations).filter_map(wrong).collect()
    }

    /// Operations that do not exist.
    pub fn unknown(&self, exists: impl Fn(&str) -> bool) -> Vec<String> {
        let unknown = self.operations.keys().filter(|op| !exists(op));
        unknown.map(|op| format!("operations.{op}: there is no such operation")).collect()
    }
}

/// A read that is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    pub lookup: &'a Lookup,
    pub expects: Shows,
    pub reads: &'a [LookupRead],
    /// From here on the lookup shows what there is.
    pub shown_from: DateTime<Utc>,
    pub deadline: DateTime<Utc>,
    pub now: DateTime<Utc>,
}

/// What the answers so far come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    Proven,
    Again(DateTime<Utc>),
    /// Disproved, or in doubt when its time is over.
    Failed(String),
}

/// "Not found" counts only once the lookup surely shows what there is, and only twice, as everywhere.
const NOT_FOUND_NEEDED: usize = 2;

pub fn judge(reading: &Reading<'_>) -> Judged {
    let Reading { lookup, expects, reads, shown_from, deadline, now } = *reading;
    let since_in_flight = reads.iter().rev().take_while(|read| read.said != Said::InFlight);
    let absent = since_in_flight.filter(|read| read.said == Said::NotFound && read.at >= shown_from).count();
    let last = reads.last().map(|read| &read.said);
    match (expects, last) {
        (Shows::Applied, Some(Said::Found { .. })) => Judged::Proven,
        (Shows::Absent, Some(Said::Found { .. })) => Judged::Failed("the downstream shows the effect".into()),
        (Shows::Applied, Some(Said::Rejected { code, .. })) => {
            Judged::Failed(format!("the downstream says that it was rejected: {code}"))
        }
        (Shows::Absent, Some(Said::Rejected { .. })) => Judged::Proven,
        (Shows::Absent, _) if absent >= NOT_FOUND_NEEDED => Judged::Proven,
        (Shows::Applied, _) if absent >= NOT_FOUND_NEEDED => {
            Judged::Failed("the downstream does not show the effect".into())
        }
        _ if now >= deadline => {
            let said = last.map_or("nobody was asked".to_owned(), ToString::to_string);
            Judged::Failed(format!("not proven in time: {said}"))
        }
        (_, last) => {
            let again = now + Duration::milliseconds(interval_ms(lookup, reads.len()));
            let counts = if last == Some(&Said::NotFound) { again.max(shown_from) } else { again };
            Judged::Again(counts.min(deadline))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, lookup, outputs, reads};

    /// What is expected, what was read and when, the second, and what that comes to.
    type Row<'a> = (Shows, &'a [(i64, Said)], i64, Judged);

    #[test]
    fn what_was_read_proves_disproves_or_is_asked_again_until_its_time_is_over() {
        let found = || Said::Found { outputs: outputs() };
        let nothing = || Said::Nothing { why: "HTTP 500".into() };
        let rejected = || Said::Rejected { code: "NO".into(), classification: None, message: "no".into() };
        let failed = |why: &str| Judged::Failed(why.to_owned());
        // Shown from 10 on, in time until 100.
        let rows: [Row<'_>; 13] = [
            (Shows::Applied, &[(11, found())], 11, Judged::Proven),
            (Shows::Applied, &[(2, found())], 2, Judged::Proven),
            (Shows::Applied, &[(11, rejected())], 11, failed("the downstream says that it was rejected: NO")),
            (Shows::Applied, &[(2, Said::NotFound)], 2, Judged::Again(at(10))),
            (Shows::Applied, &[(11, Said::NotFound)], 11, Judged::Again(at(12))),
            (
                Shows::Applied,
                &[(11, Said::NotFound), (12, Said::NotFound)],
                12,
                failed("the downstream does not show the effect"),
            ),
            (Shows::Applied, &[(11, Said::NotFound), (12, found())], 12, Judged::Proven),
            (Shows::Applied, &[(11, nothing())], 50, Judged::Again(at(51))),
            (Shows::Applied, &[(11, nothing())], 100, failed("not proven in time: no answer: HTTP 500")),
            (Shows::Absent, &[(11, Said::NotFound), (12, Said::NotFound)], 12, Judged::Proven),
            (Shows::Absent, &[(2, Said::NotFound), (3, Said::NotFound)], 3, Judged::Again(at(10))),
            (Shows::Absent, &[(11, found())], 11, failed("the downstream shows the effect")),
            (Shows::Absent, &[(99, Said::InFlight)], 101, failed("not proven in time: still in progress")),
        ];
        let lookup = lookup();
        for (expects, said, second, expected) in rows {
            let reads = reads(said);
            let (shown_from, deadline, now) = (at(10), at(100), at(second));
            let reading = Reading { lookup: &lookup, expects, reads: &reads, shown_from, deadline, now };
            let judged = judge(&reading);
            // Pauses grow; which moment it is is the lookup's business.
            let again = matches!((&judged, &expected), (Judged::Again(a), Judged::Again(b)) if a >= b);
            assert!(again || judged == expected, "{expects} {said:?}: {judged:?}");
        }
    }

    #[test]
    fn the_time_of_an_operation_goes_before_that_of_an_action() {
        let shipped: VerificationRules = toml::from_str(include_str!("../../config/verification.toml")).unwrap();
        assert_eq!(shipped.check(), Vec::<String>::new());
        let rules = VerificationRules {
            version: 1,
            within_minutes: Some(30),
            reopen_within_hours: 2,
            actions: [(Action::CompensateStep, 60)].into(),
            operations: [("slow".to_owned(), 90)].into(),
        };
        let minutes = |action, op| rules.within(action, op).num_minutes();
        assert_eq!(minutes(Action::RetryStep, "quick"), 30);
        assert_eq!(minutes(Action::CompensateStep, "quick"), 60);
        assert_eq!(minutes(Action::CompensateStep, "slow"), 90);
        assert_eq!(VerificationRules::default().within(Action::RetryStep, "x").num_minutes(), 480);
        let hour = |n: i64| at(n * 3_600);
        assert!(rules.comes_back(hour(1), at(2 * 3_600)) && !rules.comes_back(hour(1), hour(3)));
        assert!(!VerificationRules::default().comes_back(hour(1), hour(1)), "never, unless it is said");
        let wrong = VerificationRules { within_minutes: Some(0), ..rules.clone() };
        assert_eq!(wrong.check(), ["within_minutes is 0; expected 1 to 20160 minutes"]);
        assert_eq!(rules.unknown(|op| op == "quick"), ["operations.slow: there is no such operation"]);
    }
}
