//! A handle under test, driven until something happens; every wait is bounded by a number of calls.

use std::time::Duration;

use pipeline::{
    Incoming, Log, LogError, Logs, Next, Outgoing, Route, Step,
    log::{From, Lease, Limits, Member, Positions},
};
use schemas::{Offset, Partition, Topic, TopicPartition};

pub(crate) const INPUT: Topic = Topic::Event;
pub(crate) const OUTPUT: Topic = Topic::Receipt;
const CALLS_MAX: usize = 4000;

pub(crate) struct Hand {
    pub(crate) log: Box<dyn Log>,
    pub(crate) lease: Lease,
    pub(crate) held: Positions,
}

pub(crate) fn member(group: &str, name: &str, topics: &[Topic], records_max: usize) -> Member {
    let limits = Limits { records_max, idle_after: Duration::from_millis(20), ..Limits::default() };
    Member { group: group.to_owned(), name: name.to_owned(), topics: topics.to_vec(), limits }
}

impl Hand {
    pub(crate) fn new(log: Box<dyn Log>) -> Self {
        Self { log, lease: Lease { generation: 0 }, held: Positions::new() }
    }

    /// Opens a member of `group` over the input's one partition and waits until it holds it.
    pub(crate) async fn assigned(logs: &dyn Logs, group: &str, name: &str) -> Self {
        let mut hand = Self::new(logs.open(member(group, name, &[INPUT], 5)).await.expect("a handle opens"));
        hand.hold().await;
        hand
    }

    pub(crate) async fn hold(&mut self) {
        for _ in 0..CALLS_MAX {
            if !self.held.is_empty() {
                return;
            }
            self.next().await;
        }
        panic!("nothing was assigned");
    }

    pub(crate) async fn next(&mut self) -> Next {
        let next = self.log.next().await.expect("next has something to say");
        match &next {
            Next::Assigned(assignment) => {
                self.lease = assignment.lease;
                self.held.extend(assignment.gained.iter().copied());
            }
            Next::Revoking { partitions, .. } => self.held.retain(|at, _| !partitions.contains(at)),
            Next::Batch(_) | Next::Missed { .. } | Next::Idle => {}
        }
        next
    }

    pub(crate) async fn batch(&mut self) -> Vec<Incoming> {
        for _ in 0..CALLS_MAX {
            if let Next::Batch(batch) = self.next().await {
                return batch.records;
            }
        }
        panic!("no batch came");
    }

    pub(crate) fn position(&self) -> Offset {
        self.held.get(&at(INPUT)).copied().expect("the partition is held")
    }

    pub(crate) fn copying(&self, records: &[Incoming]) -> Step {
        let finished = records.iter().map(|record| (record.at, record.offset.next())).collect();
        let copies = records.iter().map(|record| record_of(OUTPUT, &text(record))).collect();
        Step { lease: self.lease, finished, records: copies }
    }

    /// Copies its batches to the output until it is idle.
    pub(crate) async fn copy_all(&mut self) {
        for _ in 0..CALLS_MAX {
            match self.next().await {
                Next::Batch(batch) => {
                    let step = Step { lease: batch.lease, ..self.copying(&batch.records) };
                    match self.log.commit(step).await {
                        Ok(()) | Err(LogError::Lost(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                Next::Idle if !self.held.is_empty() => return,
                Next::Idle | Next::Assigned(_) | Next::Revoking { .. } | Next::Missed { .. } => {}
            }
        }
        panic!("it was never idle");
    }
}

pub(crate) fn at(topic: Topic) -> TopicPartition {
    TopicPartition::new(topic, Partition(0))
}

pub(crate) fn record_of(topic: Topic, text: &str) -> Outgoing {
    Outgoing::keyed(topic, text.as_bytes().to_vec(), text.as_bytes().to_vec()).to(Route::Exact(Partition(0)))
}

pub(crate) fn text(record: &Incoming) -> String {
    String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned()
}

pub(crate) fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| format!("{number:02}")).collect()
}

/// Writes these texts to the input, in one step of a member without topics.
pub(crate) async fn feed(logs: &dyn Logs, texts: &[String]) {
    let mut feeder = logs.open(member("feeder", "feeder", &[], 1)).await.expect("a feeder opens");
    let records = texts.iter().map(|text| record_of(INPUT, text)).collect();
    let step = Step { lease: Lease { generation: 0 }, finished: Positions::new(), records };
    feeder.commit(step).await.expect("the input is written");
    feeder.leave().await.expect("the feeder leaves");
}

/// One look at a topic: its texts, and whether that was all.
pub(crate) async fn look(logs: &dyn Logs, topic: Topic) -> (Vec<String>, bool) {
    let mut reader = logs.reader().await.expect("a reader opens");
    let changes = reader.follow(topic, From::Start).await.expect("the topic is read");
    (changes.records.iter().map(text).collect(), changes.caught_up)
}

/// All texts of a topic.
pub(crate) async fn seen(logs: &dyn Logs, topic: Topic) -> Vec<String> {
    for _ in 0..CALLS_MAX {
        if let (texts, true) = look(logs, topic).await {
            return texts;
        }
    }
    panic!("the reader never caught up");
}
