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
    LogError, Reader,
    log::{Changes, From, Limits, Table},
};
use schemas::{Offset, Partition, Topic, TopicPartition};

use super::{
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
    stop: Arc<Stop>,
}

impl KafkaReader {
    pub(super) fn new(tail: Tail) -> Self {
        Self { tail: Some(Arc::new(Mutex::new(tail))), stop: Arc::new(Stop::default()) }
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
        self.blocking(move |tail, stop| restore(tail, TopicPartition::new(topic, partition), stop))
    }

    fn follow(&mut self, topic: Topic, from: From) -> BoxFuture<'_, Result<Changes, LogError>> {
        self.blocking(move |tail, stop| follow(tail, topic, &from, stop))
    }
}

fn restore(tail: &Tail, at: TopicPartition, stop: &Stop) -> Result<Table, LogError> {
    let count = tail.survey().partitions(at.topic, stop)?;
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
    let mut table = Table::new();
    tail.read(&ranges, stop, POLLS_MANY, &mut |record| {
        match record.value {
            Some(value) => table.insert(record.key, value),
            None => table.remove(&record.key),
        };
        true
    })?;
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
