//! What a Kafka log tells of itself: changes of its groups, steps that had to be done again, what retention took, how
//! far its handles are behind, and how much was restored.
//!
//! Labels: groups and topics as the configuration names them, without the prefix.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use pipeline::metrics::{Family, Kind, Measure, Samples};
use schemas::Topic;

use super::shared::Shared;

/// What all handles of a group have come to in this process.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) rebalances: AtomicU64,
    pub(super) aborts: AtomicU64,
    pub(super) missed: AtomicU64,
    handles: Mutex<Vec<Weak<Shared>>>,
}

impl Counts {
    pub(super) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }

    /// A handle of the group, as long as it lives.
    pub(super) fn watch(&self, handle: &Arc<Shared>) {
        let mut handles = lock(&self.handles);
        handles.retain(|handle| handle.strong_count() > 0);
        handles.push(Arc::downgrade(handle));
    }

    /// Of the handle that is farthest behind, by how much; nothing where none lives.
    fn behind(&self) -> Option<Duration> {
        let living: Vec<Arc<Shared>> = lock(&self.handles).iter().filter_map(Weak::upgrade).collect();
        let behind = living.iter().filter_map(|shared| shared.behind()).max()?;
        Some(Duration::from_millis(u64::try_from(behind).unwrap_or_default()))
    }
}

#[derive(Clone, Copy, Default)]
struct Restored {
    records: u64,
    lasted: Duration,
}

/// What a Kafka log can be measured by; all of its handles and readers count into one.
#[derive(Default)]
pub struct KafkaMetrics {
    groups: Mutex<BTreeMap<String, Arc<Counts>>>,
    restored: Mutex<BTreeMap<Topic, Restored>>,
}

impl std::fmt::Debug for KafkaMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaMetrics").finish_non_exhaustive()
    }
}

impl KafkaMetrics {
    pub(super) fn group(&self, group: &str) -> Arc<Counts> {
        Arc::clone(lock(&self.groups).entry(group.to_owned()).or_default())
    }

    pub(super) fn restored(&self, topic: Topic, records: u64, lasted: Duration) {
        let mut restored = lock(&self.restored);
        let of_topic = restored.entry(topic).or_default();
        of_topic.records = of_topic.records.saturating_add(records);
        of_topic.lasted = of_topic.lasted.saturating_add(lasted);
    }
}

const WORKER: &str = "log";
const GROUPS: [(&str, Kind, &str); 4] = [
    ("rebalances_total", Kind::Counter, "Times partitions came to this process, or went from it, by group."),
    ("aborts_total", Kind::Counter, "Transactions that were undone; their steps were done again, or lost."),
    (
        "missed_offsets_total",
        Kind::Counter,
        "Offsets that retention took, or that went with their topic, before they were read; each range is a gap, or for \
         ingest, whose ledger is compacted, a warning.",
    ),
    (
        "behind_seconds",
        Kind::Gauge,
        "How old the oldest record is that was fetched and is not finished; with none in hand, for how long it has not \
         been known that there is none. Of the handle that is farthest behind.",
    ),
];
const TOPICS: [(&str, &str); 2] = [
    ("restored_records_total", "Records read to restore tables, by topic."),
    (
        "restore_seconds_total",
        "Time that restoring tables took, by topic; of one that lasts, what it took so far.",
    ),
];

impl Measure for KafkaMetrics {
    fn families(&self) -> Vec<Family> {
        let groups =
            GROUPS.iter().map(|(thing, kind, meaning)| Family::of(WORKER, thing, *kind, &["group"], meaning));
        let topics = TOPICS
            .iter()
            .map(|(thing, meaning)| Family::of(WORKER, thing, Kind::Counter, &["topic"], meaning));
        groups.chain(topics).collect()
    }

    fn measure(&self, to: &mut Samples) {
        let groups = lock(&self.groups).clone();
        for (group, counts) in groups {
            let labels = [group.as_str()];
            for (thing, counter) in [
                ("rebalances_total", &counts.rebalances),
                ("aborts_total", &counts.aborts),
                ("missed_offsets_total", &counts.missed),
            ] {
                to.count(WORKER, thing, &labels, counter.load(Ordering::Relaxed));
            }
            if let Some(behind) = counts.behind() {
                to.number(WORKER, "behind_seconds", &labels, behind.as_secs_f64());
            }
        }
        let restored = lock(&self.restored).clone();
        for (topic, Restored { records, lasted }) in restored {
            let topic = topic.to_string();
            to.count(WORKER, "restored_records_total", &[&topic], records);
            to.number(WORKER, "restore_seconds_total", &[&topic], lasted.as_secs_f64());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
