//! Cases that could not be written with their result: their signals were kept, and this goes on with them.

use crate::{Watch, WatchError};

/// Enough for a burst; the next tick comes at once while there is work.
const BATCH: usize = 100;

pub(crate) async fn tick(watch: &Watch) -> Result<usize, WatchError> {
    let mut done = 0;
    while done < BATCH && watch.desk.process_signal().await? {
        done += 1;
    }
    Ok(done)
}
