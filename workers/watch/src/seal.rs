//! Seals the history of every tenant into its chain: afterwards, since a chain inside the transactions would make them wait
//! for each other.

use crate::{Watch, WatchError, kept_going};

pub(crate) async fn tick(watch: &Watch) -> Result<usize, WatchError> {
    let mut done = 0;
    for tenant in watch.desk.audited_tenants().await? {
        let sealed = watch.desk.seal(&tenant).await;
        done += sealed.as_ref().map_or(0, |n| *n);
        kept_going("seal", &tenant, sealed.map(drop))?;
    }
    Ok(done)
}
