//! Problems: gathers cases with one cause, and ends what is over. The desk does a part at a time; the next comes at once.

use crate::{Watch, WatchError};

pub(crate) async fn tick(watch: &Watch) -> Result<usize, WatchError> {
    Ok(watch.desk.tend_problems().await?)
}
