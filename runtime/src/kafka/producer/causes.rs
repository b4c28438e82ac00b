//! Why a transaction failed. librdkafka says it in pieces, of which other threads hear: what it holds against the
//! transaction, reports of single records, a line of its log.

use std::time::Duration;

use rdkafka::{
    error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code},
    producer::Producer as _,
};

use super::{
    super::{client::Producer, errors},
    LOOK, Steps,
};

/// So many looks for a piece that is on its way.
const LOOKS_MAX: u32 = 1000;

impl Steps {
    /// Where a record was refused as too large, its report says which: it comes just after.
    pub(super) fn hear_of_sizes(&self, cause: &KafkaError) {
        let is_size = matches!(errors::code(cause), Code::MessageSizeTooLarge | Code::MessageBatchTooLarge);
        let Some(producer) = self.producer.as_ref().filter(|_| is_size) else { return };
        for _ in 0..LOOKS_MAX {
            producer.poll(Duration::ZERO);
            if producer.context().has_too_large() || self.shared.stop.wait(LOOK) {
                return;
            }
        }
    }

    /// The topic that may not be written to, where that is the cause. Only a line of librdkafka's log names it, of which
    /// another thread hears.
    pub(super) fn denied(&self, cause: &KafkaError) -> Option<String> {
        let producer =
            self.producer.as_ref().filter(|_| errors::code(cause) == Code::TopicAuthorizationFailed)?;
        for _ in 0..LOOKS_MAX {
            let denied = producer.context().take_denied();
            if denied.is_some() || self.shared.stop.wait(LOOK) {
                return denied;
            }
        }
        None
    }
}

/// Why a call failed: once a transaction has failed, every call fails because of that.
pub(super) fn cause(producer: &Producer, error: KafkaError) -> KafkaError {
    if matches!(errors::code(&error), Code::State | Code::Fatal) {
        return held_against(producer).err().unwrap_or(error);
    }
    error
}

/// What librdkafka holds against the open transaction, if anything: it says so to whoever would begin another.
pub(super) fn held_against(producer: &Producer) -> KafkaResult<()> {
    match producer.begin_transaction() {
        Err(error) if errors::code(&error) != Code::State => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
