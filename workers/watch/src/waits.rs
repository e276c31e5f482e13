//! Cases that stand still until a time: waiting ones return, unresolved ones are looked at again.

use crate::{Watch, WatchError, kept_going};

/// Enough for a Monday morning on which everything returns; the next page comes at once.
const PAGE: i64 = 100;

pub(crate) async fn tick(watch: &Watch) -> Result<usize, WatchError> {
    let (mut done, mut last) = (0, None);
    loop {
        let page = watch.desk.returning(last, PAGE).await?;
        for &case in &page {
            // One that cannot be brought back must not stand before the others; it is tried again at the next tick.
            let back = watch.desk.bring_back(case).await;
            kept_going("waits", &case, back.map(|back| done += usize::from(back)))?;
            last = Some(case);
        }
        if page.is_empty() {
            return Ok(done);
        }
    }
}
