//! Seals the history of every tenant into its chain: afterwards, since a chain inside the transactions would make them wait
//! for each other.

use fallout_desk::Desk;

use crate::{Watch, WatchError, kept_going};

/// Says only how many chains have more to seal: the rest waits for the next tick, so that one seal covers what a tick brings
/// and not single entries.
pub(crate) async fn tick(watch: &Watch) -> Result<usize, WatchError> {
    let mut unfinished = 0;
    for tenant in watch.desk.audited_tenants().await? {
        let sealed = watch.desk.seal(&tenant).await;
        unfinished += usize::from(sealed.as_ref().is_ok_and(|n| *n == Desk::FULL_SEAL));
        kept_going("seal", &tenant, sealed.map(drop))?;
    }
    Ok(unfinished)
}
