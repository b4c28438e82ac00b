//! Between our names and Kafka's: prefixed topic names, partitions and offsets with their signs.

use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use schemas::{Offset, Partition, Topic, TopicPartition};

/// Puts the prefix before names and takes it off again.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
    topics: Vec<(Topic, String)>,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        let topics = Topic::all().into_iter().map(|topic| (topic, format!("{prefix}{topic}"))).collect();
        Self { prefix: prefix.to_owned(), topics }
    }

    /// Kafka's name of `topic`.
    pub(super) fn topic(&self, topic: Topic) -> &str {
        self.topics.iter().find(|(known, _)| *known == topic).map_or("", |(_, name)| name)
    }

    /// The topic that Kafka calls `name`.
    pub(super) fn named(&self, name: &str) -> Option<Topic> {
        self.topics.iter().find(|(_, known)| known == name).map(|(topic, _)| *topic)
    }

    /// Kafka's name of a group.
    pub(super) fn group(&self, group: &str) -> String {
        format!("{}{group}", self.prefix)
    }

    /// The name that fences: of the group and the member, the same after every restart.
    pub(super) fn transactional_id(&self, group: &str, member: &str) -> String {
        format!("{}weir-{group}-{member}", self.prefix)
    }

    /// Adds a partition with an offset; `None`: the first there is.
    pub(super) fn add(&self, list: &mut TopicPartitionList, at: TopicPartition, offset: Option<Offset>) {
        let mut entry = list.add_partition(self.topic(at.topic), number(at.partition));
        let offset = offset.and_then(|offset| i64::try_from(offset.0).ok());
        // Only negative offsets are refused.
        drop(entry.set_offset(offset.map_or(KafkaOffset::Beginning, KafkaOffset::Offset)));
    }

    /// A list of partitions without offsets.
    pub(super) fn list(&self, partitions: impl IntoIterator<Item = TopicPartition>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for at in partitions {
            list.add_partition(self.topic(at.topic), number(at.partition));
        }
        list
    }

    /// What a list names, as far as it is ours.
    pub(super) fn partitions(&self, list: &TopicPartitionList) -> Vec<TopicPartition> {
        list.elements().iter().filter_map(|entry| self.partition(entry.topic(), entry.partition())).collect()
    }

    pub(super) fn partition(&self, topic: &str, partition: i32) -> Option<TopicPartition> {
        Some(TopicPartition::new(self.named(topic)?, Partition(u32::try_from(partition).ok()?)))
    }
}

/// A partition's number as Kafka writes it.
pub(super) fn number(partition: Partition) -> i32 {
    i32::try_from(partition.0).unwrap_or(i32::MAX)
}

/// An offset as Kafka writes it; `None` for its special values.
pub(super) fn offset(offset: KafkaOffset) -> Option<Offset> {
    match offset {
        KafkaOffset::Offset(offset) => u64::try_from(offset).ok().map(Offset),
        KafkaOffset::Beginning
        | KafkaOffset::End
        | KafkaOffset::Stored
        | KafkaOffset::Invalid
        | KafkaOffset::OffsetTail(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_is_found_again_and_only_with_its_prefix() {
        let names = Names::new("acme.");
        for topic in Topic::all() {
            assert_eq!(names.topic(topic), format!("acme.{topic}"));
            assert_eq!(names.named(names.topic(topic)), Some(topic));
            assert_eq!(names.named(&topic.to_string()), None);
        }
    }

    #[test]
    fn a_list_keeps_partitions_and_offsets() {
        let names = Names::new("");
        let at = TopicPartition::new(Topic::Event, Partition(3));
        let mut list = TopicPartitionList::new();
        names.add(&mut list, at, Some(Offset(7)));
        assert_eq!(names.partitions(&list), [at]);
        assert_eq!(list.elements().first().and_then(|entry| offset(entry.offset())), Some(Offset(7)));
    }
}
