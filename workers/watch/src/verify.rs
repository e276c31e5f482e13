//! Reads at the downstream what a case waits for before it is resolved, and gives back the cases whose action did not come to
//! an end in time. What an answer proves is the desk's to say.

use std::time::Instant;

use tokio::task::JoinSet;

use crate::{Watch, WatchError, all, kept_going};

/// At once per process: a lookup is a read, but it goes to systems that may be in trouble.
const BATCH: i64 = 16;

pub(crate) async fn tick(watch: &Watch) -> Result<usize, WatchError> {
    let due = watch.desk.due_verifications(BATCH).await?;
    let mut count = due.len();
    let mut reads = JoinSet::new();
    for read in due {
        let watch = watch.clone();
        reads.spawn(async move { look_up(&watch, read).await });
    }
    all("verify", reads).await?;
    for action in watch.desk.overdue_actions(BATCH).await? {
        count += usize::from(kept_going("verify", &action, watch.desk.overdue(action).await)?);
    }
    Ok(count)
}

async fn look_up(watch: &Watch, due: fallout_desk::DueVerification) -> Result<(), WatchError> {
    let Some(op) = watch.desk.catalogue().operation(&due.operation) else {
        tracing::error!(operation = due.operation, verification = %due.id, "no such operation in the catalogue; the case stays in verification");
        return Ok(());
    };
    let asked = Instant::now();
    let said = watch.downstreams.look_up(op, &due.key, &due.request).await;
    tracing::debug!(verification = %due.id, operation = op.name, "looked up");
    watch.desk.verification_read(due.id, said, asked).await?;
    Ok(())
}
