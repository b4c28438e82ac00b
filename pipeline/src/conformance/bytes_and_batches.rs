//! Laws of what is handed out: bytes as they were, batches within their limits, nothing lost to back-pressure, to a
//! dropped call, or to an early `Idle`.
#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a conformance case fails by panicking"
)]

use std::sync::Arc;

use bytes::Bytes;

use super::{
    Harness,
    hands::{Crew, Feeder, Hand, INPUT, at, by_partition, exact, limits, polled, texts},
};
use crate::log::{Limits, Next, Outgoing, Route};

/// Keys, values and headers come back as they were given, up to a record of 900 kB.
pub(super) async fn unchanged(harness: Arc<dyn Harness>) {
    let instance = harness.fresh(1).await;
    let logs = instance.logs();
    let big: Vec<u8> = (0..900_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    let headers = vec![
        ("weir-stage".to_owned(), Bytes::from_static(b"ingest")),
        ("twice".to_owned(), Bytes::from_static(b"1")),
        ("twice".to_owned(), Bytes::from_static(b"2")),
        ("empty".to_owned(), Bytes::new()),
        ("bytes".to_owned(), Bytes::from_static(b"\x00\xff\xfe\n")),
    ];
    let plain =
        Outgoing::keyed(INPUT, b"key".to_vec(), b"value".to_vec()).to(Route::Exact(schemas::Partition(0)));
    let given = vec![
        Outgoing { headers, ..plain.clone() },
        Outgoing { key: Bytes::new(), ..plain.clone() },
        Outgoing { value: None, ..plain.clone() },
        Outgoing { value: Some(Bytes::new()), ..plain.clone() },
        Outgoing {
            key: Bytes::from_static(b"\x00\xff\x80"),
            value: Some(Bytes::from_static(b"\x00\n\xff")),
            ..plain.clone()
        },
        Outgoing { value: Some(Bytes::from(big)), ..plain },
    ];
    Feeder::open(logs.as_ref()).await.write(given.clone()).await;
    let mut hand = Hand::assigned(logs.as_ref(), "bytes", "one", 1).await;
    let read = hand.records(given.len()).await;
    for (number, (read, given)) in read.iter().zip(&given).enumerate() {
        assert_eq!(read.at, at(INPUT, 0));
        assert!(read.key == given.key, "key of record {number}");
        assert!(read.value == given.value, "value of record {number}");
        assert_eq!(read.headers, given.headers, "headers of record {number}");
    }
}

pub(super) async fn records_max(harness: Arc<dyn Harness>) {
    let instance = harness.fresh(2).await;
    let logs = instance.logs();
    Feeder::open(logs.as_ref())
        .await
        .write((0..50).map(|n| exact(INPUT, n % 2, &format!("{n:02}"))).collect())
        .await;
    let few = Limits { records_max: 7, ..limits() };
    let mut hand = Hand::open_with(logs.as_ref(), "few", "one", &[INPUT], few).await;
    let mut got = Vec::new();
    while got.len() < 50 {
        let batch = hand.batch().await;
        assert!(batch.records.len() <= 7, "{} records in a batch", batch.records.len());
        got.extend(texts(&batch.records));
    }
    got.sort_unstable();
    assert_eq!(got, (0..50).map(|n| format!("{n:02}")).collect::<Vec<_>>());
}

/// A batch stays within `bytes_max`, except that a record which is larger by itself passes alone.
pub(super) async fn bytes_max(harness: Arc<dyn Harness>) {
    let instance = harness.fresh(1).await;
    let logs = instance.logs();
    let sizes = [10, 400, 400, 400, 5000, 10, 10, 990, 1001, 3, 999, 400];
    let records = sizes.iter().map(|size| sized(*size)).collect();
    Feeder::open(logs.as_ref()).await.write(records).await;
    let small = Limits { bytes_max: 1000, ..limits() };
    let mut hand = Hand::open_with(logs.as_ref(), "small", "one", &[INPUT], small).await;
    let mut got = Vec::new();
    while got.len() < sizes.len() {
        let batch = hand.batch().await;
        let lengths: Vec<usize> =
            batch.records.iter().map(|r| r.value.as_ref().map_or(0, Bytes::len)).collect();
        assert!(lengths.len() == 1 || lengths.iter().sum::<usize>() <= 1000, "a batch of {lengths:?} bytes");
        got.extend(lengths);
    }
    assert_eq!(got, sizes);
}

fn sized(size: usize) -> Outgoing {
    Outgoing::keyed(INPUT, Vec::new(), vec![b'x'; size])
}

/// What is written while a member does not call `next` waits for it.
pub(super) async fn held_back(harness: Arc<dyn Harness>) {
    let instance = harness.fresh(2).await;
    let logs = instance.logs();
    let mut feeder = Feeder::open(logs.as_ref()).await;
    let mut hand = Hand::assigned(logs.as_ref(), "slow", "one", 2).await;
    for step in 0..20 {
        feeder.write((0..50).map(|n| exact(INPUT, n % 2, &format!("{step:02}-{n:02}"))).collect()).await;
    }
    let parts = by_partition(&hand.records(1000).await);
    for (partition, texts) in parts {
        assert_eq!(texts.len(), 500);
        assert!(texts.is_sorted(), "{partition} is out of order");
    }
}

/// `Idle` means: everything that was committed before the call has been handed out.
pub(super) async fn idle(harness: Arc<dyn Harness>) {
    let instance = harness.fresh(3).await;
    let logs = instance.logs();
    let mut feeder = Feeder::open(logs.as_ref()).await;
    let mut hand = Hand::assigned(logs.as_ref(), "idle", "one", 3).await;
    for round in 1..=10_u32 {
        let count = round * 20;
        feeder.write((0..count).map(|n| exact(INPUT, n % 3, "x")).collect()).await;
        let mut got = 0;
        loop {
            match hand.next().await {
                Next::Batch(batch) => got += batch.records.len(),
                Next::Idle => break,
                Next::Assigned(_) | Next::Revoking { .. } => panic!("nobody joined or left"),
                Next::Missed { .. } => panic!("nothing is old"),
            }
        }
        assert_eq!(got, count as usize, "round {round}: idle came too early");
    }
}

/// A call of `next` may be dropped at any of its polls.
pub(super) async fn dropped_next(harness: Arc<dyn Harness>) {
    let instance = harness.fresh(2).await;
    let logs = instance.logs();
    let mut feeder = Feeder::open(logs.as_ref()).await;
    let few = Limits { records_max: 3, ..limits() };
    let mut hand = Hand::open_with(logs.as_ref(), "dropped", "one", &[INPUT], few).await;
    let mut records = Vec::new();
    let mut written = 0;
    for turn in Crew::turns() {
        if written < 120 && turn % 4 == 0 {
            feeder.write((0..6).map(|n| exact(INPUT, n % 2, &format!("{:03}", written + n))).collect()).await;
            written += 6;
        }
        // A call that is let run to its end now and then, so that the case ends where dropped calls get nowhere.
        let next =
            if turn % 9 == 8 { Some(hand.log.next().await) } else { polled(hand.log.next(), turn % 5).await };
        if let Some(next) = next {
            let next = next.expect("next has something to say");
            hand.note(&next);
            if let Next::Batch(batch) = next {
                records.extend(batch.records);
            }
        }
        if records.len() >= 120 {
            break;
        }
    }
    let parts = by_partition(&records);
    for n in 0..2 {
        let expected: Vec<String> = (0..120).filter(|v| v % 2 == n).map(|v| format!("{v:03}")).collect();
        assert_eq!(parts[&at(INPUT, n)], expected);
    }
}
