//! Ends requests for approval that nobody decided in time: of actions, whose cases are with their people again, and of
//! process modifications.

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
    for modification in watch.desk.expired_modifications(BATCH).await? {
        let done = watch.desk.expire_modification(modification).await;
        ended += usize::from(kept_going("approvals", &modification, done)?);
    }
    Ok(ended)
}
