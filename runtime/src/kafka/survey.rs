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

/// Asks; shared by all handles of a log.
#[derive(Clone)]
pub(super) struct Survey {
    pub(super) consumer: Arc<Consumer>,
    pub(super) names: Arc<Names>,
}

impl Survey {
    /// How many partitions `topic` has; waits for a broker that is away.
    pub(super) fn partitions(&self, topic: Topic, stop: &Stop) -> Result<u32, LogError> {
        let mut patience = Patience::new("reading metadata");
        loop {
            match self.try_partitions(topic) {
                Ok(Some(count)) => return Ok(count),
                Ok(None) => return Err(LogError::Missing(format!("topic {}", self.names.topic(topic)))),
                Err(error) => self.go_on(&error, self.names.topic(topic), stop, &mut patience)?,
            }
        }
    }

    /// Waits until a broker answers, whatever it says of topics.
    pub(super) fn reach(&self, stop: &Stop) -> Result<(), LogError> {
        let mut patience = Patience::new("reaching a broker");
        let name = self.names.topic(Topic::Event);
        loop {
            client::serve(&self.consumer);
            match self.consumer.fetch_metadata(Some(name), ANSWER_WITHIN) {
                Ok(_) => return Ok(()),
                Err(error) => self.go_on(&error, name, stop, &mut patience)?,
            }
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
        stop: &Stop,
        patience: &mut Patience,
    ) -> Result<(), LogError> {
        // Errors of the connection, refused credentials among them, are heard only when it is polled.
        // A wait of zero would hear one event only, and each line of librdkafka's log is one.
        while self.consumer.poll(HEAR).is_some() {}
        if let Some(refused) = self.consumer.context().refused() {
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
