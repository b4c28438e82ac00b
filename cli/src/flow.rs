//! Every stage in this process, over one log: ingest, enrich, match, correlate, and all sinks side by side.
//!
//! Each stage is told to drain once the one before it is done, so the flow ends when the last record has been
//! delivered. One that fails stops all; what it had not committed stays for the next start.
//!
//! Replicas of a stage drain one after the other: a member that leaves hands its partitions to the next, so the last one
//! holds them all when it says that nothing is left.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use futures_util::future::BoxFuture;
use pipeline::counters::Phase;
use pipeline::log::{Limits, Member};
use pipeline::metrics::Measure;
use pipeline::worker::{self, Control, Counters, Tally};
use pipeline::{Clock, Logs, Stage};
use runtime::admin::Role;
use schemas::{StageName, Topic};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// One stage with the handle it will get.
pub struct Seat {
    /// What reports call it: `enrich`, `sink findings` …
    pub title: String,
    /// Its group on the log.
    pub group: String,
    /// Which replica of its group it is, here in this process: 0 unless there are more.
    pub replica: u32,
    /// What it reads.
    pub topics: Vec<Topic>,
    /// What it does.
    pub stage: Box<dyn Stage>,
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat")
            .field("title", &self.title)
            .field("replica", &self.replica)
            .finish_non_exhaustive()
    }
}

/// A source or a stage as it is seen from outside while it runs.
pub struct Seen {
    /// What it is called.
    pub title: String,
    /// What it is.
    pub role: Role,
    /// What it did and does.
    pub counters: Arc<Counters>,
    /// What can be measured of it.
    pub measures: Vec<Arc<dyn Measure>>,
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seen").field("title", &self.title).field("role", &self.role).finish_non_exhaustive()
    }
}

impl Seen {
    fn of(seat: &Seat, counters: &Arc<Counters>, clock: &Clock) -> Self {
        let role = if seat.stage.name() == StageName::Sink { Role::Sink } else { Role::Stage };
        let (title, measures) = (seat.title.clone(), seat.stage.measures(counters, clock));
        Self { title, role, counters: Arc::clone(counters), measures }
    }
}

/// What starts the flow: worker 1, run to its end over the log.
pub type Head<T> = Box<dyn FnOnce(Control) -> BoxFuture<'static, anyhow::Result<T>> + Send>;

/// The flow's surroundings.
#[derive(Clone)]
pub struct Surroundings {
    /// The log.
    pub logs: Arc<dyn Logs>,
    /// This replica's name in every group.
    pub member: String,
    /// How much at a time.
    pub limits: Limits,
    /// The clock.
    pub clock: Clock,
    /// Stops everything.
    pub stop: CancellationToken,
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").field("member", &self.member).finish_non_exhaustive()
    }
}

impl Surroundings {
    /// What a worker listens to: the common stop, and `drain`.
    pub fn control(&self, drain: CancellationToken) -> Control {
        Control { stop: self.stop.clone(), drain, clock: self.clock.clone() }
    }

    /// The handle's owner under `group`.
    pub fn member(&self, group: &str, topics: Vec<Topic>) -> Member {
        Member { group: group.to_owned(), name: self.member.clone(), topics, limits: self.limits }
    }

    /// The surroundings of a replica of this process.
    #[must_use]
    pub fn of_replica(&self, replica: u32) -> Self {
        let member = if replica == 0 { self.member.clone() } else { format!("{}-{replica}", self.member) };
        Self { member, ..self.clone() }
    }
}

/// What the flow came to.
#[derive(Debug)]
pub struct Done<T> {
    /// What worker 1 says.
    pub head: T,
    /// What each stage did, in the order of the flow.
    pub tallies: Vec<(String, Tally)>,
}

/// Runs worker 1 and then, level by level, everything after it, until all is delivered or something stops it.
///
/// # Errors
/// The first failure, after all others have stopped.
pub async fn run<T: Send + 'static>(
    around: &Surroundings,
    head: Head<T>,
    levels: Vec<Vec<Seat>>,
) -> anyhow::Result<Done<T>> {
    run_seen(around, head, levels, |_| Ok(())).await
}

/// The same; before anything is opened, `watch` is shown every stage.
///
/// # Errors
/// What `watch` says, before anything is opened; the first failure, after all others have stopped.
pub async fn run_seen<T: Send + 'static>(
    around: &Surroundings,
    head: Head<T>,
    levels: Vec<Vec<Seat>>,
    watch: impl FnOnce(Vec<Seen>) -> anyhow::Result<()>,
) -> anyhow::Result<Done<T>> {
    let levels: Vec<Vec<(Seat, Arc<Counters>)>> = levels
        .into_iter()
        .map(|level| level.into_iter().map(|seat| (seat, Arc::default())).collect())
        .collect();
    let seats = levels.iter().flatten();
    watch(seats.map(|(seat, counters)| Seen::of(seat, counters, &around.clock)).collect())?;
    let failed = around.stop.child_token();
    let around = Surroundings { stop: failed.clone(), ..around.clone() };
    let mut tasks: JoinSet<anyhow::Result<()>> = JoinSet::new();
    let mut tallies = Vec::new();
    let mut before = CancellationToken::new();
    let head_done = before.clone();
    for level in levels {
        let done = CancellationToken::new();
        let left = Arc::new(std::sync::atomic::AtomicUsize::new(level.len()));
        let mut last_of_group: BTreeMap<String, CancellationToken> = BTreeMap::new();
        for (seat, counters) in level {
            tallies.push((seat.title.clone(), Arc::clone(&counters)));
            let around = around.of_replica(seat.replica);
            let ended = CancellationToken::new();
            let drain =
                last_of_group.insert(seat.group.clone(), ended.clone()).unwrap_or_else(|| before.clone());
            let (done, left) = (done.clone(), Arc::clone(&left));
            tasks.spawn(async move {
                take(&around, seat, drain, &counters).await?;
                ended.cancel();
                if left.fetch_sub(1, std::sync::atomic::Ordering::AcqRel) == 1 {
                    done.cancel();
                }
                Ok(())
            });
        }
        before = done;
    }
    let (send, receive) = tokio::sync::oneshot::channel();
    let control = around.control(CancellationToken::new());
    tasks.spawn(async move {
        let came_to = head(control).await?;
        head_done.cancel();
        send.send(came_to).map_err(|_| anyhow::anyhow!("nobody waits for worker 1"))
    });
    join(tasks, &failed).await?;
    let head = receive.await.context("worker 1 ended without a result")?;
    Ok(Done {
        head,
        tallies: tallies.into_iter().map(|(title, counters)| (title, counters.read())).collect(),
    })
}

/// Opens the seat's handle and drives its stage to the end.
async fn take(
    around: &Surroundings,
    mut seat: Seat,
    drain: CancellationToken,
    counters: &Counters,
) -> anyhow::Result<()> {
    let title = seat.title;
    counters.enter(Phase::Opening, around.clock.now());
    let opening = around.logs.open(around.member(&seat.group, seat.topics));
    let work = async {
        // A log that is away may be waited for as long as it takes; a stop must not wait for that.
        let Some(opened) = around.stop.run_until_cancelled(opening).await else { return Ok(()) };
        let mut log = opened.context(title.clone())?;
        let control = around.control(drain);
        worker::run(log.as_mut(), seat.stage.as_mut(), &control, counters).await.context(title)
    };
    let ended = work.await;
    counters.enter(if ended.is_ok() { Phase::Ended } else { Phase::Failed }, around.clock.now());
    ended
}

/// Waits for every task; the first failure stops the others and is what is reported.
async fn join(mut tasks: JoinSet<anyhow::Result<()>>, failed: &CancellationToken) -> anyhow::Result<()> {
    let mut first = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.context("a stage panicked").and_then(|result| result);
        if let Err(error) = ended {
            failed.cancel();
            if first.is_ok() {
                first = Err(error);
            }
        }
    }
    first
}
