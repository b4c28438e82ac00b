//! One step in the making: what a portion's records become on the topics, and what they count as.

use std::collections::BTreeSet;

use bytes::Bytes;
use pipeline::dead_letter::{self, Refusal};
use pipeline::log::Route;
use pipeline::{Clock, Outgoing, Reason};
use schemas::gap::Gap;
use schemas::ledger::{LedgerEntry, Seen as Chunk};
use schemas::watermark::Watermark;
use schemas::{Event, Micros, StageName, Topic, TopicPartition, encode};

use super::Summary;
use super::marks;
use super::memory::Memory;
use crate::decode::reason;
use crate::error::IngestError;
use crate::portion::{Blobs, Forget, Found, Loss, Part, Until, What};
use crate::seen::Arrival;
use crate::sources::{Source, Time};

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
    source: &'a dyn Source,
    shard: TopicPartition,
    now: Micros,
    chunk: Chunk,
    /// The tenants whose marks have moved.
    moved: BTreeSet<String>,
    /// Of these: those that the stages after this one are told of in this step.
    told: BTreeSet<String>,
    draft: Draft,
}

impl Draft {
    pub(super) fn begin<'a>(
        memory: &'a mut Memory,
        source: &'a dyn Source,
        shard: TopicPartition,
        clock: &Clock,
    ) -> Filling<'a> {
        let now = clock.now();
        let chunk = Chunk {
            source: source.name().to_owned(),
            chunk: memory.chunk,
            arrived_at: now,
            ..Chunk::default()
        };
        let draft = Self { records: Vec::new(), summary: Summary::default() };
        let (moved, told) = (BTreeSet::new(), BTreeSet::new());
        Filling { memory, source, shard, now, chunk, moved, told, draft }
    }

    /// Steps of their own, one for each part: how far time has come, to every partition of the events.
    pub(super) fn watermarks(
        memory: &Memory,
        source: &str,
        at: impl Fn(Micros) -> Micros,
    ) -> Result<Vec<Self>, IngestError> {
        let parts = memory.marks.parts(source, at);
        let mut drafts = Vec::with_capacity(parts.len());
        for part in parts {
            drafts.push(Self { records: vec![watermark(&part)?], summary: Summary::default() });
        }
        Ok(drafts)
    }
}

impl Filling<'_> {
    /// Adds some of a unit, and its ledger entry.
    pub(super) fn part(&mut self, part: Part) -> Result<(), IngestError> {
        let known = self.memory.entries.remove(&part.unit).filter(|_| !part.anew);
        let mut entry = known.unwrap_or_else(|| self.entry(part.unit));
        let before = entry.counts;
        let mut again = part.again;
        for found in part.found {
            let counted_before = again > 0;
            again -= usize::from(counted_before && found.what.ends_a_record());
            if !(counted_before && self.is_known(&found)) {
                self.found(found, &mut entry)?;
            }
        }
        entry.fingerprint = part.fingerprint;
        entry.done = part.done;
        debug_assert!(entry.counts.balance(), "the ledger must balance in every step");
        self.count(&before, &entry);
        self.exactly(Topic::Ledger, entry.key(), encode(&entry)?);
        self.memory.entries.insert(entry.unit.clone(), entry);
        Ok(())
    }

    /// Takes a unit from the ledger; its counts go to another one, so that the sums stay. That one has a part in the same
    /// portion, which writes it.
    pub(super) fn forget(&mut self, forget: &Forget) {
        let Some(gone) = self.memory.entries.remove(&forget.unit) else { return };
        let known = self.memory.entries.remove(&forget.into);
        let mut into = known.unwrap_or_else(|| self.entry(forget.into.clone()));
        into.counts.add(&gone.counts);
        into.greatest_time = into.greatest_time.max(gone.greatest_time);
        self.memory.entries.insert(forget.into.clone(), into);
        let mut deleted = Outgoing::keyed(Topic::Ledger, gone.key(), Bytes::new());
        deleted.value = None;
        self.draft.records.push(deleted.to(Route::Exact(self.shard.partition)));
    }

    /// Says how far time has come, for the tenant that was asked and for those that its records named.
    pub(super) fn until(&mut self, until: &Until) {
        for tenant in self.memory.marks.reach(until) {
            self.moved.insert(tenant.clone());
            self.told.insert(tenant);
        }
    }

    /// Adds a gap.
    pub(super) fn loss(&mut self, loss: Loss) -> Result<(), IngestError> {
        let Loss { tenant, content_type, from, until, why, unit } = loss;
        let reason = why.name().to_owned();
        tracing::warn!(source = self.source.name(), content_type, %from, %until, reason, "a gap: this is lost");
        let (source, noticed_at) = (self.source.name().to_owned(), self.now);
        let gap = Gap { tenant, source, content_type, from, until, reason, unit, noticed_at };
        let key = Bytes::copy_from_slice(gap.tenant.as_bytes());
        self.draft.records.push(Outgoing::keyed(Topic::Gap, key, encode(&gap)?));
        self.draft.summary.gaps += 1;
        Ok(())
    }

    /// Notes what happened to blobs.
    pub(super) fn blobs(&mut self, blobs: Blobs) {
        self.draft.summary.blobs = Some(blobs);
    }

    /// Adds the ids that arrived and the marks that moved, where there are any.
    pub(super) fn finish(mut self) -> Result<Draft, IngestError> {
        if !self.chunk.ids.is_empty() {
            let value = encode(&self.chunk)?;
            self.exactly(Topic::Seen, self.chunk.key(), value);
            self.memory.chunk += 1;
        }
        for tenant in std::mem::take(&mut self.moved) {
            let marks = self.memory.marks.of(self.source.name(), &tenant);
            self.exactly(Topic::Ledger, marks::key(self.source.name(), &tenant), encode(&marks)?);
            if self.told.contains(&tenant) {
                // Behind the events it stands for: on each partition the records of a step keep their order.
                self.draft.records.push(watermark(&marks)?);
            }
        }
        Ok(self.draft)
    }

    fn entry(&self, unit: String) -> LedgerEntry {
        LedgerEntry { source: self.source.name().to_owned(), unit, ..LedgerEntry::default() }
    }

    /// Whether something that was counted before has left its trace: an event by its id; what became none, by that.
    fn is_known(&self, found: &Found) -> bool {
        match &found.what {
            What::Event(event) => self.memory.seen.knows(event),
            What::Skip(_) | What::Reject { .. } => true,
        }
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
        let moved = match self.source.time() {
            Time::Events | Time::EventsToTheEnd => self.memory.marks.note(&event, self.now),
            Time::Told => self.memory.marks.name(&event),
        };
        if moved && !self.moved.contains(&event.tenant) {
            self.moved.insert(event.tenant.clone());
        }
        let mut value = encode(&event)?;
        if event.raw.len() > self.source.record_bytes_max() || value.len() > EVENT_BYTES_MAX {
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
        let begun = self.memory.chunks.remove(refusal.origin);
        if last && begun.is_none() {
            self.draft.records.extend(dead_letter::letters(refusal, &key, &bytes));
            return;
        }
        let mut chunks = begun.unwrap_or_default();
        self.draft.records.push(chunks.next(refusal, &key, bytes, last));
        if !last {
            self.memory.chunks.insert(refusal.origin.to_owned(), chunks);
        }
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

fn watermark(marks: &Watermark) -> Result<Outgoing, IngestError> {
    Ok(Outgoing::keyed(Topic::Event, WATERMARK_KEY, encode(marks)?).to(Route::Every))
}

/// The key of a unit's dead letters: unit and line.
fn key(refusal: &Refusal<'_>) -> Bytes {
    Bytes::from(format!("{}:{}", refusal.origin, refusal.offset))
}
