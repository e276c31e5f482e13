//! Business calendars: how much working time lies between two moments, and when a given amount of it will have passed.
//!
//! The rules of a time zone come in as a value ([`TimeZone`]), so nothing here knows a zone by name: a calendar carries the
//! name, whoever calls brings the rules.

use chrono::{DateTime, Datelike, Duration, NaiveDate, NaiveDateTime, TimeZone, Utc, Weekday};
use serde::{Deserialize, Serialize};

/// A calendar that is not open once in ten years is a mistake; no target is longer.
const DAYS_MAX: u32 = 3_660;
const MINUTES_OF_A_DAY: u16 = 24 * 60;

/// When people work. Without `hours` it is open around the clock, and holidays do not count.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    pub code: String,
    /// IANA name of the time zone that the hours are meant in.
    pub zone: String,
    #[serde(default)]
    pub hours: Vec<Hours>,
    /// Days on which nobody works.
    #[serde(default)]
    pub holidays: Vec<NaiveDate>,
}

/// From one time of day to a later one, on these days. A shift over midnight is two of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    pub days: Vec<Weekday>,
    pub from: TimeOfDay,
    pub to: TimeOfDay,
}

/// Minutes since local midnight, written "HH:MM"; "24:00" is the end of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay(u16);

impl TryFrom<String> for TimeOfDay {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let part = |text: &str| text.parse::<u16>().ok().filter(|_| text.len() == 2 && !text.starts_with('+'));
        let parsed = text.split_once(':').and_then(|(h, m)| Some((part(h)?, part(m)?)));
        match parsed.filter(|(h, m)| *m < 60 && h * 60 + m <= MINUTES_OF_A_DAY) {
            Some((h, m)) => Ok(TimeOfDay(h * 60 + m)),
            None => Err(format!("expected a time of day from 00:00 to 24:00, found \"{text}\"")),
        }
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> String {
        format!("{:02}:{:02}", time.0 / 60, time.0 % 60)
    }
}

impl Calendar {
    /// Working time between two moments; nothing when the second is not later.
    pub fn working<Z: TimeZone>(&self, zone: &Z, from: DateTime<Utc>, to: DateTime<Utc>) -> Duration {
        if self.hours.is_empty() {
            return (to - from).max(Duration::zero());
        }
        let open = self.open(zone, from).take_while(|(opens, _)| *opens < to);
        open.map(|(opens, closes)| (closes.min(to) - opens.max(from)).max(Duration::zero())).sum()
    }

    /// When this much working time has passed since `from`. `None` when the calendar is practically never open.
    pub fn after<Z: TimeZone>(&self, zone: &Z, from: DateTime<Utc>, amount: Duration) -> Option<DateTime<Utc>> {
        if self.hours.is_empty() || amount <= Duration::zero() {
            return Some(from + amount.max(Duration::zero()));
        }
        let mut left = amount;
        for (opens, closes) in self.open(zone, from) {
            let begin = opens.max(from);
            let here = (closes - begin).max(Duration::zero());
            if left <= here {
                return Some(begin + left);
            }
            left -= here;
        }
        None
    }

    /// The stretches in which it is open, in their order, from the day before `from` on (a day may begin late elsewhere).
    fn open<Z: TimeZone>(&self, zone: &Z, from: DateTime<Utc>) -> impl Iterator<Item = (DateTime<Utc>, DateTime<Utc>)> {
        let first = from.with_timezone(zone).date_naive() - Duration::days(1);
        let worked = first.iter_days().take(DAYS_MAX as usize).filter(|day| !self.holidays.contains(day));
        worked.flat_map(move |day| {
            let mut hours: Vec<&Hours> = self.hours.iter().filter(|h| h.days.contains(&day.weekday())).collect();
            hours.sort_by_key(|h| h.from);
            let stretch = |h: &Hours| (instant(zone, day, h.from), instant(zone, day, h.to));
            hours.into_iter().map(stretch).collect::<Vec<_>>()
        })
    }

    /// Everything wrong with it, at once.
    pub fn check(&self, wrong: &mut Vec<String>) {
        let code = &self.code;
        if self.hours.is_empty() && !self.holidays.is_empty() {
            wrong.push(format!("calendar {code}: it is open around the clock, so its holidays would not count"));
        }
        for (index, hours) in self.hours.iter().enumerate() {
            if hours.from >= hours.to || hours.days.is_empty() {
                wrong.push(format!("calendar {code}: hours {} need a day and an end after their begin", index + 1));
            }
            // Counted twice, an hour would make every target half as long.
            let meets = |other: &&Hours| {
                other.from < hours.to && hours.from < other.to && other.days.iter().any(|d| hours.days.contains(d))
            };
            if self.hours[..index].iter().any(|other| meets(&other)) {
                wrong.push(format!("calendar {code}: hours {} overlap with earlier ones", index + 1));
            }
        }
    }
}

/// The moment of a local time. One that occurs twice is the first of the two, one that is skipped is the end of the gap:
/// both keep the order of local times, so stretches that do not overlap locally never do.
fn instant<Z: TimeZone>(zone: &Z, day: NaiveDate, time: TimeOfDay) -> DateTime<Utc> {
    let local = day.and_time(chrono::NaiveTime::MIN) + Duration::minutes(time.0.into());
    match zone.from_local_datetime(&local).earliest() {
        Some(found) => found.with_timezone(&Utc),
        None => end_of_gap(zone, local),
    }
}

/// The first second whose local time is not before `local`. Days were skipped too (Samoa, 2011), so the search is wide.
fn end_of_gap<Z: TimeZone>(zone: &Z, local: NaiveDateTime) -> DateTime<Utc> {
    let (mut before, mut reached) = (local.and_utc() - Duration::hours(40), local.and_utc() + Duration::hours(40));
    while reached - before > Duration::seconds(1) {
        let middle = before + Duration::seconds((reached - before).num_seconds() / 2);
        if middle.with_timezone(zone).naive_local() < local { before = middle } else { reached = middle }
    }
    reached
}

#[cfg(test)]
#[path = "calendar_tests.rs"]
mod tests;
