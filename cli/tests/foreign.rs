//! Records on Weir's topics that are not Weir's: dead-lettered by the stage that reads them, with the reason and their
//! bytes; everything else goes on.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot be set up has failed"
)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use pipeline::log::{From, Limits, Member, Route};
use pipeline::{Clock, Incoming, Logs, Next, Outgoing, Step};
use runtime::embedded::{EmbeddedLog, EmbeddedOptions};
use runtime::kafka::{KafkaConfig, KafkaLogs};
use schemas::gap::Gap;
use schemas::partition::partition_of;
use schemas::watermark::{Mark, Watermark};
use schemas::{FindingGroup, Micros, Partition, StageName, Topic, dead_letter, encode};

const PARTITIONS: u32 = 2;

#[path = "support/folded.rs"]
mod folded;

use folded::{Standing, fold};

/// Who reads what.
const READ_BY: [(Topic, StageName); 5] = [
    (Topic::Ledger, StageName::Ingest),
    (Topic::Event, StageName::Enrich),
    (Topic::Enriched, StageName::Match),
    (Topic::Signal, StageName::Correlate),
    (Topic::Finding(FindingGroup::Policy), StageName::Sink),
];

/// Bytes that are no message, an unknown schema, a message of another topic, one cut short, one with more after it, ten
/// megabytes; and none at all. Not so in the ledger, where the last deletes an entry, and of which a run reads one batch
/// before its sources are read to their ends: what is more than that is for the next run.
fn foreign(topic: Topic) -> Vec<Option<Vec<u8>>> {
    let gap = Gap {
        tenant: "t".to_owned(),
        source: "s".to_owned(),
        content_type: "c".to_owned(),
        from: Micros(1),
        until: Micros(2),
        reason: "expired".to_owned(),
        unit: "u".to_owned(),
        noticed_at: Micros(3),
    };
    let gap = encode(&gap).unwrap();
    let mark = Mark {
        tenant: "t".to_owned(),
        source: "s".to_owned(),
        content_type: "c".to_owned(),
        time: Micros(1),
    };
    let watermark = encode(&Watermark { marks: vec![mark], ..Watermark::default() }).unwrap();
    let mut longer = gap.clone();
    longer.extend_from_slice(b"more");
    let mut values = vec![
        b"{\"not\":\"ours\"}".to_vec(),
        Vec::new(),
        vec![0, 0, 0, 255, 255, 1, 2, 3],
        gap,
        watermark[..watermark.len() / 2].to_vec(),
        longer,
        vec![0xff; 2000],
    ];
    if topic.is_compacted() {
        return values.into_iter().map(Some).collect();
    }
    // Of the wire format, and of a schema that nobody has.
    values.push([vec![0, 0, 1, 2, 3], vec![b'x'; 10_000_000]].concat());
    values.into_iter().map(Some).chain([None]).collect()
}

/// How many are on each topic.
type Counts = BTreeMap<Topic, usize>;

/// Foreign headers: one that traces use, one without a value, one that is no text, one that speaks of dead letters.
fn foreign_headers(number: usize) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("traceparent", format!("00-{number}").into_bytes()),
        ("empty", Vec::new()),
        ("bytes", vec![0xff, 0xfe]),
        (dead_letter::REASON, b"none of yours".to_vec()),
    ]
}

/// Puts the foreign records on each topic; says how many there are on each.
async fn produce(logs: &dyn Logs) -> Counts {
    let limits = Limits { idle_after: Duration::from_millis(10), ..Limits::default() };
    let member = Member { group: "stranger".into(), name: "one".into(), topics: vec![Topic::Gap], limits };
    let mut handle = logs.open(member).await.unwrap();
    let lease = loop {
        if let Next::Assigned(assignment) = handle.next().await.unwrap() {
            break assignment.lease;
        }
    };
    for (topic, _) in READ_BY {
        let mut records = Vec::new();
        for (number, value) in foreign(topic).into_iter().enumerate() {
            let key = format!("stranger-{number}");
            // Of the ledger, each source reads its own partition.
            let partition =
                if topic == Topic::Ledger { partition_of(b"exports", PARTITIONS) } else { Partition(0) };
            let mut record = Outgoing::keyed(topic, key, Vec::new()).to(Route::Exact(partition));
            record.value = value.map(Into::into);
            let headers = foreign_headers(number).into_iter();
            record.headers = headers.map(|(name, value)| (name.to_owned(), value.into())).collect();
            records.push(record);
        }
        handle.commit(Step { lease, finished: BTreeMap::new(), records }).await.unwrap();
    }
    handle.leave().await.unwrap();
    READ_BY.into_iter().map(|(topic, _)| (topic, foreign(topic).len())).collect()
}

async fn follow(logs: &dyn Logs, topic: Topic) -> Vec<Incoming> {
    let mut reader = logs.reader().await.unwrap();
    let (mut all, mut from) = (Vec::new(), From::Start);
    loop {
        let changes = reader.follow(topic, from).await.unwrap();
        all.extend(changes.records);
        if changes.caught_up {
            return all;
        }
        from = From::At(changes.next);
    }
}

/// Each stage's dead letters hold the foreign records of its topic, byte for byte, with where they lay and why.
async fn check(logs: &dyn Logs) {
    for (topic, stage) in READ_BY {
        let letters = follow(logs, Topic::DeadLetter(stage)).await;
        // The chunks of a record have its offset, and come in their order.
        let mut whole: BTreeMap<String, Option<Vec<u8>>> = BTreeMap::new();
        for letter in &letters {
            let offset = letter.headers.iter().find(|(known, _)| known == dead_letter::OFFSET).unwrap();
            let record = whole.entry(String::from_utf8(offset.1.to_vec()).unwrap()).or_default();
            if let Some(value) = &letter.value {
                record.get_or_insert_default().extend_from_slice(value);
            }
        }
        let mut values: Vec<Option<Vec<u8>>> = whole.into_values().collect();
        let mut expected = foreign(topic);
        values.sort();
        expected.sort();
        assert!(values == expected, "{}: {topic}: {} records", stage.name(), values.len());
        for letter in &letters {
            let header = |name: &str| {
                let found = letter.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value);
                String::from_utf8(found.unwrap().to_vec()).unwrap()
            };
            assert_eq!(header(dead_letter::TOPIC), topic.to_string());
            assert_eq!(header(dead_letter::STAGE), stage.name());
            assert_eq!(header(dead_letter::REASON), "not_ours");
            assert_eq!(header(dead_letter::CLASS), format!("weir.{stage}"));
            assert_eq!(header(dead_letter::EXCEPTION_CLASS), format!("weir.{stage}.not_ours"));
            assert_eq!(header(dead_letter::ATTEMPTS), "1");
            let key = String::from_utf8(letter.key.to_vec()).unwrap();
            let number = key.strip_prefix("stranger-").expect("the key is kept");
            assert_eq!(header("traceparent"), format!("00-{number}"), "its own headers too");
            assert_eq!(header("empty"), "");
            assert_eq!(header(dead_letter::HEADERS_LEFT_OUT), "1", "the one that spoke for the letter");
        }
    }
}

fn configure(folder: &Path, log: &str) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/det-eng-samples.jsonl");
    let text = format!(
        "log: {{{log}}}
sources: [{{name: exports, kind: files, paths: ['{}']}}]
sinks: [{{name: archive, kind: jsonl, path: findings.jsonl}}]
",
        source.display()
    );
    std::fs::write(folder.join("weir.yaml"), text).unwrap();
}

/// Runs the binary to its good end; gives what it logged.
fn weir(folder: &Path, words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    let output =
        command.args(words).args(["-c", "weir.yaml"]).current_dir(folder).env_remove("WEIR_LOG").output();
    let output = output.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{}: {said}", output.status);
    said
}

/// The findings of the same file where nobody disturbs.
fn findings() -> Standing {
    let folder = tempfile::tempdir().unwrap();
    configure(folder.path(), "memory: {}");
    weir(folder.path(), &["run"]);
    fold(&folder.path().join("findings.jsonl")).0
}

fn says_each_once(said: &str, counts: &Counts) {
    for (topic, _) in READ_BY {
        let count = counts.get(&topic).copied().unwrap_or_default();
        let topic = format!("\"topic\":\"{topic}\"");
        let lines = said.lines().filter(|line| line.contains(&topic) && line.contains("not_ours")).count();
        assert_eq!(lines, count, "{topic}: {said}");
    }
    assert_eq!(said.lines().filter(|line| line.contains("panicked")).count(), 0, "{said}");
}

#[test]
fn records_that_are_not_ours_are_set_aside_on_the_embedded_log() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        EmbeddedOptions { partitions: PARTITIONS, ..EmbeddedOptions::new(folder.path().join("weir.db")) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let log = EmbeddedLog::open(&options).unwrap();
    let counts = runtime.block_on(produce(&log));
    drop(log);
    configure(folder.path(), &format!("embedded: {{path: weir.db, partitions: {PARTITIONS}}}"));
    let said = weir(folder.path(), &["run"]);
    says_each_once(&said, &counts);
    assert_eq!(fold(&folder.path().join("findings.jsonl")).0, findings(), "every finding is there");
    runtime.block_on(check(&EmbeddedLog::open(&options).unwrap()));
    let again = weir(folder.path(), &["run"]);
    says_each_once(&again, &Counts::new());
}

#[test]
fn records_that_are_not_ours_are_set_aside_on_kafka() {
    let Some(broker) = std::env::var("WEIR_KAFKA").ok().filter(|broker| !broker.is_empty()) else {
        let skipped = b"foreign records on kafka: skipped, because WEIR_KAFKA names no broker\n";
        std::io::stderr().write_all(skipped).unwrap();
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let prefix = format!("foreign-{:x}-{}.", Clock::machine().now().0, std::process::id());
    configure(
        folder.path(),
        &format!("kafka: {{bootstrap: '{broker}', prefix: {prefix}, partitions: {PARTITIONS}}}"),
    );
    weir(folder.path(), &["topics", "apply"]);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    // A stranger's client sends what it likes.
    let mut config = KafkaConfig { prefix, ..KafkaConfig::new(broker) };
    config.extra.insert("message.max.bytes".to_owned(), "12000000".to_owned());
    let logs = KafkaLogs::new(config).unwrap();
    let counts = runtime.block_on(produce(&logs));
    let said = weir(folder.path(), &["run"]);
    says_each_once(&said, &counts);
    assert_eq!(fold(&folder.path().join("findings.jsonl")).0, findings(), "every finding is there");
    runtime.block_on(async {
        check(&logs).await;
        logs.delete_topics().await.unwrap();
        logs.close().await;
    });
}
