//! A log inside one process: groups, leases, batches and readers over a [`Store`].
//!
//! The memory log and the embedded log are this, over two stores. A store keeps records and positions and knows nothing
//! of groups; the coordinator knows groups and keeps nothing. Handles wake each other up; nothing polls the time.
//!
//! Dropping a handle is leaving: within one process nobody else can use it.

mod handle;
mod reader;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use schemas::{Offset, Partition, Topic, TopicPartition, partition::partition_of};
use tokio::{sync::watch, time::Instant};

use crate::{
    coordinator::{Coordinator, SeatId, Turn},
    log::{Incoming, Lease, Log, LogError, Logs, Member, Outgoing, Positions, Reader, Route, Table},
};

/// Where records and positions are kept. Two implementations: memory, and SQLite in `runtime`.
pub trait Store: Send + Sync + 'static {
    /// How many partitions every topic has.
    fn partitions(&self) -> u32;

    /// Adds the records and sets the positions: all of it becomes visible, or none. The permit is dropped once that is
    /// visible, and not before; where the store cannot tell the outcome, it is unusable from then on.
    ///
    /// # Errors
    /// [`LogError::Full`] or [`LogError::Unusable`]; nothing of the write is visible then.
    fn apply(&self, write: Write) -> BoxFuture<'_, Result<(), LogError>>;

    /// The records from these positions on, as many as `room` allows.
    ///
    /// # Errors
    /// [`LogError::Unusable`] when they cannot be read.
    fn read(&self, from: Vec<(TopicPartition, Offset)>, room: Room)
    -> BoxFuture<'_, Result<Slice, LogError>>;

    /// The newest value of every key of a partition.
    ///
    /// # Errors
    /// As [`Store::read`].
    fn table(&self, of: TopicPartition) -> BoxFuture<'_, Result<Table, LogError>>;

    /// From now on, records of these topics are kept until this group has finished them.
    ///
    /// # Errors
    /// As [`Store::apply`].
    fn declare(&self, group: &str, topics: &[Topic]) -> BoxFuture<'_, Result<(), LogError>>;

    /// The committed position of a group; 0 where there is none.
    fn position(&self, group: &str, of: TopicPartition) -> Offset;

    /// The offset that the next record gets.
    fn end(&self, of: TopicPartition) -> Offset;

    /// Whether a step of `group` with these records may be written now. If not, it is asked again after every step.
    fn has_room(&self, _group: &str, _records: &[(TopicPartition, Stored)]) -> bool {
        true
    }
}

/// What a store is asked to make visible.
#[derive(Debug)]
pub struct Write {
    /// Whose positions.
    pub group: String,
    /// The positions.
    pub finished: Positions,
    /// The records, in order within each partition.
    pub records: Vec<(TopicPartition, Stored)>,
    /// Held until the outcome is known.
    pub permit: Permit,
}

/// A record as kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The key.
    pub key: Bytes,
    /// The value; `None` deletes the key in a compacted topic.
    pub value: Option<Bytes>,
    /// Names and values.
    pub headers: Vec<(String, Bytes)>,
}

impl Stored {
    /// How much it counts against a batch's bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Bytes::len)
    }

    /// The record as read at a place.
    #[must_use]
    pub fn at(self, at: TopicPartition, offset: Offset) -> Incoming {
        Incoming { at, offset, key: self.key, value: self.value, headers: self.headers }
    }
}

/// What was read.
#[derive(Debug, Default)]
pub struct Slice {
    /// The records, in order within each partition.
    pub records: Vec<Incoming>,
    /// For each partition that was asked for, where to go on.
    pub next: Positions,
}

/// What a batch may still hold.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    records: usize,
    bytes: usize,
    is_empty: bool,
}

impl Room {
    /// Room for so many records, and so many bytes of keys and values.
    #[must_use]
    pub fn new(records_max: usize, bytes_max: usize) -> Self {
        Self { records: records_max.max(1), bytes: bytes_max, is_empty: true }
    }

    /// Takes the room for a record of so many bytes, if it is there; the first record always fits.
    pub fn take(&mut self, bytes: usize) -> bool {
        if self.records == 0 || (bytes > self.bytes && !self.is_empty) {
            return false;
        }
        self.is_empty = false;
        self.records -= 1;
        self.bytes = self.bytes.saturating_sub(bytes);
        true
    }

    /// How many records fit yet.
    #[must_use]
    pub fn records(&self) -> usize {
        self.records
    }
}

/// The right to finish one write. While it is held, the positions that the write moves change hands with nobody;
/// dropping it wakes everybody who waits.
#[derive(Debug)]
pub struct Permit {
    groups: Arc<Groups>,
    group: String,
    finished: Vec<TopicPartition>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let now = self.groups.now();
        self.groups.with(|coordinator| coordinator.end(&self.group, &self.finished, now));
        self.groups.wake();
    }
}

/// The coordinator, shared, with a bell for whoever waits.
#[derive(Debug)]
struct Groups {
    coordinator: Mutex<Coordinator>,
    bell: watch::Sender<u64>,
    beginning: Instant,
}

impl Groups {
    fn new(hand_over: Duration) -> Self {
        let coordinator = Mutex::new(Coordinator::new(hand_over));
        Self { coordinator, bell: watch::Sender::new(0), beginning: Instant::now() }
    }

    /// Asks the coordinator, and wakes the others where that has changed something for them.
    fn with<T>(&self, ask: impl FnOnce(&mut Coordinator) -> T) -> T {
        let mut coordinator = self.coordinator.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = ask(&mut coordinator);
        if coordinator.take_changed() {
            self.wake();
        }
        answer
    }

    fn now(&self) -> Duration {
        self.beginning.elapsed()
    }

    fn wake(&self) {
        self.bell.send_modify(|rings| *rings = rings.wrapping_add(1));
    }
}

/// A log over a store.
#[derive(Debug)]
pub struct LocalLogs<S> {
    shared: Arc<Shared<S>>,
}

#[derive(Debug)]
struct Shared<S> {
    groups: Arc<Groups>,
    store: S,
}

impl<S: Store> LocalLogs<S> {
    /// A log over `store`; a member that is asked for a partition has `hand_over` to give it up.
    #[must_use]
    pub fn new(store: S, hand_over: Duration) -> Self {
        Self { shared: Arc::new(Shared { groups: Arc::new(Groups::new(hand_over)), store }) }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.shared.store
    }

    /// Fences every handle there is.
    pub fn fence_all(&self) {
        self.shared.groups.with(Coordinator::clear);
    }

    async fn join(&self, member: Member) -> Result<Box<dyn Log>, LogError> {
        let Shared { groups, store } = self.shared.as_ref();
        store.declare(&member.group, &member.topics).await?;
        let topics: Vec<(Topic, u32)> =
            member.topics.iter().map(|topic| (*topic, store.partitions())).collect();
        let now = groups.now();
        let seat = groups.with(|coordinator| coordinator.join(&member.group, &member.name, &topics, now));
        Ok(Box::new(handle::Handle::new(Arc::clone(&self.shared), member, seat)))
    }
}

impl<S: Store> Logs for LocalLogs<S> {
    fn open(&self, member: Member) -> BoxFuture<'_, Result<Box<dyn Log>, LogError>> {
        Box::pin(self.join(member))
    }

    fn reader(&self) -> BoxFuture<'_, Result<Box<dyn Reader>, LogError>> {
        let reader: Box<dyn Reader> = Box::new(reader::LocalReader::new(Arc::clone(&self.shared)));
        Box::pin(std::future::ready(Ok(reader)))
    }

    fn partitions(&self, _topic: Topic) -> BoxFuture<'_, Result<u32, LogError>> {
        Box::pin(std::future::ready(Ok(self.shared.store.partitions())))
    }
}

impl<S: Store> Shared<S> {
    /// What a member may do now.
    fn turn(&self, member: &Member, seat: SeatId) -> Result<Turn, LogError> {
        let now = self.groups.now();
        let turn = self.groups.with(|coordinator| coordinator.turn(&member.group, seat, now));
        turn.ok_or_else(|| LogError::Fenced(member.name.clone()))
    }

    /// Whether a step could begin.
    fn check(
        &self,
        member: &Member,
        seat: SeatId,
        lease: Lease,
        finished: &Positions,
    ) -> Result<(), LogError> {
        let finished: Vec<TopicPartition> = finished.keys().copied().collect();
        let whose = (member.group.as_str(), member.name.as_str());
        self.groups.with(|coordinator| coordinator.check(whose, seat, lease, &finished))
    }

    fn begin(
        &self,
        member: &Member,
        seat: SeatId,
        lease: Lease,
        finished: &Positions,
    ) -> Result<Permit, LogError> {
        let finished: Vec<TopicPartition> = finished.keys().copied().collect();
        let whose = (member.group.as_str(), member.name.as_str());
        self.groups.with(|coordinator| coordinator.begin(whose, seat, lease, &finished))?;
        Ok(Permit { groups: Arc::clone(&self.groups), group: member.group.clone(), finished })
    }

    /// Where each record goes.
    fn place(&self, records: Vec<Outgoing>) -> Result<Vec<(TopicPartition, Stored)>, LogError> {
        let count = self.store.partitions();
        let mut placed = Vec::with_capacity(records.len());
        for Outgoing { topic, route, key, value, headers } in records {
            let stored = Stored { key, value, headers };
            match route {
                Route::Key => {
                    let partition = partition_of(&stored.key, count);
                    placed.push((TopicPartition::new(topic, partition), stored));
                }
                Route::Exact(partition) if partition.0 < count => {
                    placed.push((TopicPartition::new(topic, partition), stored));
                }
                Route::Exact(partition) => {
                    return Err(LogError::Missing(TopicPartition::new(topic, partition).to_string()));
                }
                Route::Every => {
                    let every = (0..count).map(|n| TopicPartition::new(topic, Partition(n)));
                    placed.extend(every.map(|at| (at, stored.clone())));
                }
            }
        }
        Ok(placed)
    }
}
