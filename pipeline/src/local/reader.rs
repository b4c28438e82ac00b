//! A reader without a group.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use schemas::{Offset, Partition, Topic, TopicPartition};

use super::{Room, Shared, Slice, Store};
use crate::log::{Changes, From, Limits, LogError, Positions, Reader, Table};

pub(super) struct LocalReader<S> {
    shared: Arc<Shared<S>>,
}

impl<S: Store> LocalReader<S> {
    pub(super) fn new(shared: Arc<Shared<S>>) -> Self {
        Self { shared }
    }

    async fn table(&self, of: TopicPartition) -> Result<Table, LogError> {
        let store = &self.shared.store;
        if of.partition.0 >= store.partitions() {
            return Err(LogError::Missing(of.to_string()));
        }
        store.table(of).await
    }

    async fn changes(&self, topic: Topic, from: From) -> Result<Changes, LogError> {
        let store = &self.shared.store;
        let at = match from {
            From::Start => Positions::new(),
            From::At(positions) => positions,
        };
        let all = (0..store.partitions()).map(|n| TopicPartition::new(topic, Partition(n)));
        let mut next: Positions =
            all.map(|place| (place, at.get(&place).copied().unwrap_or(Offset(0)))).collect();
        let ends: Positions = next.keys().map(|place| (*place, store.end(*place))).collect();
        let behind = |next: &Positions| -> Vec<(TopicPartition, Offset)> {
            let behind =
                next.iter().filter(|(place, offset)| ends.get(place).is_some_and(|end| *offset < end));
            behind.map(|(place, offset)| (*place, *offset)).collect()
        };
        let limits = Limits::default();
        let from = behind(&next);
        let mut records = Vec::new();
        if !from.is_empty() {
            let slice: Slice = store.read(from, Room::new(limits.records_max, limits.bytes_max)).await?;
            records = slice.records;
            next.extend(slice.next);
        }
        let caught_up = behind(&next).is_empty();
        Ok(Changes { records, next, caught_up })
    }
}

impl<S: Store> Reader for LocalReader<S> {
    fn restore(&mut self, topic: Topic, partition: Partition) -> BoxFuture<'_, Result<Table, LogError>> {
        Box::pin(self.table(TopicPartition::new(topic, partition)))
    }

    fn follow(&mut self, topic: Topic, from: From) -> BoxFuture<'_, Result<Changes, LogError>> {
        Box::pin(self.changes(topic, from))
    }
}
