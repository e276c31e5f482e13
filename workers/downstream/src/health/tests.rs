//! A downstream's health over the days it has: good ones, slow ones, bad ones.

use fallout_core::evidence::{Evidence, Phase};
use serde_json::Value;

use super::*;

struct Day {
    health: Health,
    now: Instant,
}

fn day(start: u32, most: u32) -> Day {
    Day { health: Health::new(start, most), now: Instant::now() }
}

fn answered(status: u16) -> Evidence {
    Evidence::answered(status, Value::Null)
}

impl Day {
    /// As many calls at the same time as there is room for, which all end like this after `ms`.
    fn round(&mut self, evidence: &Evidence, ms: u64) -> Vec<Change> {
        let Room::AtMost(room) = self.health.room(self.now) else { panic!("there is no room") };
        (0..room).for_each(|_| self.health.sit(self.now).unwrap());
        self.now += Duration::from_millis(ms);
        let evidence = Evidence { elapsed_ms: ms, ..evidence.clone() };
        let heard = (0..room).filter_map(|_| self.health.heard(self.now, "op", &evidence, 0.0)).collect();
        (0..room).for_each(|_| self.health.leave());
        heard
    }

    fn room(&self) -> Room {
        self.health.room(self.now)
    }

    fn pause(&mut self) -> Duration {
        let Room::NotBefore(until) = self.room() else { panic!("it is not offline") };
        let pause = until - self.now;
        self.now = until;
        if self.room() == Room::Knock {
            self.health.knocked(self.now, true, 0.0);
        }
        pause
    }
}

#[test]
fn the_limit_grows_to_what_is_allowed_while_answers_come_as_quickly_as_ever() {
    let mut day = day(4, 32);
    for expected in [8, 16, 32, 32] {
        day.round(&answered(200), 50);
        assert_eq!(day.room(), Room::AtMost(expected));
    }
}

#[test]
fn the_limit_stands_while_answers_take_longer_and_goes_on_when_they_do_not() {
    let mut day = day(4, 32);
    day.round(&answered(200), 50);
    day.round(&answered(200), 200);
    assert_eq!(day.room(), Room::AtMost(8));
    day.round(&answered(200), 60);
    assert_eq!(day.room(), Room::AtMost(16));
}

#[test]
fn a_limit_that_nobody_reaches_does_not_grow() {
    let mut day = day(8, 32);
    for _ in 0..100 {
        day.health.sit(day.now).unwrap();
        day.health.heard(day.now, "op", &answered(200), 0.0);
        day.health.leave();
    }
    assert_eq!(day.room(), Room::AtMost(8));
}

#[test]
fn overload_halves_once_for_the_calls_that_were_under_way_together_and_then_growth_is_careful() {
    let mut day = day(16, 16);
    day.round(&answered(429), 50);
    assert_eq!(day.room(), Room::AtMost(8));
    day.round(&answered(429), 50);
    assert_eq!(day.room(), Room::AtMost(4));
    for expected in [5, 6, 7] {
        day.round(&answered(200), 50);
        assert_eq!(day.room(), Room::AtMost(expected));
    }
}

#[test]
fn a_refusal_of_one_order_says_nothing_against_the_downstream() {
    let mut day = day(4, 8);
    for status in [400, 404, 409, 422, 500] {
        assert_eq!(day.round(&answered(status), 50), []);
    }
    assert_eq!(day.room(), Room::AtMost(8));
}

#[test]
fn failures_in_a_row_put_it_offline_and_one_answer_between_them_does_not() {
    for (failure, ms) in [(answered(503), 5), (Evidence::of(Phase::Sent), 400), (Evidence::of(Phase::NotConnected), 1)]
    {
        let mut day = day(1, 1);
        for _ in 0..4 {
            assert_eq!(day.round(&failure, ms), []);
        }
        assert_eq!(day.round(&answered(200), ms), []);
        for _ in 0..4 {
            assert_eq!(day.round(&failure, ms), []);
        }
        assert_eq!(day.round(&failure, ms), [Change::Offline]);
        assert!(matches!(day.room(), Room::NotBefore(_)));
    }
}

#[test]
fn half_of_the_recent_calls_failing_puts_it_offline_too() {
    let mut day = day(1, 1);
    let mut changes = Vec::new();
    for _ in 0..10 {
        changes.extend(day.round(&answered(200), 5));
        changes.extend(day.round(&answered(502), 5));
    }
    assert_eq!(changes, [Change::Offline]);
}

fn offline() -> Day {
    let mut day = day(16, 16);
    assert_eq!(day.round(&Evidence::of(Phase::NotConnected), 5), [Change::Offline]);
    day
}

#[test]
fn pauses_grow_to_half_a_minute_while_probes_fail() {
    let mut day = offline();
    let mut pauses = Vec::new();
    for _ in 0..7 {
        pauses.push(day.pause().as_secs());
        day.round(&Evidence::of(Phase::NotConnected), 5);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
}

#[test]
fn pauses_grow_and_no_task_is_let_through_while_it_cannot_even_be_reached() {
    let mut day = offline();
    let mut pauses = Vec::new();
    for _ in 0..7 {
        let Room::NotBefore(until) = day.room() else { panic!("there is no pause") };
        pauses.push((until - day.now).as_secs());
        day.now = until;
        assert_eq!(day.room(), Room::Knock);
        assert!(day.health.sit(day.now).is_err());
        let over = day.now + Duration::from_secs(2);
        day.health.knocks(over);
        assert_eq!(day.room(), Room::NotBefore(over), "one knock at a time");
        day.health.knocked(day.now, false, 0.0);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
}

#[test]
fn probes_go_one_at_a_time_and_two_good_ones_bring_it_back_at_a_small_limit_that_grows_again() {
    let mut day = offline();
    assert!(day.health.sit(day.now).is_err(), "nothing before the pause is over");
    day.pause();
    assert_eq!(day.health.sit(day.now), Ok(()));
    assert!(day.health.sit(day.now).is_err(), "a second probe beside the first");
    day.health.leave();
    assert_eq!(day.round(&answered(200), 5), []);
    let back = day.round(&answered(404), 5);
    assert!(matches!(back[..], [Change::Back { after }] if after >= FIRST), "{back:?}");
    for expected in [2, 4, 8, 9] {
        assert_eq!(day.room(), Room::AtMost(expected));
        day.round(&answered(200), 5);
    }
}

const FIRST: Duration = breaker::FIRST_PAUSE;

#[test]
fn a_call_from_before_the_pause_neither_ends_nor_prolongs_it() {
    let mut day = offline();
    let until = day.room();
    let old = |status, ms| Evidence { elapsed_ms: ms, ..answered(status) };
    day.now += Duration::from_millis(500);
    for evidence in [old(200, 900), old(200, 900), old(503, 900)] {
        assert_eq!(day.health.heard(day.now, "op", &evidence, 0.0), None);
    }
    assert_eq!(day.room(), until);
}

#[test]
fn nothing_is_sent_before_the_time_that_the_downstream_asked_for() {
    let mut day = day(4, 8);
    let patience = Evidence { retry_after_ms: Some(7_000), ..answered(429) };
    assert_eq!(day.round(&patience, 5), []);
    assert_eq!(day.health.sit(day.now), Err(Duration::from_secs(7)));
    assert_eq!(day.pause(), Duration::from_secs(7));
    assert_eq!(day.room(), Room::AtMost(2));
}

#[test]
fn no_downstream_is_left_alone_for_longer_than_an_hour_for_its_asking() {
    let mut day = day(4, 8);
    day.round(&Evidence { retry_after_ms: Some(u64::MAX), ..answered(503) }, 5);
    assert_eq!(day.pause(), Duration::from_secs(3_600));
}
