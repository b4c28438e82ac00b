//! The ledger: how far each unit of a source (a file, a listing window) has been read, and what became of its records.
//!
//! `read = emitted + deduplicated + skipped + rejected`, in every entry and so in every sum.

use serde::{Deserialize, Serialize};

use crate::Micros;

/// One unit's state after a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// The configured source.
    pub source: String,
    /// The unit: a file's path.
    pub unit: String,
    /// What tells this unit from another under the same name: for a file the hash of its first bytes.
    pub fingerprint: String,
    /// What became of its records.
    pub counts: Counts,
    /// The greatest event time in it so far.
    pub greatest_time: Option<Micros>,
    /// Whether it has been read to its end.
    pub done: bool,
}

/// What became of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records found.
    pub read: i64,
    /// Turned into events.
    pub emitted: i64,
    /// Events that had arrived before.
    pub deduplicated: i64,
    /// Left out on purpose (action rows of platform telemetry, for example).
    pub skipped: i64,
    /// Not understood: in the dead letter, with a reason.
    pub rejected: i64,
    /// Of the emitted: those whose native id had arrived with other content.
    pub conflicts: i64,
}

impl Counts {
    /// Whether the conservation law holds.
    #[must_use]
    pub fn balance(&self) -> bool {
        self.read == self.emitted + self.deduplicated + self.skipped + self.rejected
    }

    /// Adds another unit's counts.
    pub fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.emitted += other.emitted;
        self.deduplicated += other.deduplicated;
        self.skipped += other.skipped;
        self.rejected += other.rejected;
        self.conflicts += other.conflicts;
    }
}

impl LedgerEntry {
    /// The entry's key on the ledger topic: source, U+001F, unit. A unit has one entry, the newest.
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        crate::signal::key(&self.source, &self.unit)
    }
}

/// A chunk of ids that arrived: 16 bytes an event id, 8 bytes a native id's hash, in the same order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// The configured source.
    pub source: String,
    /// Counted from 0 for each source; with the source it is the key.
    pub chunk: i64,
    /// When they arrived, by the worker's clock: 8 days later they may go.
    pub arrived_at: Micros,
    /// 16 bytes each.
    #[serde(with = "apache_avro::serde::bytes")]
    pub ids: Vec<u8>,
    /// 8 bytes each.
    #[serde(with = "apache_avro::serde::bytes")]
    pub natives: Vec<u8>,
}

impl Seen {
    /// The chunk's key on the seen topic.
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        crate::signal::key(&self.source, &self.chunk.to_string())
    }
}
