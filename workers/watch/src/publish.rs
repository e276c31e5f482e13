//! Hands the events of the outbox on to Kafka, in their order, at least once. An outage of Kafka is waited out here and
//! nowhere else: nothing but this controller knows that Kafka exists.

use std::{collections::VecDeque, fmt, sync::Arc, time::Duration};

use fallout_core::event::Event;
use fallout_desk::Place;
use fallout_kafka::{Delivery, KafkaError, Producer, Record};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::{Watch, WatchError};

/// The reader's name in the database.
const READER: &str = "kafka";
/// Some milliseconds of reading, and what a crash hands on again at most.
const AT_ONCE: i64 = 500;
/// How long one tick waits for what it has queued.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer than a tick, so that it is ours until the next one; another process goes on so long after ours died.
const LEASE: Duration = Duration::from_secs(20);

/// Where events are published to.
pub struct Events {
    pub brokers: String,
    pub topic: String,
    /// Properties of librdkafka; passwords are among them.
    pub properties: Vec<(String, String)>,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Events({} at {})", self.topic, self.brokers)
    }
}

/// What is under way between ticks. It can be lost at any time: then it is read from the outbox again.
#[derive(Debug)]
pub(crate) struct Publishing {
    me: Uuid,
    producer: Option<Producer>,
    queued: VecDeque<(Place, Delivery)>,
    /// Up to where the queued ones go on from.
    from: Place,
}

impl Default for Publishing {
    fn default() -> Publishing {
        Publishing { me: Uuid::now_v7(), producer: None, queued: VecDeque::new(), from: Place::default() }
    }
}

impl Publishing {
    /// Whatever was queued and not delivered may arrive or not; it is given again, with the same ids and in the same order.
    fn begin_again(&mut self) {
        self.producer = None;
        self.queued.clear();
    }
}

pub(crate) async fn tick(watch: &Watch, state: &mut Publishing) -> Result<usize, WatchError> {
    let Some(events) = &watch.events else { return Ok(0) };
    let Some(place) = watch.desk.hold_reader(READER, state.me, LEASE).await? else {
        state.begin_again();
        return Ok(0);
    };
    if state.from != place {
        state.begin_again();
        state.from = place;
    }
    if state.queued.is_empty() {
        queue(watch, events, state).await?;
    }
    let Arrived { last, count, failed } = arrived(&mut state.queued).await;
    if let Some(last) = last {
        if !watch.desk.move_reader(READER, state.me, state.from, last).await? {
            // Another process has it by now, and hands the same on.
            state.begin_again();
            return Ok(0);
        }
        state.from = last;
    }
    match failed {
        Some(why) => {
            state.begin_again();
            Err(told(why))
        }
        // What is queued stays so, and is asked about again at the next tick.
        None if count == 0 && !state.queued.is_empty() => {
            Err(WatchError::KafkaAway(KafkaError::Away(format!("{} events wait", state.queued.len()))))
        }
        None => Ok(count),
    }
}

fn told(why: KafkaError) -> WatchError {
    match why {
        KafkaError::Away(_) => WatchError::KafkaAway(why),
        other => WatchError::Kafka(other),
    }
}

async fn queue(watch: &Watch, events: &Arc<Events>, state: &mut Publishing) -> Result<(), WatchError> {
    let read = watch.desk.events_after(state.from, AT_ONCE).await?;
    if read.is_empty() {
        return Ok(());
    }
    let producer = match state.producer.take() {
        Some(producer) => producer,
        None => Producer::new(&events.brokers, &events.properties).map_err(told)?,
    };
    for (place, event) in &read {
        match give(&producer, &events.topic, event) {
            Ok(delivery) => state.queued.push_back((*place, delivery)),
            // The rest is read again once these are delivered.
            Err(KafkaError::Full) => break,
            Err(e) => {
                state.begin_again();
                return Err(told(e));
            }
        }
    }
    state.producer = Some(producer);
    Ok(())
}

/// CloudEvents in structured mode: everything is in the body. By the key all that happens to one case is in one partition.
fn give(producer: &Producer, topic: &str, event: &Event) -> Result<Delivery, KafkaError> {
    let (key, payload) = (event.partition_key(), event.to_cloud_event().to_string());
    let headers = [("content-type", "application/cloudevents+json; charset=utf-8")];
    producer.queue(&Record { topic, key: &key, payload: payload.as_bytes(), headers: &headers })
}

struct Arrived {
    /// Up to where without a gap.
    last: Option<Place>,
    count: usize,
    /// The first that will not arrive. Later ones may have.
    failed: Option<KafkaError>,
}

/// Counts what has arrived off the front of the queue, for as long as the patience lasts.
async fn arrived(queued: &mut VecDeque<(Place, Delivery)>) -> Arrived {
    let mut arrived = Arrived { last: None, count: 0, failed: None };
    let end = Instant::now() + PATIENCE;
    while let Some((place, delivery)) = queued.front_mut() {
        match timeout_at(end, delivery).await {
            Err(_) => break,
            Ok(Err(e)) => {
                arrived.failed = Some(e);
                break;
            }
            Ok(Ok(())) => {
                arrived.last = Some(*place);
                arrived.count += 1;
                queued.pop_front();
            }
        }
    }
    arrived
}
