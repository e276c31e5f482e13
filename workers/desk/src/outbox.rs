//! What is published, for whoever hands it on.

use std::time::Duration;

use fallout_core::event::Event;
use fallout_store::outbox::{self, Place};
use uuid::Uuid;

use crate::{Desk, DeskError};

/// What a reader of one tenant's events gets.
#[derive(Clone, Debug, PartialEq)]
pub enum EventsRead {
    /// In order, and where to go on.
    Page { events: Vec<Event>, next: Place },
    /// Events after that place are deleted: going on there would skip some.
    Deleted,
}

impl Desk {
    /// The events after a place, in order; the place of the last one is where to go on. Nothing is skipped: what a
    /// transaction that still runs may yet add comes later.
    pub async fn events_after(&self, place: Place, limit: i64) -> Result<Vec<(Place, Event)>, DeskError> {
        let mut tx = self.system("outbox").await?;
        let events = outbox::after(&mut tx, place, limit).await?;
        tx.commit().await?;
        Ok(events)
    }

    /// The same of one tenant, for whoever reads its own; without a place, from the first one that is kept.
    pub async fn events_of(&self, tenant: &str, after: Option<Place>, limit: i64) -> Result<EventsRead, DeskError> {
        let mut tx = self.tenant(tenant).await?;
        let events = outbox::of_tenant(&mut tx, tenant, after.unwrap_or_default(), limit).await?;
        // Asked afterwards: what is deleted between the two is noticed.
        let pruned = outbox::pruned(&mut tx, tenant).await?;
        tx.commit().await?;
        if after.is_some_and(|place| place < pruned) {
            return Ok(EventsRead::Deleted);
        }
        let next = events.last().map_or(after.unwrap_or(pruned), |(place, _)| *place);
        Ok(EventsRead::Page { events: events.into_iter().map(|(_, event)| event).collect(), next })
    }

    /// Deletes up to `limit` events that are older than that and that every reader has handed on; how many.
    pub async fn prune_events(&self, days: u32, limit: i64) -> Result<usize, DeskError> {
        let mut tx = self.system("outbox").await?;
        let days = i32::try_from(days).unwrap_or(i32::MAX);
        let gone = outbox::prune(&mut tx, days, limit).await?;
        tx.commit().await?;
        Ok(usize::try_from(gone).unwrap_or_default())
    }

    /// How far a reader is, held for so long; `None`: another process hands on for it.
    pub async fn hold_reader(&self, name: &str, holder: Uuid, lease: Duration) -> Result<Option<Place>, DeskError> {
        let mut tx = self.system("outbox").await?;
        let place = outbox::hold_reader(&mut tx, name, holder, lease.as_secs_f64()).await?;
        tx.commit().await?;
        Ok(place)
    }

    /// Everything up to there was handed on; false: another process holds the reader by now.
    pub async fn move_reader(&self, name: &str, holder: Uuid, from: Place, to: Place) -> Result<bool, DeskError> {
        let mut tx = self.system("outbox").await?;
        let moved = outbox::move_reader(&mut tx, name, holder, from, to).await?;
        tx.commit().await?;
        Ok(moved)
    }
}
