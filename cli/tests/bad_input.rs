//! Broken input through the binary: one log line each with file and line, the bytes in the dead letters, everything
//! around it found, every record counted, and no panic.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up has failed")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// What `scan` printed, logged and set aside.
struct Scanned {
    report: Value,
    log: Vec<Value>,
    letters: Vec<Value>,
}

fn scan(folder: &Path, files: &[PathBuf]) -> Scanned {
    let letters = folder.join("letters.out");
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command
        .args(["scan", "--format", "json", "--dead-letters"])
        .arg(&letters)
        .args(files)
        .env_remove("WEIR_LOG");
    let output = command.output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{log}");
    let lines = |text: &str| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    Scanned {
        report: serde_json::from_slice(&output.stdout).unwrap(),
        log: lines(&log),
        letters: lines(&std::fs::read_to_string(letters).unwrap()),
    }
}

impl Scanned {
    fn count(&self, name: &str) -> u64 {
        self.report["ledger"][name].as_u64().unwrap()
    }

    fn findings(&self) -> Vec<(&str, &Value)> {
        let findings = self.report["findings"].as_array().unwrap().iter();
        let mut all: Vec<_> = findings.map(|it| (it["id"].as_str().unwrap(), &it["event_ids"])).collect();
        all.sort_by_key(|(id, _)| *id);
        all
    }

    /// Line and reason of each line of the log.
    fn said(&self) -> Vec<(Option<u64>, Option<&str>)> {
        self.log.iter().map(|line| (line["line"].as_u64(), line["reason"].as_str())).collect()
    }

    fn balances(&self) {
        let sum = self.count("emitted")
            + self.count("deduplicated")
            + self.count("skipped")
            + self.count("rejected");
        assert_eq!(self.count("read"), sum);
    }
}

/// The bytes that letters hold together; numbered chunks must be in order and whole.
fn held(letters: &[Value]) -> Vec<u8> {
    let mut all = Vec::new();
    for (number, letter) in letters.iter().enumerate() {
        match letter["value"].as_str() {
            Some(text) => all.extend_from_slice(text.as_bytes()),
            None => all.extend(BASE64_STANDARD.decode(letter["value_base64"].as_str().unwrap()).unwrap()),
        }
        if letters.len() > 1 {
            assert_eq!(letter["x-dlq-chunk"], number.to_string());
            assert_eq!(letter["x-dlq-chunk-last"], (number + 1 == letters.len()).to_string());
        }
    }
    if let Some(hash) = letters.last().and_then(|letter| letter["x-dlq-sha256"].as_str()) {
        let own: String = Sha256::digest(&all).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(own, hash);
    }
    assert!(letters.len() < 2 || letters.last().unwrap()["x-dlq-sha256"].is_string(), "chunks carry a hash");
    all
}

/// Two records of the corpus that raise findings.
fn good() -> [String; 2] {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/det-eng-samples.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines().filter(|line| line.contains("\"Operation\":\"Add member to role.\""));
    [lines.next().unwrap().to_owned(), lines.next().unwrap().to_owned()]
}

fn gzip(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A broken file.
struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    /// The line of the broken record, and why it is one.
    line: u64,
    reason: &'static str,
    /// What must be in the dead letter.
    letter: Vec<u8>,
    /// How many of the good records are in it too.
    good: usize,
}

/// `bad` on line 2, between the two good records.
fn between(name: &'static str, bad: &[u8], reason: &'static str) -> Case {
    let [first, second] = good();
    let bytes = [first.as_bytes(), b"\n", bad, b"\n", second.as_bytes(), b"\n"].concat();
    Case { name, bytes, line: 2, reason, letter: bad.to_vec(), good: 2 }
}

/// A file that is nothing but broken.
fn whole(name: &'static str, bytes: Vec<u8>, reason: &'static str) -> Case {
    Case { name, letter: bytes.clone(), bytes, line: 1, reason, good: 0 }
}

fn cases() -> Vec<Case> {
    let [first, second] = good();
    let utf16: Vec<u8> = format!("{first}\n{second}\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let long = format!("{{\"Id\":\"{}\"}}", "x".repeat(17 << 20));
    let deep = format!("{{\"Id\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let half = &first.as_bytes()[..first.len() / 2];
    vec![
        between("truncated.jsonl", half, "truncated"),
        between("prose.jsonl", b"so it says", "not_json"),
        between("deep.jsonl", deep.as_bytes(), "too_deep"),
        between("long.jsonl", long.as_bytes(), "too_long"),
        between("binary.jsonl", b"\x00\x01\xff\xfe", "binary"),
        between("number.jsonl", b"17", "not_an_object"),
        between("empty-object.jsonl", b"{}", "unknown_shape"),
        between(
            "id-is-a-list.jsonl",
            first.replacen("\"Id\":\"", "\"Id\":[],\"x\":\"", 1).as_bytes(),
            "no_id",
        ),
        between(
            "time-is-a-number.jsonl",
            first.replacen("\"CreationTime\":\"", "\"CreationTime\":17,\"x\":\"", 1).as_bytes(),
            "bad_time",
        ),
        Case {
            name: "ends-early.jsonl",
            bytes: [first.as_bytes(), b"\n", half].concat(),
            line: 2,
            reason: "truncated",
            letter: half.to_vec(),
            good: 1,
        },
        whole("utf16.json", [b"\xff\xfe", utf16.as_slice()].concat(), "utf16"),
        whole("utf16-without-mark.json", utf16, "utf16"),
        whole("empty.json", Vec::new(), "empty"),
        whole("elf.bin", [b"\x7fELF\x02\x01\x01".as_slice(), &[0; 3000], b"\n\xff"].concat(), "binary"),
        // Nothing comes out of it.
        Case { letter: Vec::new(), ..whole("no-gzip.gz", vec![0x1f, 0x8b], "gzip") },
    ]
}

/// Whatever is broken takes nothing with it that is not.
#[test]
fn every_broken_record_is_said_once_kept_byte_for_byte_and_takes_no_other_with_it() {
    let folder = tempfile::tempdir().unwrap();
    for case in cases() {
        let name = case.name;
        let path = folder.path().join(name);
        std::fs::write(&path, &case.bytes).unwrap();
        let scanned = scan(folder.path(), std::slice::from_ref(&path));
        assert_eq!(scanned.log.len(), 1, "{name}: {:?}", scanned.log);
        let said = &scanned.log[0];
        assert_eq!(said["file"], path.display().to_string(), "{name}");
        assert_eq!(
            (said["line"].as_u64(), said["reason"].as_str()),
            (Some(case.line), Some(case.reason)),
            "{name}"
        );
        for letter in &scanned.letters {
            assert_eq!(letter["topic"], "weir.dead-letter.ingest.v1", "{name}");
            assert_eq!(letter["__connect.errors.topic"], path.display().to_string(), "{name}");
            assert_eq!(letter["__connect.errors.offset"], case.line.to_string(), "{name}");
            assert_eq!(letter["x-dlq-reason"], case.reason, "{name}");
        }
        assert!(held(&scanned.letters) == case.letter, "{name}: other bytes are in the dead letter");
        scanned.balances();
        assert_eq!((scanned.count("emitted"), scanned.count("rejected")), (case.good as u64, 1), "{name}");
        let alone = folder.path().join("good.jsonl");
        std::fs::write(&alone, good()[..case.good].join("\n")).unwrap();
        if case.good > 0 {
            let alone = scan(folder.path(), &[alone]);
            assert!(!alone.findings().is_empty());
            assert_eq!(scanned.findings(), alone.findings(), "{name}");
        }
    }
}

#[test]
fn all_broken_files_together_lose_nothing_that_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for case in cases() {
        paths.push(folder.path().join(case.name));
        std::fs::write(paths.last().unwrap(), &case.bytes).unwrap();
    }
    let scanned = scan(folder.path(), &paths);
    scanned.balances();
    let repeats: usize = cases().iter().map(|case| case.good).sum();
    assert_eq!(scanned.count("emitted"), 2);
    assert_eq!(scanned.count("deduplicated"), repeats as u64 - 2);
    assert_eq!(scanned.count("rejected"), paths.len() as u64);
    assert_eq!(scanned.log.len(), paths.len(), "one line each");
}

/// What came out before the end is read; the record in which it ends is set aside.
#[test]
fn a_gzip_that_is_cut_short_gives_what_came_out_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = good();
    let packed = gzip(format!("{first}\n{second}\n").as_bytes(), 1);
    let path = folder.path().join("short.jsonl.gz");
    std::fs::write(&path, &packed[..packed.len() * 3 / 4]).unwrap();
    let scanned = scan(folder.path(), &[path]);
    scanned.balances();
    assert_eq!((scanned.count("emitted"), scanned.count("rejected")), (1, 1));
    assert_eq!((scanned.log.len(), &scanned.log[0]["reason"]), (1, &Value::from("gzip")));
    assert_eq!(scanned.log[0]["line"], 2);
    let rest = held(&scanned.letters);
    assert!(!rest.is_empty() && second.as_bytes().starts_with(&rest), "the beginning of the second record");
}

/// A bomb is stopped; what stands before it is read.
#[test]
fn a_gzip_bomb_is_stopped_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let [first, _] = good();
    let bomb = [first.as_bytes(), b"\n{\"Id\":\"", &vec![b'x'; 66 << 20]].concat();
    let packed = gzip(&bomb, 9);
    assert!(packed.len() * 200 < bomb.len());
    let path = folder.path().join("bomb.jsonl.gz");
    std::fs::write(&path, packed).unwrap();
    let scanned = scan(folder.path(), &[path]);
    scanned.balances();
    // Its parts left because the record was too long already; how it ended is what is said of it.
    assert_eq!((scanned.count("emitted"), scanned.count("rejected")), (1, 1));
    assert_eq!(scanned.said(), [(Some(2), Some("gzip"))]);
    assert_eq!(scanned.letters.last().unwrap()["x-dlq-reason"], "gzip");
    let kept = held(&scanned.letters);
    assert!(kept.len() > 60 << 20 && bomb[first.len() + 1..].starts_with(&kept));
}

#[test]
fn a_bomb_that_is_no_text_is_said_to_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("binary.gz");
    std::fs::write(&path, gzip(&vec![0xff; 66 << 20], 9)).unwrap();
    let scanned = scan(folder.path(), &[path]);
    scanned.balances();
    assert_eq!((scanned.count("emitted"), scanned.count("rejected")), (0, 1));
    assert_eq!(scanned.said(), [(Some(1), Some("gzip"))]);
}

/// One id with two contents is two events; neither hides the other.
#[test]
fn one_id_with_two_contents_is_two_events_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let [first, _] = good();
    let other = first.replacen("\"ResultStatus\":\"Success\"", "\"ResultStatus\":\"Failure\"", 1);
    assert_ne!(first, other);
    let path = folder.path().join("two.jsonl");
    std::fs::write(&path, format!("{first}\n{other}\n{first}\n{other}\n")).unwrap();
    let scanned = scan(folder.path(), std::slice::from_ref(&path));
    scanned.balances();
    assert_eq!((scanned.count("emitted"), scanned.count("deduplicated")), (2, 2));
    let table = Command::new(env!("CARGO_BIN_EXE_weir")).arg("scan").arg(&path).output().unwrap();
    let text = String::from_utf8(table.stdout).unwrap();
    assert!(
        text.contains("1 of the events share an id with another event of other content; both are kept"),
        "{text}"
    );
}
