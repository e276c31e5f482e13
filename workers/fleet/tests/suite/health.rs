//! One downstream that is slow, failing or declared away is left alone, and the others never notice.

use std::sync::atomic::Ordering;

use fallout_core::{claim::Recorded, decide::Verdict};
use fallout_downstream::Declared;
use fallout_fleet::FleetConfig;

use crate::{
    ledger::{Memory, recorded},
    rig::{config, until},
    town::{Mood, Plot, Town, plot},
};

fn permits(permits: u32) -> FleetConfig {
    FleetConfig { permits, ..config() }
}

fn retried_after(delay_ms: u64) -> Memory {
    let retry: Recorded = recorded(Verdict::RetryAfter { delay_ms, retries_left: 2, reason: "HTTP 503".into() });
    Memory { on_failure: Some(retry), ..Memory::default() }
}

#[tokio::test]
async fn a_downstream_that_never_answers_holds_its_share_and_the_others_go_on() {
    let town = Town::start(permits(16), Memory::default(), &[plot("a", Mood::Hangs), plot("b", Mood::Well)]).await;
    town.add("a", 60);
    until("the hanging one holds its share", || town.at("a").in_flight() >= 8).await;
    town.add("b", 200);
    until("the other is done", || town.ended("b", 200) == 200).await;
    assert_eq!(town.at("a").requests(), 8, "an equal share, and it never grew");
    assert_eq!(town.at("a").in_flight(), 8, "which it still holds");
    town.at("a").now(Mood::Well);
    until("it is done too", || town.engine.all_ended()).await;
}

#[tokio::test]
async fn one_that_was_well_and_alone_before_it_hangs_leaves_something_for_those_who_come_later() {
    let town = Town::start(permits(16), Memory::default(), &[plot("a", Mood::Well), plot("b", Mood::Well)]).await;
    town.add("a", 200);
    until("it was given more than an equal share", || town.at("a").most.load(Ordering::SeqCst) > 8).await;
    town.at("a").now(Mood::Hangs);
    until("it holds all that it may", || town.at("a").in_flight() >= 12).await;
    town.add("b", 100);
    until("the other is done", || town.ended("b", 100) == 100).await;
    assert!(town.at("a").in_flight() >= 12, "while the first still hangs");
}

#[tokio::test]
async fn a_failing_downstream_is_probed_alone_and_its_tasks_go_on_when_it_answers_again() {
    let town = Town::start(permits(8), retried_after(1), &[plot("a", Mood::Fails)]).await;
    town.add("a", 40);
    // Eight at once; the first to fail halves that, so nobody takes its place before it is offline.
    until("it was probed twice", || town.at("a").requests() >= 10).await;
    town.at("a").now(Mood::Well);
    until("all are done", || town.ended("a", 40) == 40).await;
    assert!(town.at("a").alone.lock().unwrap()[8..10].iter().all(|alone| *alone), "probes go one at a time");
    let failed = town.at("a").failed.load(Ordering::SeqCst);
    assert_eq!(town.engine.calls("failure").len(), failed, "nothing but what was sent has spent a retry");
    let untouched = (0..40).filter(|n| town.engine.retries(&format!("a-{n}")).is_none()).count();
    assert!(untouched >= 40 - failed, "{untouched} waited without one, {failed} were sent in vain");
}

#[tokio::test]
async fn a_task_fetched_after_its_downstream_went_away_is_given_back_untouched() {
    let town = Town::start(permits(8), retried_after(60_000), &[plot("a", Mood::Hangs), plot("b", Mood::Well)]).await;
    town.add("a", 2);
    until("two are with it", || town.at("a").in_flight() == 2).await;
    town.at("a").now(Mood::AsksForPatience);
    until("it has asked for patience", || town.engine.calls("failure").len() == 2).await;
    let claims = town.ledger.told().claims.len();
    town.engine.add_for("a", "late");
    until("the pending poll's task was given back", || town.engine.calls("extendLock").len() == 1).await;
    town.add("b", 20);
    until("the other goes on", || town.ended("b", 20) == 20).await;
    assert_eq!(town.at("a").requests(), 2);
    assert_eq!(town.ledger.told().claims.len(), claims + 20, "nothing was begun for it");
    assert_eq!(town.engine.retries("late"), None);
}

#[tokio::test]
async fn the_topics_of_a_downstream_that_is_declared_offline_are_never_fetched() {
    let offline = Plot { declared: Declared { offline: true, in_flight: None }, ..plot("a", Mood::Well) };
    let town = Town::start(permits(8), Memory::default(), &[offline, plot("b", Mood::Well)]).await;
    town.add("a", 1);
    town.add("b", 20);
    until("the other is done", || town.ended("b", 20) == 20).await;
    let named = |fetch: &serde_json::Value| fetch["topics"].as_array().unwrap().iter().any(|t| t["topicName"] == "a");
    assert!(!town.engine.calls("fetchAndLock").iter().any(named));
    assert!(!town.engine.is_locked("a-0"));
}

#[tokio::test]
async fn no_more_calls_are_in_flight_than_operation_and_downstream_allow() {
    let of_operation = Plot { limits: "limits = { in_flight = 2 }", ..plot("a", Mood::Well) };
    let of_downstream = Plot { declared: Declared { offline: false, in_flight: Some(3) }, ..plot("b", Mood::Well) };
    let town = Town::start(permits(16), Memory::default(), &[of_operation, of_downstream]).await;
    town.add("a", 30);
    town.add("b", 30);
    until("all are done", || town.engine.all_ended()).await;
    assert_eq!(town.at("a").most.load(Ordering::SeqCst), 2);
    assert_eq!(town.at("b").most.load(Ordering::SeqCst), 3);
}
