//! The worker over a log in memory: what lies on the topics, and that everything is counted once.

use ingest::{IngestError, Progress};
use schemas::ledger::{LedgerEntry, Seen};
use schemas::partition::partition_of;
use schemas::watermark::Watermark;
use schemas::{Micros, Topic, decode};

use crate::support::{Bench, corpus_lines, scanning};

fn record(id: u32, time: &str, user: &str) -> String {
    format!(
        "{{\"Id\":\"{id}\",\"CreationTime\":\"{time}\",\"Operation\":\"Op\",\"UserId\":\"{user}\",\"OrganizationId\":\"t\",\"Workload\":\"Exchange\"}}\n"
    )
}

#[tokio::test]
async fn forty_percent_doubled_and_reordered_gives_the_same_events() {
    let lines = corpus_lines();
    let doubled: Vec<&str> = lines.iter().take(72).map(String::as_str).collect();
    let permuted = |line: &String| {
        let value: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        let fields = value.iter().rev().map(|(key, value)| format!("{}: {value}", serde_json::json!(key)));
        format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
    };
    let permuted: Vec<String> = lines.iter().skip(72).take(30).map(permuted).collect();
    let bench = Bench::new(1);
    bench.write("a.jsonl", lines.join("\n").as_bytes());
    bench.write("b.jsonl", doubled.join("\n").as_bytes());
    bench.write("c.jsonl", permuted.join("\n").as_bytes());
    let summary = bench.run(&bench.source()).await.unwrap();
    let counts = summary.counts;
    assert_eq!((counts.read, counts.emitted, counts.deduplicated, counts.rejected), (283, 180, 102, 1));
    assert_eq!(counts.conflicts, 4);
    let (events, _) = bench.events().await;
    assert_eq!(events.len(), 180);
}

#[tokio::test]
async fn one_native_id_with_two_contents_is_kept_twice_and_counted() {
    let bench = Bench::new(1);
    let time = "2024-05-01T10:00:00";
    bench.write(
        "a.jsonl",
        [record(1, time, "a"), record(1, time, "b"), record(1, time, "a")].concat().as_bytes(),
    );
    let counts = bench.run(&bench.source()).await.unwrap().counts;
    assert_eq!((counts.emitted, counts.deduplicated, counts.conflicts), (2, 1, 1));
}

#[tokio::test]
async fn the_ledger_and_the_ids_lie_on_the_sources_shard() {
    let bench = Bench::new(8);
    let shard = partition_of(b"files", 8);
    bench.write("a.jsonl", record(1, "2024-05-01T10:00:00", "a").as_bytes());
    bench.write("b.jsonl", record(2, "2024-05-01T11:00:00", "b").as_bytes());
    bench.run(&bench.source()).await.unwrap();
    let ledger = bench.on(Topic::Ledger).await;
    assert!(ledger.iter().all(|record| record.at.partition == shard));
    let entries: Vec<LedgerEntry> =
        ledger.iter().filter_map(|record| decode(record.value.as_ref().unwrap()).ok()).collect();
    assert_eq!(entries.len(), 2);
    for entry in &entries {
        assert!(entry.counts.balance() && entry.done);
        assert_eq!((entry.source.as_str(), entry.counts.read), ("files", 1));
    }
    assert!(entries[0].unit.ends_with("a.jsonl"));
    assert_eq!(entries[0].greatest_time.unwrap().to_string(), "2024-05-01T10:00:00Z");
    let seen = bench.on(Topic::Seen).await;
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].at.partition, shard);
    let chunk: Seen = decode(seen[0].value.as_ref().unwrap()).unwrap();
    assert_eq!((chunk.ids.len(), chunk.natives.len(), chunk.chunk), (32, 16, 0));
    assert_eq!(chunk.arrived_at, bench.clock.now());
}

#[tokio::test]
async fn the_watermark_says_how_far_each_feed_has_come_on_every_partition() {
    for (scan, expected) in [(false, Micros::parse("2024-05-01T12:00:00Z").unwrap()), (true, Micros::END)] {
        let bench = Bench::new(3);
        let times = ["2024-05-01T10:00:00", "2024-05-01T12:00:00", "2024-05-01T11:00:00"];
        let lines: Vec<String> = (0..3).map(|n| record(n, times[n as usize], "a")).collect();
        bench.write("a.jsonl", lines.concat().as_bytes());
        let source = if scan { scanning(bench.source()) } else { bench.source() };
        bench.run(&source).await.unwrap();
        let (_, marks) = bench.events().await;
        assert_eq!(marks.iter().map(|(partition, _)| *partition).collect::<Vec<_>>(), vec![0, 1, 2]);
        for (_, Watermark { marks, through, of }) in marks {
            assert_eq!((through, of), (None, None));
            assert_eq!(marks.len(), 1);
            assert_eq!((marks[0].tenant.as_str(), marks[0].content_type.as_str()), ("t", "Audit.Exchange"));
            assert_eq!((marks[0].source.as_str(), marks[0].time), ("files", expected));
        }
    }
}

/// One record with a wrong date must not make all that follow too late.
#[tokio::test]
async fn the_watermark_never_runs_ahead_of_the_clock() {
    let bench = Bench::new(1);
    bench.write(
        "a.jsonl",
        [record(1, "2024-05-01T10:00:00", "a"), record(2, "2099-01-01T00:00:00", "a")].concat().as_bytes(),
    );
    bench.run(&bench.source()).await.unwrap();
    let (events, marks) = bench.events().await;
    assert_eq!(events.len(), 2, "the record itself goes on as it is");
    assert_eq!(marks[0].1.marks[0].time, bench.clock.now());
}

#[tokio::test]
async fn bytes_that_are_too_many_go_to_the_dead_letter_and_the_event_goes_on() {
    let bench = Bench::new(1);
    let long = record(1, "2024-05-01T10:00:00", &"x".repeat(2_000_000));
    bench.write("a.jsonl", [long.as_str(), &record(2, "2024-05-01T10:00:00", "a")].concat().as_bytes());
    let summary = bench.run(&bench.source()).await.unwrap();
    assert_eq!((summary.counts.emitted, summary.counts.rejected, summary.raw_too_long), (2, 0, 1));
    let (events, _) = bench.events().await;
    let marked = events.values().find(|event| event.raw_in_dead_letter).unwrap();
    assert_eq!((marked.raw.len(), marked.raw_bytes), (0, long.len() as i64 - 1));
    let letters = bench.dead_letters().await;
    assert_eq!(letters.len(), 3);
    assert!(letters.iter().all(|letter| letter.headers["x-dlq-reason"] == "raw_too_long"));
    let whole: Vec<u8> = letters.iter().flat_map(|letter| letter.value.clone()).collect();
    assert!(whole == long.trim_end().as_bytes());
}

/// Law: no record of any topic is longer than a broker takes, however often the event repeats what its record says.
#[tokio::test]
async fn an_event_that_repeats_much_of_its_record_goes_on_without_the_bytes() {
    let long = |id: u32, field: &str, bytes: usize| {
        let fields = format!("\"{field}\":\"{}\",\"Operation\":", "x".repeat(bytes));
        record(id, "2024-05-01T10:00:00", "a").replace("\"Operation\":", &fields)
    };
    let recipients = (0..30_000).map(|n| format!("{n:0>7}@x.example")).collect::<Vec<_>>().join(";");
    let forwards = format!(
        "\"Operation\":\"New-InboxRule\",\"Parameters\":[{{\"Name\":\"ForwardTo\",\"Value\":\"{recipients}\"}}]"
    );
    let operation = "x".repeat(1_200_000);
    let records = [
        (long(1, "ObjectId", 400_000).replace("\"a\"", &format!("\"{}\"", "u".repeat(290_000))), true),
        (long(2, "ObjectId", 600_000), false),
        (long(3, "Unknown", 899_000), true),
        (record(4, "2024-05-01T10:00:00", "a").replace("\"Operation\":\"Op\"", &forwards), false),
        (record(5, "2024-05-01T10:00:00", "a").replace("\"Op\"", &format!("\"{operation}\"")), true),
        (record(6, "2024-05-01T10:00:00", "a").replace("\"t\"", &format!("\"{operation}\"")), true),
        (record(7, "2024-05-01T10:00:00", "a").replace("\"7\"", &format!("\"{operation}\"")), true),
        (record(8, "2024-05-01T10:00:00", "a").replace("Exchange", &operation), true),
    ];
    for (number, (text, without)) in records.into_iter().enumerate() {
        let bench = Bench::new(1);
        bench.write("a.jsonl", text.as_bytes());
        let counts = bench.run(&bench.source()).await.unwrap().counts;
        assert_eq!((counts.emitted, counts.rejected), (1, 0), "{number}");
        for topic in [Topic::Event, Topic::Ledger, Topic::Seen, Topic::DeadLetter(schemas::StageName::Ingest)]
        {
            let longest = bench.on(topic).await.iter().map(|one| one.value.as_ref().unwrap().len()).max();
            let bound = if topic == Topic::Event { 700_000 } else { 900_000 };
            assert!(longest.unwrap_or_default() <= bound, "{number}: {topic} {longest:?}");
        }
        let (events, _) = bench.events().await;
        let event = events.values().next().unwrap();
        assert_eq!((event.raw_in_dead_letter, event.raw.is_empty()), (without, without), "{number}");
        assert_eq!(event.raw_bytes, text.len() as i64 - 1);
        let whole: Vec<u8> = bench.dead_letters().await.into_iter().flat_map(|letter| letter.value).collect();
        assert!(whole == if without { text.trim_end().as_bytes() } else { b"" }, "{number}");
    }
}

#[tokio::test]
async fn a_path_that_names_nothing_is_said_before_anything_is_read() {
    let bench = Bench::new(1);
    let good = bench.write("a.jsonl", record(1, "2024-05-01T10:00:00", "a").as_bytes());
    let mut source = bench.source();
    source.paths = vec![good, bench.folder.path().join("none.jsonl"), bench.folder.path().join("*.csv")];
    let Err(IngestError::Paths(problems)) = bench.run(&source).await else { panic!() };
    assert_eq!(problems.len(), 2);
    assert!(problems[0].path.ends_with("none.jsonl"));
    assert!(bench.on(Topic::Event).await.is_empty());
}

#[tokio::test]
async fn progress_reaches_what_there_is() {
    let bench = Bench::new(1);
    let bytes = corpus_lines().join("\n");
    bench.write("a.jsonl", bytes.as_bytes());
    bench.write("b.jsonl", b"{}");
    let context = bench.context();
    let progress: std::sync::Arc<Progress> = std::sync::Arc::clone(&context.progress);
    let mut log = bench.open("files", "one").await;
    ingest::run(log.as_mut(), &bench.log, &bench.source(), context).await.unwrap();
    let reached = progress.reached();
    assert_eq!((reached.files, reached.files_done, reached.records), (2, 2, 182));
    assert_eq!((reached.bytes, reached.bytes_done), (bytes.len() as u64 + 2, bytes.len() as u64 + 2));
}
