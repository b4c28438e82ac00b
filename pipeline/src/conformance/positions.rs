//! Laws of positions: they are kept exactly, per group, over leaving and over a crash.
#![expect(clippy::indexing_slicing, clippy::expect_used, reason = "a conformance case fails by panicking")]

use std::sync::Arc;

use schemas::{Offset, Topic};

use super::{
    Harness,
    hands::{Feeder, Hand, INPUT, OUTPUT, at, by_partition, exact, finished, position, seen, texts},
};
use crate::log::Logs;

/// A member commits in the middle of its batches and leaves: the next one begins right there.
pub(super) async fn after_leaving(harness: Arc<dyn Harness>) {
    let instance = harness.fresh(2).await;
    let logs = instance.logs();
    let (mut hand, next) = half_done(logs.as_ref()).await;
    hand.log.leave().await.expect("it leaves");
    drop(hand);
    rest_comes(logs.as_ref(), next).await;
}

/// The same, after a crash.
pub(super) async fn after_a_crash(harness: Arc<dyn Harness>) {
    let mut instance = harness.fresh(2).await;
    let logs = instance.logs();
    let (hand, next) = half_done(logs.as_ref()).await;
    drop((hand, logs));
    instance.crash().await;
    rest_comes(instance.logs().as_ref(), next).await;
}

/// Writes 0..20 to one of two partitions, finishes 0..=12 in two steps; returns the committed position.
async fn half_done(logs: &dyn Logs) -> (Hand, Offset) {
    Feeder::open(logs).await.write((0..20).map(|n| exact(INPUT, 1, &format!("{n:02}"))).collect()).await;
    let mut hand = Hand::assigned(logs, "resume", "one", 2).await;
    assert_eq!(position(&hand, at(INPUT, 1)), Offset(0), "nothing was ever committed");
    let records = hand.records(20).await;
    hand.commit(finished(&records[..5]), vec![exact(OUTPUT, 0, "first")]).await;
    hand.commit(finished(&records[..13]), vec![exact(OUTPUT, 0, "second")]).await;
    let next = records[12].offset.next();
    (hand, next)
}

async fn rest_comes(logs: &dyn Logs, next: Offset) {
    let mut again = Hand::assigned(logs, "resume", "one", 2).await;
    assert_eq!(position(&again, at(INPUT, 1)), next, "the committed position");
    assert_eq!(position(&again, at(INPUT, 0)), Offset(0), "the other partition's");
    let rest = again.records(7).await;
    assert_eq!(texts(&rest), (13..20).map(|n| format!("{n:02}")).collect::<Vec<_>>());
    assert_eq!(seen(logs, OUTPUT).await, ["first", "second"]);
}

/// A batch that nobody answered comes again, in the same order, to the next handle of the name.
pub(super) async fn uncommitted(harness: Arc<dyn Harness>) {
    let instance = harness.fresh(1).await;
    let logs = instance.logs();
    Feeder::open(logs.as_ref())
        .await
        .write((0..30).map(|n| exact(INPUT, 0, &format!("{n:02}"))).collect())
        .await;
    let mut hand = Hand::assigned(logs.as_ref(), "again", "one", 1).await;
    let first = hand.records(30).await;
    drop(hand);
    let mut hand = Hand::assigned(logs.as_ref(), "again", "one", 1).await;
    assert_eq!(hand.records(30).await, first);
}

/// What one group finishes is still there for the others.
pub(super) async fn own(harness: Arc<dyn Harness>) {
    let instance = harness.fresh(1).await;
    let logs = instance.logs();
    let mut feeder = Feeder::open(logs.as_ref()).await;
    let mut late = Hand::assigned(logs.as_ref(), "late", "one", 1).await;
    feeder.write((0..5).map(|n| exact(INPUT, 0, &n.to_string())).collect()).await;
    let mut early = Hand::assigned(logs.as_ref(), "early", "one", 1).await;
    let records = early.records(5).await;
    early.commit(finished(&records), Vec::new()).await;
    assert_eq!(texts(&late.records(5).await), ["0", "1", "2", "3", "4"]);
    drop((early, late));
    let early = Hand::assigned(logs.as_ref(), "early", "one", 1).await;
    assert_eq!(position(&early, at(INPUT, 0)), records[4].offset.next());
    let late = Hand::assigned(logs.as_ref(), "late", "one", 1).await;
    assert_eq!(position(&late, at(INPUT, 0)), Offset(0));
}

/// A group over several topics is handed the partitions of all, and its positions are kept apart.
pub(super) async fn several_topics(harness: Arc<dyn Harness>) {
    let instance = harness.fresh(2).await;
    let logs = instance.logs();
    let topics = [Topic::Enriched, Topic::Signal, Topic::Receipt];
    let mut feeder = Feeder::open(logs.as_ref()).await;
    for topic in topics {
        feeder.write((0..10).map(|n| exact(topic, n % 2, &format!("{topic} {n}"))).collect()).await;
    }
    let mut hand = Hand::open(logs.as_ref(), "several", "one", &topics).await;
    hand.hold(6).await;
    let records = hand.records(30).await;
    for (partition, texts) in by_partition(&records) {
        assert_eq!(texts.len(), 5);
        assert!(texts.iter().all(|text| text.starts_with(&partition.topic.to_string())), "{partition}");
        assert!(texts.is_sorted(), "{partition} is out of order");
    }
    let signals: Vec<_> = records.iter().filter(|record| record.at.topic == Topic::Signal).cloned().collect();
    hand.commit(finished(&signals), Vec::new()).await;
    hand.log.leave().await.expect("it leaves");
    let mut hand = Hand::open(logs.as_ref(), "several", "one", &topics).await;
    hand.hold(6).await;
    let again = hand.records(20).await;
    assert!(again.iter().all(|record| record.at.topic != Topic::Signal), "signals were finished");
}
