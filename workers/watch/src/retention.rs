//! Personal data of orders: their partitions are made ahead, and dropped when their time is over. Before a month goes, the
//! requests and answers of its ended orders are archived, since the same data stand in them. Events that were handed on go
//! when whoever reads them by cursor has had its time.

use std::time::{Duration, Instant};

use crate::{Watch, WatchError, kept_going};

/// What is due changes by the month, so looking seldom is enough; and soon enough for whoever changes the setting.
const EVERY: Duration = Duration::from_secs(600);
/// Runs archived, or ids of events forgotten, in one go: a transaction each, or one of a few milliseconds.
const PAGE: i64 = 200;
/// Events deleted in one go: some ten milliseconds.
const EVENTS_PAGE: i64 = 1_000;

/// When it was looked last, in this process.
#[derive(Debug, Default)]
pub(crate) struct Pace(Option<Instant>);

pub(crate) async fn tick(watch: &Watch, pace: &mut Pace) -> Result<usize, WatchError> {
    if pace.0.is_some_and(|looked| looked.elapsed() < EVERY) {
        return Ok(0);
    }
    let months = watch.personal_months;
    let mut done = watch.desk.make_personal_months().await?;
    done += archive(watch, months).await?;
    while watch.desk.drop_personal_month(months).await? {
        done += 1;
    }
    while watch.desk.forget_order_events(months, PAGE).await? > 0 {
        done += 1;
    }
    loop {
        match watch.desk.prune_events(watch.event_days, EVENTS_PAGE).await? {
            0 => break,
            gone => done += gone,
        }
    }
    // Only now: a tick that did not end well is tried again at the next one.
    pace.0 = Some(Instant::now());
    Ok(done)
}

/// One that is kept, since something of it is not over, keeps its order's data too.
async fn archive(watch: &Watch, months: u32) -> Result<usize, WatchError> {
    let (mut done, mut last) = (0, None);
    loop {
        let page = watch.desk.runs_past(months, last, PAGE).await?;
        for (run, tenant) in &page {
            let archived = watch.desk.archive(tenant, *run).await.map(drop);
            done += usize::from(kept_going("retention", run, archived)?);
            last = Some(*run);
        }
        if page.is_empty() {
            return Ok(done);
        }
    }
}
