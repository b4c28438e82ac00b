//! What the file says about ends, positions and groups, in memory: read when the file is opened, published after each
//! transaction.
//!
//! A reader may find records of a transaction that is on the disk and not published yet. It then waits until it is:
//! otherwise it could be told that another partition, which the same transaction has written, has nothing new.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use pipeline::log::Positions;
use schemas::{Offset, Topic, TopicPartition};

#[derive(Debug, Default)]
pub(super) struct Mirror {
    image: Mutex<Image>,
    /// Held from before a transaction is committed until it is published.
    committing: Mutex<()>,
}

#[derive(Debug, Default)]
pub(super) struct Image {
    /// The offset that the next record of a partition gets.
    pub(super) ends: Positions,
    /// Committed positions by group.
    pub(super) positions: BTreeMap<String, Positions>,
    /// What each group that was ever opened reads.
    pub(super) groups: BTreeMap<String, BTreeSet<Topic>>,
}

impl Mirror {
    pub(super) fn new(image: Image) -> Self {
        Self { image: Mutex::new(image), committing: Mutex::new(()) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Image> {
        self.image.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on somebody may see what is not published yet.
    pub(super) fn committing(&self) -> MutexGuard<'_, ()> {
        self.committing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until whatever can be seen has been published: at most an fsync long.
    pub(super) fn settled(&self) {
        drop(self.committing());
    }

    pub(super) fn end(&self, of: TopicPartition) -> Offset {
        self.lock().end(of)
    }

    /// The partitions of a topic with their ends.
    pub(super) fn ends_of(&self, topic: Topic) -> Vec<(TopicPartition, Offset)> {
        let image = self.lock();
        image.ends.iter().filter(|(at, _)| at.topic == topic).map(|(at, end)| (*at, *end)).collect()
    }

    pub(super) fn position(&self, group: &str, of: TopicPartition) -> Offset {
        self.lock().position(group, of)
    }
}

impl Image {
    pub(super) fn end(&self, of: TopicPartition) -> Offset {
        self.ends.get(&of).copied().unwrap_or(Offset(0))
    }

    fn position(&self, group: &str, of: TopicPartition) -> Offset {
        self.positions.get(group).and_then(|positions| positions.get(&of)).copied().unwrap_or(Offset(0))
    }

    /// Every group that reads the partition has finished what is before this.
    pub(super) fn finished_by_all(&self, of: TopicPartition) -> Offset {
        let readers = self.groups.iter().filter(|(_, topics)| topics.contains(&of.topic));
        readers.map(|(group, _)| self.position(group, of)).min().unwrap_or_else(|| self.end(of))
    }

    /// Takes over what a transaction has changed.
    pub(super) fn publish(&mut self, changed: Changed) {
        self.ends.extend(changed.ends);
        for (group, positions) in changed.positions {
            self.positions.entry(group).or_default().extend(positions);
        }
        for (group, topics) in changed.groups {
            self.groups.entry(group).or_default().extend(topics);
        }
    }
}

/// What one transaction has changed.
#[derive(Debug, Default)]
pub(super) struct Changed {
    pub(super) ends: Positions,
    pub(super) positions: BTreeMap<String, Positions>,
    pub(super) groups: BTreeMap<String, BTreeSet<Topic>>,
}

impl Changed {
    /// The partitions of which the end or a position has moved.
    pub(super) fn places(&self) -> BTreeSet<TopicPartition> {
        let finished = self.positions.values().flat_map(Positions::keys);
        self.ends.keys().chain(finished).copied().collect()
    }
}
