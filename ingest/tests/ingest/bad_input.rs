//! Broken input through the worker: one log line each with file and line, the bytes in the dead letter, the rest
//! processed.

use std::sync::Mutex;

use sha2::Digest;

use crate::support::{Bench, Lines, gzip};

const GOOD: &str = "{\"Id\":\"1\",\"CreationTime\":\"2024-05-01T10:00:00\",\"Operation\":\"Op\"}";

fn good(id: &str) -> String {
    GOOD.replace("\"1\"", &format!("\"{id}\""))
}

/// Runs over the bench's folder; what was logged.
async fn run(bench: &Bench) -> (ingest::Summary, String) {
    let lines = Lines::default();
    let writer = Mutex::new(lines.clone());
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(writer).finish();
    // The guard holds for this thread, which is the only one that the worker logs on.
    let guard = tracing::subscriber::set_default(subscriber);
    let summary = bench.run(&bench.source()).await.unwrap();
    drop(guard);
    (summary, lines.text())
}

/// A file, the reason it is rejected for, the line that is named, and how many good records are in it.
type Case = (&'static str, Vec<u8>, &'static str, u64, i64);

fn cases() -> Vec<Case> {
    let utf16: Vec<u8> = GOOD.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let deep = format!("{{\"Operation\":{}{}}}", "[".repeat(300), "]".repeat(300));
    let with = |bad: &str| format!("{}\n{bad}\n{}\n", good("a"), good("b")).into_bytes();
    let packed = gzip(format!("{}\n{}", good("a"), "x".repeat(100_000)).as_bytes());
    vec![
        ("truncated.jsonl", with("{\"Id\":\"x\",\"Crea"), "truncated", 2, 2),
        ("not_json.jsonl", with("so it says"), "not_json", 2, 2),
        ("number.jsonl", with("17"), "not_an_object", 2, 2),
        ("list.jsonl", with("[[]]"), "not_an_object", 2, 2),
        ("deep.jsonl", with(&deep), "too_deep", 2, 2),
        ("empty_object.jsonl", with("{}"), "unknown_shape", 2, 2),
        ("no_time.jsonl", with("{\"Id\":\"1\",\"Operation\":\"x\"}"), "no_time", 2, 2),
        ("long.jsonl", with(&format!("{{\"a\":\"{}\"}}", "x".repeat(17 << 20))), "too_long", 2, 2),
        ("last.jsonl", format!("{}\n{{\"Id\":", good("a")).into_bytes(), "truncated", 2, 1),
        ("cut_list.json", format!("[{},{{\"Id\":", good("a")).into_bytes(), "truncated", 1, 1),
        (
            "binary.jsonl",
            [with("x"), b"\x00\xff\n".to_vec()].concat()[good("a").len() + 3..].to_vec(),
            "binary",
            2,
            1,
        ),
        ("rubbish.bin", vec![0x7f, b'E', b'L', b'F', 0, 1, 2, b'\n', 255], "binary", 1, 0),
        ("utf16_mark.json", [b"\xff\xfe".to_vec(), utf16.clone()].concat(), "utf16", 1, 0),
        ("utf16.json", utf16, "utf16", 1, 0),
        ("empty.jsonl", Vec::new(), "empty", 1, 0),
        ("blank.jsonl", b"\n \r\n".to_vec(), "empty", 1, 0),
        ("other.csv", b"a,b\n1,2\n".to_vec(), "no_audit_data", 1, 0),
        (
            "row.csv",
            format!("AuditData\n\"{}\"\n \n", good("a").replace('"', "\"\"")).into_bytes(),
            "no_audit_data",
            3,
            1,
        ),
        ("short.gz", packed[..packed.len() - 9].to_vec(), "gzip", 2, 1),
        ("no.gz", vec![0x1f, 0x8b], "gzip", 1, 0),
    ]
}

#[tokio::test]
async fn everything_broken_is_said_once_and_the_rest_goes_on() {
    for (name, bytes, reason, line, good) in cases() {
        let bench = Bench::new(1);
        let path = bench.write(name, &bytes);
        let (summary, log) = run(&bench).await;
        let counts = summary.counts;
        assert_eq!(
            (counts.read, counts.emitted, counts.rejected),
            (good + 1, good, 1),
            "{name}: {summary:?}"
        );
        assert_eq!(summary.rejected.get(reason), Some(&1), "{name}: {:?}", summary.rejected);
        let said: Vec<&str> = log.lines().filter(|line| line.contains("rejected a record")).collect();
        assert_eq!(said.len(), 1, "{name}: {log}");
        for part in
            [format!("file=\"{}\"", path.display()), format!("line={line} "), format!("reason=\"{reason}\"")]
        {
            assert!(said[0].contains(&part), "{name}: {part} in {}", said[0]);
        }
        let letters = bench.dead_letters().await;
        assert!(!letters.is_empty(), "{name}");
        let held: Vec<u8> = letters.iter().flat_map(|letter| letter.value.clone()).collect();
        let within = held.is_empty() || bytes.windows(held.len()).any(|window| window == held);
        assert!(within || name == "short.gz", "{name}: the bytes are those of the file");
        for letter in &letters {
            assert_eq!(letter.headers["x-dlq-reason"], reason);
            assert_eq!(letter.headers["__connect.errors.topic"], path.display().to_string());
            assert_eq!(letter.headers["__connect.errors.offset"], line.to_string());
        }
    }
}

#[tokio::test]
async fn all_of_it_together_balances() {
    let bench = Bench::new(2);
    let (mut emitted, mut rejected) = (0, 0);
    for (number, (name, bytes, .., good)) in cases().into_iter().enumerate() {
        bench.write(&format!("{number}_{name}"), &bytes);
        emitted += good;
        rejected += 1;
    }
    let (summary, _) = run(&bench).await;
    let counts = summary.counts;
    assert!(counts.balance());
    // The good records are the same two in every file.
    assert_eq!((counts.read, counts.emitted, counts.deduplicated), (emitted + rejected, 2, emitted - 2));
    assert_eq!(counts.rejected, rejected);
}

#[tokio::test]
async fn a_record_that_is_too_long_lies_in_numbered_chunks_with_its_hash() {
    let bench = Bench::new(1);
    let long = format!("{{\"a\":\"{}\"}}", "xyz".repeat(6 << 20));
    bench.write("a.jsonl", format!("{long}\n{}\n", good("a")).as_bytes());
    let (summary, _) = run(&bench).await;
    assert_eq!((summary.counts.read, summary.counts.emitted, summary.counts.rejected), (2, 1, 1));
    let letters = bench.dead_letters().await;
    assert_eq!(letters.len(), long.len().div_ceil(900_000));
    let mut hash = sha2::Sha256::new();
    for (number, letter) in letters.iter().enumerate() {
        assert_eq!(letter.headers["x-dlq-chunk"], number.to_string());
        assert_eq!(letter.headers["x-dlq-chunk-last"], (number + 1 == letters.len()).to_string());
        hash.update(&letter.value);
    }
    let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(letters.last().unwrap().headers["x-dlq-sha256"], digest);
    let of_all: String =
        sha2::Sha256::digest(long.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, of_all);
}

#[tokio::test]
async fn a_file_that_vanishes_is_one_rejected_unit() {
    let bench = Bench::new(1);
    bench.write("a.jsonl", good("a").as_bytes());
    let gone = bench.write("b.jsonl", good("b").as_bytes());
    let (file, hidden) = (gone.clone(), bench.folder.path().join(".b"));
    let mut source = bench.source();
    source.paths = vec![bench.folder.path().join("a.jsonl"), gone];
    let mut log = bench.open("files", "one").await;
    // It is there when the paths are looked at, and gone once the shard is held.
    let mut log = Vanishing { inner: &mut *log, from: file, to: hidden };
    let summary = ingest::run(&mut log, &bench.log, &source, bench.context()).await.unwrap();
    assert_eq!((summary.counts.read, summary.counts.emitted), (2, 1));
    assert_eq!(summary.rejected.get("unreadable"), Some(&1));
    let letters = bench.dead_letters().await;
    assert_eq!(
        letters[0].headers["__connect.errors.exception.message"],
        "it cannot be read: entity not found"
    );
}

/// Moves a file away once the log is asked for the first time.
struct Vanishing<'a> {
    inner: &'a mut dyn pipeline::Log,
    from: std::path::PathBuf,
    to: std::path::PathBuf,
}

impl pipeline::Log for Vanishing<'_> {
    fn next(&mut self) -> futures_util::future::BoxFuture<'_, Result<pipeline::Next, pipeline::LogError>> {
        if self.from.exists() {
            std::fs::rename(&self.from, &self.to).unwrap();
        }
        self.inner.next()
    }
    fn commit(
        &mut self,
        step: pipeline::Step,
    ) -> futures_util::future::BoxFuture<'_, Result<(), pipeline::LogError>> {
        self.inner.commit(step)
    }
    fn leave(&mut self) -> futures_util::future::BoxFuture<'_, Result<(), pipeline::LogError>> {
        self.inner.leave()
    }
}
