//! Bytes to Kafka and back, by the bundled librdkafka: an idempotent producer that keeps the order of what it is given, and a
//! reader of a whole topic.
//!
//! Not here: what the bytes mean, which of them are sent, and what becomes of those that are not.

mod error;
mod producer;
mod reader;

pub use error::KafkaError;
pub use producer::{Delivery, Producer, Record};
pub use reader::{Message, Reader};
