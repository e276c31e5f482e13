//! Asks downstreams about results that are awaited (202) and about parked unknowns, ever more slowly, without a handler:
//! a lookup is rendered from the stored intent and read by the operation's data.

use std::time::Instant;

use tokio::task::JoinSet;

use crate::{Watch, WatchError, all};

/// At once per process: a lookup is a read, but it goes to systems that may be in trouble.
const BATCH: i64 = 16;

pub(crate) async fn tick(watch: &Watch) -> Result<usize, WatchError> {
    let due = watch.desk.due_reads(BATCH).await?;
    let count = due.len();
    let mut reads = JoinSet::new();
    for read in due {
        let watch = watch.clone();
        reads.spawn(async move { look_up(&watch, read).await });
    }
    all("lookups", reads).await?;
    Ok(count)
}

async fn look_up(watch: &Watch, due: fallout_desk::DueRead) -> Result<(), WatchError> {
    let Some(op) = watch.desk.catalogue().operation(&due.operation) else {
        tracing::error!(operation = due.operation, attempt = %due.attempt, "no such operation in the catalogue; the attempt stays unknown");
        return Ok(());
    };
    let asked = Instant::now();
    let said = watch.downstreams.look_up(op, &due.key, &due.request).await;
    tracing::debug!(attempt = %due.attempt, operation = op.name, "looked up");
    watch.desk.record_read(due.attempt, said, asked).await?;
    Ok(())
}
