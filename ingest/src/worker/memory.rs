//! What the worker remembers of its source: the ledger's entries, the marks and the ids that arrived; all of it
//! restored from the log.
//!
//! The marks (the greatest event time of each tenant and content type) lie on the ledger as a watermark record of
//! their own, under the source's key with an empty unit: a restart that has nothing to read can send them again.

use std::collections::{BTreeMap, HashMap};

use pipeline::dead_letter::{self, Refusal};
use pipeline::log::Table;
use pipeline::{Clock, Incoming, Logs, Outgoing};
use schemas::ledger::{Counts, LedgerEntry};
use schemas::watermark::{Mark, Watermark};
use schemas::{Micros, StageName, Topic, TopicPartition, decode};

use crate::config::FilesConfig;
use crate::error::IngestError;
use crate::seen::Seen;
use crate::sources::files::Known;

/// Why a record of the ledger is dead-lettered.
const NOT_OURS: &str = "not_ours";

#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) entries: HashMap<String, LedgerEntry>,
    pub(super) marks: BTreeMap<(String, String), Micros>,
    pub(super) seen: Seen,
    /// The number of the next chunk of ids.
    pub(super) chunk: i64,
    /// The chunks of a record that is longer than a portion.
    pub(super) chunks: Option<dead_letter::Chunks>,
}

impl Memory {
    pub(super) async fn restore(
        logs: &dyn Logs,
        source: &FilesConfig,
        shard: TopicPartition,
        now: Micros,
    ) -> Result<Self, IngestError> {
        let mut reader = logs.reader().await?;
        let ledger = reader.restore(Topic::Ledger, shard.partition).await?;
        let seen = reader.restore(Topic::Seen, shard.partition).await?;
        let (seen, chunk) = Seen::restore(&seen, &source.name, now);
        let mut memory = Self { seen, chunk, ..Self::default() };
        memory.take(&ledger, &source.name);
        Ok(memory)
    }

    fn take(&mut self, ledger: &Table, source: &str) {
        let marks_key = marks_key(source);
        for (key, value) in ledger {
            if *key == marks_key {
                let marks = decode::<Watermark>(value).map(|watermark| watermark.marks).unwrap_or_default();
                self.marks =
                    marks.into_iter().map(|mark| ((mark.tenant, mark.content_type), mark.time)).collect();
            } else if let Ok(entry) = decode::<LedgerEntry>(value)
                && entry.source == source
            {
                self.entries.insert(entry.unit.clone(), entry);
            }
        }
    }

    pub(super) fn known(&self, unit: &str) -> Option<Known> {
        let entry = self.entries.get(unit)?;
        let read = u64::try_from(entry.counts.read).unwrap_or_default();
        Some(Known { fingerprint: entry.fingerprint.clone(), read })
    }

    /// The sum over all units.
    pub(super) fn ledger(&self) -> Counts {
        let mut sum = Counts::default();
        for entry in self.entries.values() {
            sum.add(&entry.counts);
        }
        sum
    }

    /// The marks, each at the time `at` gives it.
    pub(super) fn watermark(&self, source: &str, at: impl Fn(Micros) -> Micros) -> Watermark {
        let marks = self.marks.iter().map(|((tenant, content_type), time)| Mark {
            tenant: tenant.clone(),
            source: source.to_owned(),
            content_type: content_type.clone(),
            time: at(*time),
        });
        Watermark { marks: marks.collect(), through: None, of: None }
    }
}

/// The key of the source's marks on the ledger: no file has an empty name.
pub(super) fn marks_key(source: &str) -> Vec<u8> {
    schemas::signal::key(source, "")
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
