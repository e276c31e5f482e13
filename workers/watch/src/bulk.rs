//! Recoveries of many cases: results are taken, the next commands given at the bulk's pace. Everything that it knows stands in
//! tables, so whoever looks next goes on where another was killed.

use std::time::Duration;

use fallout_core::ids::CaseId;
use fallout_desk::{Given, Turn};
use tokio::{task::JoinSet, time::Instant};

use crate::{Watch, WatchError};

/// Commands given between two looks at the bulk: so soon it can be paused.
const TURN: u32 = 128;
/// Between two looks that only take results, which come one by one and would each be a reason to look.
const REST: Duration = Duration::from_millis(200);
/// Transactions at the same time; each takes a connection.
const AT_ONCE: usize = 6;

/// When it looked last without beginning anything.
#[derive(Debug, Default)]
pub(crate) struct Rhythm(Option<Instant>);

pub(crate) async fn tick(watch: &Watch, rhythm: &mut Rhythm) -> Result<usize, WatchError> {
    if let Some(last) = rhythm.0.take() {
        tokio::time::sleep_until(last + REST).await;
    }
    let (mut taken, mut begun) = (0, 0);
    for bulk in watch.desk.bulks_at_work().await? {
        let (results, turn) = watch.desk.turn_of_bulk(bulk, TURN).await?;
        taken += results as usize;
        if let Some(turn) = turn {
            begun += turn.cases.len();
            give(watch, turn).await?;
        }
    }
    rhythm.0 = (begun == 0).then(Instant::now);
    Ok(taken + begun)
}

/// Those that are plain together, the others one by one. A case that cannot be given now is taken back by its lease, and given when its turn comes again.
async fn give(watch: &Watch, turn: Turn) -> Result<(), WatchError> {
    let Turn { bulk, cases } = turn;
    let plain = watch.desk.give_plain(&bulk, &cases).await?;
    let cases: Vec<_> = cases.into_iter().filter(|case| !plain.contains(&case.id)).collect();
    if cases.is_empty() {
        return Ok(());
    }
    let (mut giving, mut given) = (JoinSet::new(), Vec::new());
    let mut failed = None;
    for case in cases {
        if giving.len() == AT_ONCE {
            take(giving.join_next().await, &mut given, &mut failed);
        }
        let (desk, bulk) = (watch.desk.clone(), bulk.clone());
        giving.spawn(async move { desk.give_of_bulk(&bulk, case.number).await.map(|answer| (case.id, answer)) });
    }
    while let Some(one) = giving.join_next().await {
        take(Some(one), &mut given, &mut failed);
    }
    watch.desk.given_of_bulk(bulk.id, &given).await?;
    failed.map_or(Ok(()), |e: fallout_desk::DeskError| Err(e.into()))
}

type Answer = Result<Result<(CaseId, Given), fallout_desk::DeskError>, tokio::task::JoinError>;

fn take(one: Option<Answer>, given: &mut Vec<(CaseId, Given)>, failed: &mut Option<fallout_desk::DeskError>) {
    match one {
        Some(Ok(Ok(answer))) => given.push(answer),
        Some(Ok(Err(e))) => *failed = Some(e),
        Some(Err(e)) => {
            tracing::error!(error = %e, "a case of a bulk ended without an answer; its lease brings it back")
        }
        None => {}
    }
}
