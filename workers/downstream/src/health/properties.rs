//! What no course of events may lead to, whatever its order and its times.

use fallout_core::evidence::{Evidence, Phase};
use proptest::prelude::*;
use serde_json::Value;

use super::*;

#[derive(Clone, Debug)]
enum Event {
    Passes {
        ms: u64,
    },
    Sits,
    Knocks {
        reaches: bool,
    },
    /// The nth of the calls under way ends.
    Ends {
        nth: usize,
        evidence: Evidence,
    },
}

fn any_evidence() -> impl Strategy<Value = Evidence> {
    let answered = |status| Evidence::answered(status, Value::Null);
    let patience = (0u64..20_000).prop_map(move |ms| Evidence { retry_after_ms: Some(ms), ..answered(429) });
    let fixed = [200, 201, 409, 422, 429, 500, 502, 503].map(answered).into_iter();
    let silent = [Phase::Sent, Phase::NotConnected, Phase::TooLate, Phase::Unproven].map(Evidence::of);
    prop_oneof![9 => prop::sample::select(fixed.chain(silent).collect::<Vec<_>>()), 1 => patience]
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => (0u64..5_000).prop_map(|ms| Event::Passes { ms }),
        3 => Just(Event::Sits),
        1 => any::<bool>().prop_map(|reaches| Event::Knocks { reaches }),
        3 => (0usize..64, any_evidence()).prop_map(|(nth, evidence)| Event::Ends { nth, evidence }),
    ]
}

/// A day as it goes, and the calls that are under way, by when they began.
struct Course {
    health: Health,
    now: Instant,
    under_way: Vec<Instant>,
}

impl Course {
    fn new(start: u32, most: u32) -> Self {
        Course { health: Health::new(start, most), now: Instant::now(), under_way: Vec::new() }
    }

    fn sit(&mut self) -> bool {
        let sat = self.health.sit(self.now).is_ok();
        if sat {
            self.under_way.push(self.now);
        }
        sat
    }

    fn knock(&mut self, reaches: bool) {
        if self.health.room(self.now) == Room::Knock {
            self.health.knocked(self.now, reaches, 0.5);
        }
    }

    fn end(&mut self, nth: usize, evidence: &Evidence) {
        if self.under_way.is_empty() {
            return;
        }
        let began = self.under_way.swap_remove(nth % self.under_way.len());
        let elapsed_ms = (self.now - began).as_millis() as u64;
        self.health.heard(self.now, "op", &Evidence { elapsed_ms, ..evidence.clone() }, 0.5);
        self.health.leave();
    }

    fn passes(&mut self, event: &Event) {
        match event {
            Event::Passes { ms } => self.now += Duration::from_millis(*ms),
            Event::Sits => drop(self.sit()),
            Event::Knocks { reaches } => self.knock(*reaches),
            Event::Ends { nth, evidence } => self.end(*nth, evidence),
        }
    }
}

proptest! {
    #[test]
    fn the_limit_is_never_below_one_nor_above_what_is_allowed(
        start in 0u32..80, most in 0u32..80, events in prop::collection::vec(any_event(), 0..400)
    ) {
        let mut course = Course::new(start, most);
        for event in &events {
            course.passes(event);
            let limit = course.health.limit.get();
            prop_assert!(limit >= 1 && limit <= most.max(1), "{limit}");
        }
    }

    #[test]
    fn while_it_is_offline_there_is_never_a_task_beside_the_probe(events in prop::collection::vec(any_event(), 0..400)) {
        let mut course = Course::new(4, 8);
        for event in &events {
            let before = course.under_way.len();
            course.passes(event);
            if course.health.breaker.is_offline() && course.under_way.len() > before {
                prop_assert_eq!(course.under_way.len(), 1);
            }
        }
    }

    #[test]
    fn nothing_begins_before_the_end_of_a_silence(events in prop::collection::vec(any_event(), 0..400)) {
        let mut course = Course::new(4, 8);
        let mut silent_until = course.now;
        for event in &events {
            let before = course.under_way.len();
            course.passes(event);
            if let (Event::Ends { evidence, .. }, true) = (event, course.under_way.len() < before) {
                let asked = Duration::from_millis(evidence.retry_after_ms.unwrap_or(0));
                silent_until = silent_until.max(course.now + asked);
            }
            prop_assert!(course.under_way.len() <= before || course.now >= silent_until);
        }
    }

    #[test]
    fn a_downstream_that_answers_again_is_back_after_two_probes_whatever_was_before(
        events in prop::collection::vec(any_event(), 0..400)
    ) {
        let mut course = Course::new(4, 8);
        events.iter().for_each(|event| course.passes(event));
        while !course.under_way.is_empty() {
            course.end(0, &Evidence::of(Phase::Sent));
        }
        for _ in 0..2 {
            if let Room::NotBefore(until) = course.health.room(course.now) {
                prop_assert!(until - course.now <= Duration::from_secs(30));
                course.now = until;
            }
            course.knock(true);
            prop_assert!(course.sit());
            course.end(0, &Evidence::answered(200, Value::Null));
        }
        prop_assert!(!course.health.breaker.is_offline());
    }
}
