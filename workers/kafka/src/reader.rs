//! A reader of a whole topic from its beginning, without a group: for whoever wants to see what was published.

use std::{fmt, time::Duration};

use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
};

use crate::KafkaError;

/// How long the brokers may take to say which partitions there are.
const METADATA_WITHIN: Duration = Duration::from_secs(10);

/// One message as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub partition: i32,
    pub offset: i64,
    pub key: Vec<u8>,
    pub payload: Vec<u8>,
}

/// Blocks: for a thread of its own.
pub struct Reader(BaseConsumer);

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

impl Reader {
    /// From the first message of every partition that there is now.
    ///
    /// # Errors
    /// When the brokers do not answer, or do not know the topic.
    pub fn new(brokers: &str, topic: &str) -> Result<Reader, KafkaError> {
        let mut config = ClientConfig::new();
        // No group is joined; the library asks for a name all the same.
        config.set("bootstrap.servers", brokers).set("group.id", "fallout-reader").set("enable.auto.commit", "false");
        let consumer: BaseConsumer = config.create().map_err(|e| KafkaError::of(&e))?;
        let metadata = consumer.fetch_metadata(Some(topic), METADATA_WITHIN).map_err(|e| KafkaError::of(&e))?;
        let mut from = TopicPartitionList::new();
        for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
            from.add_partition_offset(topic, partition.id(), Offset::Beginning).map_err(|e| KafkaError::of(&e))?;
        }
        if from.count() == 0 {
            return Err(KafkaError::Refused(format!("there is no topic {topic}")));
        }
        consumer.assign(&from).map_err(|e| KafkaError::of(&e))?;
        Ok(Reader(consumer))
    }

    /// The next message, waited for so long; `None`: there was none.
    ///
    /// # Errors
    /// What the library tells; reading may go on.
    pub fn next(&self, within: Duration) -> Result<Option<Message>, KafkaError> {
        match self.0.poll(within) {
            None => Ok(None),
            Some(Err(e)) => Err(KafkaError::of(&e)),
            Some(Ok(message)) => Ok(Some(Message {
                partition: message.partition(),
                offset: message.offset(),
                key: message.key().unwrap_or_default().to_vec(),
                payload: message.payload().unwrap_or_default().to_vec(),
            })),
        }
    }
}
