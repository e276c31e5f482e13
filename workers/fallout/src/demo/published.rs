//! Whether what was told of this run has arrived on the Kafka topic, asked of the topic itself.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use fallout_desk::{Desk, Place};
use fallout_kafka::Reader;
use serde::Serialize;
use serde_json::Value;

/// The controller ticks every second and a broker answers in milliseconds; only a failure gets there.
const WITHIN: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(200);
const PAGE: i64 = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Published {
    /// Events in the outbox.
    pub told: usize,
    /// How many of them are on the topic.
    pub arrived: usize,
    /// All messages that were read there: delivery is at least once.
    pub messages: usize,
}

impl Published {
    /// Reads the topic from its beginning until every event of the outbox was seen.
    pub(super) async fn count(desk: &Desk, brokers: String, topic: String) -> Result<Published> {
        let told = told(desk).await?;
        let read = move || read(&told, &brokers, &topic);
        tokio::task::spawn_blocking(read).await.context("reading the topic")?
    }

    pub fn is_whole(self) -> bool {
        self.told == self.arrived
    }
}

async fn told(desk: &Desk) -> Result<BTreeSet<String>> {
    let (mut ids, mut place) = (BTreeSet::new(), Place::default());
    loop {
        let page = desk.events_after(place, PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(ids) };
        place = *last;
        ids.extend(page.iter().map(|(_, event)| event.id.to_string()));
    }
}

fn read(told: &BTreeSet<String>, brokers: &str, topic: &str) -> Result<Published> {
    let (end, mut arrived, mut messages, mut reader) = (Instant::now() + WITHIN, BTreeSet::new(), 0, None);
    while arrived.len() < told.len() && Instant::now() < end {
        // The first event makes the topic, so there may be none yet.
        let Some(reader) = &reader else {
            reader = Reader::new(brokers, topic).ok();
            thread::sleep(LOOK);
            continue;
        };
        let Some(message) = reader.next(LOOK)? else { continue };
        messages += 1;
        let event: Value = serde_json::from_slice(&message.payload).context("a message is no event")?;
        arrived.extend(event["id"].as_str().filter(|id| told.contains(*id)).map(str::to_owned));
    }
    Ok(Published { told: told.len(), arrived: arrived.len(), messages })
}
