//! Laws of the step: order, all or nothing, routes.
#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a conformance case fails by panicking"
)]

use std::{collections::BTreeSet, sync::Arc};

use schemas::{
    Partition, Topic,
    partition::{TopicPartition, partition_of},
};
use tokio::task::JoinSet;

use super::{
    Harness,
    hands::{
        Crew, Feeder, Hand, INPUT, OUTPUT, TABLE, at, by_partition, exact, finished, follow, keyed, reader,
        seen, seen_sorted, texts,
    },
};
use crate::log::{From, LogError, Outgoing, Positions, Route};

/// Records of a partition come in the order of their steps, and within a step in the step's order.
pub(super) async fn order(harness: Arc<dyn Harness>) {
    let instance = harness.fresh(3).await;
    let logs = instance.logs();
    let mut feeder = Feeder::open(logs.as_ref()).await;
    for step in 0..4 {
        feeder.write((0..60).map(|n| exact(INPUT, n % 3, &format!("{step}-{n:02}"))).collect()).await;
    }
    let mut hand = Hand::assigned(logs.as_ref(), "order", "one", 3).await;
    let records = hand.records(240).await;
    for (partition, texts) in by_partition(&records) {
        let expected: Vec<String> = (0..4)
            .flat_map(|step| {
                (0..60).filter(|n| n % 3 == partition.partition.0).map(move |n| format!("{step}-{n:02}"))
            })
            .collect();
        assert_eq!(texts, expected, "{partition}");
    }
    for pair in records.windows(2).filter(|pair| pair[0].at == pair[1].at) {
        assert!(pair[0].offset < pair[1].offset, "offsets rise");
    }
}

/// Whoever has seen one record of a step sees all of them, on every topic and partition, while more are written.
pub(super) async fn whole(harness: Arc<dyn Harness>) {
    const STEPS: usize = 150;
    let instance = harness.fresh(2).await;
    let logs = instance.logs();
    let mut feeder = Feeder::open(logs.as_ref()).await;
    let places =
        [at(OUTPUT, 0), at(OUTPUT, 1), at(Topic::Signal, 0), at(Topic::Signal, 1), at(Topic::Receipt, 1)];
    // A task of its own: where the runtime has threads, it writes while the reader reads.
    let mut writing = JoinSet::new();
    writing.spawn(async move {
        for step in 0..STEPS {
            let text = format!("{step:03}");
            feeder
                .write(places.iter().map(|place| exact(place.topic, place.partition.0, &text)).collect())
                .await;
            tokio::task::yield_now().await;
        }
    });
    let mut reader = reader(logs.as_ref()).await;
    let mut before: BTreeSet<String> = BTreeSet::new();
    for _ in Crew::turns() {
        // Each topic is read after the one before it: what was seen there must be seen here.
        for topic in [OUTPUT, Topic::Signal, Topic::Receipt] {
            let (records, _) = follow(reader.as_mut(), topic, From::Start).await;
            let parts = by_partition(&records);
            for place in places.iter().filter(|place| place.topic == topic) {
                let now: BTreeSet<String> = parts.get(place).into_iter().flatten().cloned().collect();
                assert!(now.is_superset(&before), "{place} lacks a record of a step that was seen elsewhere");
            }
            before = parts.into_values().flatten().collect();
        }
        if before.len() == STEPS {
            writing.join_all().await;
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the steps never all came");
}

/// A step that cannot be taken whole leaves nothing, and the handle goes on.
pub(super) async fn refused(harness: Arc<dyn Harness>) {
    let instance = harness.fresh(2).await;
    let logs = instance.logs();
    let mut feeder = Feeder::open(logs.as_ref()).await;
    feeder.write(vec![exact(INPUT, 0, "a")]).await;
    let mut hand = Hand::assigned(logs.as_ref(), "refused", "one", 2).await;
    let batch = hand.batch().await;
    let answer = hand.answer(&batch, vec![exact(OUTPUT, 0, "lost"), exact(OUTPUT, 7, "nowhere")]).await;
    assert!(matches!(answer, Err(LogError::Missing(_))), "there is no partition 7: {answer:?}");
    assert_eq!(seen(logs.as_ref(), OUTPUT).await, Vec::<String>::new());
    hand.answer(&batch, vec![exact(OUTPUT, 0, "kept")]).await.expect("the handle goes on");
    assert_eq!(seen(logs.as_ref(), OUTPUT).await, ["kept"]);
}

/// A step without records, or without positions, or without either, commits.
pub(super) async fn empty(harness: Arc<dyn Harness>) {
    let instance = harness.fresh(1).await;
    let logs = instance.logs();
    let mut feeder = Feeder::open(logs.as_ref()).await;
    feeder.write(Vec::new()).await;
    feeder.write(vec![exact(INPUT, 0, "a"), exact(INPUT, 0, "b")]).await;
    let mut hand = Hand::assigned(logs.as_ref(), "empty", "one", 1).await;
    let records = hand.records(2).await;
    hand.commit(Positions::new(), Vec::new()).await;
    hand.commit(finished(&records[..1]), Vec::new()).await;
    hand.log.leave().await.expect("it leaves");
    let mut again = Hand::assigned(logs.as_ref(), "empty", "one", 1).await;
    assert_eq!(texts(&again.records(1).await), ["b"]);
}

/// By key: the partition that Kafka's own clients compute. Exact: that one. Every: a copy in each.
pub(super) async fn routes(harness: Arc<dyn Harness>) {
    let instance = harness.fresh(5).await;
    let logs = instance.logs();
    assert_eq!(logs.partitions(OUTPUT).await.expect("the topic exists"), 5);
    let mut feeder = Feeder::open(logs.as_ref()).await;
    let keys: Vec<String> = (0..40).map(|n| format!("key-{n}")).collect();
    feeder.write(keys.iter().map(|key| keyed(OUTPUT, key)).collect()).await;
    feeder.write((0..5).map(|n| exact(Topic::Signal, n, &format!("to {n}"))).collect()).await;
    feeder.write(vec![keyed(TABLE, "everywhere").to(Route::Every), empty_key(Topic::Receipt)]).await;

    let mut reader = reader(logs.as_ref()).await;
    let (records, _) = follow(reader.as_mut(), OUTPUT, From::Start).await;
    assert_eq!(records.len(), 40);
    for record in &records {
        assert_eq!(record.at.partition, partition_of(&record.key, 5), "{}", super::hands::text(record));
    }
    let (records, _) = follow(reader.as_mut(), Topic::Signal, From::Start).await;
    let found = by_partition(&records);
    for n in 0..5 {
        assert_eq!(found[&at(Topic::Signal, n)], [format!("to {n}")]);
    }
    let (records, _) = follow(reader.as_mut(), TABLE, From::Start).await;
    let mut places: Vec<TopicPartition> = records.iter().map(|record| record.at).collect();
    places.sort_unstable();
    assert_eq!(places, (0..5).map(|n| at(TABLE, n)).collect::<Vec<_>>());
    let (records, _) = follow(reader.as_mut(), Topic::Receipt, From::Start).await;
    assert_eq!(
        records.iter().map(|record| record.at.partition).collect::<Vec<Partition>>(),
        [partition_of(b"", 5)]
    );
    assert_eq!(seen_sorted(logs.as_ref(), OUTPUT).await.len(), 40, "reading takes nothing away");
}

fn empty_key(topic: Topic) -> Outgoing {
    Outgoing::keyed(topic, Vec::new(), b"no key".to_vec())
}
