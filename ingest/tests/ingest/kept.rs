//! What the source has kept on the log, damaged: it is not taken for what never was.

use ingest::IngestError;
use pipeline::Incoming;
use schemas::{Topic, decode};
use schemas::{ledger::LedgerEntry, watermark::Watermark};

use crate::support::Bench;

async fn bench() -> Bench {
    let bench = Bench::new(1);
    let line = "{\"Id\":\"1\",\"CreationTime\":\"2024-05-01T10:00:00\",\"Operation\":\"Op\"}\n";
    bench.write("a.jsonl", line.as_bytes());
    assert_eq!(bench.run(&bench.source()).await.unwrap().counts.emitted, 1);
    bench
}

/// The first record of a topic that is one of these.
async fn first(bench: &Bench, topic: Topic, is: fn(&[u8]) -> bool) -> Incoming {
    let mut found = bench.on(topic).await.into_iter();
    found.find(|record| is(record.value.as_ref().unwrap())).unwrap()
}

/// An entry, marks and ids: each kind that is restored.
async fn kinds(bench: &Bench) -> [(Topic, &'static str, Incoming); 3] {
    let entry = first(bench, Topic::Ledger, |value| decode::<LedgerEntry>(value).is_ok()).await;
    let marks = first(bench, Topic::Ledger, |value| decode::<Watermark>(value).is_ok()).await;
    let ids = first(bench, Topic::Seen, |_| true).await;
    [(Topic::Ledger, "ledger-entry", entry), (Topic::Ledger, "watermark", marks), (Topic::Seen, "seen", ids)]
}

#[tokio::test]
async fn damage_stops_the_source_before_anything_is_read_anew() {
    for kind in 0..3 {
        for longer in [false, true] {
            let bench = bench().await;
            let (topic, name, record) = kinds(&bench).await[kind].clone();
            let mut value = record.value.unwrap().to_vec();
            if longer {
                value.push(0)
            } else {
                value.truncate(value.len() - 1)
            }
            bench.put(topic, &record.key, &value).await;
            let before = bench.on(Topic::Event).await.len();
            let error = bench.run(&bench.source()).await.unwrap_err();
            let IngestError::Damaged { what, .. } = &error else { panic!("{name}: {error}") };
            assert_eq!(*what, name);
            assert!(error.to_string().starts_with(&format!("{topic}/0: a record of source files ({name})")));
            assert_eq!(bench.on(Topic::Event).await.len(), before, "{name}");
        }
    }
}

/// Another source of the same shard is stopped by its own, and so is nobody by what no source has written.
#[tokio::test]
async fn damage_to_what_is_not_the_sources_own_does_not_stop_it() {
    let bench = bench().await;
    for (topic, name, record) in kinds(&bench).await {
        let value = record.value.unwrap();
        let cut = &value[..value.len() - 1];
        bench.put(topic, format!("other\u{1f}{name}").as_bytes(), cut).await;
        bench.put(topic, name.as_bytes(), cut).await;
        bench.put(topic, format!("files\u{1f}{name}").as_bytes(), b"no message").await;
        bench
            .put(topic, format!("files\u{1f}{name} of another schema").as_bytes(), &[0, 0, 0, 1, 0, 9])
            .await;
    }
    let again = bench.run(&bench.source()).await.unwrap();
    assert_eq!((again.counts.read, again.ledger.read, again.finished), (0, 1, true));
}
