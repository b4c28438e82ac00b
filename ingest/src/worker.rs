//! The worker: holds the source's shard, reads its files and writes what came of them, step by step.
//!
//! The handle's group reads the ledger; a source's shard is the ledger partition of its name. A step carries events,
//! dead letters, the ledger entries they count in and the ids that arrived, and finishes the ledger's position: all of
//! it becomes visible, or none. Whoever gets the shard next restores ledger and ids and goes on where the last step
//! ended. After the last file one watermark goes to every event partition; a restart sends it again.
//!
//! It waits for nothing but the log and the disk. A step holds at most 4,096 records or 4 MiB of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::FutureExt;
use pipeline::log::{Lease, LogError, Next};
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

mod draft;
mod memory;
mod summary;

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
}

/// The right to write for the source.
#[derive(Debug)]
struct Hold {
    shard: TopicPartition,
    lease: Lease,
    position: Offset,
}

#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Finished,
    Stopped,
    /// The shard is gone, or spoilt: all memory of it must go.
    Lost,
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
    let partitions = logs.partitions(Topic::Ledger).await?;
    let shard = TopicPartition::new(Topic::Ledger, partition_of(source.name.as_bytes(), partitions));
    let mut summary = Summary::default();
    while let Some(hold) = held(log, shard, &context.control).await? {
        let memory = Memory::restore(logs, source, shard, context.control.clock.now()).await?;
        let mut turn = Turn { source, context: &context, paths: &paths, hold, memory, foreign: Vec::new() };
        let ended = turn.work(log, &mut summary).await?;
        summary.ledger = turn.memory.ledger();
        summary.seen = (turn.memory.seen.len(), turn.memory.seen.bytes());
        match ended {
            Ended::Lost => tracing::info!(source = source.name, "the shard went to another member"),
            Ended::Finished | Ended::Stopped => {
                summary.finished = ended == Ended::Finished;
                break;
            }
        }
    }
    log.leave().await?;
    Ok(summary)
}

/// Waits for the shard; none when it was told to stop.
async fn held(
    log: &mut dyn Log,
    shard: TopicPartition,
    control: &Control,
) -> Result<Option<Hold>, IngestError> {
    loop {
        // Biased: a stop must not wait behind a log that always has more.
        let next = tokio::select! {
            biased;
            () = control.stop.cancelled() => return Ok(None),
            next = log.next() => next?,
        };
        if let Next::Assigned(assignment) = next
            && let Some((_, position)) = assignment.gained.iter().find(|(at, _)| *at == shard)
        {
            return Ok(Some(Hold { shard, lease: assignment.lease, position: *position }));
        }
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
                    if self.is_gone(next?) {
                        return Ok(Ended::Lost);
                    }
                    continue;
                }
            };
            let last = portion.last;
            let draft = self.draft(portion)?;
            if let Some(ended) = self.commit(log, draft, summary).await? {
                return Ok(ended);
            }
            if self.look(log).await? {
                return Ok(Ended::Lost);
            }
            if last {
                let draft = Draft::watermark(&self.memory, self.source);
                return Ok(self.commit(log, draft?, summary).await?.unwrap_or(Ended::Finished));
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
            () = self.context.control.stop.cancelled() => return Ok(Some(Ended::Stopped)),
        };
        match outcome {
            Ok(()) => {
                summary.add(&step);
                Ok(None)
            }
            Err(LogError::Lost(_)) => Ok(Some(Ended::Lost)),
            Err(error) => Err(error.into()),
        }
    }

    /// Sees, without waiting, whether the shard must be given up; true when it is gone.
    async fn look(&mut self, log: &mut dyn Log) -> Result<bool, IngestError> {
        for _ in 0..LOOKS_MAX {
            match log.next().now_or_never() {
                None => return Ok(false),
                Some(Ok(Next::Idle)) => return Ok(false),
                Some(next) => {
                    if self.is_gone(next?) {
                        return Ok(true);
                    }
                }
            }
        }
        // Lets others on this thread go on, whatever the log had to say.
        tokio::task::yield_now().await;
        Ok(false)
    }

    fn is_gone(&mut self, next: Next) -> bool {
        match next {
            Next::Idle => false,
            // What is uncommitted is read again by whoever gets the shard: the next call releases it.
            Next::Revoking { partitions, .. } => partitions.contains(&self.hold.shard),
            Next::Assigned(assignment) => {
                self.hold.lease = assignment.lease;
                assignment.gained.iter().any(|(at, _)| *at == self.hold.shard)
            }
            Next::Batch(batch) => {
                for record in batch.records.iter().filter(|record| record.at == self.hold.shard) {
                    self.hold.position = record.offset.next();
                    self.foreign.extend(memory::refuse_foreign(record, &self.context.control.clock));
                }
                false
            }
        }
    }
}

/// A file's name in the ledger, in logs and in dead letters.
fn unit(path: &Path) -> String {
    path.display().to_string()
}

fn bytes_of(paths: &[PathBuf]) -> u64 {
    paths.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|file| file.len()).sum()
}
