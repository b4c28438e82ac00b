//! What was fetched and waits to be handed out: records, and the holes that retention left between them, in order.

use std::collections::VecDeque;

use pipeline::{
    Incoming,
    log::{Limits, Missed},
};
use schemas::TopicPartition;

/// A record with the time that its producer, or the broker, gave it, in milliseconds; 0 where it has none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fetched {
    pub(super) record: Incoming,
    pub(super) written_at: i64,
}

#[derive(Debug)]
enum Item {
    Record(Fetched),
    Hole(Missed),
}

impl Item {
    fn at(&self) -> TopicPartition {
        match self {
            Self::Record(fetched) => fetched.record.at,
            Self::Hole(missed) => missed.at,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Record(fetched) => size(&fetched.record),
            Self::Hole(_) => 0,
        }
    }
}

/// Bounded by whoever fills it: what is held is paused while more than two batches wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
}

impl Queue {
    pub(super) fn push(&mut self, fetched: Fetched) {
        self.bytes += size(&fetched.record);
        self.items.push_back(Item::Record(fetched));
    }

    pub(super) fn push_hole(&mut self, missed: Missed) {
        self.items.push_back(Item::Hole(missed));
    }

    /// The holes at the front; none while records come first.
    pub(super) fn holes(&mut self) -> Vec<Missed> {
        let mut holes = Vec::new();
        while let Some(Item::Hole(missed)) = self.items.front() {
            holes.push(*missed);
            self.items.pop_front();
        }
        holes
    }

    /// The records at the front, as many as a batch holds, up to the next hole.
    pub(super) fn batch(&mut self, limits: &Limits) -> Vec<Fetched> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(item @ Item::Record(_)) = self.items.front() {
            let size = item.bytes();
            let is_full = batch.len() >= limits.records_max.max(1);
            if is_full || (!batch.is_empty() && bytes + size > limits.bytes_max) {
                break;
            }
            bytes += size;
            if let Some(Item::Record(fetched)) = self.items.pop_front() {
                batch.push(fetched);
            }
        }
        self.bytes -= bytes;
        batch
    }

    /// Forgets what may no longer be handed out.
    pub(super) fn retain(&mut self, keep: impl Fn(TopicPartition) -> bool) {
        self.items.retain(|item| keep(item.at()));
        self.bytes = self.items.iter().map(Item::bytes).sum();
    }

    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.bytes = 0;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether more than so many batches wait.
    pub(super) fn exceeds(&self, limits: &Limits, batches: usize) -> bool {
        self.items.len() > limits.records_max.saturating_mul(batches)
            || self.bytes > limits.bytes_max.saturating_mul(batches)
    }

    /// Whether less than a batch waits.
    pub(super) fn is_low(&self, limits: &Limits) -> bool {
        self.items.len() < limits.records_max.max(1) && self.bytes < limits.bytes_max.max(1)
    }

    /// When the first record that waits was written.
    pub(super) fn first_written_at(&self) -> Option<i64> {
        self.items.iter().find_map(|item| match item {
            Item::Record(fetched) => Some(fetched.written_at),
            Item::Hole(_) => None,
        })
    }
}

fn size(record: &Incoming) -> usize {
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    record.key.len() + record.value.as_ref().map_or(0, bytes::Bytes::len) + headers
}
