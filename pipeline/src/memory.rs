//! The log in memory: for tests and for `scan`. It ends with the process.
//!
//! It keeps what is unfinished: a record goes once every group that reads its topic has finished it, and a topic that
//! no group reads keeps nothing. A compacted topic keeps the newest value of every key, and the last
//! [`TOMBSTONES_MAX`] deletions of each partition for those who follow it.
//!
//! Whoever writes without having anything to read (worker 1) is held back while more than
//! [`MemoryOptions::unfinished_bytes_max`] is unfinished. A group that has something unfinished to read is never held
//! back, because finishing it makes the room: so nobody waits for somebody who waits. A declared group that never opens
//! holds the writer for ever.
//!
//! A group that opens late misses what was finished before: name it in [`MemoryOptions::readers`], and records are kept
//! for it from the beginning. A topic that a reader without a group shall see belongs in [`MemoryOptions::keep`].

mod kept;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::{BoxFuture, ready};
use schemas::{Offset, Topic, TopicPartition};

use crate::{
    local::{LocalLogs, Room, Slice, Store, Stored, Write},
    log::{Log, LogError, Logs, Member, Reader, Table},
};

use kept::Kept;

/// So many deletions of a compacted partition are kept for those who follow it.
pub const TOMBSTONES_MAX: usize = 1024;

/// How a memory log is made.
#[derive(Clone, Debug)]
pub struct MemoryOptions {
    /// How many partitions every topic has; at least 1.
    pub partitions: u32,
    /// Topics of which everything is kept.
    pub keep: Vec<Topic>,
    /// Groups that will read, and what: records are kept for them from the beginning.
    pub readers: Vec<(String, Vec<Topic>)>,
    /// How long a member has to give up a partition that another one shall have.
    pub hand_over: Duration,
    /// With more bytes of keys and values than this unfinished, nothing is added by those who have nothing to finish. At
    /// most one step of each such writer goes beyond it, and what stages make of it that is larger than what they read.
    pub unfinished_bytes_max: usize,
}

impl Default for MemoryOptions {
    /// One partition, nothing kept, no readers, 30 s, 64 MiB (sixteen full steps).
    fn default() -> Self {
        Self {
            partitions: 1,
            keep: Vec::new(),
            readers: Vec::new(),
            hand_over: Duration::from_secs(30),
            unfinished_bytes_max: 64 * 1024 * 1024,
        }
    }
}

/// The memory log.
#[derive(Debug)]
pub struct MemoryLog {
    logs: LocalLogs<MemoryStore>,
    hand_over: Duration,
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new(options: MemoryOptions) -> Self {
        let MemoryOptions { partitions, keep, readers, hand_over, unfinished_bytes_max } = options;
        let mut kept = Kept { keep, unfinished_bytes_max, ..Kept::default() };
        for (group, topics) in readers {
            kept.declare(&group, &topics);
        }
        let store = MemoryStore { partitions: partitions.max(1), kept: Arc::new(Mutex::new(kept)) };
        Self { logs: LocalLogs::new(store, hand_over), hand_over }
    }

    /// The same log after a crash: its handles are fenced, records and positions are as they were committed.
    #[must_use]
    pub fn crashed(&self) -> Self {
        self.logs.fence_all();
        let MemoryStore { partitions, kept } = self.logs.store();
        let store = MemoryStore { partitions: *partitions, kept: Arc::clone(kept) };
        Self { logs: LocalLogs::new(store, self.hand_over), hand_over: self.hand_over }
    }

    /// How many records of `topic` are kept.
    #[must_use]
    pub fn records(&self, topic: Topic) -> usize {
        let kept = self.logs.store().lock();
        kept.parts.iter().filter(|(at, _)| at.topic == topic).map(|(_, part)| part.records.len()).sum()
    }

    /// How many bytes of keys and values wait for a group to finish them.
    #[must_use]
    pub fn unfinished_bytes(&self) -> usize {
        self.logs.store().lock().unfinished_bytes
    }
}

impl Logs for MemoryLog {
    fn open(&self, member: Member) -> BoxFuture<'_, Result<Box<dyn Log>, LogError>> {
        self.logs.open(member)
    }

    fn reader(&self) -> BoxFuture<'_, Result<Box<dyn Reader>, LogError>> {
        self.logs.reader()
    }

    fn partitions(&self, topic: Topic) -> BoxFuture<'_, Result<u32, LogError>> {
        self.logs.partitions(topic)
    }
}

#[derive(Debug)]
struct MemoryStore {
    partitions: u32,
    kept: Arc<Mutex<Kept>>,
}

impl MemoryStore {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn partitions(&self) -> u32 {
        self.partitions
    }

    fn apply(&self, write: Write) -> BoxFuture<'_, Result<(), LogError>> {
        let Write { group, finished, records, permit } = write;
        let mut kept = self.lock();
        for (at, stored) in records {
            kept.append(at, stored);
        }
        kept.finish(group, finished);
        drop(kept);
        drop(permit);
        Box::pin(ready(Ok(())))
    }

    fn read(
        &self,
        from: Vec<(TopicPartition, Offset)>,
        mut room: Room,
    ) -> BoxFuture<'_, Result<Slice, LogError>> {
        let kept = self.lock();
        let mut slice = Slice::default();
        for (at, from) in from {
            let Some(part) = kept.parts.get(&at) else { continue };
            let mut next = part.end;
            for (offset, stored) in part.records.range(from.0..) {
                if !room.take(stored.bytes()) {
                    next = *offset;
                    break;
                }
                slice.records.push(stored.clone().at(at, Offset(*offset)));
            }
            slice.next.insert(at, Offset(next));
        }
        drop(kept);
        Box::pin(ready(Ok(slice)))
    }

    fn table(&self, of: TopicPartition) -> BoxFuture<'_, Result<Table, LogError>> {
        let kept = self.lock();
        let mut table = Table::new();
        for stored in kept.parts.get(&of).into_iter().flat_map(|part| part.records.values()) {
            match &stored.value {
                Some(value) => table.insert(stored.key.clone(), value.clone()),
                None => table.remove(&stored.key),
            };
        }
        drop(kept);
        Box::pin(ready(Ok(table)))
    }

    fn declare(&self, group: &str, topics: &[Topic]) -> BoxFuture<'_, Result<(), LogError>> {
        self.lock().declare(group, topics);
        Box::pin(ready(Ok(())))
    }

    fn position(&self, group: &str, of: TopicPartition) -> Offset {
        self.lock().groups.get(group).map_or(Offset(0), |group| group.position(of))
    }

    fn end(&self, of: TopicPartition) -> Offset {
        Offset(self.lock().parts.get(&of).map_or(0, |part| part.end))
    }

    fn has_room(&self, group: &str, records: &[(TopicPartition, Stored)]) -> bool {
        let kept = self.lock();
        kept.unfinished_bytes <= kept.unfinished_bytes_max
            || !records.iter().any(|(at, _)| kept.is_dropped_once_finished(at.topic))
            || kept.has_unfinished(group)
    }
}

#[cfg(test)]
mod tests;
