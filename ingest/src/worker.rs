//! The worker: holds the source's shard, reads its files and writes what came of them, step by step.
//!
//! The handle's group reads the ledger; a source's shard is the ledger partition of its name. A step carries events,
//! dead letters, the ledger entries they count in and the ids that arrived, and finishes the ledger's position: all of
//! it becomes visible, or none. Whoever gets the shard next restores ledger and ids and goes on where the last step
//! ended. After the last file the watermark goes to every event partition, in parts of about 1,000 marks, each a step; a
//! restart sends it again.
//!
//! It waits for nothing but the log and the disk, and before its watermark for the process's other sources. A step
//! holds at most 4,096 records or 4 MiB of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::FutureExt;
use pipeline::log::{Assignment, Lease, LogError, Next};
use pipeline::worker::Control;
use pipeline::{Log, Logs, Step};
use schemas::partition::partition_of;
use schemas::{Offset, Topic, TopicPartition};
use tokio::sync::mpsc::{self, Receiver};
use tokio::task::JoinSet;

use crate::config::FilesConfig;
use crate::error::IngestError;
use crate::progress::Progress;
use crate::sources::files::{self, Job, Portion};

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
    /// Stop token and clock; `drain` changes nothing, since the files end by themselves.
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

/// Reads the source's files to their end, and leaves the group.
///
/// # Errors
/// [`IngestError::Paths`] before anything is read; [`IngestError::Log`] when the log cannot go on. A restart resumes.
pub async fn run(
    log: &mut dyn Log,
    logs: &dyn Logs,
    source: &FilesConfig,
    context: Context,
) -> Result<Summary, IngestError> {
    let paths = source.files().map_err(IngestError::Paths)?;
    let stop = &context.control.stop;
    // Here and where memory is restored: a log that is away may be waited for as long as it takes, a stop may not.
    let Some(partitions) = stop.run_until_cancelled(logs.partitions(Topic::Ledger)).await else {
        return Ok(Summary::default());
    };
    let partitions = partitions?;
    let shard = TopicPartition::new(Topic::Ledger, partition_of(source.name.as_bytes(), partitions));
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
        let restoring = Memory::restore(logs, source, shard, context.control.clock.now());
        let Some(memory) = stop.run_until_cancelled(restoring).await else { break };
        let memory = memory?;
        let mut turn = Turn { source, context: &context, paths: &paths, hold, memory, foreign: Vec::new() };
        let ended = turn.work(log, &mut summary).await?;
        summary.ledger = turn.memory.ledger();
        summary.seen = (turn.memory.seen.len(), turn.memory.seen.bytes());
        match ended {
            Ended::Lost(again) => {
                tracing::info!(source = source.name, "the shard was lost");
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
        tracing::warn!(source = source.name, %error, "the group was not told that its member left");
    }
    Ok(summary)
}

/// Waits for the shard; none when it was told to stop.
async fn held(
    log: &mut dyn Log,
    shard: TopicPartition,
    source: &FilesConfig,
    context: &Context,
) -> Result<Option<Hold>, IngestError> {
    loop {
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
            Next::Idle => context.all_read.done(&source.name),
            Next::Batch(_) | Next::Revoking { .. } => {}
        }
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
    source: &'a FilesConfig,
    context: &'a Context,
    paths: &'a [PathBuf],
    hold: Hold,
    memory: Memory,
    /// Dead letters of records on the ledger that are not ours, for the next step.
    foreign: Vec<pipeline::Outgoing>,
}

impl Turn<'_> {
    async fn work(&mut self, log: &mut dyn Log, summary: &mut Summary) -> Result<Ended, IngestError> {
        let known = |path: &PathBuf| (path.clone(), self.memory.known(&unit(path)));
        let job = Job {
            files: self.paths.iter().map(known).collect(),
            origin: self.source.origin(),
            progress: Arc::clone(&self.context.progress),
            records_max: self.source.step_records_max,
            bytes_max: self.source.step_bytes_max,
        };
        self.context.progress.begin(job.files.len() as u64, bytes_of(self.paths));
        let (sender, mut receiver) = mpsc::channel(1);
        let mut reading = JoinSet::new();
        reading.spawn_blocking(move || files::read(&job, &sender));
        let ended = self.steps(log, &mut receiver, summary).await;
        // The reader ends once nobody takes its portions.
        drop(receiver);
        while let Some(joined) = reading.join_next().await {
            joined.map_err(|_| IngestError::Reader)?;
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
            let last = portion.last;
            let draft = self.draft(portion)?;
            if let Some(ended) = self.commit(log, draft, summary).await? {
                return Ok(ended);
            }
            if let Some(ended) = self.look(log).await? {
                return Ok(ended);
            }
            if last {
                if let Some(ended) = self.others(log).await? {
                    return Ok(ended);
                }
                for draft in Draft::watermarks(&self.memory, self.source)? {
                    if self.context.control.stop.is_cancelled() {
                        return Ok(Ended::Stopped);
                    }
                    if let Some(ended) = self.commit(log, draft, summary).await? {
                        return Ok(ended);
                    }
                }
                return Ok(Ended::Finished);
            }
        }
    }

    /// Waits until every source of the process has been read; what ended the work meanwhile.
    async fn others(&mut self, log: &mut dyn Log) -> Result<Option<Ended>, IngestError> {
        let Context { control, all_read, .. } = self.context;
        all_read.done(&self.source.name);
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
        let units: Vec<String> = portion
            .parts
            .iter()
            .filter_map(|part| self.paths.get(part.file))
            .map(|path| unit(path))
            .collect();
        let mut draft =
            Draft::begin(&mut self.memory, self.source, self.hold.shard, &self.context.control.clock);
        for (part, unit) in portion.parts.into_iter().zip(units) {
            draft.part(part, unit)?;
        }
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
            return Ok(None);
        }
        let finished = [(self.hold.shard, self.hold.position)].into();
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

/// A file's name in the ledger, in logs and in dead letters. No two files have the same: one whose name is no UTF-8, which
/// would be shown with other characters, is refused when the files are listed.
fn unit(path: &Path) -> String {
    path.display().to_string()
}

fn bytes_of(paths: &[PathBuf]) -> u64 {
    paths.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|file| file.len()).sum()
}
