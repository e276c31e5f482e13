//! Cases that could not be written with their result: their signals were kept, and this goes on with them.

use crate::{Watch, WatchError, kept_going};

/// Enough for a burst; the next tick comes at once while there is work.
const BATCH: usize = 100;

pub(crate) async fn tick(watch: &Watch) -> Result<usize, WatchError> {
    let (mut done, mut last) = (0, None);
    while let Some(signal) = watch.desk.next_signal(last).await? {
        last = Some(signal);
        // One that cannot be handled must not stand before the others; it is tried again at the next tick.
        if kept_going("signals", &signal, watch.desk.process_signal(signal).await)? {
            done += 1;
        }
        if done == BATCH {
            break;
        }
    }
    Ok(done)
}
