//! The ledger or the engine is away, or an answer with tasks in it gets lost.

use std::sync::atomic::Ordering;

use crate::{
    engine::{Engine, Lose},
    ledger::Memory,
    rig::{Rig, config, until},
};

#[tokio::test]
async fn evidence_is_kept_until_the_ledger_is_back_and_nothing_is_tried_meanwhile() {
    let rig = Rig::start(config(), Memory::default()).await;
    rig.engine.add("a");
    until("the exchange has begun", || rig.downstream.in_flight.load(Ordering::SeqCst) == 1).await;
    rig.ledger.away.store(true, Ordering::SeqCst);
    rig.let_answer();
    until("the answer is out", || rig.downstream.in_flight.load(Ordering::SeqCst) == 0).await;
    rig.engine.add("b");
    until("the new task was given back", || !rig.engine.calls("extendLock").is_empty()).await;
    assert!(rig.engine.ended("a").is_none() && rig.engine.ended("b").is_none());
    rig.ledger.away.store(false, Ordering::SeqCst);
    until("both are done", || rig.engine.all_ended()).await;
    assert_eq!(rig.downstream.requests.load(Ordering::SeqCst), 2, "one exchange each");
    assert_eq!(rig.ledger.told().recorded.len(), 2);
}

#[tokio::test]
async fn nothing_is_fetched_before_the_ledger_has_answered_for_the_first_time() {
    let rig = Rig::start(config(), Memory { away: true.into(), ..Memory::default() }).await;
    rig.let_answer();
    rig.engine.add("o");
    rig.wake.notify_one();
    until("the ledger was asked again", || rig.ledger.asked.load(Ordering::SeqCst) >= 2).await;
    assert!(rig.engine.calls("fetchAndLock").is_empty());
    rig.ledger.away.store(false, Ordering::SeqCst);
    until("it is done", || rig.engine.all_ended()).await;
}

#[tokio::test]
async fn a_fleet_goes_on_by_itself_when_the_engine_comes_up() {
    let (engine, url) = Engine::start().await;
    engine.state().down = true;
    engine.add("o");
    let rig = Rig::with(engine, &url, config(), Memory::default()).await;
    rig.let_answer();
    rig.engine.state().down = false;
    until("it is done", || rig.engine.all_ended()).await;
}

#[tokio::test]
async fn tasks_locked_by_a_fetch_whose_answer_was_lost_are_given_back_and_done() {
    let (engine, url) = Engine::start().await;
    engine.state().lose.insert("fetchAndLock", Lose::Answer);
    engine.add("o");
    let rig = Rig::with(engine, &url, config(), Memory::default()).await;
    rig.let_answer();
    until("it is done", || rig.engine.all_ended()).await;
}
