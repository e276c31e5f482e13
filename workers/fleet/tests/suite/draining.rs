//! Stopping loses nothing and says how it ended.

use std::{sync::atomic::Ordering, time::Duration};

use fallout_fleet::{Drained, FleetConfig};
use tokio::sync::Semaphore;

use crate::{
    engine::{Engine, Lose},
    ledger::Memory,
    rig::{Rig, config, until},
};

#[tokio::test]
async fn a_stop_finishes_what_is_in_flight() {
    let rig = Rig::start(config(), Memory::default()).await;
    rig.engine.add("o");
    until("the exchange has begun", || rig.downstream.in_flight.load(Ordering::SeqCst) == 1).await;
    rig.stop();
    rig.let_answer();
    let engine = rig.engine.clone();
    assert_eq!(rig.drained().await, Drained { finished: 1, given_back: 0, left: 0 });
    assert_eq!(engine.ended("o"), Some("completed"));
}

#[tokio::test]
async fn a_stop_gives_back_what_was_fetched_and_not_begun() {
    let rig = Rig::start(config(), Memory { contexts: Semaphore::new(0), ..Memory::default() }).await;
    rig.let_answer();
    rig.engine.add("o");
    until("it is fetched", || rig.engine.is_locked("o")).await;
    let (engine, ledger, downstream) = (rig.engine.clone(), rig.ledger.clone(), rig.downstream.clone());
    rig.stop();
    let drained = tokio::spawn(rig.drained());
    tokio::task::yield_now().await;
    ledger.contexts.add_permits(1);
    assert_eq!(drained.await.unwrap(), Drained { finished: 0, given_back: 1, left: 0 });
    until("anyone can have it", || !engine.is_locked("o")).await;
    assert_eq!(downstream.requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_stop_says_what_it_had_to_leave() {
    let rig = Rig::start(FleetConfig { drain_timeout: Duration::from_millis(50), ..config() }, Memory::default()).await;
    rig.engine.add("o");
    until("the exchange has begun", || rig.downstream.in_flight.load(Ordering::SeqCst) == 1).await;
    let (ledger, answers) = (rig.ledger.clone(), rig.answers.clone());
    assert_eq!(rig.drained().await, Drained { finished: 0, given_back: 0, left: 1 });
    answers.add_permits(1);
    until("an exchange in flight is never aborted", || !ledger.told().recorded.is_empty()).await;
}

#[tokio::test]
async fn an_idle_fleet_ends_its_poll_at_the_engine_and_stops_at_once() {
    let rig = Rig::start(config(), Memory::default()).await;
    rig.polls().await;
    let engine = rig.engine.clone();
    assert_eq!(rig.drained().await, Drained::default());
    engine.add("late");
    until("the poll is over at the engine", || !engine.is_polled()).await;
    assert!(!engine.is_locked("late"), "nothing is locked for nobody");
    let asked = engine.state().calls.iter().filter(|call| call.query.contains("workerId=")).count();
    assert!(asked >= 1, "what the ended poll may have locked was swept");
}

#[tokio::test]
async fn a_stop_waits_for_a_poll_that_the_engine_does_not_end_and_gives_back_what_it_locks() {
    let rig = Rig::start(config(), Memory::default()).await;
    rig.engine.state().unique_polls = false;
    rig.polls().await;
    let engine = rig.engine.clone();
    rig.stop();
    until("the poll was asked to end", || engine.calls("fetchAndLock").len() > 1).await;
    engine.add("o");
    assert_eq!(rig.drained().await, Drained { finished: 0, given_back: 1, left: 0 });
    until("anyone can have it", || !engine.is_locked("o")).await;
}

#[tokio::test]
async fn a_stop_sweeps_what_a_lost_answer_has_locked() {
    let (engine, url) = Engine::start().await;
    engine.state().lose.insert("fetchAndLock", Lose::Answer);
    engine.add("o");
    let rig =
        Rig::with(engine.clone(), &url, config(), Memory { claims: Semaphore::new(0), ..Memory::default() }).await;
    until("it was locked for nobody", || !engine.calls("fetchAndLock").is_empty()).await;
    rig.drained().await;
    until("anyone can have it", || !engine.is_locked("o")).await;
}
