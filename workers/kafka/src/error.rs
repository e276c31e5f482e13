//! What can go wrong, by what the caller does then.

use rdkafka::error::{KafkaError as Inner, RDKafkaErrorCode as Code};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KafkaError {
    /// The settings are none; nothing was tried.
    #[error("the client cannot be made: {0}")]
    Settings(String),
    /// As much is queued as may be: wait for deliveries, then go on.
    #[error("the producer's queue is full")]
    Full,
    /// Nobody answers, or not yet: it goes on by itself.
    #[error("the brokers are away: {0}")]
    Away(String),
    /// This record, or any to this topic, is not taken.
    #[error("it is not taken: {0}")]
    Refused(String),
    /// The producer is of no use any more; make another one.
    #[error("the producer has ended: {0}")]
    Ended(String),
}

impl KafkaError {
    pub(crate) fn of(error: &Inner) -> KafkaError {
        let text = error.to_string();
        match error {
            Inner::ClientConfig(..) | Inner::ClientCreation(_) => KafkaError::Settings(text),
            Inner::Canceled => KafkaError::Ended(text),
            _ => match error.rdkafka_error_code() {
                Some(Code::QueueFull) => KafkaError::Full,
                Some(
                    Code::AllBrokersDown
                    | Code::BrokerTransportFailure
                    | Code::OperationTimedOut
                    | Code::MessageTimedOut
                    | Code::Resolve
                    | Code::BrokerNotAvailable
                    | Code::LeaderNotAvailable
                    | Code::NotEnoughReplicas
                    | Code::RequestTimedOut,
                ) => KafkaError::Away(text),
                Some(Code::Fatal | Code::PurgeQueue | Code::PurgeInflight) => KafkaError::Ended(text),
                _ => KafkaError::Refused(text),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_to_do() {
        let of = |code| KafkaError::of(&Inner::MessageProduction(code));
        assert_eq!(of(Code::QueueFull), KafkaError::Full);
        assert!(matches!(of(Code::BrokerTransportFailure), KafkaError::Away(_)));
        assert!(matches!(of(Code::PurgeInflight), KafkaError::Ended(_)));
        assert!(matches!(of(Code::MessageSizeTooLarge), KafkaError::Refused(_)));
        assert!(matches!(of(Code::UnknownTopic), KafkaError::Refused(_)));
    }
}
