//! Targets and clocks of cases: reference data (config/sla.toml), and when what was promised falls due.
//!
//! A case's clock is a list of segments, running or paused. Whatever is said about it (how much is used, when it is due)
//! is computed from them, so it can be computed again: after a change of severity, calendar or zone rules, or by an auditor.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, TimeZone, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    calendar::Calendar,
    case::{CaseState, Severity},
    taxonomy::{Category, Taxonomy},
    words::words,
};

/// The one policy that serves every category which no other names.
pub const EVERY_OTHER: &str = "*";

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlaRules {
    #[serde(rename = "calendar")]
    pub calendars: Vec<Calendar>,
    #[serde(rename = "policy")]
    pub policies: Vec<Policy>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    pub code: String,
    /// Codes of the taxonomy, or `*`.
    pub categories: Vec<String>,
    pub calendar: String,
    pub targets: BTreeMap<Severity, Target>,
    /// States in which the clock stands still, since nobody of ours can do anything.
    pub paused_in: Vec<CaseState>,
    /// At this part of the resolution target people are warned that it will be missed.
    pub jeopardy_percent: u32,
    #[serde(default, rename = "escalation")]
    pub escalations: Vec<Escalation>,
}

/// Working time from the opening of the case.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Until somebody works on it.
    pub response_minutes: u32,
    /// Until it is over.
    pub resolution_minutes: u32,
}

/// At this part of the resolution target the case goes to this group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Escalation {
    pub at_percent: u32,
    pub group: String,
}

words! {
    /// Whether time counts.
    ClockState { Running = "running", Paused = "paused" }
}

/// A stretch in the life of a case; between two of them (a case that was over and came back) the clock does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub kind: ClockState,
    pub from: DateTime<Utc>,
    /// `None`: it goes on.
    pub to: Option<DateTime<Utc>>,
}

/// The calendar with the rules of its zone.
#[derive(Clone, Copy, Debug)]
pub struct Hours<'a, Z> {
    pub calendar: &'a Calendar,
    pub zone: &'a Z,
}

impl<Z: TimeZone> Hours<'_, Z> {
    /// Working time used until `now`.
    pub fn used(&self, segments: &[Segment], now: DateTime<Utc>) -> Duration {
        let running = segments.iter().filter(|s| s.kind == ClockState::Running && s.from < now);
        let end = |s: &Segment| s.to.map_or(now, |to| to.min(now));
        running.map(|s| self.calendar.working(self.zone, s.from, end(s))).sum()
    }

    /// When this much working time was, or will have been, used. `None` when it is not and the clock does not run.
    pub fn reached(&self, segments: &[Segment], amount: Duration) -> Option<DateTime<Utc>> {
        let mut left = amount;
        for segment in segments.iter().filter(|s| s.kind == ClockState::Running) {
            let here = segment.to.map(|to| self.calendar.working(self.zone, segment.from, to));
            match here {
                Some(here) if here < left => left -= here,
                _ => return self.calendar.after(self.zone, segment.from, left),
            }
        }
        None
    }
}

/// What was said of a case's clock so far; each thing is said once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub response_breach: bool,
    pub jeopardy: bool,
    pub breach: bool,
    /// Number of escalation steps taken.
    pub escalations: usize,
}

/// Where the clock stands; the moments are known while it runs, and those passed for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// `None` also when somebody has answered.
    pub response_due: Option<DateTime<Utc>>,
    pub jeopardy_at: Option<DateTime<Utc>>,
    pub due: Option<DateTime<Utc>>,
    /// One for each step of the policy.
    pub escalations: Vec<Option<DateTime<Utc>>>,
}

/// What has to be said or done about a clock now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owed {
    ResponseBreach { due: DateTime<Utc> },
    Jeopardy { due: Option<DateTime<Utc>> },
    Breach { due: DateTime<Utc> },
    Escalate { step: usize, escalation: Escalation },
}

impl Policy {
    /// Where a clock with these segments stands.
    pub fn standing<Z: TimeZone>(
        &self,
        hours: &Hours<'_, Z>,
        severity: Severity,
        segments: &[Segment],
        answered: bool,
    ) -> Standing {
        let Some(target) = self.targets.get(&severity) else {
            return Standing { response_due: None, jeopardy_at: None, due: None, escalations: Vec::new() };
        };
        let resolution = Duration::minutes(target.resolution_minutes.into());
        let part = |percent: u32| hours.reached(segments, resolution * percent as i32 / 100);
        let response = Duration::minutes(target.response_minutes.into());
        Standing {
            response_due: if answered { None } else { hours.reached(segments, response) },
            jeopardy_at: part(self.jeopardy_percent),
            due: part(100),
            escalations: self.escalations.iter().map(|e| part(e.at_percent)).collect(),
        }
    }

    /// What is owed at `now` and was not told yet, in the order of telling.
    pub fn owed(&self, standing: &Standing, told: &Told, now: DateTime<Utc>) -> Vec<Owed> {
        let passed = |at: Option<DateTime<Utc>>| at.filter(|at| *at <= now);
        let mut owed = Vec::new();
        if let Some(due) = passed(standing.response_due).filter(|_| !told.response_breach) {
            owed.push(Owed::ResponseBreach { due });
        }
        // Who comes too late to warn tells the breach alone.
        let breached = passed(standing.due);
        if passed(standing.jeopardy_at).is_some() && breached.is_none() && !told.jeopardy {
            owed.push(Owed::Jeopardy { due: standing.due });
        }
        if let Some(due) = breached.filter(|_| !told.breach) {
            owed.push(Owed::Breach { due });
        }
        let steps = self.escalations.iter().zip(&standing.escalations).enumerate().skip(told.escalations);
        let due = steps.take_while(|(_, (_, at))| passed(**at).is_some());
        owed.extend(due.map(|(step, (escalation, _))| Owed::Escalate { step, escalation: escalation.clone() }));
        owed
    }
}

impl Standing {
    /// The next moment at which something will be owed, given what will have been told.
    pub fn next(&self, told: &Told) -> Option<DateTime<Utc>> {
        let one = |at: Option<DateTime<Utc>>, told: bool| at.filter(|_| !told);
        let moments = [
            one(self.response_due, told.response_breach),
            one(self.jeopardy_at, told.jeopardy || told.breach),
            one(self.due, told.breach),
            self.escalations.get(told.escalations).copied().flatten(),
        ];
        moments.into_iter().flatten().min()
    }
}

impl Told {
    /// After these were told.
    pub fn and(mut self, owed: &[Owed]) -> Told {
        for one in owed {
            match one {
                Owed::ResponseBreach { .. } => self.response_breach = true,
                Owed::Jeopardy { .. } => self.jeopardy = true,
                Owed::Breach { .. } => self.breach = true,
                Owed::Escalate { step, .. } => self.escalations = step + 1,
            }
        }
        self
    }
}

impl SlaRules {
    /// The policy of a category: its own, or the one for every other.
    pub fn of_category(&self, category: &str) -> Option<&Policy> {
        let of = |code: &str| self.policies.iter().find(|p| p.categories.iter().any(|c| c == code));
        of(category).or_else(|| of(EVERY_OTHER))
    }

    pub fn policy(&self, code: &str) -> Option<&Policy> {
        self.policies.iter().find(|p| p.code == code)
    }

    /// Categories whose clock is not here: their cases would have the one that serves them here.
    pub fn unknown_clocks(&self, taxonomy: &Taxonomy) -> Vec<String> {
        let known: Vec<&str> = self.policies.iter().map(|p| p.code.as_str()).collect();
        let lost = taxonomy.categories.iter().filter(|c| self.policy(&c.sla_policy).is_none());
        let say = |c: &Category| {
            format!("category {}: its sla_policy {} is none of {}", c.code, c.sla_policy, known.join(", "))
        };
        lost.map(say).collect()
    }

    pub fn calendar(&self, code: &str) -> Option<&Calendar> {
        self.calendars.iter().find(|c| c.code == code)
    }

    /// Everything wrong with it, at once; whether its zones exist is asked by whoever knows zones.
    pub fn check(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut served = BTreeMap::<&str, u32>::new();
        self.calendars.iter().for_each(|calendar| calendar.check(&mut wrong));
        for policy in &self.policies {
            policy.check(&mut wrong);
            if self.calendar(&policy.calendar).is_none() {
                wrong.push(format!("policy {}: there is no calendar {}", policy.code, policy.calendar));
            }
            policy.categories.iter().for_each(|category| *served.entry(category).or_default() += 1);
        }
        wrong.extend(repeated("policy", self.policies.iter().map(|p| &p.code)));
        wrong.extend(repeated("calendar", self.calendars.iter().map(|c| &c.code)));
        wrong.extend(served.iter().filter(|(_, n)| **n > 1).map(|(c, n)| format!("category {c} has {n} policies")));
        if !served.contains_key(EVERY_OTHER) {
            wrong.push(format!("no policy has the category {EVERY_OTHER}, so a new category would have none"));
        }
        wrong
    }
}

fn repeated<'a>(what: &'a str, codes: impl Iterator<Item = &'a String>) -> impl Iterator<Item = String> {
    let mut seen = std::collections::BTreeSet::new();
    codes.filter(move |code| !seen.insert(*code)).map(move |code| format!("{what} {code} stands there twice"))
}

impl Policy {
    fn check(&self, wrong: &mut Vec<String>) {
        let mut say = |what: String| wrong.push(format!("policy {}: {what}", self.code));
        for severity in Severity::ALL {
            match self.targets.get(severity) {
                None => say(format!("it has no target for {severity}")),
                Some(t) if t.response_minutes == 0 || t.response_minutes > t.resolution_minutes => {
                    say(format!("{severity}: the response comes after the opening and not after the resolution"));
                }
                Some(_) => {}
            }
        }
        if !(1..100).contains(&self.jeopardy_percent) {
            say("jeopardy_percent lies between 1 and 99: a warning comes before the breach".into());
        }
        if let Some(state) = self.paused_in.iter().find(|s| !s.is_active()) {
            say(format!("a case that is {state} is over; its clock cannot be paused"));
        }
        if !self.escalations.is_sorted_by(|a, b| a.at_percent < b.at_percent) {
            say("escalations stand in the order of their at_percent".into());
        }
        if self.escalations.iter().any(|e| e.at_percent == 0 || e.group.trim().is_empty()) {
            say("an escalation needs a part of the target and a group".into());
        }
    }
}

#[cfg(test)]
#[path = "sla_tests.rs"]
mod tests;
