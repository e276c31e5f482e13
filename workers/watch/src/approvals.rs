//! Ends requests for approval that nobody decided in time; their cases are with their people again.

use crate::{Watch, WatchError, kept_going};

/// Per tick; there are few.
const BATCH: i64 = 50;

pub(crate) async fn tick(watch: &Watch) -> Result<usize, WatchError> {
    let over = watch.desk.expired_approvals(BATCH).await?;
    let mut ended = 0;
    for (tenant, approval) in over {
        let done = watch.desk.expire_approval(&tenant, approval).await;
        ended += usize::from(kept_going("approvals", &approval, done)?);
    }
    Ok(ended)
}
