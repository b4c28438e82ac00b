//! Files that were looked at while somebody still wrote them.

use std::sync::Arc;

use ingest::sources::files::{self, Job};
use schemas::ledger::LedgerEntry;
use schemas::{Topic, decode};
use tokio::sync::mpsc;

use crate::support::{Bench, gzip, origin};

fn line(n: usize) -> String {
    format!("{{\"Id\":\"{n}\",\"CreationTime\":\"2024-05-01T10:00:0{n}\",\"Operation\":\"Op\"}}\n")
}

fn lines(of: std::ops::Range<usize>) -> String {
    of.map(line).collect()
}

/// What was there at first and what it became: four good records, of which the first `then` were there before.
struct Growth {
    name: &'static str,
    first: Vec<u8>,
    then: i64,
    grown: Vec<u8>,
}

fn growths() -> Vec<Growth> {
    let all = lines(0..4);
    let cut = all.len() - 20;
    let list = format!("[{}]", all.trim_end().replace('\n', ",\n"));
    let csv: String = std::iter::once("AuditData\n".to_owned())
        .chain((0..4).map(|n| format!("\"{}\"\n", line(n).trim_end().replace('"', "\"\""))))
        .collect();
    let packed = gzip(all.as_bytes());
    let (all, list, csv) = (all.into_bytes(), list.into_bytes(), csv.into_bytes());
    let growth = |name, first: &[u8], then, grown: &[u8]| Growth {
        name,
        first: first.to_vec(),
        then,
        grown: grown.to_vec(),
    };
    vec![
        growth("empty", b"", 0, &all),
        growth("blank", b"\n", 0, &[b"\n", &all[..]].concat()),
        growth("a half line", &all[..cut], 3, &all),
        growth("a half first line", &all[..20], 0, &all),
        growth("a list without end", &list[..list.len() - 1], 4, &list),
        growth("a list cut in a record", &list[..list.len() - 20], 3, &list),
        growth("a half row", &csv[..csv.len() - 20], 3, &csv),
        growth("a half header", &csv[..5], 0, &csv),
        growth("a half gzip", &packed[..packed.len() - 4], 4, &packed),
    ]
}

/// The one entry of the ledger.
async fn entry(bench: &Bench) -> LedgerEntry {
    let entries = bench.on(Topic::Ledger).await;
    entries.iter().rev().find_map(|record| decode(record.value.as_ref()?).ok()).unwrap()
}

#[tokio::test]
async fn a_file_that_ended_on_no_record_and_grew_is_read_again_whole() {
    for Growth { name, first, then, grown } in growths() {
        // In steps of four, the last of what was there ends one.
        for records_max in [1, 4, 4096] {
            let bench = Bench::new(1);
            let mut source = bench.source();
            source.step_records_max = records_max;
            bench.write("a", &first);
            let before = bench.run(&source).await.unwrap();
            assert_eq!((before.counts.emitted, before.counts.rejected), (then, 1), "{name}: {before:?}");
            assert_eq!(bench.run(&source).await.unwrap().counts.read, 0, "{name}: nothing new");
            bench.write("a", &grown);
            let after = bench.run(&source).await.unwrap();
            let counts = after.counts;
            assert_eq!((counts.emitted, counts.deduplicated, counts.rejected), (4 - then, then, 0), "{name}");
            // `events` fails where one comes twice.
            assert_eq!(bench.events().await.0.len(), 4, "{name}");
            assert!(after.ledger.balance() && after.ledger.read == 4, "{name}: {:?}", after.ledger);
            assert!(entry(&bench).await.done);
            assert_eq!(bench.run(&source).await.unwrap().counts.read, 0, "{name}: nothing new");
        }
    }
}

/// What ended well is read on where it ended, also when something before was rejected.
#[tokio::test]
async fn a_file_that_ended_on_a_record_and_grew_is_read_on() {
    let bench = Bench::new(1);
    bench.write("a.jsonl", format!("oops\n{}", lines(0..2)).as_bytes());
    let before = bench.run(&bench.source()).await.unwrap().counts;
    assert_eq!((before.read, before.rejected), (3, 1));
    bench.write("a.jsonl", format!("oops\n{}", lines(0..4)).as_bytes());
    let after = bench.run(&bench.source()).await.unwrap();
    assert_eq!((after.counts.read, after.counts.emitted, after.ledger.read), (2, 2, 5));
    assert_eq!(bench.dead_letters().await.len(), 1);
}

/// A process may die between two portions, and the file may be longer when the next one looks at it.
#[test]
fn the_last_record_and_the_end_of_its_file_are_in_one_portion() {
    let bench = Bench::new(1);
    let files =
        [bench.write("a.jsonl", lines(0..4).as_bytes()), bench.write("b.jsonl", lines(4..8).as_bytes())];
    for records_max in 1..=5 {
        let job = Job {
            files: files.iter().map(|path| (path.clone(), None)).collect(),
            origin: origin(),
            progress: Arc::default(),
            records_max,
            bytes_max: usize::MAX,
        };
        let (sender, mut receiver) = mpsc::channel(100);
        files::read(&job, &sender);
        let mut found = [0; 2];
        while let Ok(portion) = receiver.try_recv() {
            assert!(portion.parts.iter().map(|part| part.found.len()).sum::<usize>() <= records_max);
            for part in portion.parts {
                let file = usize::from(part.unit.ends_with("b.jsonl"));
                found[file] += part.found.len();
                assert_eq!(part.done, found[file] == 4, "{records_max}: {part:?}");
            }
        }
        assert_eq!(found, [4, 4]);
    }
}
