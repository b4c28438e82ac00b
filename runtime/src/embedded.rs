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
//! transaction; 4 reads at a time. A crash of the process or of the machine leaves steps whole or absent
//! (<https://sqlite.org/wal.html>, `synchronous=FULL`). A damaged file is reported where the damage is met; opening does not
//! search for it.

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
use tokio::sync::Semaphore;

pub use self::watch::Watched;
use self::{file::Held, mirror::Mirror, readers::Readers, writer::Writer};

/// So many reads at a time. Who stops waiting for a read does not end it: without a bound, those that nobody waits for any
/// more pile up on a busy machine, each with a thread, a connection and their memory.
const READS_MAX: usize = 4;

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
        let reads = Arc::new(Semaphore::new(READS_MAX));
        let store = EmbeddedStore { partitions: options.partitions, mirror, readers, reads, writer };
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
    reads: Arc<Semaphore>,
    writer: Writer,
}

impl EmbeddedStore {
    /// Reads on a thread, when it is its turn. The turn ends with the read, whether or not somebody waits for it.
    async fn read_with<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Readers) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let turn = Arc::clone(&self.reads).acquire_owned().await;
        let turn = turn.map_err(|_| LogError::Unusable("the log is closed".to_owned()))?;
        let readers = Arc::clone(&self.readers);
        on_a_thread(move || {
            let done = read(&readers);
            drop(turn);
            done
        })
        .await
    }
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
        Box::pin(self.read_with(move |readers| readers.read(from, room)))
    }

    fn table(&self, of: TopicPartition) -> BoxFuture<'_, Result<Table, LogError>> {
        Box::pin(self.read_with(move |readers| readers.table(of)))
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use schemas::Partition;

    use super::*;

    /// Law: however many reads are given up, so many run at a time; and the next one that is waited for is answered.
    #[tokio::test]
    async fn reads_that_nobody_waits_for_do_not_pile_up() {
        let folder = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(&EmbeddedOptions::new(folder.path().join("weir.db"))).unwrap();
        let store = log.logs.store();
        let at = TopicPartition::new(Topic::Event, Partition(0));
        let read = || store.read(vec![(at, Offset(0))], Room::new(1, 1));
        let before = Arc::strong_count(&store.readers);
        {
            // A step is under way: no read ends before it has.
            let _committing = store.mirror.committing();
            for _ in 0..100 {
                assert!(read().now_or_never().is_none());
            }
            let running = Arc::strong_count(&store.readers) - before;
            assert_eq!(running, READS_MAX);
        }
        assert_eq!(read().await.unwrap().records.len(), 0);
    }
}
