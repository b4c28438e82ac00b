//! Looks at what flows by, from beside it: a group of its own over what every stage writes.
//!
//! It remembers of each event its id and the name that the tenant has for it (the record's `Id`, or the run's id), so that at
//! the end everything that happened can be held against everything that arrived.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use pipeline::log::{Assignment, Batch, Incoming};
use pipeline::{Halt, Outcome, Stage, Work};
use schemas::enriched::EnrichedEvent;
use schemas::finding::Finding;
use schemas::signal::Signal;
use schemas::{Event, EventId, Message as _, StageName, TopicPartition, codec};

use super::live::{Flowing, Live};

/// What has been seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// By the event's id, what the tenant calls it.
    pub(super) events: BTreeMap<EventId, String>,
    /// How many of them are runs.
    pub(super) runs: u64,
    /// Revisions of findings.
    pub(super) revisions: Vec<Finding>,
}

/// The same, shared.
#[derive(Debug, Clone, Default)]
pub(super) struct Witnessed(Arc<Mutex<Seen>>);

impl Witnessed {
    pub(super) fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The stage. It writes nothing.
pub(super) struct Witness {
    pub(super) witnessed: Witnessed,
    pub(super) live: Arc<Live>,
}

impl Witness {
    fn note(&self, record: &Incoming) {
        let Some(value) = record.value.as_deref() else { return };
        // Watermarks flow between them.
        match codec::schema_id(value) {
            Ok(Event::SCHEMA_ID) => self.event(value),
            Ok(EnrichedEvent::SCHEMA_ID) => self.live.flowed(Flowing::Enriched),
            Ok(Signal::SCHEMA_ID) => self.live.flowed(Flowing::Signal),
            Ok(Finding::SCHEMA_ID) => self.finding(value),
            Ok(_) | Err(_) => {}
        }
    }

    fn event(&self, value: &[u8]) {
        let Ok(event) = schemas::decode::<Event>(value) else { return };
        self.live.flowed(Flowing::Event);
        let mut seen = self.witnessed.lock();
        seen.runs += u64::from(event.activity.run.is_some());
        let name = event.activity.run.map_or(event.native_id, |run| run.id);
        seen.events.insert(event.id, name);
    }

    fn finding(&self, value: &[u8]) {
        let Ok(finding) = schemas::decode::<Finding>(value) else { return };
        self.live.finding(&finding);
        self.witnessed.lock().revisions.push(finding);
    }
}

impl Stage for Witness {
    fn name(&self) -> StageName {
        StageName::Sink
    }

    fn assigned<'a>(&'a mut self, _gained: &'a Assignment) -> BoxFuture<'a, Result<(), Halt>> {
        Box::pin(async { Ok(()) })
    }

    fn dropped(&mut self, _gone: &[TopicPartition]) {}

    fn work<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<Work, Halt>> {
        batch.records.iter().for_each(|record| self.note(record));
        let outcomes = batch.records.iter().map(|_| Outcome::Emit(Vec::new())).collect();
        Box::pin(async { Ok(Work { outcomes, also: Vec::new() }) })
    }
}
