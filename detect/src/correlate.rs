//! Stage *correlate*: stateful rules, one memory per signal partition.
//!
//! Signals are keyed by (tenant, group value), so one key's state is on one partition. Each step writes the revisions of
//! findings, the new state of every touched key and the partition's own (origins, watermarks) to the changelog
//! partition of the same number; a member that gains a partition restores it from there. A state that is too long for
//! one message lies there in several (see `correlate/changelog.rs`). Records that are not ours are left aside with a
//! warning; one of ours that is damaged stops the stage.
//!
//! Limits: a slot of state is bounded (see [`crate::detectors::slots`]); how many slots a key has is bounded by the
//! window, the lateness of 24 h and how far the watermark is behind. A feed that reads all files before it declares a
//! watermark keeps the slots of all of them.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::BoxFuture;
use pipeline::{
    Batch, Clock, Halt, Incoming, Logs, Outcome, Stage, Work, counters::Counters, log::Assignment,
    metrics::Measure,
};
use schemas::{
    CodecError, Message, Partition as Number, StageName, Topic, TopicPartition, codec, signal::Signal,
    watermark::Watermark,
};

use crate::metrics::{self, Metrics};
use crate::rules::RuleSet;

mod changelog;
mod driver;
#[cfg(test)]
mod laws;
mod origins;
pub mod partition;
mod report;
mod state;
mod timers;
mod watermarks;

pub use partition::{Fate, Partition};
pub(crate) use report::NAMES;
pub use watermarks::LATENESS;

/// Why correlate leaves records out.
pub mod reason {
    use pipeline::outcome::Reason;

    /// Every bucket it belongs to is frozen.
    pub const LATE: Reason = "late";
    /// It was here before.
    pub const REPLAYED: Reason = "replayed";
    /// The rules it is for are not loaded.
    pub const NO_RULE: Reason = "no_rule";
    /// Not a message of this topic.
    pub const NOT_OURS: Reason = "not_ours";
}

/// The stage.
pub struct CorrelateStage {
    rules: Arc<RuleSet>,
    logs: Arc<dyn Logs>,
    clock: Clock,
    partitions: BTreeMap<Number, Partition>,
    metrics: Arc<Metrics>,
}

/// The memory that the keys take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// How many keys there are.
    pub keys: usize,
    /// What they take, without the allocator's own.
    pub bytes: usize,
}

impl Memory {
    /// Bytes of one key, on average.
    #[must_use]
    pub fn bytes_per_key(&self) -> usize {
        self.bytes.checked_div(self.keys).unwrap_or(0)
    }
}

impl CorrelateStage {
    /// A stage that restores its state from the same logs that it works on.
    #[must_use]
    pub fn new(rules: Arc<RuleSet>, logs: Arc<dyn Logs>, clock: Clock) -> Self {
        let metrics = Arc::new(Metrics::new(&rules, clock.clone()));
        Self { rules, logs, clock, partitions: BTreeMap::new(), metrics }
    }

    /// The memory that the keys of all partitions take.
    #[must_use]
    pub fn memory(&self) -> Memory {
        self.partitions.values().fold(Memory::default(), |sum, partition| {
            let (keys, bytes) = partition.memory();
            Memory { keys: sum.keys + keys, bytes: sum.bytes + bytes }
        })
    }

    async fn restore(&mut self, gained: &Assignment) -> Result<(), Halt> {
        let mut reader = self.logs.reader().await?;
        for (at, _) in &gained.gained {
            if at.topic != Topic::Signal {
                continue;
            }
            let table = reader.restore(Topic::DetectState, at.partition).await?;
            let partition = Partition::restore(&self.rules, &table)
                .map_err(|error| Halt::Cause(format!("{at}: {error}")))?;
            if partition.left_aside() > 0 {
                let (topic, records) = (Topic::DetectState, partition.left_aside());
                tracing::warn!(%topic, partition = at.partition.0, records, "left records aside that are not ours");
            }
            self.partitions.insert(at.partition, partition);
        }
        Ok(())
    }

    fn batch(&mut self, batch: &Batch) -> Result<Work, Halt> {
        let now = self.clock.now();
        let mut work = Work::default();
        let (mut touched, mut marked) = (std::collections::BTreeSet::new(), false);
        for record in &batch.records {
            let number = record.at.partition;
            let partition = self.partitions.get_mut(&number);
            let partition =
                partition.ok_or_else(|| Halt::Cause(format!("{} was never assigned", record.at)))?;
            touched.insert(number);
            marked |= is_watermark(record);
            let outcome = take(partition, &self.rules, record, now);
            work.outcomes
                .push(outcome.unwrap_or_else(|error| Outcome::Reject(reason::NOT_OURS, error.to_string())));
        }
        for number in touched {
            let Some(partition) = self.partitions.get_mut(&number) else { continue };
            let step = partition.finish(&self.rules, now).map_err(|error| Halt::Cause(error.to_string()))?;
            self.metrics.found(&step.findings);
            work.also.extend(step.into_records(number).map_err(|error| Halt::Cause(error.to_string()))?);
        }
        if marked {
            self.metrics.reached(self.partitions.values().filter_map(Partition::low).min());
        }
        Ok(work)
    }
}

fn is_watermark(record: &Incoming) -> bool {
    record.value.as_ref().is_some_and(|value| matches!(codec::schema_id(value), Ok(Watermark::SCHEMA_ID)))
}

/// Takes one record in.
fn take(
    partition: &mut Partition,
    rules: &RuleSet,
    record: &Incoming,
    now: schemas::Micros,
) -> Result<Outcome, CodecError> {
    let Some(value) = &record.value else {
        return Ok(Outcome::Reject(reason::NOT_OURS, "a tombstone".to_owned()));
    };
    if codec::schema_id(value)? == Watermark::SCHEMA_ID {
        partition.mark(rules, &schemas::decode(value)?, now);
        return Ok(Outcome::Emit(Vec::new()));
    }
    let signal: Signal = schemas::decode(value)?;
    Ok(match partition.take(rules, &signal) {
        Fate::Folded => Outcome::Emit(Vec::new()),
        Fate::Late => Outcome::Skip(reason::LATE),
        Fate::Replayed => Outcome::Skip(reason::REPLAYED),
        Fate::NoRule => Outcome::Skip(reason::NO_RULE),
    })
}

impl std::fmt::Debug for CorrelateStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CorrelateStage").field("partitions", &self.partitions.keys()).finish_non_exhaustive()
    }
}

impl Stage for CorrelateStage {
    fn name(&self) -> StageName {
        StageName::Correlate
    }

    fn assigned<'a>(&'a mut self, gained: &'a Assignment) -> BoxFuture<'a, Result<(), Halt>> {
        Box::pin(self.restore(gained))
    }

    fn dropped(&mut self, gone: &[TopicPartition]) {
        for at in gone {
            if at.topic == Topic::Signal {
                self.partitions.remove(&at.partition);
            }
        }
    }

    fn work<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<Work, Halt>> {
        Box::pin(async move { self.batch(batch) })
    }

    fn measures(&self, counters: &Arc<Counters>, clock: &Clock) -> Vec<Arc<dyn Measure>> {
        let core = metrics::of_correlate(Arc::clone(counters), clock.clone());
        vec![Arc::new(core), Arc::<Metrics>::clone(&self.metrics)]
    }
}
