//! What the memory log keeps: records, positions, and how much of it is unfinished. It knows no handles and no locks.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use hashbrown::HashMap;
use schemas::{Offset, Topic, TopicPartition};

use super::TOMBSTONES_MAX;
use crate::{local::Stored, log::Positions};

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) keep: Vec<Topic>,
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) parts: BTreeMap<TopicPartition, Part>,
    /// Of records that go once every group has finished them.
    pub(super) unfinished_bytes: usize,
    pub(super) unfinished_bytes_max: usize,
}

/// Who reads what, and how far.
#[derive(Debug, Default)]
pub(super) struct Group {
    topics: Vec<Topic>,
    positions: Positions,
}

/// What is kept of one partition.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) records: BTreeMap<u64, Stored>,
    pub(super) end: u64,
    /// Of a compacted topic: where the newest value of a key is.
    newest: HashMap<Bytes, u64>,
    /// Of a compacted topic: where keys were deleted.
    tombstones: VecDeque<u64>,
}

impl Group {
    pub(super) fn position(&self, of: TopicPartition) -> Offset {
        self.positions.get(&of).copied().unwrap_or(Offset(0))
    }
}

impl Kept {
    pub(super) fn declare(&mut self, group: &str, topics: &[Topic]) {
        let group = self.groups.entry(group.to_owned()).or_default();
        group.topics.extend(topics);
        group.topics.sort_unstable();
        group.topics.dedup();
    }

    pub(super) fn append(&mut self, at: TopicPartition, stored: Stored) {
        let is_counted = self.is_dropped_once_finished(at.topic);
        let wanted = is_counted || self.keep.contains(&at.topic);
        let part = self.parts.entry(at).or_default();
        let offset = part.end;
        part.end += 1;
        if at.topic.is_compacted() {
            part.supersede(&stored, offset);
        } else if !wanted {
            return;
        }
        if is_counted {
            self.unfinished_bytes += stored.bytes();
        }
        part.records.insert(offset, stored);
    }

    /// Whether groups read it, and nothing of it stays when all have.
    pub(super) fn is_dropped_once_finished(&self, topic: Topic) -> bool {
        let is_read = || self.groups.values().any(|group| group.topics.contains(&topic));
        !topic.is_compacted() && !self.keep.contains(&topic) && is_read()
    }

    /// Whether something that counts waits for this group.
    pub(super) fn has_unfinished(&self, group: &str) -> bool {
        let Some(group) = self.groups.get(group) else { return false };
        let of_group = self
            .parts
            .iter()
            .filter(|(at, _)| group.topics.contains(&at.topic) && self.is_dropped_once_finished(at.topic));
        of_group.into_iter().any(|(at, part)| part.records.range(group.position(*at).0..).next().is_some())
    }

    pub(super) fn finish(&mut self, group: String, finished: Positions) {
        let places: Vec<TopicPartition> = finished.keys().copied().collect();
        self.groups.entry(group).or_default().positions.extend(finished);
        for at in places {
            if !self.is_dropped_once_finished(at.topic) {
                continue;
            }
            let readers = self.groups.values().filter(|group| group.topics.contains(&at.topic));
            let least = readers.map(|group| group.position(at)).min();
            if let (Some(least), Some(part)) = (least, self.parts.get_mut(&at)) {
                let unfinished = part.records.split_off(&least.0);
                let finished = std::mem::replace(&mut part.records, unfinished);
                self.unfinished_bytes -= finished.values().map(Stored::bytes).sum::<usize>();
            }
        }
    }
}

impl Part {
    /// Makes room for the newest value of a key of a compacted topic.
    fn supersede(&mut self, stored: &Stored, offset: u64) {
        if let Some(older) = self.newest.insert(stored.key.clone(), offset) {
            self.records.remove(&older);
        }
        if stored.value.is_some() {
            return;
        }
        self.tombstones.push_back(offset);
        if self.tombstones.len() <= TOMBSTONES_MAX {
            return;
        }
        let oldest =
            self.tombstones.pop_front().and_then(|offset| Some((offset, self.records.remove(&offset)?)));
        // Still there, so nothing newer was said about its key.
        if let Some((offset, tombstone)) = oldest
            && self.newest.get(&tombstone.key) == Some(&offset)
        {
            self.newest.remove(&tombstone.key);
        }
    }
}
