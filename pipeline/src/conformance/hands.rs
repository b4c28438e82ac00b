//! What the cases share: a handle with what it was told so far, several of them driven together, and a feeder.
#![expect(clippy::panic, clippy::expect_used, reason = "a conformance case fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _, select_all};
use schemas::{FindingGroup, Offset, Partition, Topic, TopicPartition};

use crate::log::{
    Batch, Changes, From, Incoming, Lease, Limits, Log, LogError, Logs, Member, Next, Outgoing, Positions,
    Reader, Route, Step,
};

/// What the cases read.
pub(super) const INPUT: Topic = Topic::Event;
/// What they write.
pub(super) const OUTPUT: Topic = Topic::Finding(FindingGroup::Volume);
/// Where they keep tables.
pub(super) const TABLE: Topic = Topic::DetectState;

/// So many calls of `next` or `follow` are made before a case gives up waiting: with [`IDLE_AFTER`], over a minute.
const CALLS_MAX: usize = 4000;
const IDLE_AFTER: Duration = Duration::from_millis(20);

/// Small batches, so that several are needed.
pub(super) fn limits() -> Limits {
    Limits { records_max: 64, bytes_max: 4 * 1024 * 1024, idle_after: IDLE_AFTER }
}

pub(super) fn at(topic: Topic, partition: u32) -> TopicPartition {
    TopicPartition::new(topic, Partition(partition))
}

/// A record whose value is its key, to an exact partition.
pub(super) fn exact(topic: Topic, partition: u32, text: &str) -> Outgoing {
    keyed(topic, text).to(Route::Exact(Partition(partition)))
}

/// A record whose value is its key.
pub(super) fn keyed(topic: Topic, text: &str) -> Outgoing {
    Outgoing::keyed(topic, text.as_bytes().to_vec(), text.as_bytes().to_vec())
}

pub(super) fn text(record: &Incoming) -> String {
    String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned()
}

pub(super) fn texts(records: &[Incoming]) -> Vec<String> {
    records.iter().map(text).collect()
}

/// The positions after these records.
pub(super) fn finished(records: &[Incoming]) -> Positions {
    records.iter().map(|record| (record.at, record.offset.next())).collect()
}

/// A handle, and what it was told.
pub(super) struct Hand {
    pub(super) name: String,
    pub(super) log: Box<dyn Log>,
    /// The newest lease.
    pub(super) lease: Lease,
    /// What it holds, with the positions it was assigned at.
    pub(super) held: Positions,
}

impl Hand {
    pub(super) async fn open(logs: &dyn Logs, group: &str, name: &str, topics: &[Topic]) -> Self {
        Self::open_with(logs, group, name, topics, limits()).await
    }

    pub(super) async fn open_with(
        logs: &dyn Logs,
        group: &str,
        name: &str,
        topics: &[Topic],
        limits: Limits,
    ) -> Self {
        let member =
            Member { group: group.to_owned(), name: name.to_owned(), topics: topics.to_vec(), limits };
        let log = logs.open(member).await.expect("a handle opens");
        Self { name: name.to_owned(), log, lease: Lease { generation: 0 }, held: Positions::new() }
    }

    /// A member of `group` over the input that has been given all of `partitions`.
    pub(super) async fn assigned(logs: &dyn Logs, group: &str, name: &str, partitions: usize) -> Self {
        let mut hand = Self::open(logs, group, name, &[INPUT]).await;
        hand.hold(partitions).await;
        hand
    }

    /// Calls `next` until it holds so many partitions. Nothing may be handed out before.
    pub(super) async fn hold(&mut self, partitions: usize) {
        for _ in 0..CALLS_MAX {
            if self.held.len() == partitions {
                return;
            }
            if let Next::Batch(batch) = self.next().await {
                panic!("{} records came before all partitions were assigned", batch.records.len());
            }
        }
        panic!("{} partitions were assigned, not {partitions}", self.held.len());
    }

    /// Calls `next` until these partitions have been assigned once more.
    pub(super) async fn hold_again(&mut self, partitions: &BTreeSet<TopicPartition>) {
        let count = self.held.len() + partitions.len();
        self.hold(count).await;
        assert!(
            partitions.iter().all(|partition| self.held.contains_key(partition)),
            "other partitions came"
        );
    }

    /// What is handed out until there is nothing more.
    pub(super) async fn records_until_idle(&mut self) -> Vec<Incoming> {
        let mut records = Vec::new();
        for _ in 0..CALLS_MAX {
            match self.next().await {
                Next::Batch(batch) => records.extend(batch.records),
                Next::Idle => return records,
                Next::Assigned(_) | Next::Revoking { .. } | Next::Missed { .. } => {}
            }
        }
        panic!("it was never idle");
    }

    pub(super) async fn next(&mut self) -> Next {
        self.try_next().await.expect("next has something to say")
    }

    pub(super) async fn try_next(&mut self) -> Result<Next, LogError> {
        let next = self.log.next().await?;
        self.note(&next);
        Ok(next)
    }

    /// Keeps what was told, and checks that it fits with what was told before.
    pub(super) fn note(&mut self, next: &Next) {
        match next {
            Next::Batch(batch) => {
                assert!(!batch.records.is_empty(), "a batch has records");
                for record in &batch.records {
                    assert!(
                        self.held.contains_key(&record.at),
                        "a record of {} which is not held",
                        record.at
                    );
                }
            }
            Next::Assigned(assignment) => {
                assert!(assignment.lease > self.lease, "an assignment has a newer lease");
                self.lease = assignment.lease;
                self.held.extend(assignment.gained.iter().copied());
            }
            Next::Revoking { partitions, .. } => {
                for partition in partitions {
                    assert!(self.held.remove(partition).is_some(), "{partition} is revoked but was not held");
                }
            }
            Next::Missed { ranges, .. } => {
                for missed in ranges {
                    assert!(self.held.contains_key(&missed.at), "{} is not held", missed.at);
                }
            }
            Next::Idle => {}
        }
    }

    /// The next batch; assignments on the way are kept.
    pub(super) async fn batch(&mut self) -> Batch {
        for _ in 0..CALLS_MAX {
            match self.next().await {
                Next::Batch(batch) => return batch,
                Next::Assigned(_) | Next::Revoking { .. } | Next::Missed { .. } | Next::Idle => {}
            }
        }
        panic!("no batch came");
    }

    /// So many records, in the order in which they came, without committing them.
    pub(super) async fn records(&mut self, count: usize) -> Vec<Incoming> {
        let mut records = Vec::new();
        while records.len() < count {
            records.extend(self.batch().await.records);
        }
        assert_eq!(records.len(), count, "no more records than were written");
        records
    }

    pub(super) async fn commit(&mut self, finished: Positions, records: Vec<Outgoing>) {
        self.try_commit(finished, records).await.expect("the step is committed");
    }

    pub(super) async fn try_commit(
        &mut self,
        finished: Positions,
        records: Vec<Outgoing>,
    ) -> Result<(), LogError> {
        self.log.commit(Step { lease: self.lease, finished, records }).await
    }

    /// Commits `batch`, with `records`, under the batch's own lease.
    pub(super) async fn answer(&mut self, batch: &Batch, records: Vec<Outgoing>) -> Result<(), LogError> {
        self.log.commit(Step { lease: batch.lease, finished: finished(&batch.records), records }).await
    }
}

/// Several handles, driven together: as one process does with its stages.
pub(super) struct Crew {
    pub(super) hands: Vec<Hand>,
    turn: usize,
}

impl Crew {
    pub(super) fn new(hands: Vec<Hand>) -> Self {
        Self { hands, turn: 0 }
    }

    /// What happens next to any of them. The others' calls are dropped, and made again in another order.
    pub(super) async fn next(&mut self) -> (usize, Next) {
        self.turn += 1;
        let first = self.turn % self.hands.len();
        let (before, after) = self.hands.split_at_mut(first);
        let count = before.len() + after.len();
        let calls: Vec<BoxFuture<'_, Result<Next, LogError>>> =
            after.iter_mut().chain(before).map(|hand| hand.try_next().boxed()).collect();
        let (next, place, others) = select_all(calls).await;
        drop(others);
        ((first + place) % count, next.expect("next has something to say"))
    }

    /// Goes on until `done` says so; batches on the way are a defect of the case.
    pub(super) async fn until(&mut self, what: &str, done: impl Fn(&[Hand]) -> bool) {
        for _ in 0..CALLS_MAX {
            if done(&self.hands) {
                return;
            }
            if let (_, Next::Batch(_)) = self.next().await {
                panic!("a batch came while waiting until {what}");
            }
        }
        panic!("it never came that {what}");
    }

    /// How many turns a case may take.
    pub(super) fn turns() -> std::ops::Range<usize> {
        0..CALLS_MAX
    }
}

/// Writes records as a stage of its own would.
pub(super) struct Feeder(Hand);

impl Feeder {
    pub(super) async fn open(logs: &dyn Logs) -> Self {
        let mut hand = Hand::open(logs, "feeder", "feeder", &[Topic::Gap]).await;
        for _ in 0..CALLS_MAX {
            if !hand.held.is_empty() {
                return Self(hand);
            }
            hand.next().await;
        }
        panic!("the feeder was assigned nothing");
    }

    /// One step with these records.
    pub(super) async fn write(&mut self, records: Vec<Outgoing>) {
        self.0.commit(Positions::new(), records).await;
    }
}

pub(super) async fn reader(logs: &dyn Logs) -> Box<dyn Reader> {
    logs.reader().await.expect("a reader opens")
}

/// Follows `topic` from `from` until it is caught up.
pub(super) async fn follow(
    reader: &mut dyn Reader,
    topic: Topic,
    mut from: From,
) -> (Vec<Incoming>, Positions) {
    let mut all = Vec::new();
    for _ in 0..CALLS_MAX {
        let Changes { records, next, caught_up } =
            reader.follow(topic, from).await.expect("a topic is followed");
        all.extend(records);
        if caught_up {
            return (all, next);
        }
        from = From::At(next);
    }
    panic!("the reader never caught up");
}

/// The texts in `topic`, as a reader that begins at its start sees them.
pub(super) async fn seen(logs: &dyn Logs, topic: Topic) -> Vec<String> {
    let mut reader = reader(logs).await;
    texts(&follow(reader.as_mut(), topic, From::Start).await.0)
}

/// The same, in the order of the texts.
pub(super) async fn seen_sorted(logs: &dyn Logs, topic: Topic) -> Vec<String> {
    let mut texts = seen(logs, topic).await;
    texts.sort_unstable();
    texts
}

/// The texts of each partition, in their order.
pub(super) fn by_partition(records: &[Incoming]) -> BTreeMap<TopicPartition, Vec<String>> {
    let mut parts: BTreeMap<TopicPartition, Vec<String>> = BTreeMap::new();
    for record in records {
        parts.entry(record.at).or_default().push(text(record));
    }
    parts
}

/// The newest value of every key in what was followed.
pub(super) fn fold(records: &[Incoming]) -> BTreeMap<Bytes, Option<Bytes>> {
    records.iter().map(|record| (record.key.clone(), record.value.clone())).collect()
}

/// Polls `future` up to `polls` times, letting others run in between, and drops it where it has not ended.
pub(super) async fn polled<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future: Pin<&mut F> = pin!(future);
    for _ in 0..polls {
        let ended = std::future::poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => Poll::Ready(None),
        })
        .await;
        if ended.is_some() {
            return ended;
        }
        tokio::task::yield_now().await;
    }
    None
}

/// The position that a handle was assigned `partition` at.
pub(super) fn position(hand: &Hand, partition: TopicPartition) -> Offset {
    *hand.held.get(&partition).expect("the partition is held")
}
