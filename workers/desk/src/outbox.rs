//! What is published, for whoever hands it on.

use fallout_core::event::Event;
use fallout_store::outbox::{self, Place};

use crate::{Desk, DeskError};

impl Desk {
    /// The events after a place, in order; the place of the last one is where to go on. Nothing is skipped: what a
    /// transaction that still runs may yet add comes later.
    pub async fn events_after(&self, place: Place, limit: i64) -> Result<Vec<(Place, Event)>, DeskError> {
        let mut tx = self.system("outbox").await?;
        let events = outbox::after(&mut tx, place, limit).await?;
        tx.commit().await?;
        Ok(events)
    }
}
