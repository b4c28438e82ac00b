//! The worker: holds the source's shard, takes the source's portions and writes what came of them, step by step.
//!
//! The handle's group reads the ledger; a source's shard is the ledger partition of its name. A step carries events,
//! dead letters, the ledger entries they count in, gaps and the ids that arrived, and finishes the ledger's position: all
//! of it becomes visible, or none. Whoever gets the shard next restores ledger and ids and goes on where the last step
//! ended. How far time has come goes to every event partition: what a source tells of itself in the step that carries
//! it; what the events tell once the source says that all is read, in parts of about 1,000 marks, each a step. A restart
//! sends it again.
//!
//! It waits for nothing but the log and the source, and before a last watermark for the process's other sources. A step
//! holds at most 4,096 records or 4 MiB of them.

use std::sync::Arc;

use futures_util::FutureExt;
use pipeline::counters::Phase;
use pipeline::log::{Assignment, Lease, LogError, Next};
use pipeline::worker::Control;
use pipeline::{Log, Logs, Step};
use schemas::partition::partition_of;
use schemas::{Micros, Offset, Topic, TopicPartition};
use tokio::sync::mpsc::{self, Receiver};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::error::IngestError;
use crate::portion::Portion;
use crate::progress::Progress;
use crate::sources::{Produce, Source, Start, Time};

mod all_read;
mod draft;
mod marks;
mod memory;
mod summary;

pub use all_read::AllRead;
use draft::Draft;
use memory::Memory;
pub use summary::Summary;

/// What the handle of [`run`] must read.
pub const TOPICS: [Topic; 1] = [Topic::Ledger];

/// The log is looked at so many times between two steps: enough for what a step itself added to the ledger.
const LOOKS_MAX: usize = 16;

/// The group of a source's handle. Each source has its own: its shard must not go to another source's member.
#[must_use]
pub fn group(source: &str) -> String {
    format!("weir.ingest.{source}")
}

/// What the worker listens to, and where it says how far it is.
#[derive(Debug, Clone)]
pub struct Context {
    /// Stop token and clock; `drain` changes nothing, since a source ends by itself or not at all.
    pub control: Control,
    /// For a progress bar.
    pub progress: Arc<Progress>,
    /// For the watermark: it is written once every source of the process has been read.
    pub all_read: Arc<AllRead>,
}

/// The right to write for the source.
#[derive(Debug, PartialEq, Eq)]
struct Hold {
    shard: TopicPartition,
    lease: Lease,
    position: Offset,
}

#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Finished,
    Stopped,
    /// The shard is gone, or spoilt: all memory of it must go. Where it was assigned anew, with the hold that came.
    Lost(Option<Hold>),
}

/// Reads the source to its end, or until it is told to stop, and leaves the group.
///
/// # Errors
/// [`IngestError::Paths`] before anything is read; [`IngestError::Log`] when the log cannot go on. A restart resumes.
pub async fn run(
    log: &mut dyn Log,
    logs: &dyn Logs,
    source: &dyn Source,
    context: Context,
) -> Result<Summary, IngestError> {
    let produce = source.open()?;
    let stop = &context.control.stop;
    // Here and where memory is restored: a log that is away may be waited for as long as it takes, a stop may not.
    let Some(partitions) = stop.run_until_cancelled(logs.partitions(Topic::Ledger)).await else {
        return Ok(Summary::default());
    };
    let partitions = partitions?;
    let shard = TopicPartition::new(Topic::Ledger, partition_of(source.name().as_bytes(), partitions));
    let mut summary = Summary::default();
    let mut regained = None;
    loop {
        let hold = match regained.take() {
            Some(hold) => hold,
            None => match held(log, shard, source, &context).await? {
                Some(hold) => hold,
                None => break,
            },
        };
        context.enter(Phase::Restoring);
        let restoring = Memory::restore(logs, source.name(), shard, context.control.clock.now());
        let Some(memory) = stop.run_until_cancelled(restoring).await else { break };
        let memory = memory?;
        summary.blobs = source.blobs(&mut memory.entries.values());
        context.progress.metrics().started();
        context.keeps(&memory, &summary);
        let mut turn =
            Turn { source, produce: &produce, context: &context, hold, memory, foreign: Vec::new() };
        let ended = turn.work(log, &mut summary).await?;
        summary.ledger = turn.memory.ledger();
        summary.seen = (turn.memory.seen.len(), turn.memory.seen.bytes());
        match ended {
            Ended::Lost(again) => {
                tracing::info!(source = source.name(), "the shard was lost");
                regained = again;
            }
            Ended::Finished | Ended::Stopped => {
                summary.finished = ended == Ended::Finished;
                break;
            }
        }
    }
    // Everything is committed or left for the next start, and the group finds out by itself that a member is gone.
    if let Err(error) = log.leave().await {
        tracing::warn!(source = source.name(), %error, "the group was not told that its member left");
    }
    Ok(summary)
}

/// Waits for the shard; none when it was told to stop.
async fn held(
    log: &mut dyn Log,
    shard: TopicPartition,
    source: &dyn Source,
    context: &Context,
) -> Result<Option<Hold>, IngestError> {
    loop {
        context.enter(Phase::Waiting);
        // Biased: a stop must not wait behind a log that always has more.
        let next = tokio::select! {
            biased;
            () = context.control.stop.cancelled() => return Ok(None),
            next = log.next() => next?,
        };
        match next {
            Next::Assigned(assignment) => {
                if let Some(hold) = Hold::of(shard, &assignment) {
                    return Ok(Some(hold));
                }
            }
            // Another process reads the source. If it waited for one that we have read, and we for it, neither would
            // end.
            Next::Idle => {
                context.all_read.done(source.name());
                context.progress.metrics().started();
            }
            Next::Batch(_) | Next::Revoking { .. } | Next::Missed { .. } => {}
        }
    }
}

impl Context {
    fn enter(&self, phase: Phase) {
        self.progress.metrics().enter(phase, self.control.clock.now());
    }

    fn hold(&self, records: usize) {
        self.progress.metrics().hold(records, self.control.clock.now());
    }

    /// Says what is remembered.
    fn keeps(&self, memory: &Memory, summary: &Summary) {
        let seen = (memory.seen.len(), memory.seen.bytes());
        self.progress.metrics().keeps(seen, summary.blobs, memory.marks.least());
    }
}

impl Hold {
    /// The hold that the assignment gives, if the shard is in it.
    fn of(shard: TopicPartition, assignment: &Assignment) -> Option<Self> {
        let (_, position) = assignment.gained.iter().find(|(at, _)| *at == shard)?;
        Some(Self { shard, lease: assignment.lease, position: *position })
    }
}

/// From getting the shard to losing it or to the end.
struct Turn<'a> {
    source: &'a dyn Source,
    produce: &'a Produce,
    context: &'a Context,
    hold: Hold,
    memory: Memory,
    /// Dead letters of records on the ledger that are not ours, for the next step.
    foreign: Vec<pipeline::Outgoing>,
}

impl Turn<'_> {
    async fn work(&mut self, log: &mut dyn Log, summary: &mut Summary) -> Result<Ended, IngestError> {
        let (sender, mut receiver) = mpsc::channel(1);
        let start = Start {
            ledger: self.memory.entries.values().cloned().collect(),
            portions: sender,
            progress: Arc::clone(&self.context.progress),
            clock: self.context.control.clock.clone(),
        };
        let done = CancellationToken::new();
        let mut producing = JoinSet::new();
        producing.spawn(done.clone().run_until_cancelled_owned((self.produce)(start)));
        let ended = self.steps(log, &mut receiver, summary).await;
        // Threads of the source end once nobody takes its portions; what waits ends where it waits.
        drop(receiver);
        done.cancel();
        while let Some(joined) = producing.join_next().await {
            joined.map_err(|_| IngestError::Reader)?.transpose()?;
        }
        ended
    }

    async fn steps(
        &mut self,
        log: &mut dyn Log,
        portions: &mut Receiver<Portion>,
        summary: &mut Summary,
    ) -> Result<Ended, IngestError> {
        loop {
            self.context.hold(0);
            self.context.enter(Phase::Waiting);
            // Biased: a stop first. The log last, because it is looked at after every step anyway.
            let portion = tokio::select! {
                biased;
                () = self.context.control.stop.cancelled() => return Ok(Ended::Stopped),
                portion = portions.recv() => portion.ok_or(IngestError::Reader)?,
                next = log.next() => {
                    if let Some(ended) = self.heard(next?) {
                        return Ok(ended);
                    }
                    continue;
                }
            };
            if let Some(ended) = self.portion(log, portion, summary).await? {
                return Ok(ended);
            }
        }
    }

    /// Writes what a portion holds; what ended the work, if so.
    async fn portion(
        &mut self,
        log: &mut dyn Log,
        mut portion: Portion,
        summary: &mut Summary,
    ) -> Result<Option<Ended>, IngestError> {
        let (last, quiet, written) = (portion.last, portion.quiet, portion.written.take());
        self.context.hold(portion.parts.iter().map(|part| part.found.len()).sum());
        self.context.enter(Phase::Working);
        let draft = self.draft(portion)?;
        if let Some(ended) = self.commit(log, draft, summary).await? {
            return Ok(Some(ended));
        }
        if let Some(written) = written {
            // Who asked may have gone meanwhile.
            let _gone = written.send(()).is_err();
        }
        if let Some(ended) = self.look(log).await? {
            return Ok(Some(ended));
        }
        if let Some(late) = quiet {
            let late = i64::try_from(late.as_micros()).unwrap_or(i64::MAX);
            if let Some(ended) = self.watermarks(log, summary, |greatest| greatest.plus(-late)).await? {
                return Ok(Some(ended));
            }
        }
        if !last {
            return Ok(None);
        }
        if let Some(ended) = self.others(log).await? {
            return Ok(Some(ended));
        }
        let at_end = self.source.time() == Time::EventsToTheEnd;
        let time = |greatest| if at_end { Micros::END } else { greatest };
        let ended = self.watermarks(log, summary, time).await?;
        Ok(Some(ended.unwrap_or(Ended::Finished)))
    }

    /// Says how far time has come by the events; what ended the work meanwhile.
    async fn watermarks(
        &mut self,
        log: &mut dyn Log,
        summary: &mut Summary,
        at: impl Fn(Micros) -> Micros,
    ) -> Result<Option<Ended>, IngestError> {
        for draft in Draft::watermarks(&self.memory, self.source.name(), at)? {
            if self.context.control.stop.is_cancelled() {
                return Ok(Some(Ended::Stopped));
            }
            if let Some(ended) = self.commit(log, draft, summary).await? {
                return Ok(Some(ended));
            }
        }
        Ok(None)
    }

    /// Waits until every source of the process has been read; what ended the work meanwhile.
    async fn others(&mut self, log: &mut dyn Log) -> Result<Option<Ended>, IngestError> {
        let Context { control, all_read, .. } = self.context;
        all_read.done(self.source.name());
        // Whatever it did last is done.
        self.context.hold(0);
        self.context.enter(Phase::Waiting);
        loop {
            let next = tokio::select! {
                biased;
                () = control.stop.cancelled() => return Ok(Some(Ended::Stopped)),
                () = all_read.wait() => return Ok(None),
                next = log.next() => next?,
            };
            if let Some(ended) = self.heard(next) {
                return Ok(Some(ended));
            }
        }
    }

    fn draft(&mut self, portion: Portion) -> Result<Draft, IngestError> {
        let mut draft =
            Draft::begin(&mut self.memory, self.source, self.hold.shard, &self.context.control.clock);
        for forget in portion.forget {
            draft.forget(&forget);
        }
        for part in portion.parts {
            draft.part(part)?;
        }
        for until in portion.marks {
            draft.until(&until);
        }
        for loss in portion.losses {
            draft.loss(loss)?;
        }
        draft.blobs(portion.blobs);
        draft.finish()
    }

    /// Commits a step; what ended the work where it could not be.
    async fn commit(
        &mut self,
        log: &mut dyn Log,
        draft: Draft,
        summary: &mut Summary,
    ) -> Result<Option<Ended>, IngestError> {
        let Draft { mut records, summary: step, .. } = draft;
        records.append(&mut self.foreign);
        if records.is_empty() {
            summary.add(&step);
            return Ok(None);
        }
        let (finished, outputs) = ([(self.hold.shard, self.hold.position)].into(), records.len());
        self.context.enter(Phase::Committing);
        // Biased: what is done is done. But a log without room, or a broker that is away, may hold a step for as long as
        // it takes, and a stop must not wait for that.
        let outcome = tokio::select! {
            biased;
            outcome = log.commit(Step { lease: self.hold.lease, finished, records }) => outcome,
            () = self.context.control.overdue() => return Ok(Some(Ended::Stopped)),
        };
        match outcome {
            Ok(()) => {
                summary.add(&step);
                summary.steps += 1;
                self.context.progress.metrics().committed(&step, outputs);
                self.context.keeps(&self.memory, summary);
                Ok(None)
            }
            Err(LogError::Lost(_)) => Ok(Some(Ended::Lost(None))),
            Err(error) => Err(error.into()),
        }
    }

    /// Sees, without waiting, whether the shard must be given up; what ended the work if so.
    async fn look(&mut self, log: &mut dyn Log) -> Result<Option<Ended>, IngestError> {
        for _ in 0..LOOKS_MAX {
            match log.next().now_or_never() {
                None => return Ok(None),
                Some(Ok(Next::Idle)) => return Ok(None),
                Some(next) => {
                    if let Some(ended) = self.heard(next?) {
                        return Ok(Some(ended));
                    }
                }
            }
        }
        // Lets others on this thread go on, whatever the log had to say.
        tokio::task::yield_now().await;
        Ok(None)
    }

    /// Takes in what happened to the handle; what ended the work if the shard is gone.
    fn heard(&mut self, next: Next) -> Option<Ended> {
        match next {
            Next::Idle => None,
            // What is uncommitted is read again by whoever gets the shard: the next call releases it.
            Next::Revoking { partitions, .. } => {
                partitions.contains(&self.hold.shard).then_some(Ended::Lost(None))
            }
            Next::Assigned(assignment) => {
                self.hold.lease = assignment.lease;
                // It is ours anew, and is not announced a second time.
                Hold::of(self.hold.shard, &assignment).map(|hold| Ended::Lost(Some(hold)))
            }
            // What the ledger said is known from its table, which lacks nothing: it is compacted. The next step moves on.
            Next::Missed { ranges, .. } => {
                for missed in ranges.iter().filter(|missed| missed.at == self.hold.shard) {
                    tracing::warn!(at = %missed.at, from = missed.from.0, to = missed.to.0, "the ledger was cut");
                    self.hold.position = missed.to;
                }
                None
            }
            Next::Batch(batch) => {
                for record in batch.records.iter().filter(|record| record.at == self.hold.shard) {
                    self.hold.position = record.offset.next();
                    self.foreign.extend(memory::refuse_foreign(record, &self.context.control.clock));
                }
                None
            }
        }
    }
}
