//! Waiting for the database to say that there is work: a wake-up, never the work itself.

use sqlx::postgres::PgListener;

use crate::{Store, StoreError};

/// Where there may be something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// A command for the engine.
    Command,
    /// A downstream is declared offline, or is not any more.
    Downstream,
    /// A bulk was asked for, or goes on.
    Bulk,
}

const CHANNELS: [(&str, Woken); 3] =
    [("fallout_command", Woken::Command), ("fallout_downstream", Woken::Downstream), ("fallout_bulk", Woken::Bulk)];

#[derive(Debug)]
pub struct Wakeups {
    listener: PgListener,
}

impl Store {
    /// Hears of what is new. Register before looking for work, or one may slip between.
    pub async fn wakeups(&self) -> Result<Wakeups, StoreError> {
        let mut listener = PgListener::connect_with(self.pool()).await?;
        listener.listen_all(CHANNELS.map(|(channel, _)| channel)).await?;
        Ok(Wakeups { listener })
    }
}

impl Wakeups {
    /// What something has come of; `None` after the connection was lost and found again: anything may have.
    pub async fn next(&mut self) -> Result<Option<Woken>, StoreError> {
        let heard = self.listener.try_recv().await?;
        Ok(heard.and_then(|n| CHANNELS.iter().find(|(channel, _)| *channel == n.channel()).map(|(_, woken)| *woken)))
    }
}
