//! The log in one file: SQLite in WAL mode, every commit on the disk before it is acknowledged.
//!
//! One process holds the file (a lock beside it), others may read it with any SQLite. One thread writes; steps that wait
//! for it share a transaction and an fsync. Readers never wait for it.
//!
//! What it keeps: records of other than compacted topics until every group that was ever opened over them has finished
//! them *and* they are older than `retention`; of compacted topics the newest value of every key, and its deletion for
//! `retention` once every group has seen it. It does not shrink the file: freed pages are used again.
//!
//! Limits: 1,024 partitions a topic, 2^43 records a partition, about 1 GB a record; 64 steps or 16 MiB share a
//! transaction. A crash of the process or of the machine leaves steps whole or absent (<https://sqlite.org/wal.html>,
//! `synchronous=FULL`). A damaged file is reported where the damage is met; opening does not search for it.

mod clean;
mod failure;
mod file;
mod headers;
mod mirror;
mod readers;
mod steps;
mod watch;
mod writer;

use std::{path::PathBuf, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use pipeline::{
    Clock, Log, LogError, Logs, Reader,
    local::{LocalLogs, Room, Slice, Store, Write},
    log::{Member, Table},
};
use schemas::{Offset, Topic, TopicPartition};

pub use self::watch::Watched;
use self::{file::Held, mirror::Mirror, readers::Readers, writer::Writer};

/// How an embedded log is opened.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// The file; two more appear beside it while it is open, and its lock.
    pub path: PathBuf,
    /// How many partitions every topic has, 1 to 1,024. Settled when the file is created.
    pub partitions: u32,
    /// How long finished records stay.
    pub retention: Duration,
    /// The file grows no larger than this; without it, until the disk is full.
    pub bytes_max: Option<u64>,
    /// How long a member has to give up a partition that another one shall have.
    pub hand_over: Duration,
    /// Tells how old records are.
    pub clock: Clock,
}

impl EmbeddedOptions {
    /// One partition; nine days, which is a day more than ids of arrived events are needed for; 30 s; the machine's
    /// clock; no limit.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            partitions: 1,
            retention: Duration::from_secs(9 * 24 * 3600),
            bytes_max: None,
            hand_over: Duration::from_secs(30),
            clock: Clock::machine(),
        }
    }
}

/// The embedded log. Closed by dropping it and all of its handles, or at once by [`EmbeddedLog::close`].
#[derive(Debug)]
pub struct EmbeddedLog {
    logs: LocalLogs<EmbeddedStore>,
}

impl EmbeddedLog {
    /// Opens the file, or creates it with all topics. Reads and writes the disk before it returns.
    ///
    /// # Errors
    /// [`LogError::Unusable`] where another process holds the file, it is no log of Weir, is damaged, of a newer
    /// version, or has another number of partitions; [`LogError::Full`] where there is no space to begin with;
    /// [`LogError::Refused`] where rights are missing.
    pub fn open(options: &EmbeddedOptions) -> Result<Self, LogError> {
        let Held { connection, places, mirror, lock } = file::open(options)?;
        let mirror = Arc::new(mirror);
        let places = Arc::new(places);
        let readers = Arc::new(Readers::new(options.path.clone(), Arc::clone(&places), Arc::clone(&mirror)));
        let desk = steps::Desk {
            connection,
            places: Arc::clone(&places),
            mirror: Arc::clone(&mirror),
            clock: options.clock.clone(),
            retention: options.retention,
        };
        let writer = Writer::start(desk, lock)?;
        let store = EmbeddedStore { partitions: options.partitions, mirror, readers, writer };
        Ok(Self { logs: LocalLogs::new(store, options.hand_over) })
    }

    /// Closes the file after the transaction that is under way; whatever waits behind it, and every handle that is left,
    /// gets [`LogError::Unusable`] or [`LogError::Fenced`].
    pub async fn close(&self) {
        self.logs.fence_all();
        let store = self.logs.store();
        store.readers.close();
        store.writer.close().await;
    }
}

impl Logs for EmbeddedLog {
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
struct EmbeddedStore {
    partitions: u32,
    mirror: Arc<Mirror>,
    readers: Arc<Readers>,
    writer: Writer,
}

impl Store for EmbeddedStore {
    fn partitions(&self) -> u32 {
        self.partitions
    }

    fn apply(&self, write: Write) -> BoxFuture<'_, Result<(), LogError>> {
        Box::pin(self.writer.write(write))
    }

    fn read(
        &self,
        from: Vec<(TopicPartition, Offset)>,
        room: Room,
    ) -> BoxFuture<'_, Result<Slice, LogError>> {
        let readers = Arc::clone(&self.readers);
        Box::pin(on_a_thread(move || readers.read(from, room)))
    }

    fn table(&self, of: TopicPartition) -> BoxFuture<'_, Result<Table, LogError>> {
        let readers = Arc::clone(&self.readers);
        Box::pin(on_a_thread(move || readers.table(of)))
    }

    fn declare(&self, group: &str, topics: &[Topic]) -> BoxFuture<'_, Result<(), LogError>> {
        Box::pin(self.writer.declare(group.to_owned(), topics.to_vec()))
    }

    fn position(&self, group: &str, of: TopicPartition) -> Offset {
        self.mirror.position(group, of)
    }

    fn end(&self, of: TopicPartition) -> Offset {
        self.mirror.end(of)
    }
}

/// Runs what waits for the disk where nothing else waits for it.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(LogError::Unusable("a read from the log file was broken off".to_owned())))
}
