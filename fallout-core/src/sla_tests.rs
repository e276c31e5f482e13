//! Clocks of cases: when they are due, what is said of them, and that both can be replayed from the segments.

use chrono_tz::{America::New_York, Australia::Lord_Howe, Europe::Berlin, Tz};
use proptest::prelude::*;

use super::*;

fn shipped() -> SlaRules {
    toml::from_str(include_str!("../../config/sla.toml")).unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn segment(kind: ClockState, from: &str, to: Option<&str>) -> Segment {
    Segment { kind, from: at(from), to: to.map(at) }
}

const RUNNING: ClockState = ClockState::Running;
const PAUSED: ClockState = ClockState::Paused;

#[test]
fn the_shipped_rules_are_whole() {
    assert_eq!(shipped().check(), Vec::<String>::new());
    assert_eq!(shipped().of_category("PAYMENT").unwrap().code, "operations");
    assert_eq!(shipped().of_category("NEVER_HEARD_OF").unwrap().code, "office");
}

/// Whatever a case is called and however grave it is, it has a clock that runs, and one that stops has a way back.
#[test]
fn no_case_is_without_a_target_and_no_state_stops_its_clock_but_a_wait() {
    let taxonomy: crate::taxonomy::Taxonomy = toml::from_str(include_str!("../../config/taxonomy.toml")).unwrap();
    let codes = taxonomy.categories.iter().map(|c| c.code.as_str()).chain(["NEVER_HEARD_OF"]);
    for code in codes {
        let rules = shipped();
        let policy = rules.of_category(code).unwrap();
        for severity in Severity::ALL {
            let target = policy.targets[severity];
            assert!(0 < target.response_minutes && target.response_minutes <= target.resolution_minutes, "{code}");
        }
        let waits = [CaseState::Waiting, CaseState::AwaitingApproval];
        assert!(policy.paused_in.iter().all(|state| waits.contains(state)), "{code}: {:?}", policy.paused_in);
    }
}

#[test]
fn the_clock_that_the_taxonomy_names_is_there_and_is_the_one_that_serves_its_category() {
    let mut taxonomy: Taxonomy = toml::from_str(include_str!("../../config/taxonomy.toml")).unwrap();
    let rules = shipped();
    assert_eq!(rules.unknown_clocks(&taxonomy), Vec::<String>::new());
    for category in &taxonomy.categories {
        let policy = rules.of_category(&category.code).unwrap();
        assert_eq!(policy.code, category.sla_policy, "{}", category.code);
        let target = policy.targets[&category.severity].resolution_minutes;
        assert_eq!(target, category.sla_hours * 60, "{} at {}", category.code, category.severity);
    }
    taxonomy.categories[0].sla_policy = "tomorrow".into();
    let told = rules.unknown_clocks(&taxonomy);
    assert_eq!(told, ["category VALIDATION: its sla_policy tomorrow is none of urgent, operations, office"]);
}

#[test]
fn everything_wrong_is_said_at_once() {
    let mut rules = shipped();
    rules.policies[0].targets.remove(&Severity::Sev1);
    rules.policies[0].jeopardy_percent = 100;
    rules.policies[0].paused_in.push(CaseState::Closed);
    rules.policies[0].escalations.reverse();
    rules.policies[1].calendar = "nowhere".into();
    rules.policies[1].categories.push("COMPENSATION".into());
    rules.policies[1].escalations[0].group.clear();
    rules.policies[2].categories.clear();
    rules.policies[2].targets.get_mut(&Severity::Sev2).unwrap().response_minutes = 601;
    rules.policies[2].code = "urgent".into();
    assert_eq!(rules.check().len(), 10, "{:?}", rules.check());
}

/// Due by the office policy, 24 working hours, of a case with these segments.
fn due(segments: &[Segment]) -> Option<DateTime<Utc>> {
    let rules = shipped();
    let hours = Hours { calendar: rules.calendar("office").unwrap(), zone: &Berlin };
    rules.policy("office").unwrap().standing(&hours, Severity::Sev3, segments, false).due
}

#[test]
fn a_clock_counts_working_time_and_stands_still_while_it_is_paused() {
    // Friday 16:00 in Berlin: 2 hours that day, ten on Monday, ten on Tuesday, two on Wednesday.
    assert_eq!(due(&[segment(RUNNING, "2026-11-20T15:00:00Z", None)]), Some(at("2026-11-25T09:00:00Z")));
    let waited = [
        segment(RUNNING, "2026-11-20T15:00:00Z", Some("2026-11-20T16:00:00Z")),
        segment(PAUSED, "2026-11-20T16:00:00Z", Some("2026-11-24T16:00:00Z")),
        segment(RUNNING, "2026-11-24T16:00:00Z", None),
    ];
    assert_eq!(due(&waited), Some(at("2026-11-27T09:00:00Z")));
    assert_eq!(due(&waited[..2]), None, "nobody knows how long it stands still");
    assert_eq!(due(&waited[..1]), None, "the case is over");
}

#[test]
fn a_breach_stays_a_breach_when_the_clock_stops_later() {
    let long = segment(RUNNING, "2026-11-02T07:00:00Z", Some("2026-11-20T15:00:00Z"));
    let waits = segment(PAUSED, "2026-11-20T15:00:00Z", None);
    assert_eq!(due(&[long, waits]), Some(at("2026-11-04T11:00:00Z")));
}

/// What is owed `minutes` after the opening of an urgent SEV2 case: 30 minutes to answer, 240 in all.
fn owed(minutes: i64, told: &Told, answered: bool) -> Vec<Owed> {
    let rules = shipped();
    let hours = Hours { calendar: rules.calendar("always").unwrap(), zone: &Utc };
    let policy = rules.policy("urgent").unwrap();
    let opened = at("2026-11-20T15:00:00Z");
    let segments = [Segment { kind: RUNNING, from: opened, to: None }];
    let standing = policy.standing(&hours, Severity::Sev2, &segments, answered);
    policy.owed(&standing, told, opened + Duration::minutes(minutes))
}

#[test]
fn the_warning_comes_before_the_breach_and_everything_is_said_once() {
    let due = at("2026-11-20T19:00:00Z");
    let late = |told: &Told, minutes| owed(minutes, told, true);
    let fresh = Told::default();
    assert_eq!(owed(29, &fresh, false), []);
    assert_eq!(owed(30, &fresh, false), [Owed::ResponseBreach { due: at("2026-11-20T15:30:00Z") }]);
    assert_eq!(late(&fresh, 179), []);
    let first = late(&fresh, 180);
    let senior = Escalation { at_percent: 75, group: "Senior Ops".into() };
    assert_eq!(first, [Owed::Jeopardy { due: Some(due) }, Owed::Escalate { step: 0, escalation: senior.clone() }]);
    let told = fresh.and(&first);
    assert_eq!(late(&told, 239), []);
    let second = late(&told, 240);
    let engineering =
        Owed::Escalate { step: 1, escalation: Escalation { at_percent: 100, group: "Engineering".into() } };
    assert_eq!(second, [Owed::Breach { due }, engineering.clone()]);
    assert_eq!(late(&told.and(&second), 100_000), []);
    // Nobody looked for a long time: what would have been a warning is none any more.
    let all_at_once = [Owed::Breach { due }, Owed::Escalate { step: 0, escalation: senior }, engineering];
    assert_eq!(late(&fresh, 100_000), all_at_once);
}

#[derive(Clone, Debug)]
struct Life {
    segments: Vec<Segment>,
    zone: Tz,
    calendar: usize,
}

/// A case's life: stretches of running, being paused and being over, around changes of the clock in both directions.
fn any_life() -> impl Strategy<Value = Life> {
    let begin = prop::sample::select(vec!["2026-03-06T00:00:00Z", "2026-03-27T20:00:00Z", "2026-10-23T10:00:00Z"]);
    let stretches = prop::collection::vec((0u8..3, 0i64..200_000), 1..8);
    let zone = prop::sample::select(vec![Berlin, New_York, Lord_Howe]);
    (begin, stretches, zone, 0usize..2, any::<bool>()).prop_map(|(begin, stretches, zone, calendar, goes_on)| {
        let mut from = at(begin);
        let mut segments = Vec::new();
        for (kind, seconds) in stretches {
            let to = from + Duration::seconds(seconds);
            match kind {
                0 => segments.push(Segment { kind: PAUSED, from, to: Some(to) }),
                1 => segments.push(Segment { kind: RUNNING, from, to: Some(to) }),
                _ => {}
            }
            from = to;
        }
        if goes_on {
            segments.push(Segment { kind: RUNNING, from, to: None });
        }
        Life { segments, zone, calendar }
    })
}

proptest! {
    #[test]
    fn exactly_the_target_is_used_when_it_falls_due(life in any_life(), minutes in 1i64..5_000) {
        let rules = shipped();
        let hours = Hours { calendar: &rules.calendars[life.calendar], zone: &life.zone };
        let amount = Duration::minutes(minutes);
        let end = at("2027-06-01T00:00:00Z");
        match hours.reached(&life.segments, amount) {
            Some(due) => prop_assert_eq!(hours.used(&life.segments, due), amount),
            None => prop_assert!(hours.used(&life.segments, end) < amount),
        }
    }

    #[test]
    fn a_later_target_is_never_due_earlier(life in any_life(), minutes in 1i64..5_000) {
        let rules = shipped();
        let hours = Hours { calendar: &rules.calendars[life.calendar], zone: &life.zone };
        let reached = |minutes| hours.reached(&life.segments, Duration::minutes(minutes));
        if let Some(later) = reached(minutes + 1) {
            prop_assert!(reached(minutes).unwrap() <= later);
        }
    }

    #[test]
    fn where_a_running_stretch_is_cut_changes_nothing(life in any_life(), minutes in 1i64..5_000, cut in 1i64..100) {
        let rules = shipped();
        let hours = Hours { calendar: &rules.calendars[life.calendar], zone: &life.zone };
        let halves = |s: &Segment| match s.to {
            None => vec![
                Segment { to: Some(s.from + Duration::hours(cut)), ..s.clone() },
                Segment { from: s.from + Duration::hours(cut), ..s.clone() },
            ],
            Some(to) => {
                let middle = s.from + Duration::seconds((to - s.from).num_seconds() * cut / 100);
                vec![Segment { to: Some(middle), ..s.clone() }, Segment { from: middle, ..s.clone() }]
            }
        };
        let cut: Vec<Segment> = life.segments.iter().flat_map(halves).collect();
        let amount = Duration::minutes(minutes);
        prop_assert_eq!(hours.reached(&cut, amount), hours.reached(&life.segments, amount));
    }

    #[test]
    fn looked_at_often_or_seldom_the_same_is_told_and_each_once(
        life in any_life(), mut looks in prop::collection::vec(0i64..4_000_000, 1..30),
    ) {
        let rules = shipped();
        let hours = Hours { calendar: &rules.calendars[life.calendar], zone: &life.zone };
        let policy = rules.policy("urgent").unwrap();
        let standing = policy.standing(&hours, Severity::Sev2, &life.segments, false);
        let begin = at("2026-03-01T00:00:00Z");
        looks.sort_unstable();
        let mut told = Told::default();
        let mut said = Vec::new();
        for look in looks.iter().map(|s| begin + Duration::seconds(*s)).chain([at("2027-06-01T00:00:00Z")]) {
            let owed = policy.owed(&standing, &told, look);
            prop_assert!(owed.is_empty() || standing.next(&told).is_some_and(|next| next <= look), "nobody would look");
            told = told.and(&owed);
            said.extend(owed);
        }
        prop_assert_eq!(standing.next(&told), None);
        let breaches = said.iter().filter(|o| matches!(o, Owed::Breach { .. })).count();
        prop_assert_eq!(breaches, usize::from(standing.due.is_some()));
        let escalations = said.iter().filter(|o| matches!(o, Owed::Escalate { .. })).count();
        prop_assert_eq!(escalations, standing.escalations.iter().flatten().count());
    }
}
