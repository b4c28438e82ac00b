//! A stage: what one worker does with the batches of one log handle.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use schemas::{StageName, TopicPartition};

use crate::clock::Clock;
use crate::counters::Counters;
use crate::log::{Assignment, Batch, Outgoing};
use crate::metrics::Measure;
use crate::outcome::Outcome;

/// One stage. [`crate::worker::run`] drives it.
pub trait Stage: Send {
    /// Its name, in dead letters, logs and counters.
    fn name(&self) -> StageName;

    /// Partitions were gained: restore what is kept for them.
    ///
    /// # Errors
    /// [`Halt`] when that cannot be done.
    fn assigned<'a>(&'a mut self, gained: &'a Assignment) -> BoxFuture<'a, Result<(), Halt>>;

    /// Partitions are gone: drop what is kept for them.
    fn dropped(&mut self, gone: &[TopicPartition]);

    /// Works on a batch: one outcome a record, in their order.
    ///
    /// # Errors
    /// [`Halt`] when the stage cannot go on; nothing of the batch is committed.
    fn work<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<Work, Halt>>;

    /// What can be measured of it while it runs, with the counters that its loop fills in by that clock: a worker's
    /// stages say so in their crate's `metrics.rs`. Nothing of a stage that nobody looks at.
    fn measures(&self, _counters: &Arc<Counters>, _clock: &Clock) -> Vec<Arc<dyn Measure>> {
        Vec::new()
    }
}

/// What came of a batch.
#[derive(Debug, Default)]
pub struct Work {
    /// One a record, in their order.
    pub outcomes: Vec<Outcome>,
    /// What the step carries besides: state, corrected findings.
    pub also: Vec<Outgoing>,
}

/// A stage cannot go on; the positions stay where they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// The stage's own reason.
    #[error("{0}")]
    Cause(String),
    /// What it reads besides its batches cannot be read.
    #[error(transparent)]
    Log(#[from] crate::log::LogError),
}
