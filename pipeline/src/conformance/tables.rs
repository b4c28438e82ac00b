//! Laws of readers: tables of compacted topics, following, and knowing when everything has been seen.
#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a conformance case fails by panicking"
)]

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use schemas::Partition;

use super::{
    Harness,
    hands::{Crew, Feeder, Hand, INPUT, OUTPUT, TABLE, at, exact, fold, follow, reader, seen, text, texts},
};
use crate::log::{Changes, From, Logs, Outgoing, Route, Table};

fn set(partition: u32, key: &str, value: &str) -> Outgoing {
    let record = Outgoing::keyed(TABLE, key.as_bytes().to_vec(), value.as_bytes().to_vec());
    record.to(Route::Exact(Partition(partition)))
}

fn delete(partition: u32, key: &str) -> Outgoing {
    Outgoing { value: None, ..set(partition, key, "") }
}

fn table(rows: &[(&str, &str)]) -> Table {
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    rows.iter().map(|(key, value)| (bytes(key), bytes(value))).collect()
}

async fn restore(logs: &dyn Logs, partition: u32) -> Table {
    reader(logs).await.restore(TABLE, Partition(partition)).await.expect("a table is restored")
}

async fn fill(logs: &dyn Logs) {
    let mut feeder = Feeder::open(logs).await;
    feeder.write(vec![set(0, "a", "1"), set(0, "b", "1"), set(1, "a", "other"), set(0, "a", "2")]).await;
    feeder
        .write(vec![set(0, "c", "1"), delete(0, "b"), set(0, "d", "1"), delete(0, "d"), set(0, "d", "")])
        .await;
    feeder.write(vec![set(0, "a", "3"), delete(0, "never set"), delete(1, "a")]).await;
}

/// The newest value wins, within a step too; deleted keys are left out; partitions are apart.
pub(super) async fn newest(harness: Arc<dyn Harness>) {
    let instance = harness.fresh(3).await;
    let logs = instance.logs();
    fill(logs.as_ref()).await;
    assert_eq!(restore(logs.as_ref(), 0).await, table(&[("a", "3"), ("c", "1"), ("d", "")]));
    assert_eq!(restore(logs.as_ref(), 1).await, Table::new());
    assert_eq!(restore(logs.as_ref(), 2).await, Table::new());
}

pub(super) async fn after_a_crash(harness: Arc<dyn Harness>) {
    let mut instance = harness.fresh(3).await;
    fill(instance.logs().as_ref()).await;
    instance.crash().await;
    let logs = instance.logs();
    assert_eq!(restore(logs.as_ref(), 0).await, table(&[("a", "3"), ("c", "1"), ("d", "")]));
    Feeder::open(logs.as_ref()).await.write(vec![set(0, "c", "2"), delete(0, "a")]).await;
    assert_eq!(restore(logs.as_ref(), 0).await, table(&[("c", "2"), ("d", "")]));
}

/// What a follower folds equals what is restored, before and after more is written; deletions are seen too.
pub(super) async fn followed(harness: Arc<dyn Harness>) {
    let instance = harness.fresh(2).await;
    let logs = instance.logs();
    fill(logs.as_ref()).await;
    let mut reader = reader(logs.as_ref()).await;
    let (records, next) = follow(reader.as_mut(), TABLE, From::Start).await;
    let first: Vec<_> = records.into_iter().filter(|record| record.at == at(TABLE, 0)).collect();
    let folded: Table = fold(&first).into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    assert_eq!(folded, restore(logs.as_ref(), 0).await);

    Feeder::open(logs.as_ref()).await.write(vec![delete(0, "a"), set(0, "e", "5")]).await;
    let (records, _) = follow(reader.as_mut(), TABLE, From::At(next)).await;
    assert_eq!(records.iter().map(|record| record.at).collect::<Vec<_>>(), [at(TABLE, 0), at(TABLE, 0)]);
    let changed: Vec<(Bytes, Option<Bytes>)> = records.into_iter().map(|r| (r.key, r.value)).collect();
    let bytes = Bytes::from_static;
    assert_eq!(changed, [(bytes(b"a"), None), (bytes(b"e"), Some(bytes(b"5")))]);
}

/// While keys are overwritten, whoever restores or follows finds each of them, with a value no older than before.
pub(super) async fn overwritten(harness: Arc<dyn Harness>) {
    const TIMES: u32 = 200;
    let instance = harness.fresh(1).await;
    let logs = instance.logs();
    let mut feeder = Feeder::open(logs.as_ref()).await;
    let both = |n: u32| vec![set(0, "a", &format!("{n:03}")), set(0, "b", &format!("{n:03}"))];
    feeder.write(both(0)).await;
    let write = async {
        for n in 1..=TIMES {
            feeder.write(both(n)).await;
        }
    };
    let watch = async {
        let mut reader = reader(logs.as_ref()).await;
        let mut newest = table(&[("a", "000"), ("b", "000")]);
        for _ in Crew::turns() {
            let restored = reader.restore(TABLE, Partition(0)).await.expect("a table is restored");
            let (records, _) = follow(reader.as_mut(), TABLE, From::Start).await;
            let followed: Table =
                fold(&records).into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
            for found in [restored, followed] {
                assert!(found.keys().eq(newest.keys()), "it has {:?}", found.keys());
                assert!(found.iter().all(|(key, value)| value >= &newest[key]), "{found:?} after {newest:?}");
                assert_eq!(found[&b"a"[..]], found[&b"b"[..]], "both are of one step");
                newest = found;
            }
            if newest == table(&[("a", "200"), ("b", "200")]) {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("the last values never came");
    };
    futures_util::future::join(write, watch).await;
}

/// More than fits in one answer: it is caught up with the last one, not before, and everything came once.
pub(super) async fn caught_up(harness: Arc<dyn Harness>) {
    let instance = harness.fresh(2).await;
    let logs = instance.logs();
    let mut reader = reader(logs.as_ref()).await;
    let (none, _) = follow(reader.as_mut(), OUTPUT, From::Start).await;
    assert_eq!(none, []);
    let mut feeder = Feeder::open(logs.as_ref()).await;
    let big = Bytes::from(vec![b'x'; 100_000]);
    for step in 0..10 {
        let records = (0..10).map(|n| Outgoing {
            key: Bytes::from(format!("{step}{n}")),
            value: Some(big.clone()),
            ..exact(OUTPUT, n % 2, "")
        });
        feeder.write(records.collect()).await;
    }
    let mut keys = BTreeSet::new();
    let mut from = From::Start;
    for _ in Crew::turns() {
        let Changes { records, next, caught_up } =
            reader.follow(OUTPUT, from).await.expect("a topic is followed");
        for record in records {
            assert!(keys.insert(record.key), "a record came twice");
        }
        if caught_up {
            assert_eq!(keys.len(), 100, "it is caught up with everything");
            return;
        }
        from = From::At(next);
    }
    panic!("it never caught up");
}

/// From the positions of the last answer on; partitions without a position, from their start.
pub(super) async fn goes_on(harness: Arc<dyn Harness>) {
    let instance = harness.fresh(2).await;
    let logs = instance.logs();
    let mut feeder = Feeder::open(logs.as_ref()).await;
    feeder.write(vec![exact(INPUT, 0, "a"), exact(INPUT, 1, "b")]).await;
    let mut one = reader(logs.as_ref()).await;
    let (_, next) = follow(one.as_mut(), INPUT, From::Start).await;
    let (none, next) = follow(one.as_mut(), INPUT, From::At(next)).await;
    assert_eq!(none, []);
    feeder.write(vec![exact(INPUT, 0, "c"), exact(INPUT, 1, "d")]).await;
    let mut other = reader(logs.as_ref()).await;
    let (mut rest, _) = follow(other.as_mut(), INPUT, From::At(next.clone())).await;
    rest.sort_by_key(text);
    assert_eq!(texts(&rest), ["c", "d"]);
    let only: crate::log::Positions = next.into_iter().filter(|(place, _)| *place == at(INPUT, 0)).collect();
    let (mut rest, _) = follow(other.as_mut(), INPUT, From::At(only)).await;
    rest.sort_by_key(text);
    assert_eq!(texts(&rest), ["b", "c", "d"]);
    // Readers are no members: a group that comes later is handed everything.
    let mut hand = Hand::assigned(logs.as_ref(), "later", "one", 2).await;
    assert_eq!(hand.records(4).await.len(), 4);
    assert_eq!(seen(logs.as_ref(), INPUT).await.len(), 4);
}
