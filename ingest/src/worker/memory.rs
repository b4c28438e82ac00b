//! What the worker remembers of its source: the ledger's entries, the marks and the ids that arrived; all of it
//! restored from the log.
//!
//! A record of the source that is damaged stops it; what nobody here wrote is left aside.

use std::collections::HashMap;

use pipeline::dead_letter::{self, Refusal};
use pipeline::log::Table;
use pipeline::{Clock, Incoming, Logs, Outgoing};
use schemas::ledger::{Counts, LedgerEntry};
use schemas::watermark::Watermark;
use schemas::{Micros, StageName, Topic, TopicPartition, decode};

use super::marks::{self, Marks};
use crate::error::IngestError;
use crate::ours;
use crate::seen::Seen;

/// Why a record of the ledger is dead-lettered.
const NOT_OURS: &str = "not_ours";

#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) entries: HashMap<String, LedgerEntry>,
    pub(super) marks: Marks,
    pub(super) seen: Seen,
    /// The number of the next chunk of ids.
    pub(super) chunk: i64,
    /// The chunks of records that are longer than a portion, by their unit.
    pub(super) chunks: HashMap<String, dead_letter::Chunks>,
}

impl Memory {
    pub(super) async fn restore(
        logs: &dyn Logs,
        source: &str,
        shard: TopicPartition,
        now: Micros,
    ) -> Result<Self, IngestError> {
        let mut reader = logs.reader().await?;
        let ledger = reader.restore(Topic::Ledger, shard.partition).await?;
        let seen = reader.restore(Topic::Seen, shard.partition).await?;
        let seen_at = TopicPartition::new(Topic::Seen, shard.partition);
        let (seen, chunk) = Seen::restore(seen_at, &seen, source, now)?;
        let mut memory = Self { seen, chunk, ..Self::default() };
        memory.take(shard, &ledger, source)?;
        Ok(memory)
    }

    fn take(&mut self, at: TopicPartition, ledger: &Table, source: &str) -> Result<(), IngestError> {
        for (key, value) in ledger {
            if marks::is_key(key, source) {
                let found = ours::read::<Watermark>(at, source, key, value)?;
                self.marks.restore(found.unwrap_or_default());
            } else if let Some(entry) = ours::read::<LedgerEntry>(at, source, key, value)?
                && entry.source == source
            {
                self.entries.insert(entry.unit.clone(), entry);
            }
        }
        Ok(())
    }

    /// The sum over all units.
    pub(super) fn ledger(&self) -> Counts {
        let mut sum = Counts::default();
        for entry in self.entries.values() {
            sum.add(&entry.counts);
        }
        sum
    }
}

/// The dead letters of a record on the ledger that no worker of ours wrote.
pub(super) fn refuse_foreign(record: &Incoming, clock: &Clock) -> Vec<Outgoing> {
    let ours = match &record.value {
        Some(value) => decode::<LedgerEntry>(value).is_ok() || decode::<Watermark>(value).is_ok(),
        None => true,
    };
    if ours {
        return Vec::new();
    }
    let (origin, message) = (record.at.topic.to_string(), "neither a ledger entry nor marks");
    tracing::warn!(
        topic = origin,
        partition = record.at.partition.0,
        offset = record.offset.0,
        reason = NOT_OURS,
        why = message,
        "rejected a record"
    );
    let refusal = Refusal {
        stage: StageName::Ingest,
        origin: &origin,
        partition: Some(record.at.partition.0),
        offset: record.offset.0,
        reason: NOT_OURS,
        message,
        at: clock.now(),
    };
    dead_letter::of_record(&refusal, record)
}
