//! The reader without a group.
//!
//! Every call looks where the partitions end at that moment and reads up to there. A transaction that is still open
//! may hold records that were committed by the time the answer arrives: `restore` waits until it is decided (at most the
//! writer's transaction timeout), `follow` says that it has not caught up.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use pipeline::{
    Clock, LogError, Reader,
    log::{Changes, From, Limits, Table},
};
use schemas::{Offset, Partition, Topic, TopicPartition};

use super::{
    meter::KafkaMetrics,
    survey::closed,
    tail::{Ends, POLLS_MANY, Ranges, Tail},
    wait::Stop,
};

/// How often, and how far apart, `follow` looks whether an open transaction has been decided before it says so.
const LOOKS: u32 = 10;
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A [`Reader`] over Kafka.
pub(super) struct KafkaReader {
    tail: Option<Arc<Mutex<Tail>>>,
    meter: Arc<KafkaMetrics>,
    stop: Arc<Stop>,
}

impl KafkaReader {
    pub(super) fn new(tail: Tail, meter: Arc<KafkaMetrics>) -> Self {
        Self { tail: Some(Arc::new(Mutex::new(tail))), meter, stop: Arc::new(Stop::default()) }
    }

    /// Runs `work` where it may block. A dropped call ends by itself, at the next call or with the reader.
    fn blocking<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Tail, &Stop) -> Result<T, LogError> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, LogError>> {
        // The call before this one, if it was dropped, is of no use to anybody.
        self.stop.stop();
        self.stop = Arc::new(Stop::default());
        let (tail, stop) = (self.tail.clone(), Arc::clone(&self.stop));
        async move {
            let job = tokio::task::spawn_blocking(move || {
                let tail = tail.ok_or_else(closed)?;
                let tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
                work(&tail, &stop)
            });
            job.await.map_err(|_| LogError::Unusable("a read broke off".to_owned()))?
        }
        .boxed()
    }
}

impl Drop for KafkaReader {
    /// Closing a client may take a while; nobody waits for it.
    fn drop(&mut self) {
        self.stop.stop();
        let tail = self.tail.take();
        let closing =
            std::thread::Builder::new().name("weir-kafka-close".to_owned()).spawn(move || drop(tail));
        if let Err(error) = closing {
            tracing::debug!(%error, "a reader was closed in place");
        }
    }
}

impl Reader for KafkaReader {
    fn restore(&mut self, topic: Topic, partition: Partition) -> BoxFuture<'_, Result<Table, LogError>> {
        let mut progress = Progress::new(Arc::clone(&self.meter), TopicPartition::new(topic, partition));
        self.blocking(move |tail, stop| restore(tail, &mut progress, stop))
    }

    fn follow(&mut self, topic: Topic, from: From) -> BoxFuture<'_, Result<Changes, LogError>> {
        self.blocking(move |tail, stop| follow(tail, topic, &from, stop))
    }
}

/// A restore says how far it is once it has taken so long, and then again each time as much has passed.
const SAID_EVERY_MICROS: i64 = 5_000_000;
/// So many records are counted before the clock is looked at.
const LOOKED_EVERY: u64 = 1024;

/// How far a restore has come, for the log and for whoever measures.
struct Progress {
    meter: Arc<KafkaMetrics>,
    at: TopicPartition,
    clock: Clock,
    began: i64,
    /// Up to when it has been counted and said.
    counted: i64,
    said: i64,
    records: u64,
    fresh: u64,
    ends: Offset,
}

impl Progress {
    fn new(meter: Arc<KafkaMetrics>, at: TopicPartition) -> Self {
        let clock = Clock::machine();
        let now = clock.now().0;
        let ends = Offset(0);
        Self { meter, at, clock, began: now, counted: now, said: now, records: 0, fresh: 0, ends }
    }

    fn took(&mut self, offset: Offset) {
        self.fresh += 1;
        if self.fresh < LOOKED_EVERY {
            return;
        }
        self.count();
        if self.counted.saturating_sub(self.said) >= SAID_EVERY_MICROS {
            self.said = self.counted;
            let (at, records, offset, of) = (self.at, self.records, offset.0, self.ends.0);
            tracing::info!(%at, records, offset, of, seconds = self.seconds(), "restoring a table");
        }
    }

    fn count(&mut self) {
        let now = self.clock.now().0;
        let lasted = u64::try_from(now.saturating_sub(self.counted)).unwrap_or_default();
        self.meter.restored(self.at.topic, self.fresh, Duration::from_micros(lasted));
        self.records += self.fresh;
        (self.fresh, self.counted) = (0, now);
    }

    fn seconds(&self) -> i64 {
        self.counted.saturating_sub(self.began) / 1_000_000
    }

    fn done(&mut self, keys: usize) {
        self.count();
        if self.seconds() > 0 {
            let (at, records) = (self.at, self.records);
            tracing::info!(%at, records, keys, seconds = self.seconds(), "a table is restored");
        }
    }
}

fn restore(tail: &Tail, progress: &mut Progress, stop: &Stop) -> Result<Table, LogError> {
    let at = progress.at;
    let count = tail.survey().partitions_again(at.topic, stop)?;
    if at.partition.0 >= count {
        return Err(LogError::Missing(format!("partition {at}")));
    }
    let ends = tail.wait_for_ends(&[at], stop)?;
    let written = ends.written.clone();
    let mut decided = ends.decided;
    while !decided {
        if stop.wait(LOOK_AGAIN) {
            return Err(closed());
        }
        let committed = tail.wait_for_ends(&[at], stop)?.committed;
        decided = written.iter().all(|(at, end)| committed.get(at).is_some_and(|committed| committed >= end));
    }
    let ranges: Ranges = written.iter().map(|(at, end)| (*at, (Offset(0), *end))).collect();
    progress.ends = written.get(&at).copied().unwrap_or_default();
    let mut table = Table::new();
    tail.read(&ranges, stop, POLLS_MANY, &mut |record| {
        progress.took(record.offset);
        match record.value {
            Some(value) => table.insert(record.key, value),
            None => table.remove(&record.key),
        };
        true
    })?;
    progress.done(table.len());
    Ok(table)
}

fn follow(tail: &Tail, topic: Topic, from: &From, stop: &Stop) -> Result<Changes, LogError> {
    let count = tail.survey().partitions(topic, stop)?;
    let partitions: Vec<TopicPartition> =
        (0..count).map(|number| TopicPartition::new(topic, Partition(number))).collect();
    let (ends, decided) = decided_ends(tail, &partitions, stop)?;
    let ranges: Ranges = partitions.iter().map(|at| (*at, (begin(from, *at), end(&ends, *at)))).collect();
    let limits = Limits::default();
    let (mut records, mut bytes) = (Vec::new(), 0);
    let mut whole = true;
    let next = tail.read(&ranges, stop, POLLS_MANY, &mut |record| {
        bytes += record.key.len() + record.value.as_ref().map_or(0, bytes::Bytes::len);
        records.push(record);
        whole = records.len() < limits.records_max && bytes < limits.bytes_max;
        whole
    })?;
    let reached = next.iter().all(|(at, next)| ranges.get(at).is_none_or(|(_, end)| next >= end));
    Ok(Changes { records, next, caught_up: decided && (whole || reached) })
}

/// The ends as they are written now, if what is open before them is decided soon; otherwise up to where it is.
fn decided_ends(
    tail: &Tail,
    partitions: &[TopicPartition],
    stop: &Stop,
) -> Result<(BTreeMap<TopicPartition, Offset>, bool), LogError> {
    let Ends { written, mut decided, mut committed } = tail.wait_for_ends(partitions, stop)?;
    for _ in 0..LOOKS {
        if decided {
            return Ok((written, true));
        }
        if stop.wait(LOOK_AGAIN) {
            return Err(closed());
        }
        committed = tail.wait_for_ends(partitions, stop)?.committed;
        decided = written.iter().all(|(at, end)| committed.get(at).is_some_and(|committed| committed >= end));
    }
    Ok((committed, decided))
}

fn begin(from: &From, at: TopicPartition) -> Offset {
    match from {
        From::Start => Offset(0),
        From::At(positions) => positions.get(&at).copied().unwrap_or_default(),
    }
}

fn end(ends: &BTreeMap<TopicPartition, Offset>, at: TopicPartition) -> Offset {
    ends.get(&at).copied().unwrap_or_default()
}
