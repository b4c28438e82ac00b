//! What each of Kafka's answers means, as a table to be held against the protocol's list
//! (<https://kafka.apache.org/protocol.html#protocol_error_codes>) and librdkafka's transaction guide
//! (<https://github.com/confluentinc/librdkafka/blob/v2.12.1/INTRODUCTION.md#transactional-producer>).
//!
//! A transaction's own flags (abortable, retriable, fatal) come before the table, except where the table says that
//! trying again cannot help.

use pipeline::LogError;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// The world is bad, or slow: the same call again.
    Retry,
    /// The transaction must be aborted; the step left no trace and may be done again.
    Abort,
    /// Another producer, or member, of this name.
    Fenced,
    /// Credentials or rights.
    Refused,
    /// A topic or partition is not there.
    Missing,
    /// The record, or the broker, is of a kind that no repetition makes better.
    Unusable,
    /// This client instance has ended; a new one of the same name may go on, after it has looked what was committed.
    Broken,
}

const TABLE: &[(Code, Class)] = &[
    // Whoever comes second under a name ends the first.
    (Code::Fenced, Class::Fenced),
    (Code::ProducerFenced, Class::Fenced),
    (Code::InvalidProducerEpoch, Class::Fenced),
    (Code::FencedInstanceId, Class::Fenced),
    // Rights.
    (Code::Authentication, Class::Refused),
    (Code::SaslAuthenticationFailed, Class::Refused),
    (Code::UnsupportedSASLMechanism, Class::Refused),
    (Code::IllegalSASLState, Class::Refused),
    (Code::SSL, Class::Refused),
    (Code::TopicAuthorizationFailed, Class::Refused),
    (Code::GroupAuthorizationFailed, Class::Refused),
    (Code::ClusterAuthorizationFailed, Class::Refused),
    (Code::TransactionalIdAuthorizationFailed, Class::Refused),
    // Topics.
    (Code::UnknownTopicOrPartition, Class::Missing),
    (Code::UnknownTopic, Class::Missing),
    (Code::UnknownPartition, Class::Missing),
    (Code::InvalidTopic, Class::Missing),
    // No repetition helps: the record, or a broker that lacks what we need.
    (Code::MessageSizeTooLarge, Class::Unusable),
    (Code::MessageBatchTooLarge, Class::Unusable),
    (Code::InvalidRecord, Class::Unusable),
    (Code::InvalidTransactionTimeout, Class::Unusable),
    (Code::InvalidSessionTimeout, Class::Unusable),
    (Code::InconsistentGroupProtocol, Class::Unusable),
    (Code::InvalidGroupId, Class::Unusable),
    (Code::UnsupportedVersion, Class::Unusable),
    (Code::UnsupportedFeature, Class::Unusable),
    (Code::UnsupportedForMessageFormat, Class::Unusable),
    (Code::UnsupportedCompressionType, Class::Unusable),
    (Code::PolicyViolation, Class::Unusable),
    (Code::NotImplemented, Class::Unusable),
    // The group has moved on: the step is done again if its partitions are still held.
    (Code::IllegalGeneration, Class::Abort),
    (Code::UnknownMemberId, Class::Abort),
    (Code::RebalanceInProgress, Class::Abort),
    // What was sent is not there: the transaction is void.
    (Code::MessageTimedOut, Class::Abort),
    (Code::PurgeQueue, Class::Abort),
    (Code::PurgeInflight, Class::Abort),
    // The instance has lost its way.
    (Code::Fatal, Class::Broken),
    (Code::State, Class::Broken),
    (Code::OutOfOrderSequenceNumber, Class::Broken),
    (Code::UnknownProducerId, Class::Broken),
    (Code::InvalidProducerIdMapping, Class::Broken),
    (Code::InvalidTransactionalState, Class::Broken),
    (Code::GaplessGuarantee, Class::Broken),
];

/// What to do about `code`; whatever the table does not name is tried again.
pub(super) fn class_of(code: Code) -> Class {
    TABLE.iter().find(|(known, _)| *known == code).map_or(Class::Retry, |(_, class)| *class)
}

/// What to do about `error`.
pub(super) fn class(error: &KafkaError) -> Class {
    let code = code(error);
    let named = class_of(code);
    let KafkaError::Transaction(transaction) = error else { return named };
    if matches!(named, Class::Fenced | Class::Refused | Class::Unusable) {
        named
    } else if transaction.txn_requires_abort() {
        Class::Abort
    } else if transaction.is_fatal() {
        Class::Broken
    } else if transaction.is_retriable() {
        Class::Retry
    } else {
        named
    }
}

/// The code behind `error`.
pub(super) fn code(error: &KafkaError) -> Code {
    if let KafkaError::AdminOp(code) = error {
        return *code;
    }
    // These say in words only that a call was refused in this state.
    if matches!(error, KafkaError::Seek(_) | KafkaError::Subscription(_) | KafkaError::PauseResume(_)) {
        return Code::InProgress;
    }
    if matches!(
        error,
        KafkaError::ClientCreation(_) | KafkaError::ClientConfig(..) | KafkaError::AdminOpCreation(_)
    ) {
        return Code::UnsupportedFeature;
    }
    error.rdkafka_error_code().unwrap_or(Code::Unknown)
}

/// `error` as a log's error, for those that end a handle; `None` where trying again may help.
pub(super) fn ending(error: &KafkaError, name: &str, what: &str) -> Option<LogError> {
    match class(error) {
        Class::Retry | Class::Abort | Class::Broken => None,
        Class::Fenced => Some(LogError::Fenced(name.to_owned())),
        Class::Refused => Some(LogError::Refused(format!("{what}: {}", code(error)))),
        Class::Missing => Some(LogError::Missing(format!("{what}: {}", code(error)))),
        Class::Unusable => Some(LogError::Unusable(format!("{what}: {}", words(error)))),
    }
}

/// What Kafka said. Configuration values are left out: they may be secret.
fn words(error: &KafkaError) -> String {
    if let KafkaError::ClientConfig(_, why, key, _) = error {
        return format!("setting {key}: {why}");
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_code_has_two_classes() {
        let codes: BTreeSet<i32> = TABLE.iter().map(|(code, _)| *code as i32).collect();
        assert_eq!(codes.len(), TABLE.len());
    }

    #[test]
    fn what_is_unknown_or_away_is_tried_again() {
        for code in [
            Code::BrokerTransportFailure,
            Code::AllBrokersDown,
            Code::OperationTimedOut,
            Code::NotCoordinator,
        ] {
            assert_eq!(class(&KafkaError::MessageConsumption(code)), Class::Retry, "{code:?}");
            assert_eq!(ending(&KafkaError::Global(code), "m", "x"), None, "{code:?}");
        }
    }

    #[test]
    fn a_fenced_member_learns_its_name() {
        let error = KafkaError::MessageConsumptionFatal(Code::FencedInstanceId);
        assert_eq!(ending(&error, "match-0", "reading"), Some(LogError::Fenced("match-0".to_owned())));
    }

    #[test]
    fn a_refused_setting_does_not_show_its_value() {
        let error = KafkaError::ClientConfig(
            rdkafka::types::RDKafkaConfRes::RD_KAFKA_CONF_INVALID,
            "no such value".to_owned(),
            "sasl.password".to_owned(),
            "hunter2".to_owned(),
        );
        let said = ending(&error, "m", "connecting").map(|error| error.to_string()).unwrap_or_default();
        assert!(said.contains("sasl.password") && !said.contains("hunter2"), "{said}");
    }
}
