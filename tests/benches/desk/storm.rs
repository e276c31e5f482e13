//! A storm: one downstream rejects the orders of everybody, and every source says so again and again. In a process of its
//! own, so that its memory is the desk's.

use std::{process::Command, sync::Arc, time::Instant};

use anyhow::{Context, Result, ensure};
use fallout_desk::Desk;
use fallout_tests::usage::memory_mb;
use serde::{Deserialize, Serialize};
use tokio::{sync::Mutex, task::JoinSet};

use crate::{
    place::{Place, TENANT},
    signals::{BATCH, signal},
};

const PREFIX: &str = "storm";
/// Connections that bring batches: more than the cores are no faster.
const BRINGERS: usize = 4;
/// Batches between two looks for problems.
const TENDED_EACH: usize = 20;

#[derive(Debug, Serialize, Deserialize)]
pub struct Storm {
    pub signals: usize,
    pub cases: usize,
    pub problems: usize,
    pub lost: usize,
    pub rss_growth_mb: f64,
    pub seconds: f64,
}

/// As the process of its own: `told` times each of the orders, in an order that mixes them.
pub async fn rage(desk: &Desk, orders: usize, told: usize) -> Result<(f64, f64)> {
    // What every process has after its first words to the database.
    desk.ready().await?;
    let before = memory_mb("VmRSS")?;
    let total = orders * told;
    let begun = Instant::now();
    let next = Arc::new(Mutex::new(0));
    let mut bringers = JoinSet::new();
    for _ in 0..BRINGERS {
        let (desk, next) = (desk.clone(), Arc::clone(&next));
        bringers.spawn(async move {
            loop {
                let first = {
                    let mut next = next.lock().await;
                    let first = *next;
                    *next += BATCH;
                    first
                };
                if first >= total {
                    return anyhow::Ok(());
                }
                // 7,919 is prime, so every signal is somebody's turn once.
                let batch: Vec<_> = (first..(first + BATCH).min(total))
                    .map(|n| signal(PREFIX, n * 7_919 % orders, ["worker", "poller", "reconciliation"][n % 3]))
                    .collect();
                let answers = desk.signals(TENANT, &batch).await?;
                ensure!(answers.iter().all(|a| a.case.is_some()), "a signal has no case");
                // As the controller does meanwhile.
                if (first / BATCH).is_multiple_of(TENDED_EACH) {
                    desk.tend_problems().await?;
                }
            }
        });
    }
    while let Some(done) = bringers.join_next().await {
        done??;
    }
    while desk.tend_problems().await? > 0 {}
    Ok((begun.elapsed().as_secs_f64(), memory_mb("VmHWM")? - before))
}

pub fn run(place: &Place, orders: usize, told: usize) -> Result<Storm> {
    ensure!(!orders.is_multiple_of(7_919), "the stride has to meet every order");
    place.seed(PREFIX, orders)?;
    let out = Command::new(std::env::current_exe()?)
        .args(["--storm-on", &place.database(), "--orders", &orders.to_string(), "--told", &told.to_string()])
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("running the storm")?;
    ensure!(out.status.success(), "the storm ended with {}", out.status);
    let (seconds, rss_growth_mb): (f64, f64) = serde_json::from_slice(&out.stdout)?;
    let of_storm = format!("from fallout_case where business_key like '{TENANT}:{PREFIX}-%'");
    let count = |sql: &str| -> Result<usize> { Ok(place.psql(sql)?.parse()?) };
    let kept = count(&format!(
        "select count(*) from fallout_external_signal where fallout_case_id in (select id {of_storm})
         and state in ('opened', 'joined')"
    ))?;
    Ok(Storm {
        signals: orders * told,
        cases: count(&format!("select count(*) {of_storm}"))?,
        problems: count(&format!("select count(distinct problem_id) {of_storm}"))?,
        lost: orders * told - kept,
        rss_growth_mb,
        seconds,
    })
}
