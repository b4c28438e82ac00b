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
    /// This client instance has ended; a new one of the same name may go on, after it has looked what was committed.
    Broken,
    /// The position is not in the partition any more: retention went past it, or the partition was made anew.
    Astray,
    /// Another producer, or member, of this name.
    Fenced,
    /// Credentials or rights.
    Refused,
    /// A topic or partition is not there.
    Missing,
    /// The record, the setting or the broker is of a kind that no repetition makes better.
    Unusable,
}

/// Every code there is, by class. One that a newer librdkafka adds is tried again until it stands here.
const TABLE: &[(Class, &[Code])] = &[
    (Class::Retry, RETRY),
    (
        Class::Abort,
        &[
            // The group has moved on: the step is done again if its partitions are still held.
            Code::IllegalGeneration,
            Code::UnknownMemberId,
            Code::RebalanceInProgress,
            Code::FencedMemberEpoch,
            Code::StaleMemberEpoch,
            Code::AssignmentLost,
            // What was sent is not there: the transaction is void.
            Code::MessageTimedOut,
            Code::PurgeQueue,
            Code::PurgeInflight,
        ],
    ),
    (
        Class::Broken,
        &[
            Code::Fatal,
            Code::State,
            Code::Inconsistent,
            Code::OutOfOrderSequenceNumber,
            Code::UnknownProducerId,
            Code::InvalidProducerIdMapping,
            Code::InvalidTransactionalState,
            Code::GaplessGuarantee,
        ],
    ),
    (Class::Astray, &[Code::OffsetOutOfRange, Code::AutoOffsetReset, Code::LogTruncation]),
    (
        Class::Fenced,
        // Whoever comes second under a name ends the first.
        &[Code::Fenced, Code::ProducerFenced, Code::InvalidProducerEpoch, Code::FencedInstanceId],
    ),
    (Class::Refused, REFUSED),
    (
        Class::Missing,
        &[Code::UnknownTopicOrPartition, Code::UnknownTopic, Code::UnknownPartition, Code::InvalidTopic],
    ),
    (Class::Unusable, UNUSABLE),
];

/// Elections, coordinators that move, brokers that are away, and what is no error at all.
const RETRY: &[Code] = &[
    Code::NoError,
    Code::Unknown,
    Code::Fail,
    Code::BadMessage,
    Code::BadCompression,
    Code::InvalidMessage,
    Code::BrokerDestroy,
    Code::DestroyBroker,
    Code::BrokerTransportFailure,
    Code::CriticalSystemResource,
    Code::Resolve,
    Code::AllBrokersDown,
    Code::UnknownBroker,
    Code::OperationTimedOut,
    Code::TimedOutQueue,
    Code::QueueFull,
    Code::PartitionEOF,
    Code::ISRInsufficient,
    Code::NodeUpdate,
    Code::WaitingForCoordinator,
    Code::UnknownGroup,
    Code::InProgress,
    Code::PreviousInProgress,
    Code::AssignPartitions,
    Code::RevokePartitions,
    Code::Conflict,
    Code::NoOffset,
    Code::Outdated,
    Code::WaitCache,
    Code::Interrupted,
    Code::Partial,
    Code::Retry,
    Code::PollExceeded,
    Code::Noop,
    Code::LeaderNotAvailable,
    Code::NotLeaderForPartition,
    Code::RequestTimedOut,
    Code::BrokerNotAvailable,
    Code::ReplicaNotAvailable,
    Code::StaleControllerEpoch,
    Code::NetworkException,
    Code::CoordinatorLoadInProgress,
    Code::CoordinatorNotAvailable,
    Code::NotCoordinator,
    Code::NotEnoughReplicas,
    Code::NotEnoughReplicasAfterAppend,
    Code::NotController,
    Code::DuplicateSequenceNumber,
    Code::ConcurrentTransactions,
    Code::TransactionCoordinatorFenced,
    Code::OperationNotAttempted,
    Code::KafkaStorageError,
    Code::LogDirNotFound,
    Code::ReassignmentInProgress,
    Code::FetchSessionIdNotFound,
    Code::InvalidFetchSessionEpoch,
    Code::ListenerNotFound,
    Code::FencedLeaderEpoch,
    Code::UnknownLeaderEpoch,
    Code::StaleBrokerEpoch,
    Code::OffsetNotAvailable,
    Code::MemberIdRequired,
    Code::PreferredLeaderNotAvailable,
    Code::EligibleLeadersNotAvailable,
    Code::ElectionNotNeeded,
    Code::NoReassignmentInProgress,
    Code::GroupMaxSizeReached,
    Code::UnstableOffsetCommit,
    Code::ThrottlingQuotaExceeded,
    // A static member's predecessor has not left, or its session has not ended.
    Code::UnreleasedInstanceId,
    // The topic was made anew; the next look at the metadata says so.
    Code::UnknownTopicId,
    Code::UnknownSubscriptionId,
    Code::TelemetryTooLarge,
    Code::RebootstrapRequired,
];

const REFUSED: &[Code] = &[
    Code::Authentication,
    Code::SaslAuthenticationFailed,
    Code::UnsupportedSASLMechanism,
    Code::IllegalSASLState,
    Code::SSL,
    Code::TopicAuthorizationFailed,
    Code::GroupAuthorizationFailed,
    Code::ClusterAuthorizationFailed,
    Code::TransactionalIdAuthorizationFailed,
    Code::SecurityDisabled,
    Code::DelegationTokenAuthDisabled,
    Code::DelegationTokenNotFound,
    Code::DelegationTokenOwnerMismatch,
    Code::DelegationTokenRequestNotAllowed,
    Code::DelegationTokenAuthorizationFailed,
    Code::DelegationTokenExpired,
    Code::InvalidPrincipalType,
    Code::UnacceptableCredential,
    Code::PrincipalDeserializationFailure,
];

const UNUSABLE: &[Code] = &[
    // The record.
    Code::MessageSizeTooLarge,
    Code::MessageBatchTooLarge,
    Code::InvalidRecord,
    Code::InvalidMessageSize,
    Code::InvalidTimestamp,
    Code::InvalidDifferentRecord,
    Code::OffsetMetadataTooLarge,
    Code::InvalidCommitOffsetSize,
    // A setting, ours or the broker's.
    Code::FileSystem,
    Code::InvalidArgument,
    Code::NotConfigured,
    Code::ExistingSubscription,
    Code::InvalidTransactionTimeout,
    Code::InvalidSessionTimeout,
    Code::InconsistentGroupProtocol,
    Code::InvalidGroupId,
    Code::InvalidRequiredAcks,
    Code::UnsupportedAssignor,
    Code::PolicyViolation,
    Code::InvalidConfig,
    Code::InvalidPartitions,
    Code::InvalidReplicationFactor,
    Code::InvalidReplicaAssignment,
    Code::TopicAlreadyExists,
    Code::TopicDeletionDisabled,
    // A broker that lacks what we need.
    Code::UnsupportedVersion,
    Code::UnsupportedFeature,
    Code::UnsupportedForMessageFormat,
    Code::UnsupportedCompressionType,
    Code::UnknownProtocol,
    Code::NotImplemented,
    // Answers to what is never asked: a defect, ours or the broker's.
    Code::InvalidRequest,
    Code::NonEmptyGroup,
    Code::GroupIdNotFound,
    Code::GroupSubscribedToTopic,
    Code::ResourceNotFound,
    Code::DuplicateResource,
    Code::InconsistentVoterSet,
    Code::InvalidUpdateVersion,
    Code::FeatureUpdateFailed,
    Code::KeySerialization,
    Code::ValueSerialization,
    Code::KeyDeserialization,
    Code::ValueDeserialization,
    Code::ReadOnly,
    Code::NoEnt,
    Code::Underflow,
    Code::InvalidType,
    Code::Application,
];

/// Whether the code is of the connection itself: its certificate, its login. Which of them it was, and whether waiting
/// helps, is judged by what the client heard ([`super::client::Context::refused`]).
pub(super) fn is_of_connection(code: Code) -> bool {
    matches!(
        code,
        Code::SSL
            | Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism
            | Code::IllegalSASLState
    )
}

/// What to do about `code`; whatever the table does not name is tried again.
pub(super) fn class_of(code: Code) -> Class {
    TABLE.iter().find(|(_, codes)| codes.contains(&code)).map_or(Class::Retry, |(class, _)| *class)
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

/// Whether the transactional id is another producer's now. That a static member is another one by now may be our own
/// doing, after a session that ended: then the group's next metadata is right. Where it is not, whoever took the name has
/// taken the transactional id first, and the consumer hears of it too.
pub(super) fn is_taken(error: &KafkaError) -> bool {
    class(error) == Class::Fenced && code(error) != Code::FencedInstanceId
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
        Class::Retry | Class::Abort | Class::Broken | Class::Astray => None,
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

    use rdkafka::types::RDKafkaRespErr;

    use super::*;

    /// Every code that librdkafka has, without the marks of where its lists begin and end.
    fn codes() -> Vec<Code> {
        let marks = [Code::Begin, Code::End, Code::EndAll];
        let all = (-200..200).filter_map(|number| RDKafkaRespErr::try_from(number).ok()).map(Code::from);
        all.filter(|code| !marks.contains(code)).collect()
    }

    /// What a log says about an error of that code that came while something was read.
    fn said(code: Code) -> Option<LogError> {
        ending(&KafkaError::MessageConsumption(code), "m", "reading")
    }

    #[test]
    fn every_code_has_one_class() {
        let codes = codes();
        assert!(codes.len() > 150, "{}", codes.len());
        for code in codes {
            let classes = TABLE.iter().filter(|(_, codes)| codes.contains(&code)).count();
            assert_eq!(classes, 1, "{code:?}");
        }
        let named: usize = TABLE.iter().map(|(_, codes)| codes.len()).sum();
        let distinct: BTreeSet<i32> =
            TABLE.iter().flat_map(|(_, codes)| *codes).map(|code| *code as i32).collect();
        assert_eq!(distinct.len(), named, "no code stands twice in a class");
    }

    /// Each class with codes that everybody meets, and whether it ends the handle.
    #[test]
    fn what_the_world_does_is_waited_for() {
        for code in [
            Code::BrokerTransportFailure,
            Code::AllBrokersDown,
            Code::OperationTimedOut,
            Code::NotCoordinator,
            Code::CoordinatorLoadInProgress,
            Code::NotLeaderForPartition,
            Code::ConcurrentTransactions,
            Code::NotEnoughReplicas,
        ] {
            assert_eq!((class_of(code), said(code)), (Class::Retry, None), "{code:?}");
        }
    }

    #[test]
    fn a_void_transaction_is_aborted_and_a_broken_client_made_anew() {
        for code in [Code::IllegalGeneration, Code::RebalanceInProgress, Code::MessageTimedOut] {
            assert_eq!((class_of(code), said(code)), (Class::Abort, None), "{code:?}");
        }
        for code in [Code::OutOfOrderSequenceNumber, Code::UnknownProducerId, Code::InvalidProducerIdMapping]
        {
            assert_eq!((class_of(code), said(code)), (Class::Broken, None), "{code:?}");
        }
    }

    #[test]
    fn a_position_that_is_not_there_ends_nothing_by_itself() {
        for code in [Code::OffsetOutOfRange, Code::AutoOffsetReset, Code::LogTruncation] {
            assert_eq!((class_of(code), said(code)), (Class::Astray, None), "{code:?}");
        }
    }

    #[test]
    fn whoever_was_replaced_refused_or_has_nothing_to_read_ends() {
        for code in [Code::Fenced, Code::ProducerFenced, Code::InvalidProducerEpoch, Code::FencedInstanceId] {
            assert_eq!(said(code), Some(LogError::Fenced("m".to_owned())), "{code:?}");
        }
        for code in [
            Code::Authentication,
            Code::SSL,
            Code::TopicAuthorizationFailed,
            Code::GroupAuthorizationFailed,
            Code::ClusterAuthorizationFailed,
            Code::TransactionalIdAuthorizationFailed,
        ] {
            assert!(matches!(said(code), Some(LogError::Refused(_))), "{code:?}");
        }
        for code in [Code::UnknownTopicOrPartition, Code::UnknownPartition] {
            assert!(matches!(said(code), Some(LogError::Missing(_))), "{code:?}");
        }
        for code in [Code::UnsupportedFeature, Code::UnsupportedVersion, Code::PolicyViolation] {
            assert!(matches!(said(code), Some(LogError::Unusable(_))), "{code:?}");
        }
    }

    #[test]
    fn a_fenced_member_learns_its_name() {
        let error = KafkaError::MessageConsumptionFatal(Code::FencedInstanceId);
        assert_eq!(ending(&error, "match-0", "reading"), Some(LogError::Fenced("match-0".to_owned())));
    }

    #[test]
    fn a_static_member_that_was_replaced_may_have_been_replaced_by_itself() {
        let said = |code| is_taken(&KafkaError::Global(code));
        assert!(said(Code::ProducerFenced) && said(Code::InvalidProducerEpoch));
        assert!(!said(Code::FencedInstanceId) && !said(Code::RebalanceInProgress));
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
