//! The loop that drives a stage over a log handle: the only place that counts, dead-letters, retries and commits.
//!
//! Conservation law: `read = emitted + skipped + rejected` after every step; what is in flight has not been committed.

use std::time::Duration;

use schemas::TopicPartition;
use tokio_util::sync::CancellationToken;

pub use crate::counters::{Counters, Tally};

mod settled;

use settled::{Made, Settled};

use crate::{
    clock::Clock,
    counters::Phase,
    dead_letter::{self, Refusal},
    gap,
    log::{Batch, Incoming, Lease, Log, LogError, Missed, Next, Outgoing, Positions, Step},
    outcome::{Outcome, Reason},
    retry::RetryPolicy,
    stage::{Halt, Stage, Work},
};

/// What a running worker listens to.
#[derive(Debug, Clone)]
pub struct Control {
    /// Begin nothing more: what is under way may end, within [`STOP_WITHIN`], and is left uncommitted otherwise.
    pub stop: CancellationToken,
    /// Nothing more will come from before: stop once everything has been worked on.
    pub drain: CancellationToken,
    /// The clock for dead letters and for waiting.
    pub clock: Clock,
}

/// How long a stop waits for what is under way, a delivery and its commit: long enough for a log that answers, and well
/// below the 30 seconds after which Kubernetes kills.
pub const STOP_WITHIN: Duration = if cfg!(test) { Duration::from_millis(1) } else { Duration::from_secs(10) };

/// The reason of a dead letter whose record made something that is larger than the log takes.
pub const TOO_LARGE: Reason = "too_large";

/// Why a worker stops whose log keeps what it has refused: without its records the step must not go on.
const NOT_BACK: &str = "the log refused a step as too large, and did not give it back";

/// Why a worker stops whose dead letters, gaps or state do not fit: nothing may be skipped, so the partition waits.
const TOO_SMALL: &str = "the log takes no records as large as it must: dead letters and state have up to 1000000 bytes (max.message.bytes)";

impl Control {
    /// Until a stop was asked for and has waited long enough for what is under way.
    pub async fn overdue(&self) {
        self.stop.cancelled().await;
        tokio::time::sleep(STOP_WITHIN).await;
    }
}

/// Why a worker ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The log handle cannot go on.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The stage cannot go on.
    #[error("{stage}: {halt}")]
    Stage {
        /// Its name.
        stage: &'static str,
        /// Why.
        halt: Halt,
    },
}

/// Drives `stage` over `log` until it is told to stop, or to drain and everything has been worked on.
///
/// # Errors
/// [`WorkerError`] when the log or the stage cannot go on; nothing uncommitted has left a trace.
pub async fn run(
    log: &mut dyn Log,
    stage: &mut dyn Stage,
    control: &Control,
    counters: &Counters,
) -> Result<(), WorkerError> {
    let name = stage.name().name();
    let halted = |halt| WorkerError::Stage { stage: name, halt };
    loop {
        counters.enter(Phase::Waiting, control.clock.now());
        let draining = control.drain.is_cancelled();
        // Biased: a stop must not wait behind a log that always has more.
        let next = tokio::select! {
            biased;
            () = control.stop.cancelled() => break,
            next = log.next() => next?,
        };
        match next {
            Next::Batch(batch) => {
                counters.started();
                let mut turn = Turn { log: &mut *log, stage: &mut *stage, control, counters };
                let ended = turn.take(batch).await;
                counters.hold(0, control.clock.now());
                if !ended? {
                    break;
                }
            }
            Next::Assigned(assignment) => {
                counters.enter(Phase::Restoring, control.clock.now());
                // Biased: what is done is done. But what is kept is read from the log too, and a stop must not wait for it.
                tokio::select! {
                    biased;
                    restored = stage.assigned(&assignment) => restored.map_err(halted)?,
                    () = control.stop.cancelled() => break,
                }
                counters.started();
            }
            Next::Revoking { partitions, .. } => stage.dropped(&partitions),
            Next::Missed { lease, ranges } => {
                let mut turn = Turn { log: &mut *log, stage: &mut *stage, control, counters };
                if !turn.miss(lease, &ranges).await? {
                    break;
                }
            }
            Next::Idle if draining => break,
            // Also for a member that has been given no partition: it is ready to take one over.
            Next::Idle => counters.started(),
        }
    }
    // Everything is committed or left for the next start, and the group finds out by itself that a member is gone.
    if let Err(error) = log.leave().await {
        tracing::warn!(stage = name, %error, "the group was not told that its member left");
    }
    Ok(())
}

/// One batch on its way to being committed.
struct Turn<'a> {
    log: &'a mut dyn Log,
    stage: &'a mut dyn Stage,
    control: &'a Control,
    counters: &'a Counters,
}

impl Turn<'_> {
    /// Works the batch off, in as many steps as retries make it; false when it was told to stop meanwhile.
    async fn take(&mut self, mut batch: Batch) -> Result<bool, WorkerError> {
        let mut policy = RetryPolicy::default();
        let mut attempts = 1;
        while !batch.records.is_empty() {
            let name = self.stage.name().name();
            let halted = |halt| WorkerError::Stage { stage: name, halt };
            self.counters.hold(batch.records.len(), self.control.clock.now());
            self.enter(Phase::Working);
            // The world may be away for as long as it takes, and a stop must not wait for that. Nothing is lost: without
            // a commit the batch comes again.
            let work = tokio::select! {
                biased;
                work = self.stage.work(&batch) => work.map_err(halted)?,
                () = self.control.overdue() => return Ok(false),
            };
            let mut settled = self.settle(&batch, work, &mut attempts).map_err(halted)?;
            if settled.count > 0 {
                policy.reset();
                let mut rest = batch.records.split_off(settled.count);
                match self.commit(&batch, &mut settled).await? {
                    Committed::Whole => batch.records = rest,
                    Committed::Stopped => return Ok(false),
                    Committed::Lost(gone) => {
                        // The log hands out again what is gone, and only that: all else is still ours to work on.
                        rest.retain(|record| !gone.contains(&record.at));
                        batch.records = rest;
                        attempts = 1;
                        continue;
                    }
                }
            }
            if let Some((after, cause)) = settled.retry {
                let wait = policy.next_wait(after);
                tracing::warn!(stage = name, cause, wait_ms = wait.as_millis(), "holding the position");
                self.counters.add(Tally { retries: 1, ..Tally::default() });
                self.counters.hold(batch.records.len(), self.control.clock.now());
                self.enter(Phase::Holding);
                // Biased: a stop must not wait for a world that is bad.
                tokio::select! {
                    biased;
                    () = self.control.stop.cancelled() => return Ok(false),
                    () = self.control.clock.sleep(wait) => {}
                }
            }
        }
        Ok(true)
    }

    /// Turns outcomes into the records and the counts of a step, up to the first retry. `attempts` says how often the
    /// batch's first record has been tried with this, and then the same of the record that will be first. Those behind
    /// it are tried for the first time: nothing they gave before was taken.
    fn settle(&self, batch: &Batch, work: Work, attempts: &mut u64) -> Result<Settled, Halt> {
        if work.outcomes.len() != batch.records.len() {
            return Err(Halt::Cause("a stage must give one outcome for each record".to_owned()));
        }
        let mut settled = Settled::default();
        for (place, (record, outcome)) in batch.records.iter().zip(work.outcomes).enumerate() {
            match outcome {
                Outcome::Emit(records) => {
                    settled.tally.emitted += 1;
                    settled.extend(Made::Of(place), records);
                }
                Outcome::Skip(reason) => *settled.tally.skipped.entry(reason).or_default() += 1,
                Outcome::Reject(reason, message) => {
                    *settled.tally.rejected.entry(reason).or_default() += 1;
                    let refused = Refused { reason, message, attempts: *attempts };
                    settled.extend(Made::Besides, self.refuse(record, &refused));
                }
                Outcome::Retry { after, cause } => {
                    settled.retry = Some((after, cause));
                    *attempts += 1;
                    break;
                }
                Outcome::Stop(cause) => return Err(Halt::Cause(cause)),
            }
            settled.count += 1;
            *attempts = 1;
        }
        settled.extend(Made::Besides, work.also);
        settled.tally.read = settled.count as u64;
        Ok(settled)
    }

    fn enter(&self, phase: Phase) {
        self.counters.enter(phase, self.control.clock.now());
    }

    fn refuse(&self, record: &Incoming, refused: &Refused) -> Vec<Outgoing> {
        let Refused { reason, message, attempts } = refused;
        let stage = self.stage.name();
        let origin = record.at.topic.to_string();
        tracing::warn!(
            stage = stage.name(),
            topic = origin,
            partition = record.at.partition.0,
            offset = record.offset.0,
            reason,
            why = message,
            "rejected a record"
        );
        let refusal = Refusal {
            stage,
            origin: &origin,
            partition: Some(record.at.partition.0),
            offset: record.offset.0,
            reason,
            message,
            at: self.control.clock.now(),
        };
        dead_letter::of_tried(&refusal, record, *attempts)
    }

    /// Commits what was settled. A record of which something was made that is larger than the log takes goes to the
    /// dead letter instead: it would be as large the next time, and everything behind it would wait for ever.
    async fn commit(&mut self, batch: &Batch, settled: &mut Settled) -> Result<Committed, WorkerError> {
        loop {
            let records = std::mem::take(&mut settled.records);
            let step = Step { lease: batch.lease, finished: finished(&batch.records), records };
            match self.put(step, settled.tally.clone()).await? {
                Put::Done => return Ok(Committed::Whole),
                Put::Stopped => return Ok(Committed::Stopped),
                Put::Lost(partitions) => {
                    let gone = gone(&partitions, batch);
                    self.stage.dropped(&gone);
                    return Ok(Committed::Lost(gone));
                }
                Put::TooLarge(places) => {
                    let Some(back) = self.log.take_back() else {
                        return Err(LogError::Unusable(NOT_BACK.to_owned()).into());
                    };
                    settled.records = back.records;
                    let Some(aside) = settled.set_aside(&places) else {
                        return Err(LogError::Unusable(TOO_SMALL.to_owned()).into());
                    };
                    for place in aside {
                        let Some(record) = batch.records.get(place) else { continue };
                        let message = "what was made of it is larger than the log takes".to_owned();
                        let refused = Refused { reason: TOO_LARGE, message, attempts: 1 };
                        settled.extend(Made::Besides, self.refuse(record, &refused));
                    }
                }
            }
        }
    }

    /// Says what the log no longer had, in the step that goes past it; false when it was told to stop meanwhile.
    async fn miss(&mut self, lease: Lease, ranges: &[Missed]) -> Result<bool, WorkerError> {
        let name = self.stage.name().name();
        let now = self.control.clock.now();
        let mut step = Step { lease, finished: Positions::new(), records: Vec::new() };
        for missed in ranges {
            let Missed { at, from, to } = missed;
            let (topic, partition, from, to) = (at.topic.to_string(), at.partition.0, from.0, to.0);
            tracing::warn!(stage = name, topic, partition, from, to, "a gap: these offsets went unread");
            let gap = gap::of_missed(missed, now);
            step.records.push(
                gap.map_err(|error| WorkerError::Stage {
                    stage: name,
                    halt: Halt::Cause(error.to_string()),
                })?,
            );
            step.finished.insert(*at, missed.to);
        }
        match self.put(step, Tally::default()).await? {
            Put::Done => Ok(true),
            Put::Stopped => Ok(false),
            Put::Lost(partitions) => {
                self.stage.dropped(&partitions);
                Ok(true)
            }
            Put::TooLarge(_) => Err(LogError::Unusable(TOO_SMALL.to_owned()).into()),
        }
    }

    /// Commits a step and counts it.
    async fn put(&mut self, step: Step, mut tally: Tally) -> Result<Put, WorkerError> {
        tally.outputs = step.records.len() as u64;
        tally.steps = 1;
        self.enter(Phase::Committing);
        // A broker that is away may hold a step for as long as it takes, and a stop must not wait for that. Whether the
        // step is there or not, it is so whole, and its positions with it: the next start goes on from them.
        let outcome = tokio::select! {
            biased;
            outcome = self.log.commit(step) => outcome,
            () = self.control.overdue() => return Ok(Put::Stopped),
        };
        match outcome {
            Ok(()) => {
                self.counters.add(tally);
                Ok(Put::Done)
            }
            Err(LogError::Lost(partitions)) => {
                let stage = self.stage.name().name();
                tracing::info!(stage, partitions = partitions.len(), "lost partitions");
                Ok(Put::Lost(partitions))
            }
            Err(LogError::TooLarge(places)) => Ok(Put::TooLarge(places)),
            Err(error) => Err(error.into()),
        }
    }
}

/// How the log answered a step.
enum Put {
    Done,
    Lost(Vec<TopicPartition>),
    TooLarge(Vec<usize>),
    /// It was not waited for.
    Stopped,
}

/// Why a record goes to the dead letter.
struct Refused {
    reason: Reason,
    message: String,
    attempts: u64,
}

/// What became of a step.
enum Committed {
    Whole,
    /// It left no trace; what is kept for these partitions is dropped.
    Lost(Vec<TopicPartition>),
    /// It was not waited for.
    Stopped,
}

/// The positions after these records.
fn finished(records: &[Incoming]) -> Positions {
    records.iter().map(|record| (record.at, record.offset.next())).collect()
}

/// All partitions whose memory a lost step has spoilt: those that are lost, and those the batch touched (the log
/// assigns the latter again, from their committed position).
fn gone(lost: &[TopicPartition], batch: &Batch) -> Vec<TopicPartition> {
    let mut gone: Vec<TopicPartition> = lost.to_vec();
    gone.extend(batch.records.iter().map(|record| record.at));
    gone.sort_unstable();
    gone.dedup();
    gone
}

#[cfg(test)]
mod mended;
#[cfg(test)]
mod tests;
