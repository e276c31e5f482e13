//! Working time over weekends, holidays and changes of the clock; and that nothing of it is lost or counted twice.

use chrono_tz::{
    Africa::Casablanca, America::Havana, America::New_York, Asia::Kolkata, Australia::Lord_Howe, Europe::Berlin,
    Pacific::Apia, Tz, UTC,
};
use proptest::prelude::*;

use super::*;

fn calendar(hours: &[(&str, &str, &[Weekday])], holidays: &[&str]) -> Calendar {
    let time = |text: &str| TimeOfDay::try_from(text.to_owned()).unwrap();
    let hours = hours.iter().map(|(from, to, days)| Hours { days: days.to_vec(), from: time(from), to: time(to) });
    let holidays = holidays.iter().map(|day| day.parse().unwrap());
    Calendar { code: "c".into(), zone: "ours".into(), hours: hours.collect(), holidays: holidays.collect() }
}

const WEEK: [Weekday; 5] = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri];
const ALL: [Weekday; 7] =
    [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];

fn office() -> Calendar {
    calendar(&[("13:00", "17:00", &WEEK), ("08:00", "12:00", &WEEK)], &["2026-12-25"])
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn working_time_goes_around_nights_breaks_weekends_and_holidays() {
    let check = |from: &str, hours: i64, then: &str| {
        assert_eq!(office().after(&Berlin, at(from), Duration::hours(hours)), Some(at(then)), "{from} + {hours} h");
    };
    check("2026-11-23T08:00:00Z", 2, "2026-11-23T10:00:00Z");
    check("2026-11-23T10:00:00Z", 2, "2026-11-23T13:00:00Z");
    check("2026-11-23T03:00:00Z", 1, "2026-11-23T08:00:00Z");
    check("2026-11-27T15:00:00Z", 2, "2026-11-30T08:00:00Z");
    check("2026-12-24T15:00:00Z", 2, "2026-12-28T08:00:00Z");
    check("2026-11-28T12:00:00Z", 0, "2026-11-28T12:00:00Z");
}

#[test]
fn office_hours_keep_their_local_time_when_the_clock_changes() {
    let day = |from: &str, to: &str| office().working(&Berlin, at(from), at(to)).num_minutes();
    assert_eq!(day("2026-03-27T00:00:00Z", "2026-03-28T00:00:00Z"), 480);
    assert_eq!(day("2026-03-30T00:00:00Z", "2026-03-31T00:00:00Z"), 480);
    assert_eq!(
        office().after(&Berlin, at("2026-03-27T16:00:00Z"), Duration::hours(1)),
        Some(at("2026-03-30T07:00:00Z"))
    );
    assert_eq!(
        office().after(&Berlin, at("2026-10-23T15:00:00Z"), Duration::hours(1)),
        Some(at("2026-10-26T08:00:00Z"))
    );
}

#[test]
fn a_day_around_the_clock_is_as_long_as_it_is() {
    let check = |zone: Tz, day: &str, minutes: i64| {
        let whole = calendar(&[("00:00", "24:00", &ALL)], &[]);
        let day: NaiveDate = day.parse().unwrap();
        let (from, to) = (TimeOfDay(0), TimeOfDay(MINUTES_OF_A_DAY));
        let worked = whole.working(&zone, instant(&zone, day, from), instant(&zone, day, to));
        assert_eq!(worked.num_minutes(), minutes, "{zone} {day}");
    };
    check(Berlin, "2026-03-29", 23 * 60);
    check(Berlin, "2026-10-25", 25 * 60);
    check(Lord_Howe, "2026-04-05", 24 * 60 + 30);
    // Midnight itself occurs twice, or not at all.
    check(Havana, "2026-11-01", 25 * 60);
    check(Havana, "2026-03-08", 23 * 60);
    check(Apia, "2011-12-30", 0);
}

#[test]
fn hours_inside_a_gap_are_not_worked() {
    let night = calendar(&[("02:15", "02:45", &ALL)], &[]);
    let worked = |day: &str, next: &str| night.working(&Berlin, at(day), at(next)).num_minutes();
    assert_eq!(worked("2026-03-28T00:00:00Z", "2026-03-29T00:00:00Z"), 30);
    assert_eq!(worked("2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z"), 0);
}

#[test]
fn a_calendar_that_is_never_open_is_never_over() {
    let never = calendar(&[("08:00", "09:00", &[])], &[]);
    assert_eq!(never.after(&UTC, at("2026-01-01T00:00:00Z"), Duration::hours(1)), None);
}

#[test]
fn what_is_wrong_with_a_calendar_is_said() {
    let check = |calendar: Calendar, problems: usize| {
        let mut wrong = Vec::new();
        calendar.check(&mut wrong);
        assert_eq!(wrong.len(), problems, "{wrong:?}");
    };
    check(office(), 0);
    check(calendar(&[("09:00", "09:00", &WEEK)], &[]), 1);
    check(calendar(&[("09:00", "10:00", &[])], &[]), 1);
    check(calendar(&[("09:00", "12:00", &WEEK), ("11:00", "13:00", &[Weekday::Fri])], &[]), 1);
    check(calendar(&[], &["2026-12-25"]), 1);
    for bad in ["24:01", "9:00", "12:60", "noon", "+1:00", ""] {
        assert!(TimeOfDay::try_from(bad.to_owned()).is_err(), "{bad}");
    }
}

fn any_zone() -> impl Strategy<Value = Tz> {
    prop::sample::select(vec![UTC, Berlin, New_York, Kolkata, Lord_Howe, Havana, Casablanca])
}

fn any_calendar() -> impl Strategy<Value = Calendar> {
    let round = calendar(&[], &[]);
    let night = calendar(&[("22:00", "24:00", &ALL), ("00:00", "03:00", &ALL)], &["2026-03-29", "2026-10-25"]);
    let all_day = calendar(&[("00:00", "24:00", &ALL)], &["2026-11-01"]);
    prop::sample::select(vec![office(), round, night, all_day])
}

/// Moments of 2026, with most of them near a change of some clock.
fn any_moment() -> impl Strategy<Value = DateTime<Utc>> {
    let changes = ["2026-03-08", "2026-03-29", "2026-04-05", "2026-10-25", "2026-11-01"];
    let near = prop::sample::select(changes.to_vec()).prop_map(|day| at(&format!("{day}T00:00:00Z")).timestamp());
    let anywhere = 1_767_225_600i64..1_798_000_000;
    let begin = prop_oneof![3 => near, 1 => anywhere];
    (begin, -200_000i64..200_000).prop_map(|(s, off)| DateTime::from_timestamp(s + off, 0).unwrap())
}

proptest! {
    #[test]
    fn an_amount_of_working_time_later_exactly_that_much_was_worked(
        c in any_calendar(), zone in any_zone(), from in any_moment(), minutes in 0i64..20_000,
    ) {
        let amount = Duration::minutes(minutes);
        let then = c.after(&zone, from, amount).unwrap();
        prop_assert!(then >= from);
        prop_assert_eq!(c.working(&zone, from, then), amount);
    }

    #[test]
    fn working_time_adds_up_and_is_never_more_than_time(
        c in any_calendar(), zone in any_zone(), mut moments in prop::array::uniform3(any_moment()),
    ) {
        moments.sort();
        let [a, b, z] = moments;
        prop_assert_eq!(c.working(&zone, a, b) + c.working(&zone, b, z), c.working(&zone, a, z));
        prop_assert!(c.working(&zone, a, z) <= z - a);
        prop_assert_eq!(c.working(&zone, z, a), Duration::zero());
    }
}
