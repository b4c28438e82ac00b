//! One step in the making: what a portion's records become on the topics, and what they count as.

use std::collections::BTreeSet;

use bytes::Bytes;
use pipeline::dead_letter::{self, Refusal};
use pipeline::log::Route;
use pipeline::{Clock, Outgoing, Reason};
use schemas::ledger::{LedgerEntry, Seen as Chunk};
use schemas::{Event, Micros, StageName, Topic, TopicPartition, encode};

use super::Summary;
use super::marks;
use super::memory::Memory;
use crate::config::{AtEnd, FilesConfig};
use crate::decode::reason;
use crate::error::IngestError;
use crate::seen::Arrival;
use crate::sources::files::{Found, Part, What};

/// An event that is longer goes on without its record's bytes: enrich adds to it, and what it writes must stay below
/// 1,000,000 bytes, which brokers take.
const EVENT_BYTES_MAX: usize = 700_000;

/// The key of a watermark among the events.
const WATERMARK_KEY: &[u8] = b"watermark";

pub(super) struct Draft {
    pub(super) records: Vec<Outgoing>,
    pub(super) summary: Summary,
}

/// A draft that is being filled.
pub(super) struct Filling<'a> {
    memory: &'a mut Memory,
    source: &'a FilesConfig,
    shard: TopicPartition,
    now: Micros,
    chunk: Chunk,
    /// The tenants whose marks have moved.
    moved: BTreeSet<String>,
    draft: Draft,
}

impl Draft {
    pub(super) fn begin<'a>(
        memory: &'a mut Memory,
        source: &'a FilesConfig,
        shard: TopicPartition,
        clock: &Clock,
    ) -> Filling<'a> {
        let now = clock.now();
        let chunk =
            Chunk { source: source.name.clone(), chunk: memory.chunk, arrived_at: now, ..Chunk::default() };
        let draft = Self { records: Vec::new(), summary: Summary::default() };
        Filling { memory, source, shard, now, chunk, moved: BTreeSet::new(), draft }
    }

    /// The last steps, one for each part: how far time has come, to every partition of the events.
    pub(super) fn watermarks(memory: &Memory, source: &FilesConfig) -> Result<Vec<Self>, IngestError> {
        let parts = memory.marks.parts(&source.name, |greatest| match source.at_end {
            AtEnd::EndOfTime => Micros::END,
            AtEnd::GreatestEventTime => greatest,
        });
        let mut drafts = Vec::with_capacity(parts.len());
        for part in parts {
            let record = Outgoing::keyed(Topic::Event, WATERMARK_KEY, encode(&part)?).to(Route::Every);
            drafts.push(Self { records: vec![record], summary: Summary::default() });
        }
        Ok(drafts)
    }
}

impl Filling<'_> {
    /// Adds some of a file, and its ledger entry.
    pub(super) fn part(&mut self, part: Part, unit: String) -> Result<(), IngestError> {
        let known = self.memory.entries.remove(&unit).filter(|_| !part.anew);
        let mut entry = known.unwrap_or_else(|| LedgerEntry {
            source: self.source.name.clone(),
            unit: unit.clone(),
            ..LedgerEntry::default()
        });
        let before = entry.counts;
        for found in part.found {
            self.found(found, &mut entry)?;
        }
        entry.fingerprint = part.fingerprint;
        entry.done = part.done;
        debug_assert!(entry.counts.balance(), "the ledger must balance in every step");
        self.count(&before, &entry);
        self.exactly(Topic::Ledger, entry.key(), encode(&entry)?);
        self.memory.entries.insert(unit, entry);
        Ok(())
    }

    /// Adds the ids that arrived and the marks that moved, where there are any.
    pub(super) fn finish(mut self) -> Result<Draft, IngestError> {
        if !self.chunk.ids.is_empty() {
            let value = encode(&self.chunk)?;
            self.exactly(Topic::Seen, self.chunk.key(), value);
            self.memory.chunk += 1;
        }
        for tenant in std::mem::take(&mut self.moved) {
            let marks = self.memory.marks.of(&self.source.name, &tenant);
            self.exactly(Topic::Ledger, marks::key(&self.source.name, &tenant), encode(&marks)?);
        }
        Ok(self.draft)
    }

    fn found(&mut self, found: Found, entry: &mut LedgerEntry) -> Result<(), IngestError> {
        match found.what {
            What::Event(event) => {
                entry.counts.read += 1;
                self.event(*event, found.line, entry)
            }
            What::Skip(reason) => {
                entry.counts.read += 1;
                entry.counts.skipped += 1;
                *self.draft.summary.skipped.entry(reason).or_default() += 1;
                Ok(())
            }
            What::Reject { reason, message, bytes, last } => {
                let file = entry.unit.clone();
                let refusal = self.refusal(&file, found.line, reason, &message);
                self.refused(&refusal, bytes, last);
                if last {
                    entry.counts.read += 1;
                    entry.counts.rejected += 1;
                    *self.draft.summary.rejected.entry(reason).or_default() += 1;
                    tracing::warn!(file, line = found.line, reason, why = message, "rejected a record");
                }
                Ok(())
            }
        }
    }

    fn event(&mut self, mut event: Event, line: u64, entry: &mut LedgerEntry) -> Result<(), IngestError> {
        let conflict = match self.memory.seen.note(&event, &mut self.chunk) {
            Arrival::Known => {
                entry.counts.deduplicated += 1;
                return Ok(());
            }
            Arrival::New { conflict } => conflict,
        };
        entry.counts.emitted += 1;
        entry.counts.conflicts += i64::from(conflict);
        entry.greatest_time = entry.greatest_time.max(Some(event.time));
        if self.memory.marks.note(&event, self.now) && !self.moved.contains(&event.tenant) {
            self.moved.insert(event.tenant.clone());
        }
        let mut value = encode(&event)?;
        if event.raw.len() > self.source.record_bytes_max || value.len() > EVENT_BYTES_MAX {
            let raw = Bytes::from(std::mem::take(&mut event.raw));
            event.raw_in_dead_letter = true;
            self.draft.summary.raw_too_long += 1;
            let file = &entry.unit;
            tracing::info!(file, line, bytes = raw.len(), "the bytes of a record are in the dead letter");
            let refusal =
                self.refusal(file, line, reason::RAW_TOO_LONG, "its event went on without its bytes");
            self.draft.records.extend(dead_letter::letters(&refusal, &key(&refusal), &raw));
            value = encode(&event)?;
        }
        let record = Outgoing::keyed(Topic::Event, event.id.to_string(), value);
        self.draft.records.push(record);
        Ok(())
    }

    fn refusal<'r>(&self, file: &'r str, line: u64, reason: Reason, message: &'r str) -> Refusal<'r> {
        let stage = StageName::Ingest;
        Refusal { stage, origin: file, partition: None, offset: line, reason, message, at: self.now }
    }

    /// What is held whole becomes letters at once; what comes in parts, one numbered chunk a part.
    fn refused(&mut self, refusal: &Refusal<'_>, bytes: Bytes, last: bool) {
        let key = key(refusal);
        if last && self.memory.chunks.is_none() {
            self.draft.records.extend(dead_letter::letters(refusal, &key, &bytes));
            return;
        }
        let mut chunks = self.memory.chunks.take().unwrap_or_default();
        self.draft.records.push(chunks.next(refusal, &key, bytes, last));
        self.memory.chunks = (!last).then_some(chunks);
    }

    fn exactly(&mut self, topic: Topic, key: Vec<u8>, value: Vec<u8>) {
        let route = Route::Exact(self.shard.partition);
        self.draft.records.push(Outgoing::keyed(topic, key, value).to(route));
    }

    fn count(&mut self, before: &schemas::ledger::Counts, entry: &LedgerEntry) {
        let (sum, after) = (&mut self.draft.summary.counts, entry.counts);
        sum.read += after.read - before.read;
        sum.emitted += after.emitted - before.emitted;
        sum.deduplicated += after.deduplicated - before.deduplicated;
        sum.skipped += after.skipped - before.skipped;
        sum.rejected += after.rejected - before.rejected;
        sum.conflicts += after.conflicts - before.conflicts;
    }
}

/// The key of a file's dead letters: file and line.
fn key(refusal: &Refusal<'_>) -> Bytes {
    Bytes::from(format!("{}:{}", refusal.origin, refusal.offset))
}
