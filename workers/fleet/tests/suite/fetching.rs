//! When and how much is fetched.

use std::sync::atomic::Ordering;

use fallout_core::{claim::Claim, decide::Verdict};
use fallout_fleet::FleetConfig;
use serde_json::json;

use crate::{
    ledger::{Memory, fresh, recorded},
    rig::{Rig, config, until},
};

fn retried_once(delay_ms: u64) -> Memory {
    Memory {
        on_record: Box::new(move |nth| match nth {
            0 => recorded(Verdict::RetryAfter { delay_ms, retries_left: 2, reason: "no connection".into() }),
            _ => recorded(Verdict::Complete { outputs: Default::default() }),
        }),
        ..Memory::default()
    }
}

#[tokio::test]
async fn no_more_tasks_are_in_hand_than_there_are_permits() {
    let rig = Rig::start(FleetConfig { permits: 3, ..config() }, Memory::default()).await;
    for order in 0..12 {
        rig.engine.add(&format!("o-{order}"));
    }
    until("three exchanges are in flight", || rig.downstream.in_flight.load(Ordering::SeqCst) == 3).await;
    let locked = (0..12).filter(|order| rig.engine.is_locked(&format!("o-{order}"))).count();
    assert_eq!(locked, 3, "a task is locked only when there is a permit for it");
    rig.let_answer();
    until("all are done", || rig.engine.all_ended()).await;
    assert_eq!(rig.downstream.most.load(Ordering::SeqCst), 3);
    assert_eq!(rig.downstream.requests.load(Ordering::SeqCst), 12);
}

#[tokio::test]
async fn a_retry_is_fetched_when_it_falls_due_although_that_wakes_no_poll() {
    let rig = Rig::start(config(), retried_once(100)).await;
    rig.let_answer();
    rig.polls().await;
    rig.engine.add("o");
    until("the retry is done", || rig.engine.ended("o") == Some("completed")).await;
    let fetches = rig.engine.calls("fetchAndLock");
    assert!(fetches.iter().any(|fetch| fetch.get("asyncResponseTimeout").is_none()), "an extra look was sent");
    let mut workers: Vec<&str> = fetches.iter().map(|fetch| fetch["workerId"].as_str().unwrap()).collect();
    let count = workers.len();
    workers.sort_unstable();
    workers.dedup();
    assert_eq!(workers.len(), count, "every fetch has its own worker id");
}

#[tokio::test]
async fn a_fleet_of_one_permit_does_not_sleep_through_its_retry() {
    let rig = Rig::start(FleetConfig { permits: 1, ..config() }, retried_once(100)).await;
    rig.let_answer();
    rig.engine.add("o");
    until("the retry is done", || rig.engine.ended("o") == Some("completed")).await;
}

#[tokio::test]
async fn a_wake_looks_at_once() {
    let rig = Rig::start(config(), Memory::default()).await;
    rig.let_answer();
    rig.polls().await;
    rig.engine.add_quietly("o");
    rig.wake.notify_one();
    until("it is done", || rig.engine.all_ended()).await;
}

#[tokio::test]
async fn a_task_of_somebody_else_in_flight_comes_back_without_spending_a_retry() {
    let wait_then_send = |_: &_, nth| {
        if nth == 0 { Claim::InFlight { wait_ms: 50 } } else { fresh() }
    };
    let rig = Rig::start(config(), Memory { on_claim: Box::new(wait_then_send), ..Memory::default() }).await;
    rig.let_answer();
    rig.engine.add("o");
    until("it is done", || rig.engine.all_ended()).await;
    assert_eq!(rig.engine.retries("o"), None);
}

#[tokio::test]
async fn a_definition_is_learnt_at_its_first_sight_only() {
    let rig = Rig::start(config(), Memory::default()).await;
    rig.let_answer();
    for order in ["a", "b", "c"] {
        rig.engine.add(order);
    }
    until("all are done", || rig.engine.all_ended()).await;
    assert_eq!(rig.engine.calls("/xml").len(), 1);
    assert_eq!(rig.ledger.told().learnt[0].key, "recoverable-step");
}

#[tokio::test]
async fn a_task_that_is_no_step_is_refused_with_the_variable_that_is_missing() {
    let rig = Rig::start(config(), Memory::default()).await;
    rig.engine.add_with("stranger", json!({ "tenantId": { "type": "String", "value": "t" } }));
    rig.wake.notify_one();
    until("it is refused", || rig.engine.retries("stranger") == Some(0)).await;
    assert!(rig.engine.message("stranger").contains("orderId"), "{}", rig.engine.message("stranger"));
    assert!(rig.ledger.told().claims.is_empty());
}

#[tokio::test]
async fn a_handler_that_panics_is_a_defect_for_the_claim_to_keep() {
    let rig = Rig::start(config(), Memory::default()).await;
    rig.let_answer();
    rig.engine.add("panics");
    until("it is claimed", || !rig.ledger.told().claims.is_empty()).await;
    let defect = rig.ledger.told().claims[0].1.clone().unwrap().unwrap_err();
    assert!(defect.contains("order panics cannot be rendered"), "{defect}");
}
