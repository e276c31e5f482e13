//! An idempotent producer: what it was given arrives in that order, by key, and once for each time it was given.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use rdkafka::{
    ClientConfig,
    message::{Header, OwnedHeaders},
    producer::{DeliveryFuture, FutureProducer, FutureRecord},
};

use crate::KafkaError;

/// One message.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    pub topic: &'a str,
    /// What has the same one stays in order.
    pub key: &'a str,
    pub payload: &'a [u8],
    pub headers: &'a [(&'a str, &'a str)],
}

#[derive(Clone)]
pub struct Producer(FutureProducer);

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Producer")
    }
}

impl Producer {
    /// Connects to nothing yet. `brokers`: `host:port`, more after commas; `more`: properties of librdkafka.
    ///
    /// # Errors
    /// Only for settings that are none.
    pub fn new(brokers: &str, more: &[(String, String)]) -> Result<Producer, KafkaError> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers);
        for (name, value) in more {
            config.set(name, value);
        }
        // Not to be changed by anybody: without these, order and delivery are promises that nobody keeps.
        config.set("enable.idempotence", "true").set("acks", "all");
        // A record that is given up while a later one arrives would be out of order; an outage is waited out.
        config.set("message.timeout.ms", "0");
        // A few milliseconds gather a batch where many come at once.
        config.set("linger.ms", "5");
        let producer: FutureProducer = config.create().map_err(|e| KafkaError::of(&e))?;
        Ok(Producer(producer))
    }

    /// Queues a record. Whatever becomes of it is said by the delivery; dropping that takes nothing back.
    ///
    /// # Errors
    /// When the queue is full, or the producer has ended: nothing was queued.
    pub fn queue(&self, record: &Record<'_>) -> Result<Delivery, KafkaError> {
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (key, value) in record.headers {
            headers = headers.insert(Header { key, value: Some(*value) });
        }
        let record = FutureRecord::to(record.topic).key(record.key).payload(record.payload).headers(headers);
        match self.0.send_result(record) {
            Ok(delivery) => Ok(Delivery(delivery)),
            Err((e, _)) => Err(KafkaError::of(&e)),
        }
    }
}

/// What becomes of one record: all in-sync replicas have it, or why not.
pub struct Delivery(DeliveryFuture);

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Delivery")
    }
}

impl Future for Delivery {
    type Output = Result<(), KafkaError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|done| match done {
            Ok(Ok(_)) => Ok(()),
            Ok(Err((e, _))) => Err(KafkaError::of(&e)),
            Err(_) => Err(KafkaError::Ended("it was dropped".to_owned())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_are_none_are_told_and_nobody_has_to_be_there() {
        let wrong = [("no.such.property".to_owned(), "x".to_owned())];
        assert!(matches!(Producer::new("127.0.0.1:1", &wrong), Err(KafkaError::Settings(_))));
        assert!(Producer::new("127.0.0.1:1", &[]).is_ok());
    }
}
