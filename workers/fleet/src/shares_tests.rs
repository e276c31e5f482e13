//! Who gets how much, without a fleet.

use std::collections::BTreeMap;

use fallout_core::evidence::Phase;

use super::*;

const OPERATION: &str = r#"
    name = "x"
    version = 1
    downstream = "x"
    kind = "effect"
    idempotency = { kind = "none" }
    request = { method = "POST", path = "/things" }
    answers = { on_503 = "unknown" }
    timeouts = { connect_ms = 1000, total_ms = 30000 }
    retry = { attempts = 3, first_delay_ms = 1, max_delay_ms = 1 }
"#;

/// Lanes by their downstream and their operation's limits.
fn shares(permits: u32, lanes: &[(&str, &str)]) -> Arc<Shares> {
    let operation = |(downstream, limits): &(&str, &str)| {
        let mut op: Operation = toml::from_str(&format!("{limits}\n{OPERATION}")).unwrap();
        op.downstream = (*downstream).into();
        op
    };
    let operations: Vec<Operation> = lanes.iter().map(operation).collect();
    let topic = |(n, op)| {
        let lock_duration = Duration::from_secs(30);
        let (process_definition_key, business_key) = (None, None);
        let topic_name = format!("topic-{n}");
        (Topic { topic_name, lock_duration, variables: Vec::new(), process_definition_key, business_key }, op)
    };
    let configured = Downstreams::new(BTreeMap::new()).unwrap();
    Shares::new(operations.iter().enumerate().map(topic).collect(), &configured, permits)
}

impl Shares {
    fn room_now(&self, lane: usize, free: u32, now: Instant) -> Room {
        self.room(lane, free, &self.expected(std::iter::empty()), now)
    }
}

#[test]
fn the_only_topic_of_the_only_downstream_gets_every_permit() {
    let shares = shares(64, &[("a", "")]);
    assert_eq!(shares.room_now(0, 64, Instant::now()), Room::AtMost(64));
}

#[test]
fn downstreams_begin_with_an_equal_share_and_topics_of_one_leave_something_to_each_other() {
    let shares = shares(64, &[("a", ""), ("b", ""), ("c", ""), ("d", ""), ("d", "")]);
    let rooms: Vec<Room> = (0..5).map(|lane| shares.room_now(lane, 64, Instant::now())).collect();
    assert_eq!(rooms, [16, 16, 16, 12, 12].map(Room::AtMost));
}

#[test]
fn whoever_wants_everything_leaves_a_fifth_and_whoever_has_nothing_gets_at_least_one() {
    for (free, has, expected) in
        [(64, 0, 51), (13, 51, 0), (13, 0, 10), (3, 0, 2), (1, 0, 1), (0, 0, 0), (1, 1, 0), (2, 1, 1)]
    {
        assert_eq!(share(free, has), expected, "{has} of its own, {free} free");
    }
}

#[test]
fn a_look_under_way_counts_for_its_topic_and_its_downstream() {
    let shares = shares(16, &[("a", ""), ("a", ""), ("b", "")]);
    let expected = shares.expected([Ask { worker_id: "w".into(), lanes: vec![0, 1], most: 8, wait: None }].iter());
    let rooms: Vec<Room> = (0..3).map(|lane| shares.room(lane, 8, &expected, Instant::now())).collect();
    assert_eq!(rooms, [0, 0, 6].map(Room::AtMost));
}

#[test]
fn an_operation_that_may_be_called_so_often_per_second_is_left_out_until_it_may_again() {
    let shares = shares(64, &[("a", "limits = { in_flight = 50, per_second = 4.0 }")]);
    let now = Instant::now();
    assert_eq!(shares.room_now(0, 64, now), Room::AtMost(4));
    let seats: Vec<Seat> = (0..4).map(|_| shares.sit(0, now).unwrap()).collect();
    drop(seats);
    let Room::NotBefore(at) = shares.room_now(0, 64, now) else { panic!("a fifth in the same second") };
    assert!(at > now && at < now + Duration::from_secs(1));
    assert_eq!(shares.room_now(0, 64, at), Room::AtMost(1));
}

#[test]
fn a_seat_is_given_up_by_being_dropped_and_a_limit_of_the_operation_is_never_passed() {
    let shares = shares(64, &[("a", "limits = { in_flight = 2 }")]);
    let now = Instant::now();
    let first = shares.sit(0, now).unwrap();
    let _second = shares.sit(0, now).unwrap();
    assert!(shares.sit(0, now).is_err());
    drop(first);
    assert!(shares.sit(0, now).is_ok());
}

#[test]
fn failures_of_one_topic_put_every_topic_of_its_downstream_offline_and_no_other() {
    let shares = shares(64, &[("a", ""), ("a", ""), ("b", "")]);
    let now = Instant::now();
    for _ in 0..5 {
        shares.sit(0, now).unwrap().heard(&Evidence::of(Phase::NotConnected));
    }
    let offline: Vec<bool> = (0..3).map(|lane| shares.is_offline(lane, Instant::now())).collect();
    assert_eq!(offline, [true, true, false]);
    assert!(shares.sit(1, now).is_err());
}

#[tokio::test(start_paused = true)]
async fn what_people_declare_offline_is_not_fetched_and_is_asked_carefully_when_they_say_that_it_is_back() {
    let shares = shares(64, &[("a", ""), ("a", ""), ("b", "")]);
    let topics = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
    let now = Instant::now();
    shares.declare(&topics(&["topic-0", "topic-1"]), now);
    for lane in [0, 1] {
        assert_eq!(shares.room_now(lane, 64, now), Room::AtMost(0));
        assert!(shares.is_offline(lane, now) && shares.sit(lane, now).is_err());
    }
    assert!(matches!(shares.room_now(2, 64, now), Room::AtMost(1..)), "the others go on");

    shares.declare(&topics(&["topic-0"]), now);
    assert_eq!(shares.room_now(0, 64, now), Room::AtMost(0));
    assert_eq!(shares.room_now(1, 64, now), Room::Knock, "nobody knows whether it is there");
    shares.state().health[0].knocked(now, true, 0.0);
    assert_eq!(shares.room_now(1, 64, now), Room::AtMost(1), "one is the probe");
    let seat = shares.sit(1, now).unwrap();
    seat.heard(&Evidence::of(Phase::NotConnected));
    assert!(shares.is_offline(1, now), "it is not back");
    shares.declare(&topics(&[]), now);
    assert!(shares.is_offline(0, now), "one of its operations was asked meanwhile: its health is known");
}
