//! The log: what every stage reads from and writes to.
//!
//! A [`Log`] is one member of one consumer group. It hands out batches with a [`Lease`]; the stage answers with a
//! [`Step`]: the positions it has finished and the records it adds. All of a step becomes visible, or none.
//!
//! Three implementations, one conformance suite: memory (here), embedded and Kafka (`runtime`).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use schemas::{Offset, Partition, Topic, TopicPartition};

use crate::metrics::Measure;

/// One handle: one member of a group over its input topics. Match, correlate and each sink own one each.
pub trait Log: Send {
    /// Waits for what happens next. Calling it after [`Next::Revoking`] releases what was not committed; not calling
    /// it is back-pressure.
    ///
    /// # Cancel safety
    /// A dropped future loses nothing: the next call returns what it would have returned.
    ///
    /// # Errors
    /// [`LogError`] when the handle cannot go on; a broker that is away is waited for, not reported.
    fn next(&mut self) -> BoxFuture<'_, Result<Next, LogError>>;

    /// Makes the step visible, whole, and returns once that is known: it retries the identical step as long as its
    /// outcome is open, and looks the committed positions up before it decides.
    ///
    /// # Errors
    /// [`LogError::Lost`] when the lease no longer holds for some partitions: the step left no trace, the stage drops
    /// their memory and waits for [`Next::Assigned`]. Partitions of the step that are still held come as a new
    /// [`Next::Assigned`] from their committed positions, because the stage's memory of them is spoilt too.
    /// [`LogError::Fenced`] when the whole handle is dead. [`LogError::TooLarge`] when the log does not take some of its
    /// records: the step left no trace, and [`Log::take_back`] gives it back, to be mended.
    fn commit(&mut self, step: Step) -> BoxFuture<'_, Result<(), LogError>>;

    /// The step that was just refused as too large, once.
    fn take_back(&mut self) -> Option<Step> {
        None
    }

    /// Leaves the group, so that others take over at once. The handle is done afterwards.
    ///
    /// # Errors
    /// [`LogError`] when the group could not be told; it finds out by itself.
    fn leave(&mut self) -> BoxFuture<'_, Result<(), LogError>>;
}

/// A reader without a group: it sees every partition, and only what was committed.
pub trait Reader: Send {
    /// Reads `partition` to its end: the newest value of every key, deleted keys left out. Of a compacted topic that is
    /// every key there ever was; of one that is kept by time, the keys of that time.
    ///
    /// # Errors
    /// [`LogError`] when it cannot be read.
    fn restore(&mut self, topic: Topic, partition: Partition) -> BoxFuture<'_, Result<Table, LogError>>;

    /// The records of all partitions of `topic` from `from` on, in each partition's order, at most one batch of them;
    /// says whether it has caught up. Does not wait for new ones.
    ///
    /// # Errors
    /// [`LogError`] when it cannot be read.
    fn follow(&mut self, topic: Topic, from: From) -> BoxFuture<'_, Result<Changes, LogError>>;
}

/// Where handles come from: one per configured log.
pub trait Logs: Send + Sync {
    /// Joins `member.group` under `member.name`. A second handle under the same group and name fences the first.
    ///
    /// # Errors
    /// [`LogError::Missing`] for topics that do not exist; [`LogError::Refused`] for credentials or rights.
    fn open(&self, member: Member) -> BoxFuture<'_, Result<Box<dyn Log>, LogError>>;

    /// A reader without a group.
    ///
    /// # Errors
    /// As [`Logs::open`].
    fn reader(&self) -> BoxFuture<'_, Result<Box<dyn Reader>, LogError>>;

    /// How many partitions `topic` has.
    ///
    /// # Errors
    /// [`LogError::Missing`] when it does not exist.
    fn partitions(&self, topic: Topic) -> BoxFuture<'_, Result<u32, LogError>>;

    /// What can be measured of its handles and readers while they live. Nothing of a log that has nothing to say.
    fn measures(&self) -> Vec<Arc<dyn Measure>> {
        Vec::new()
    }
}

/// Who opens a handle.
#[derive(Clone, Debug)]
pub struct Member {
    /// The group: its members share the partitions, its committed positions outlive them.
    pub group: String,
    /// The member's name in the group; stable over restarts, one living handle each.
    pub name: String,
    /// What the group reads.
    pub topics: Vec<Topic>,
    /// How much at a time.
    pub limits: Limits,
}

/// How much a batch holds and how long a handle waits for one.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// At most so many records in a batch.
    pub records_max: usize,
    /// A batch ends once it holds so many bytes of keys and values; one record may exceed it alone.
    pub bytes_max: usize,
    /// How long [`Log::next`] waits for a record before it says [`Next::Idle`].
    pub idle_after: Duration,
}

impl Default for Limits {
    /// 4,096 records or 4 MiB (a transaction of that size costs nothing that can be measured), 100 ms.
    fn default() -> Self {
        Self { records_max: 4096, bytes_max: 4 * 1024 * 1024, idle_after: Duration::from_millis(100) }
    }
}

/// What happens next to a handle.
#[derive(Debug)]
pub enum Next {
    /// Records to work on.
    Batch(Batch),
    /// Partitions gained. Their batches come after this.
    Assigned(Assignment),
    /// Partitions that must be given up: commit what is in flight within `within`, then call [`Log::next`], which
    /// releases them. Later commits of theirs are [`LogError::Lost`].
    Revoking {
        /// The partitions.
        partitions: Vec<TopicPartition>,
        /// How long others will wait.
        within: Duration,
    },
    /// Records went before this group had read them: retention passed it, or a topic was made anew. What was handed out
    /// before came before them, what comes next lies behind them. Nobody may read that silence as peace: the step that
    /// finishes [`Missed::to`] carries a gap ([`crate::gap`]). Without such a step it is told again to whoever is
    /// assigned the partition next.
    Missed {
        /// The right to commit that step.
        lease: Lease,
        /// Where.
        ranges: Vec<Missed>,
    },
    /// Nothing came for [`Limits::idle_after`], and every record that was committed before this call has been handed
    /// out: the handle has caught up.
    Idle,
}

/// Offsets of a partition that are not there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The partition.
    pub at: TopicPartition,
    /// The first offset that was to be read.
    pub from: Offset,
    /// Where the partition begins now; below [`Missed::from`] where it was made anew.
    pub to: Offset,
}

/// The right to commit for partitions: that of the assignment that was in force when it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lease {
    /// Counts the handle's assignments.
    pub generation: u64,
}

/// Partitions gained, and from where each will be read.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// The lease that holds from now on.
    pub lease: Lease,
    /// The gained partitions with their committed positions (where nothing was ever committed: where they begin, mostly 0).
    pub gained: Vec<(TopicPartition, Offset)>,
}

/// Records handed out together.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The lease to commit them with.
    pub lease: Lease,
    /// In order within each partition.
    pub records: Vec<Incoming>,
}

/// A record as read.
#[derive(Clone, Debug, PartialEq)]
pub struct Incoming {
    /// Where from.
    pub at: TopicPartition,
    /// Its place there.
    pub offset: Offset,
    /// The key; empty where it has none.
    pub key: Bytes,
    /// The value; `None` deletes the key in a compacted topic.
    pub value: Option<Bytes>,
    /// Names and values.
    pub headers: Vec<(String, Bytes)>,
}

/// A record to be added.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// Where to.
    pub topic: Topic,
    /// Which partition.
    pub route: Route,
    /// The key.
    pub key: Bytes,
    /// The value; `None` deletes the key in a compacted topic.
    pub value: Option<Bytes>,
    /// Names and values.
    pub headers: Vec<(String, Bytes)>,
}

/// Which partition a record goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// That of its key.
    Key,
    /// This one.
    Exact(Partition),
    /// A copy to every one.
    Every,
}

impl Outgoing {
    /// A record that goes where its key belongs.
    #[must_use]
    pub fn keyed(topic: Topic, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        Self { topic, route: Route::Key, key: key.into(), value: Some(value.into()), headers: Vec::new() }
    }

    /// The same record, to that partition or to all.
    #[must_use]
    pub fn to(mut self, route: Route) -> Self {
        self.route = route;
        self
    }

    /// How much it counts against a batch's bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Bytes::len)
    }
}

/// Positions: for each partition the next offset to read.
pub type Positions = BTreeMap<TopicPartition, Offset>;

/// What a stage does in one go.
#[derive(Clone, Debug)]
pub struct Step {
    /// The lease of the batch (or of the assignment) that it answers.
    pub lease: Lease,
    /// The positions it has finished.
    pub finished: Positions,
    /// The records it adds.
    pub records: Vec<Outgoing>,
}

/// The newest value of every key of a partition.
pub type Table = BTreeMap<Bytes, Bytes>;

/// Where [`Reader::follow`] starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// The first record there is.
    Start,
    /// These positions; partitions that are not named, from their start.
    At(Positions),
}

/// What [`Reader::follow`] found.
#[derive(Clone, Debug)]
pub struct Changes {
    /// In order within each partition.
    pub records: Vec<Incoming>,
    /// Where to go on.
    pub next: Positions,
    /// Whether there was nothing more that was committed before the call.
    pub caught_up: bool,
}

/// Why a handle cannot do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// These partitions belong to somebody else by now; the step left no trace.
    #[error("partitions lost to another member: {}", names(.0))]
    Lost(Vec<TopicPartition>),
    /// Another handle took this member's name.
    #[error("member {0} was opened elsewhere and is fenced here")]
    Fenced(String),
    /// These records of the step, by their places in it, are larger than the log takes; the step left no trace.
    #[error("{} of the step's records are larger than the log takes", .0.len())]
    TooLarge(Vec<usize>),
    /// No space is left; the step left no trace and may be tried again.
    #[error("no space left: {0}")]
    Full(String),
    /// A topic does not exist or has another shape than it must have.
    #[error("missing: {0}")]
    Missing(String),
    /// Credentials or rights were refused.
    #[error("refused: {0}")]
    Refused(String),
    /// The store is held by another process, too old, too new or damaged.
    #[error("unusable: {0}")]
    Unusable(String),
}

fn names(partitions: &[TopicPartition]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
