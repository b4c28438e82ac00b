//! Laws of retention: what a log deletes by age was read before, or whoever was to read it is told.
#![expect(clippy::indexing_slicing, clippy::panic, reason = "a conformance case fails by panicking")]

use std::{collections::BTreeSet, sync::Arc};

use schemas::{Offset, TopicPartition};

use super::{
    Harness,
    hands::{Crew, Feeder, Hand, INPUT, at, exact, finished, follow, limits, reader},
};
use crate::log::{From, Incoming, Limits, Missed, Next, Positions};

type Places = BTreeSet<(TopicPartition, Offset)>;

/// What a member is handed and told until it has caught up, in order.
struct Told {
    records: Vec<Incoming>,
    missed: Vec<Missed>,
}

/// Goes on until nothing more comes, committing all of it.
async fn read_on(hand: &mut Hand) -> Told {
    let mut told = Told { records: Vec::new(), missed: Vec::new() };
    for _ in Crew::turns() {
        match hand.next().await {
            Next::Batch(batch) => {
                for record in &batch.records {
                    let passed = told.missed.iter().any(|m| m.at == record.at && record.offset < m.to);
                    assert!(!passed, "{}/{} comes after it was told to be gone", record.at, record.offset.0);
                }
                hand.answer(&batch, Vec::new()).await.unwrap_or_else(|error| panic!("{error}"));
                told.records.extend(batch.records);
            }
            Next::Missed { lease, ranges } => {
                for missed in &ranges {
                    let behind = told.records.iter().filter(|record| record.at == missed.at);
                    assert!(behind.into_iter().all(|record| record.offset < missed.from), "told too late");
                }
                hand.lease = lease;
                let finished = ranges.iter().map(|missed| (missed.at, missed.to)).collect();
                hand.commit(finished, Vec::new()).await;
                told.missed.extend(ranges);
            }
            Next::Idle => return told,
            Next::Assigned(_) | Next::Revoking { .. } => {}
        }
    }
    panic!("it never caught up");
}

fn places(records: &[Incoming]) -> Places {
    records.iter().map(|record| (record.at, record.offset)).collect()
}

/// A group was away while retention passed. Each record that it had not finished is handed out, or lies in a range that
/// is told; none is both; and once that is committed, it is not told again.
pub(super) async fn told(harness: Arc<dyn Harness>) {
    let mut instance = harness.fresh(2).await;
    let logs = instance.logs();
    let mut feeder = Feeder::open(logs.as_ref()).await;
    for step in 0..4 {
        feeder.write((0..6).map(|n| exact(INPUT, n % 2, &format!("{step}{n}"))).collect()).await;
    }
    let few = Limits { records_max: 4, ..limits() };
    let mut first = Hand::open_with(logs.as_ref(), "aged", "one", &[INPUT], few).await;
    first.hold(2).await;
    let batch = first.batch().await;
    first.commit(finished(&batch.records), Vec::new()).await;
    first.log.leave().await.unwrap_or_else(|error| panic!("{error}"));
    let mut all = reader(logs.as_ref()).await;
    let (written, _) = follow(all.as_mut(), INPUT, From::Start).await;
    // All of one partition is old, and half of the other.
    let of = |number: u32| -> Vec<Incoming> {
        written.iter().filter(|record| record.at == at(INPUT, number)).cloned().collect()
    };
    let (whole, half) = (of(0), of(1));
    let old = Positions::from([(at(INPUT, 0), whole[11].offset.next()), (at(INPUT, 1), half[6].offset)]);
    drop((first, feeder, all, logs));
    instance.age(old).await;

    let logs = instance.logs();
    let mut second = Hand::assigned(logs.as_ref(), "aged", "one", 2).await;
    let told = read_on(&mut second).await;
    let done = places(&batch.records);
    let handed = places(&told.records);
    for place @ (at, offset) in places(&written).difference(&done) {
        let passed = told.missed.iter().any(|m| m.at == *at && m.from <= *offset && *offset < m.to);
        assert!(handed.contains(place) != passed, "{at}/{}: handed out, or told to be gone", offset.0);
    }
    assert!(handed.is_disjoint(&done), "what was finished does not come again");
    second.log.leave().await.unwrap_or_else(|error| panic!("{error}"));
    let mut third = Hand::assigned(logs.as_ref(), "aged", "one", 2).await;
    let again = read_on(&mut third).await;
    assert_eq!((places(&again.records), again.missed), (Places::new(), Vec::new()), "it is told once");
}

/// A group that comes for the first time begins with what there is: nobody kept anything for it, and nothing of its own
/// was lost.
pub(super) async fn newcomer(harness: Arc<dyn Harness>) {
    let mut instance = harness.fresh(1).await;
    let logs = instance.logs();
    let mut feeder = Feeder::open(logs.as_ref()).await;
    feeder.write((0..10).map(|n| exact(INPUT, 0, &format!("{n}"))).collect()).await;
    let mut all = reader(logs.as_ref()).await;
    let (written, _) = follow(all.as_mut(), INPUT, From::Start).await;
    let old = written.get(4).map(|record| (record.at, record.offset));
    drop((feeder, all, logs));
    instance.age(old.into_iter().collect()).await;
    let logs = instance.logs();
    let mut hand = Hand::assigned(logs.as_ref(), "new", "one", 1).await;
    let told = read_on(&mut hand).await;
    assert_eq!(told.missed, []);
    let mut all = reader(logs.as_ref()).await;
    let (left, _) = follow(all.as_mut(), INPUT, From::Start).await;
    assert_eq!(places(&told.records), places(&left), "all there is");
}
