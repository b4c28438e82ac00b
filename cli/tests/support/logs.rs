//! The memory log, as the law takes it; and a log over any other that meddles with a flow after so many steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use pipeline::conformance::Instance;
use pipeline::log::{Member, Reader};
use pipeline::{Log, LogError, Logs, MemoryLog, MemoryOptions, Next, Step};
use schemas::Topic;
use tokio_util::sync::CancellationToken;

use crate::flows;
use crate::law::{Break, How};

/// About ten events: worker 1 is held back all the time.
const UNFINISHED_BYTES_MAX: usize = 16 * 1024;

/// The memory log.
pub(crate) struct InMemory(Arc<MemoryLog>);

impl InMemory {
    pub(crate) fn new(partitions: u32) -> Self {
        let options = MemoryOptions {
            partitions,
            // No group reads it, but whoever gets the shard of worker 1 does.
            keep: vec![Topic::Seen],
            readers: flows::readers(),
            unfinished_bytes_max: UNFINISHED_BYTES_MAX,
            ..MemoryOptions::default()
        };
        Self(Arc::new(MemoryLog::new(options)))
    }
}

impl Instance for InMemory {
    fn logs(&self) -> Arc<dyn Logs> {
        Arc::<MemoryLog>::clone(&self.0)
    }

    fn crash(&mut self) -> BoxFuture<'_, ()> {
        self.0 = Arc::new(self.0.crashed());
        Box::pin(std::future::ready(()))
    }
}

/// A log that breaks a flow off, or lets the second members of the later stages join in the middle of it.
pub(crate) struct Meddling {
    inner: Arc<dyn Logs>,
    trap: Arc<Trap>,
}

/// When and how.
pub(crate) struct Trap {
    broken: Option<Break>,
    join: usize,
    steps: AtomicUsize,
    correlated: AtomicUsize,
    /// Second members may join.
    pub(crate) joined: CancellationToken,
    /// The flow is told to stop.
    pub(crate) told: CancellationToken,
    /// The flow is gone.
    pub(crate) killed: CancellationToken,
}

impl Trap {
    pub(crate) fn new(broken: Option<Break>, join: usize) -> Arc<Self> {
        Arc::new(Self {
            broken,
            join,
            steps: AtomicUsize::new(0),
            correlated: AtomicUsize::new(0),
            joined: CancellationToken::new(),
            told: CancellationToken::new(),
            killed: CancellationToken::new(),
        })
    }

    /// Whether it has snapped.
    pub(crate) fn snapped(&self) -> bool {
        self.told.is_cancelled() || self.killed.is_cancelled()
    }

    /// Nothing more comes from here.
    async fn kill(&self) {
        self.killed.cancel();
        std::future::pending::<()>().await;
    }
}

impl Meddling {
    pub(crate) fn new(inner: Arc<dyn Logs>, trap: Arc<Trap>) -> Self {
        Self { inner, trap }
    }
}

impl Logs for Meddling {
    fn open(&self, member: Member) -> BoxFuture<'_, Result<Box<dyn Log>, LogError>> {
        Box::pin(async move {
            let is_second = member.name.ends_with("-1") && member.topics != ingest::worker::TOPICS;
            if is_second {
                self.trap.joined.cancelled().await;
            }
            let is_correlate = member.topics == [Topic::Signal];
            let inner = self.inner.open(member).await?;
            Ok(Box::new(MeddlingLog { inner, is_correlate, trap: Arc::clone(&self.trap) }) as Box<dyn Log>)
        })
    }

    fn reader(&self) -> BoxFuture<'_, Result<Box<dyn Reader>, LogError>> {
        self.inner.reader()
    }

    fn partitions(&self, topic: Topic) -> BoxFuture<'_, Result<u32, LogError>> {
        self.inner.partitions(topic)
    }
}

struct MeddlingLog {
    inner: Box<dyn Log>,
    is_correlate: bool,
    trap: Arc<Trap>,
}

impl MeddlingLog {
    async fn step(&mut self, step: Step) -> Result<(), LogError> {
        let steps = self.trap.steps.fetch_add(1, Ordering::AcqRel);
        // Counted where state is handed over.
        if self.is_correlate && self.trap.correlated.fetch_add(1, Ordering::AcqRel) == self.trap.join {
            self.trap.joined.cancel();
        }
        let due = self.trap.broken.filter(|broken| broken.steps == steps).map(|broken| broken.how);
        if due == Some(How::KilledBefore) {
            self.trap.kill().await;
        }
        let outcome = self.inner.commit(step).await;
        if due == Some(How::KilledAfter) {
            self.trap.kill().await;
        }
        if due == Some(How::Told) {
            self.trap.told.cancel();
        }
        outcome
    }
}

impl Log for MeddlingLog {
    fn next(&mut self) -> BoxFuture<'_, Result<Next, LogError>> {
        self.inner.next()
    }

    fn commit(&mut self, step: Step) -> BoxFuture<'_, Result<(), LogError>> {
        Box::pin(self.step(step))
    }

    fn take_back(&mut self) -> Option<Step> {
        self.inner.take_back()
    }

    fn leave(&mut self) -> BoxFuture<'_, Result<(), LogError>> {
        self.inner.leave()
    }
}
