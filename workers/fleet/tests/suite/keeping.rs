//! Keeping a task's lock, and losing it.

use std::{sync::atomic::Ordering, time::Duration};

use fallout_core::evidence::Phase;
use fallout_fleet::FleetConfig;
use tokio::sync::Semaphore;

use crate::{
    ledger::Memory,
    rig::{Rig, config, until},
};

fn short_locks() -> FleetConfig {
    FleetConfig { lock_duration: Duration::from_millis(900), ..config() }
}

#[tokio::test]
async fn a_lock_is_extended_for_as_long_as_the_exchange_takes() {
    let rig = Rig::start(short_locks(), Memory::default()).await;
    rig.engine.add("o");
    until("it was extended over its first duration", || rig.engine.calls("extendLock").len() >= 4).await;
    assert!(rig.engine.is_locked("o"));
    rig.let_answer();
    until("it is done", || rig.engine.all_ended()).await;
    assert_eq!(rig.downstream.requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_lock_lost_before_the_first_byte_stops_the_attempt() {
    let rig = Rig::start(short_locks(), Memory { claims: Semaphore::new(0), ..Memory::default() }).await;
    rig.let_answer();
    rig.engine.add("o");
    until("it is fetched", || rig.engine.is_locked("o")).await;
    rig.engine.steal("o");
    until("its time is over", || !rig.engine.is_locked("o")).await;
    rig.ledger.claims.add_permits(1);
    until("that is recorded", || !rig.ledger.told().recorded.is_empty()).await;
    assert_eq!(rig.ledger.told().recorded[0].1.phase, Phase::TooLate);
    assert_eq!(rig.drained().await.left, 0);
}

#[tokio::test]
async fn a_lock_lost_during_the_exchange_forbids_the_report_and_not_the_record() {
    let rig = Rig::start(short_locks(), Memory::default()).await;
    rig.engine.add("o");
    until("the exchange has begun", || rig.downstream.in_flight.load(Ordering::SeqCst) == 1).await;
    rig.engine.steal("o");
    until("its time is over", || !rig.engine.is_locked("o")).await;
    rig.let_answer();
    until("it is recorded", || !rig.ledger.told().recorded.is_empty()).await;
    let engine = rig.engine.clone();
    assert_eq!(rig.drained().await.left, 0);
    assert!(engine.calls("complete").is_empty());
}
