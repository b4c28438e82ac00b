//! What is particular to the memory log: what it drops, and how it takes partitions from a member that is stuck.

use bytes::Bytes;
use futures_util::FutureExt as _;
use schemas::Partition;

use super::*;
use crate::log::{From, Lease, Limits, Next, Outgoing, Positions, Route, Step};

const EVENT: Topic = Topic::Event;

fn member(group: &str, name: &str, topic: Topic) -> Member {
    let limits = Limits { idle_after: Duration::from_millis(1), ..Limits::default() };
    Member { group: group.to_owned(), name: name.to_owned(), topics: vec![topic], limits }
}

/// Writes as a group of its own, which reads a topic that nobody writes.
async fn write(log: &MemoryLog, records: Vec<Outgoing>) {
    let mut feeder = log.open(member("feeder", "feeder", Topic::Gap)).await.unwrap();
    let step = Step { lease: Lease { generation: 1 }, finished: Positions::new(), records };
    feeder.commit(step).await.unwrap();
}

fn events(count: u32) -> Vec<Outgoing> {
    (0..count).map(|n| Outgoing::keyed(EVENT, n.to_le_bytes().to_vec(), b"event".to_vec())).collect()
}

/// Reads what there is, in batches, committing each; returns how many records came.
async fn finish(handle: &mut Box<dyn Log>) -> usize {
    let mut count = 0;
    loop {
        match handle.next().await.unwrap() {
            Next::Batch(batch) => {
                count += batch.records.len();
                let finished = batch.records.iter().map(|record| (record.at, record.offset.next())).collect();
                handle.commit(Step { lease: batch.lease, finished, records: Vec::new() }).await.unwrap();
            }
            Next::Assigned(_) | Next::Revoking { .. } | Next::Missed { .. } => {}
            Next::Idle => return count,
        }
    }
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test);
}

#[test]
fn a_record_goes_once_every_group_has_finished_it() {
    run(async {
        let log = MemoryLog::new(MemoryOptions { partitions: 3, ..MemoryOptions::default() });
        let mut first = log.open(member("first", "a", EVENT)).await.unwrap();
        let mut second = log.open(member("second", "a", EVENT)).await.unwrap();
        write(&log, events(100)).await;
        assert_eq!(finish(&mut first).await, 100);
        assert_eq!(log.records(EVENT), 100, "the second has not read them");
        assert_eq!(finish(&mut second).await, 100);
        assert_eq!(log.records(EVENT), 0);
        write(&log, events(7)).await;
        assert_eq!((finish(&mut first).await, finish(&mut second).await, log.records(EVENT)), (7, 7, 0));
    });
}

#[test]
fn what_nobody_reads_is_not_kept_unless_it_shall_be() {
    run(async {
        let keep = vec![Topic::Receipt];
        let log = MemoryLog::new(MemoryOptions { partitions: 2, keep, ..MemoryOptions::default() });
        write(&log, events(10)).await;
        write(&log, vec![Outgoing::keyed(Topic::Receipt, b"k".to_vec(), b"v".to_vec())]).await;
        assert_eq!((log.records(EVENT), log.records(Topic::Receipt)), (0, 1));
        // Their offsets are gone all the same: who comes now begins behind them.
        let mut late = log.open(member("late", "a", EVENT)).await.unwrap();
        assert_eq!(finish(&mut late).await, 0);
        write(&log, events(10)).await;
        assert_eq!(finish(&mut late).await, 10);
    });
}

#[test]
fn a_group_that_was_announced_misses_nothing_however_late_it_opens() {
    run(async {
        let readers = vec![("late".to_owned(), vec![EVENT])];
        let log = MemoryLog::new(MemoryOptions { partitions: 2, readers, ..MemoryOptions::default() });
        let mut early = log.open(member("early", "a", EVENT)).await.unwrap();
        write(&log, events(50)).await;
        assert_eq!(finish(&mut early).await, 50);
        let mut late = log.open(member("late", "a", EVENT)).await.unwrap();
        assert_eq!(finish(&mut late).await, 50);
        assert_eq!(log.records(EVENT), 0);
    });
}

#[test]
fn a_compacted_topic_keeps_one_value_a_key_and_a_bounded_number_of_deletions() {
    run(async {
        let log = MemoryLog::new(MemoryOptions::default());
        let count = u32::try_from(TOMBSTONES_MAX).unwrap() * 3;
        let set = |n: u32, value| Outgoing {
            value,
            ..Outgoing::keyed(Topic::Ledger, n.to_be_bytes().to_vec(), Vec::new())
        };
        for round in 0..3_u8 {
            write(&log, (0..count).map(|n| set(n, Some(Bytes::from(vec![round])))).collect()).await;
        }
        assert_eq!(log.records(Topic::Ledger), count as usize);
        write(&log, (1..count).map(|n| set(n, None)).collect()).await;
        assert_eq!(log.records(Topic::Ledger), TOMBSTONES_MAX + 1);
        let mut reader = log.reader().await.unwrap();
        let table = reader.restore(Topic::Ledger, Partition(0)).await.unwrap();
        assert_eq!(table, Table::from([(Bytes::from(vec![0; 4]), Bytes::from(vec![2]))]));
        // A key whose deletion was forgotten can be set again, and deleted again.
        write(&log, vec![set(1, Some(Bytes::new())), set(2, None), set(count - 1, Some(Bytes::new()))]).await;
        assert_eq!(reader.restore(Topic::Ledger, Partition(0)).await.unwrap().len(), 3);
        let changes = reader.follow(Topic::Ledger, From::Start).await.unwrap();
        assert!(
            changes.records.iter().map(|record| &record.key).collect::<std::collections::BTreeSet<_>>().len()
                == changes.records.len()
        );
    });
}

#[test]
fn a_member_that_is_stuck_loses_what_another_one_shall_have() {
    run(async {
        let hand_over = Duration::from_millis(5);
        let log = MemoryLog::new(MemoryOptions { partitions: 2, hand_over, ..MemoryOptions::default() });
        let mut stuck = log.open(member("group", "a", EVENT)).await.unwrap();
        let Next::Assigned(all) = stuck.next().await.unwrap() else { panic!("it is alone") };
        let mut other = log.open(member("group", "b", EVENT)).await.unwrap();
        let gained = loop {
            if let Next::Assigned(assignment) = other.next().await.unwrap() {
                break assignment.gained;
            }
        };
        let finished: Positions = all.gained.iter().copied().collect();
        let late = stuck.commit(Step { lease: all.lease, finished, records: events(1) }).await;
        assert_eq!(late, Err(LogError::Lost(gained.iter().map(|(at, _)| *at).collect())));
        assert_eq!(log.records(EVENT), 0, "the step left no trace");
        let Next::Revoking { partitions, within } = stuck.next().await.unwrap() else {
            panic!("it was not told")
        };
        assert_eq!((partitions, within), (gained.iter().map(|(at, _)| *at).collect(), Duration::ZERO));
        let record = events(1).remove(0).to(Route::Exact(gained[0].0.partition));
        write(&log, vec![record]).await;
        assert_eq!(finish(&mut other).await, 1);
    });
}

/// What goes through a flow of three: a writer far ahead, a stage that passes on, a reader at the end.
#[derive(Clone, Copy)]
struct Load {
    steps: u32,
    records: u32,
    value_bytes: usize,
    unfinished_bytes_max: usize,
}

impl Load {
    fn step_bytes(self) -> usize {
        self.records as usize * (self.value_bytes + 4)
    }

    /// Runs it to its end; returns how many records came out, and the most bytes that were unfinished.
    async fn flow(self) -> (usize, usize) {
        let readers = vec![("pass".to_owned(), vec![EVENT]), ("end".to_owned(), vec![Topic::Enriched])];
        let unfinished_bytes_max = self.unfinished_bytes_max;
        let options =
            MemoryOptions { partitions: 4, readers, unfinished_bytes_max, ..MemoryOptions::default() };
        let log = MemoryLog::new(options);
        let count = (self.steps * self.records) as usize;
        let (most, _, passed) = tokio::join!(self.feed(&log), self.pass(&log, count), take(&log, count));
        assert_eq!(log.unfinished_bytes(), 0);
        (passed, most)
    }

    async fn feed(self, log: &MemoryLog) -> usize {
        let mut feeder = log.open(member("feeder", "a", Topic::Ledger)).await.unwrap();
        let value = Bytes::from(vec![7; self.value_bytes]);
        let mut most = 0;
        for step in 0..self.steps {
            let key = |n: u32| (step * self.records + n).to_le_bytes().to_vec();
            let records = (0..self.records).map(|n| Outgoing::keyed(EVENT, key(n), value.clone())).collect();
            let step = Step { lease: Lease { generation: 1 }, finished: Positions::new(), records };
            feeder.commit(step).await.unwrap();
            // Nobody else has come to work since the step was written.
            most = most.max(log.unfinished_bytes());
        }
        most
    }

    async fn pass(self, log: &MemoryLog, count: usize) {
        let mut handle = log.open(member("pass", "a", EVENT)).await.unwrap();
        let mut passed = 0;
        while passed < count {
            let Next::Batch(batch) = handle.next().await.unwrap() else { continue };
            passed += batch.records.len();
            let finished = batch.records.iter().map(|record| (record.at, record.offset.next())).collect();
            let pass = |record: crate::Incoming| Outgoing {
                value: record.value,
                ..Outgoing::keyed(Topic::Enriched, record.key, Bytes::new())
            };
            let records = batch.records.into_iter().map(pass).collect();
            handle.commit(Step { lease: batch.lease, finished, records }).await.unwrap();
        }
    }
}

async fn take(log: &MemoryLog, count: usize) -> usize {
    let mut handle = log.open(member("end", "a", Topic::Enriched)).await.unwrap();
    let mut taken = 0;
    while taken < count {
        let Next::Batch(batch) = handle.next().await.unwrap() else { continue };
        taken += batch.records.len();
        let finished = batch.records.iter().map(|record| (record.at, record.offset.next())).collect();
        handle.commit(Step { lease: batch.lease, finished, records: Vec::new() }).await.unwrap();
    }
    taken
}

#[test]
fn two_hundred_thousand_records_never_take_more_than_the_bound_and_a_step() {
    run(async {
        let bounded = Load { steps: 50, records: 4000, value_bytes: 100, unfinished_bytes_max: 1024 * 1024 };
        let (count, most) = bounded.flow().await;
        assert_eq!(count, 200_000);
        assert!(most <= bounded.unfinished_bytes_max + bounded.step_bytes(), "{most}");
        let (_, most) = Load { unfinished_bytes_max: usize::MAX, ..bounded }.flow().await;
        assert!(most > 10 * bounded.unfinished_bytes_max, "the writer would run far ahead otherwise: {most}");
    });
}

#[test]
fn a_flow_goes_on_however_little_may_be_unfinished() {
    run(async {
        let tiny = Load { steps: 200, records: 3, value_bytes: 10, unfinished_bytes_max: 0 };
        let (count, most) = tiny.flow().await;
        assert_eq!((count, most), (600, tiny.step_bytes()));
    });
}

#[test]
fn a_writer_that_is_far_ahead_waits_until_a_reader_finishes() {
    run(async {
        let options = MemoryOptions { unfinished_bytes_max: 100, ..MemoryOptions::default() };
        let log = MemoryLog::new(options);
        let mut reader = log.open(member("reader", "a", EVENT)).await.unwrap();
        let mut writer = log.open(member("writer", "a", Topic::Ledger)).await.unwrap();
        let step = |records| Step { lease: Lease { generation: 1 }, finished: Positions::new(), records };
        writer.commit(step(events(100))).await.unwrap();
        assert_eq!(log.unfinished_bytes(), 900, "a step is never too large for an empty log");
        // What nobody reads, what is compacted and what adds nothing does not wait.
        writer
            .commit(step(vec![Outgoing::keyed(Topic::Receipt, b"k".to_vec(), b"v".to_vec())]))
            .await
            .unwrap();
        writer
            .commit(step(vec![Outgoing::keyed(Topic::Ledger, b"k".to_vec(), b"v".to_vec())]))
            .await
            .unwrap();
        writer.commit(step(Vec::new())).await.unwrap();
        assert!(writer.commit(step(events(1))).now_or_never().is_none(), "it has been held back");
        assert_eq!(log.records(EVENT), 100, "a step that was dropped while it waited left no trace");
        let (outcome, taken) = tokio::join!(writer.commit(step(events(1))), finish(&mut reader));
        assert_eq!((outcome, taken), (Ok(()), 101));
        assert_eq!(log.unfinished_bytes(), 0);
    });
}

#[test]
fn a_writer_that_waits_hears_that_it_is_fenced() {
    run(async {
        let options = MemoryOptions { unfinished_bytes_max: 0, ..MemoryOptions::default() };
        let log = MemoryLog::new(options);
        let _reader = log.open(member("reader", "a", EVENT)).await.unwrap();
        let mut writer = log.open(member("writer", "a", Topic::Ledger)).await.unwrap();
        let step = || Step { lease: Lease { generation: 1 }, finished: Positions::new(), records: events(1) };
        writer.commit(step()).await.unwrap();
        let second = async { log.open(member("writer", "a", Topic::Ledger)).await.unwrap() };
        let (outcome, _second) = tokio::join!(writer.commit(step()), second);
        assert_eq!(outcome, Err(LogError::Fenced("a".to_owned())));
        assert_eq!(log.records(EVENT), 1);
    });
}
