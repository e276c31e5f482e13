//! Waiting for the database to say that there is work: a wake-up, never the work itself.

use sqlx::postgres::PgListener;

use crate::{Store, StoreError};

#[derive(Debug)]
pub struct Wakeups {
    listener: PgListener,
}

impl Store {
    /// Hears of new engine commands. Register before looking for work, or one may slip between.
    pub async fn wakeups(&self) -> Result<Wakeups, StoreError> {
        let mut listener = PgListener::connect_with(self.pool()).await?;
        listener.listen("fallout_command").await?;
        Ok(Wakeups { listener })
    }
}

impl Wakeups {
    /// Returns when something may have come; also after the connection was lost and found again.
    pub async fn next(&mut self) -> Result<(), StoreError> {
        self.listener.try_recv().await?;
        Ok(())
    }
}
