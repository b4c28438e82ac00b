//! How far ingest has come: for a progress bar and for counters, read while it works.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::metrics::Metrics;

/// Counters that only the source moves; those of files start again after partitions were lost.
#[derive(Debug, Default)]
pub struct Progress {
    files: AtomicU64,
    files_done: AtomicU64,
    bytes: AtomicU64,
    bytes_done: AtomicU64,
    records: AtomicU64,
    answers: Mutex<BTreeMap<&'static str, u64>>,
    metrics: Arc<Metrics>,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reached {
    /// Files there are.
    pub files: u64,
    /// Files read to their end, or known from the ledger to have been.
    pub files_done: u64,
    /// Bytes on the disk.
    pub bytes: u64,
    /// Bytes of these that were read, or need not be.
    pub bytes_done: u64,
    /// Records found, those that were passed over included.
    pub records: u64,
}

impl Progress {
    /// The counters now.
    #[must_use]
    pub fn reached(&self) -> Reached {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Reached {
            files: read(&self.files),
            files_done: read(&self.files_done),
            bytes: read(&self.bytes),
            bytes_done: read(&self.bytes_done),
            records: read(&self.records),
        }
    }

    /// What a service answered instead of what was asked for: each code of its table, and how often.
    #[must_use]
    pub fn answers(&self) -> BTreeMap<&'static str, u64> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the worker tells of itself.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    pub(crate) fn answered(&self, code: &'static str) {
        *self.answers.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() += 1;
    }

    pub(crate) fn begin(&self, files: u64, bytes: u64) {
        for (counter, value) in [(&self.files, files), (&self.bytes, bytes)] {
            counter.store(value, Ordering::Relaxed);
        }
        for counter in [&self.files_done, &self.bytes_done, &self.records] {
            counter.store(0, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self, bytes: u64) {
        self.bytes_done.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn found(&self) {
        self.found_more(1);
    }

    pub(crate) fn found_more(&self, records: u64) {
        self.records.fetch_add(records, Ordering::Relaxed);
    }

    pub(crate) fn file_done(&self) {
        self.files_done.fetch_add(1, Ordering::Relaxed);
    }
}
