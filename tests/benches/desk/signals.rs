//! What one signal costs: the desk against plain SQL that writes the same rows, and many at once against one by one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use fallout_core::{
    ids::StepKey,
    signal::{Finding, NewSignal, Place as At, SignalState},
};
use fallout_desk::Desk;
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::place::{Place, TENANT, identity};

/// Orders with an active case each: enough that clients seldom wait for the same row.
pub const ORDERS: usize = 2_000;
const PREFIX: &str = "signals";
/// A classification that the taxonomy has, of a rejection.
pub const KIND: &str = "ADDRESS_NOT_SERVICEABLE";
pub const BATCH: usize = 500;

/// What a detection of any source says about the step of order `n`.
pub fn signal(prefix: &str, n: usize, source: &str) -> NewSignal {
    NewSignal {
        source: source.into(),
        event: Uuid::now_v7().to_string(),
        finding: Finding::Classification(KIND.into()),
        place: At { step: Some(StepKey::of(&identity(prefix, n))), ..At::default() },
        cause: Default::default(),
        occurred_at: None,
        reason: "the address is not serviceable".into(),
        payload: json!({ "check": "bench" }),
    }
}

/// Orders whose steps have an active case, and the table by which pgbench finds both.
pub async fn prepare(place: &Place, desk: &Desk) -> Result<()> {
    place.seed(PREFIX, ORDERS)?;
    let all: Vec<NewSignal> = (0..ORDERS).map(|n| signal(PREFIX, n, "first")).collect();
    for batch in all.chunks(BATCH) {
        let answers = desk.signals(TENANT, batch).await?;
        ensure!(answers.iter().all(|a| a.state == SignalState::Opened), "a case was there before");
    }
    place.psql(&format!(
        "create table bench_place as select row_number() over () - 1 as n, step_id, id as case_id from fallout_case
             where business_key like '{TENANT}:{PREFIX}-%';
         alter table bench_place add primary key (n);
         grant select on bench_place to public;
         vacuum analyze;"
    ))?;
    Ok(())
}

/// The rows of a signal that joins: its case is found and held, the signal and its entry are written. Plain SQL, one
/// statement after the other, as the same role under the same policies and triggers.
fn script() -> String {
    format!(
        "\\set n random(0, {last})
begin;
select set_config('fallout.tenant', '{TENANT}', true), set_config('fallout.service', '', true);
select c.id from fallout_case c join bench_place p on p.case_id = c.id where p.n = :n for no key update of c;
insert into fallout_external_signal (id, tenant_id, source_system, source_event_id, normalized_signal_type, payload, step_id, reason, fallout_case_id, state, processed_at)
  select gen_random_uuid(), '{TENANT}', 'pgbench', gen_random_uuid()::text, '{KIND}', '{{\"check\": \"bench\"}}', step_id, 'the address is not serviceable', case_id, 'joined', now() from bench_place where n = :n;
insert into fallout_event (id, tenant_id, fallout_case_id, event_type, actor_type, actor_id, reason, payload)
  select gen_random_uuid(), '{TENANT}', case_id, 'FalloutSignalJoined', 'system', 'pgbench', 'the address is not serviceable', '{{\"classification\": \"{KIND}\"}}' from bench_place where n = :n;
commit;
",
        last = ORDERS - 1,
    )
}

pub fn pgbench(place: &Place, clients: usize, seconds: u64) -> Result<f64> {
    place.pgbench(&script(), clients, seconds)
}

/// Signals per second of so many clients, each with one at a time.
pub async fn singles(desk: &Desk, clients: usize, seconds: u64) -> Result<f64> {
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let over = begun + Duration::from_secs(seconds);
    let mut running = JoinSet::new();
    for _ in 0..clients {
        let (desk, next) = (desk.clone(), Arc::clone(&next));
        running.spawn(async move {
            let mut done = 0;
            while Instant::now() < over {
                // A stride that meets every order before it meets one again.
                let n = next.fetch_add(1, Ordering::Relaxed) * 7_919 % ORDERS;
                let answer = desk.signal(TENANT, &signal(PREFIX, n, "singles")).await?;
                ensure!(answer.state == SignalState::Joined, "a signal was {}", answer.state);
                done += 1;
            }
            anyhow::Ok(done)
        });
    }
    let mut done = 0;
    while let Some(one) = running.join_next().await {
        done += one??;
    }
    Ok(f64::from(done) / begun.elapsed().as_secs_f64())
}

/// Signals per second of one client that brings a batch at a time.
pub async fn batches(desk: &Desk, seconds: u64) -> Result<f64> {
    let begun = Instant::now();
    let mut done = 0;
    while begun.elapsed() < Duration::from_secs(seconds) {
        let batch: Vec<NewSignal> =
            (0..BATCH).map(|n| signal(PREFIX, (done + n) * 7_919 % ORDERS, "batches")).collect();
        let answers = desk.signals(TENANT, &batch).await?;
        ensure!(answers.iter().all(|a| a.state == SignalState::Joined), "a signal of a batch did not join");
        done += BATCH;
    }
    Ok(done as f64 / begun.elapsed().as_secs_f64())
}
