//! Downstreams that people declare offline: told when it begins and ends, their cases wait meanwhile and come back.

use crate::{Watch, WatchError, kept_going};

/// One transaction per case; the next page comes at once.
const PAGE: i64 = 100;

pub(crate) async fn tick(watch: &Watch) -> Result<usize, WatchError> {
    let mut done = 0;
    for window in watch.desk.windows_to_attend().await? {
        let told = watch.desk.tell_window(window).await;
        kept_going("downstreams", &window, told.map(|told| done += usize::from(told)))?;
        for case in watch.desk.cases_to_wait(window, PAGE).await? {
            let waits = watch.desk.wait_for_downstream(window, case).await;
            kept_going("downstreams", &case, waits.map(|waits| done += usize::from(waits)))?;
        }
        for case in watch.desk.cases_to_return(window, PAGE).await? {
            let back = watch.desk.return_from_downstream(window, case).await;
            kept_going("downstreams", &case, back.map(|back| done += usize::from(back)))?;
        }
    }
    Ok(done)
}
