//! What a run did, in numbers.

use std::collections::BTreeMap;

use pipeline::Reason;
use schemas::ledger::Counts;

use crate::portion::Blobs;

/// What a run did. Only what was committed counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// What became of the records that were read.
    pub counts: Counts,
    /// Of the rejected: by reason.
    pub rejected: BTreeMap<Reason, u64>,
    /// Of the skipped: by reason.
    pub skipped: BTreeMap<Reason, u64>,
    /// Events whose bytes lie in the dead letter because they were too many.
    pub raw_too_long: u64,
    /// The sum over the ledger: this run and those before it.
    pub ledger: Counts,
    /// Losses that the source inflicted, each a gap record.
    pub gaps: u64,
    /// Where the source has blobs: what happened to them, in this run and those before it.
    pub blobs: Option<Blobs>,
    /// Steps committed.
    pub steps: u64,
    /// Ids that are remembered, and the bytes they take.
    pub seen: (usize, usize),
    /// Whether everything was read and the watermark is written; false when it was told to stop.
    pub finished: bool,
}

impl Summary {
    /// Adds what a step did.
    pub(super) fn add(&mut self, step: &Self) {
        self.counts.add(&step.counts);
        for (reason, count) in &step.rejected {
            *self.rejected.entry(reason).or_default() += count;
        }
        for (reason, count) in &step.skipped {
            *self.skipped.entry(reason).or_default() += count;
        }
        self.raw_too_long += step.raw_too_long;
        self.gaps += step.gaps;
        if let (Some(all), Some(step)) = (&mut self.blobs, &step.blobs) {
            all.add(step);
        }
    }
}
