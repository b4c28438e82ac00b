//! Questions to the broker that belong to no group: which topics there are, how many partitions they have, and where
//! partitions end, as written and as committed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use pipeline::LogError;
use rdkafka::{
    Offset as KafkaOffset,
    consumer::Consumer as _,
    error::{KafkaError, KafkaResult},
    types::RDKafkaErrorCode as Code,
};
use schemas::{Offset, Topic, TopicPartition};

use super::{
    client::{self, Consumer},
    errors,
    names::{self, Names},
    refusal::{self, Asked},
    wait::{Patience, Stop},
};

/// How long one question may take before it is asked again.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How long is listened for what the brokers have said.
const HEAR: Duration = Duration::from_millis(50);
/// So much of it is heard at a time.
const HEAR_MAX: u32 = 1000;

/// Asks; shared by all handles of a log.
#[derive(Clone)]
pub(super) struct Survey {
    pub(super) consumer: Arc<Consumer>,
    pub(super) names: Arc<Names>,
}

impl Survey {
    /// How many partitions `topic` has; waits for a broker that is away.
    pub(super) fn partitions(&self, topic: Topic, stop: &Stop) -> Result<u32, LogError> {
        self.partitions_of(topic, stop, false)
    }

    /// The same, of a topic that was there: a broker that has just started may not know it yet.
    pub(super) fn partitions_again(&self, topic: Topic, stop: &Stop) -> Result<u32, LogError> {
        self.partitions_of(topic, stop, true)
    }

    fn partitions_of(&self, topic: Topic, stop: &Stop, was_there: bool) -> Result<u32, LogError> {
        let mut patience = Patience::new("reading metadata");
        let mut is_first = true;
        loop {
            match self.try_partitions(topic) {
                Ok(Some(count)) => {
                    self.consumer.context().worked();
                    return Ok(count);
                }
                Ok(None) => {
                    let missing = LogError::Missing(format!("topic {}", self.names.topic(topic)));
                    if !was_there || !patience.bears(&missing) {
                        return Err(missing);
                    }
                    if patience.wait(stop, &missing) {
                        return Err(closed());
                    }
                }
                Err(error) => self.go_on(&error, self.names.topic(topic), is_first, stop, &mut patience)?,
            }
            is_first = false;
        }
    }

    /// Waits until a broker answers, whatever it says of topics.
    pub(super) fn reach(&self, stop: &Stop) -> Result<(), LogError> {
        let mut patience = Patience::new("reaching a broker");
        let name = self.names.topic(Topic::Event);
        let mut is_first = true;
        loop {
            client::serve(&self.consumer);
            match self.consumer.fetch_metadata(Some(name), ANSWER_WITHIN) {
                Ok(_) => {
                    self.consumer.context().worked();
                    return Ok(());
                }
                Err(error) => self.go_on(&error, name, is_first, stop, &mut patience)?,
            }
            is_first = false;
        }
    }

    /// How many partitions `topic` has; `None` where it does not exist.
    pub(super) fn try_partitions(&self, topic: Topic) -> KafkaResult<Option<u32>> {
        let name = self.names.topic(topic);
        client::serve(&self.consumer);
        let metadata = self.consumer.fetch_metadata(Some(name), ANSWER_WITHIN)?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == name) else {
            return Ok(None);
        };
        match found.error().map(Code::from) {
            None => Ok(u32::try_from(found.partitions().len()).ok().filter(|count| *count > 0)),
            Some(Code::UnknownTopicOrPartition) => Ok(None),
            Some(code) => Err(KafkaError::MetadataFetch(code)),
        }
    }

    /// Where these partitions end as they are written, committed or not.
    pub(super) fn ends(
        &self,
        partitions: &[TopicPartition],
    ) -> KafkaResult<BTreeMap<TopicPartition, Offset>> {
        ends(&self.consumer, &self.names, partitions)
    }

    /// Where these partitions begin.
    pub(super) fn starts(
        &self,
        partitions: &[TopicPartition],
    ) -> KafkaResult<BTreeMap<TopicPartition, Offset>> {
        edges(&self.consumer, &self.names, partitions, KafkaOffset::Beginning)
    }

    /// Waits before a question is asked again.
    fn go_on(
        &self,
        error: &KafkaError,
        what: &str,
        is_first: bool,
        stop: &Stop,
        patience: &mut Patience,
    ) -> Result<(), LogError> {
        if let Some(refused) = refused(&self.consumer, is_first) {
            return Err(refused);
        }
        let right = "Describe (which Read and Write bring along)";
        let asked = Asked { on_topics: right, topics: what, group: "", transactional_id: "" };
        if let Some(right) = refusal::right(errors::code(error), &asked) {
            return Err(LogError::Refused(right));
        }
        if let Some(ending) = errors::ending(error, "", what) {
            return Err(ending);
        }
        if !stop.is_stopped()
            && let Some(told) = self.consumer.context().look()
        {
            return Err(told);
        }
        if patience.wait(stop, error) { Err(closed()) } else { Ok(()) }
    }
}

/// Why asking on is useless, if it is, by what a client has heard that holds no partitions now; `is_first`: this question
/// has failed for the first time.
pub(super) fn refused(consumer: &Consumer, is_first: bool) -> Option<LogError> {
    // Errors of the connection, refused credentials among them, are heard only when it is polled.
    // A wait of zero would hear one event only, and each line of librdkafka's log is one.
    for _ in 0..HEAR_MAX {
        if consumer.poll(HEAR).is_none() {
            break;
        }
    }
    let context = consumer.context();
    if is_first && context.has_worked() {
        // What waited to be heard may be hours old, and long over. Whatever is wrong now is heard again.
        context.forget();
    }
    context.refused()
}

/// Where these partitions end for `consumer`: as written, or as committed, by its isolation level.
pub(super) fn ends(
    consumer: &Consumer,
    names: &Names,
    partitions: &[TopicPartition],
) -> KafkaResult<BTreeMap<TopicPartition, Offset>> {
    edges(consumer, names, partitions, KafkaOffset::End)
}

fn edges(
    consumer: &Consumer,
    names: &Names,
    partitions: &[TopicPartition],
    edge: KafkaOffset,
) -> KafkaResult<BTreeMap<TopicPartition, Offset>> {
    if partitions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut list = names.list(partitions.iter().copied());
    list.set_all_offsets(edge)?;
    let found = consumer.offsets_for_times(list, ANSWER_WITHIN)?;
    let mut ends = BTreeMap::new();
    for entry in found.elements() {
        entry.error()?;
        if let (Some(at), Some(offset)) =
            (names.partition(entry.topic(), entry.partition()), names::offset(entry.offset()))
        {
            ends.insert(at, offset);
        }
    }
    if ends.len() < partitions.len() {
        return Err(KafkaError::OffsetFetch(Code::LeaderNotAvailable));
    }
    Ok(ends)
}

/// What whoever waits is told when its handle is closed.
pub(super) fn closed() -> LogError {
    LogError::Unusable("the handle is closed".to_owned())
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientContext as _;

    use super::*;
    use crate::kafka::settings::KafkaConfig;

    /// A broker that refused the login for a while, hours ago, must not end who meets a mere timeout now.
    #[test]
    fn what_was_heard_before_an_answer_counts_no_more() {
        let consumer = client::surveyor(&KafkaConfig::new("127.0.0.1:1")).unwrap();
        let hear = || consumer.context().error(KafkaError::Global(Code::SaslAuthenticationFailed), "");
        hear();
        assert!(refused(&consumer, true).is_some(), "it has never worked");
        hear();
        consumer.context().worked();
        assert_eq!(refused(&consumer, false), None, "an answer clears it");
        hear();
        assert_eq!(refused(&consumer, true), None, "heard before the question");
        assert_eq!(refused(&consumer, false), None, "and forgotten");
        hear();
        assert!(refused(&consumer, false).is_some(), "heard while the question is asked again");
    }
}
