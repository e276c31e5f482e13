//! Clocks of cases: warnings before a breach, breaches, escalations, and severities that rise as time passes.

use crate::{Watch, WatchError, kept_going};

/// Enough for a morning on which a whole calendar opens; the next page comes at once.
const PAGE: i64 = 100;

pub(crate) async fn tick(watch: &Watch) -> Result<usize, WatchError> {
    let (mut done, mut last) = (0, None);
    loop {
        let page = watch.desk.clocks_due(last, PAGE).await?;
        for &case in &page {
            // One that cannot be looked at must not stand before the others; it is tried again at the next tick.
            let looked = watch.desk.look_at_clock(case).await;
            let told = looked.map(|looked| done += usize::from(looked));
            kept_going("sla", &case, told)?;
            last = Some(case);
        }
        if page.is_empty() {
            return Ok(done);
        }
    }
}
