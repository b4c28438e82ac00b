use std::fs;

use super::*;
use crate::sample::finding;

fn ids(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "the file ends in a whole line");
    let id = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["finding_info"]["uid"].as_str().unwrap().trim_start_matches('0').to_owned()
    };
    text.lines().map(id).collect()
}

fn deliver(sink: &mut Jsonl, findings: &[Finding]) -> Vec<Verdict> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(sink.deliver(findings))
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn each_finding_becomes_one_line_after_what_is_there() {
    let folder = folder();
    let path = folder.path().join("findings.jsonl");
    let mut sink = Jsonl::open("archive", &path).unwrap();
    assert_eq!(ids(&path), Vec::<String>::new());
    assert_eq!(deliver(&mut sink, &[finding(1), finding(2)]), vec![Verdict::Delivered; 2]);
    let mut again = Jsonl::open("archive", &path).unwrap();
    assert_eq!(deliver(&mut again, &[finding(3)]), [Verdict::Delivered]);
    assert_eq!(ids(&path), ["1", "2", "3"]);
}

#[test]
fn a_line_break_in_a_value_does_not_break_the_line() {
    let folder = folder();
    let path = folder.path().join("findings.jsonl");
    let mut sink = Jsonl::open("archive", &path).unwrap();
    deliver(&mut sink, &[Finding { summary: "one\ntwo\r\n".to_owned(), ..finding(1) }]);
    assert_eq!(ids(&path), ["1"]);
}

/// Wherever a kill cuts the last line, the lines before it stay and the next batch goes on after them.
#[test]
fn a_torn_last_line_is_moved_aside_whole_lines_stay() {
    let folder = folder();
    let path = folder.path().join("findings.jsonl");
    deliver(&mut Jsonl::open("archive", &path).unwrap(), &[finding(1), finding(2)]);
    let written = fs::read(&path).unwrap();
    let first = written.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for cut in [first + 1, first + 700, written.len() - 1] {
        fs::write(&path, &written[..cut]).unwrap();
        let mut sink = Jsonl::open("archive", &path).unwrap();
        assert_eq!(ids(&path), ["1"], "cut at {cut}");
        let torn = folder.path().join("findings.jsonl.torn");
        assert_eq!(fs::read(&torn).unwrap(), [&written[first..cut], b"\n".as_slice()].concat());
        fs::remove_file(&torn).unwrap();
        deliver(&mut sink, &[finding(2)]);
        assert_eq!(fs::read(&path).unwrap(), written);
        assert!(!torn.exists());
    }
}

#[test]
fn a_torn_line_longer_than_a_block_and_one_without_any_whole_line_before_it_are_found() {
    let folder = folder();
    let path = folder.path().join("findings.jsonl");
    for whole in ["", "{}\n"] {
        for torn in [64 * 1024 - whole.len(), 64 * 1024, 200_000] {
            fs::write(&path, [whole.as_bytes(), &vec![b'x'; torn]].concat()).unwrap();
            Jsonl::open("archive", &path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), whole, "{torn} bytes torn");
        }
    }
}

#[test]
fn a_file_renamed_away_is_made_anew() {
    let folder = folder();
    let path = folder.path().join("findings.jsonl");
    let mut sink = Jsonl::open("archive", &path).unwrap();
    deliver(&mut sink, &[finding(1)]);
    let rotated = folder.path().join("findings.1.jsonl");
    fs::rename(&path, &rotated).unwrap();
    assert_eq!(deliver(&mut sink, &[finding(2)]), [Verdict::Delivered]);
    assert_eq!((ids(&rotated), ids(&path)), (vec!["1".to_owned()], vec!["2".to_owned()]));
}

/// While the file cannot be appended to, nothing is delivered and nothing of the batch is there; then all of it.
#[test]
fn what_cannot_be_written_is_held_and_leaves_no_trace() {
    let folder = folder();
    let path = folder.path().join("findings.jsonl");
    let mut sink = Jsonl::open("archive", &path).unwrap();
    deliver(&mut sink, &[finding(1)]);
    let away = folder.path().join("away.jsonl");
    fs::rename(&path, &away).unwrap();
    fs::create_dir(&path).unwrap();
    let verdicts = deliver(&mut sink, &[finding(2), finding(3)]);
    assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::TryAgain { .. })), "{verdicts:?}");
    fs::remove_dir(&path).unwrap();
    fs::rename(&away, &path).unwrap();
    assert_eq!(ids(&path), ["1"]);
    assert_eq!(deliver(&mut sink, &[finding(2), finding(3)]), vec![Verdict::Delivered; 2]);
    assert_eq!(ids(&path), ["1", "2", "3"]);
}

#[test]
fn what_is_no_file_is_refused_at_the_start() {
    let folder = folder();
    for path in
        [folder.path().to_owned(), folder.path().join("missing").join("f.jsonl"), PathBuf::from("/dev/null")]
    {
        let error = Jsonl::open("archive", &path).unwrap_err().to_string();
        assert!(error.starts_with("sink archive: cannot append to "), "{error}");
    }
}

/// What a full disk does to a write, without one: the operating system lets the file grow to 64 KiB and takes part of
/// a batch. The test runs itself as a child under that limit.
#[cfg(unix)]
#[test]
fn a_write_that_fails_half_way_leaves_no_trace() {
    const FILE: &str = "WEIR_TEST_LIMITED_FILE";
    let Some(path) = std::env::var_os(FILE).map(PathBuf::from) else {
        let folder = folder();
        let child = std::process::Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 128; exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "sinks::jsonl::tests::a_write_that_fails_half_way_leaves_no_trace"])
            .env(FILE, folder.path().join("findings.jsonl"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && said.contains("1 passed"), "{said}");
        return;
    };
    let mut sink = Jsonl::open("archive", &path).unwrap();
    assert_eq!(deliver(&mut sink, &[finding(1)]), [Verdict::Delivered]);
    let many: Vec<Finding> = (2..200).map(finding).collect();
    for _ in 0..2 {
        let verdicts = deliver(&mut sink, &many);
        assert_eq!(verdicts.len(), many.len());
        assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::TryAgain { .. })), "{verdicts:?}");
        assert_eq!(ids(&path), ["1"]);
    }
    assert_eq!(deliver(&mut sink, &[finding(2)]), [Verdict::Delivered]);
    assert_eq!(ids(&path), ["1", "2"]);
}

/// What the sink answers for that many findings while somebody else holds the file.
fn held(findings: usize) -> Vec<Verdict> {
    let cause = "the file is held by another process".to_owned();
    vec![Verdict::TryAgain { after: None, cause }; findings]
}

/// As the worker does: a batch that is held is handed over again.
fn in_turn(sink: &mut Jsonl, findings: &[Finding]) -> Vec<Verdict> {
    loop {
        let verdicts = deliver(sink, findings);
        if verdicts != held(findings.len()) {
            return verdicts;
        }
    }
}

/// Whoever holds the file for ever holds up neither a start nor a batch: both say so, and the batch is held.
#[test]
fn a_file_that_another_holds_is_not_waited_for() {
    let folder = folder();
    let path = folder.path().join("findings.jsonl");
    let mut sink = Jsonl::open("archive", &path).unwrap();
    let other = fs::File::open(&path).unwrap();
    other.lock().unwrap();
    assert_eq!(deliver(&mut sink, &[finding(1), finding(2)]), held(2));
    let error = Jsonl::open("archive", &path).unwrap_err().to_string();
    let expected =
        format!("sink archive: cannot append to {}: the file is held by another process", path.display());
    assert_eq!(error, expected);
    assert_eq!(ids(&path), Vec::<String>::new());
    drop(other);
    // The start that gave up may get the lock now, for a moment.
    assert_eq!(in_turn(&mut sink, &[finding(1), finding(2)]), vec![Verdict::Delivered; 2]);
    assert_eq!(ids(&path), ["1", "2"]);
}

/// Findings name people: what is made is for its owner only, what is there keeps the rights it was given.
#[cfg(unix)]
#[test]
fn others_cannot_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    let path = folder.path().join("findings.jsonl");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let mut sink = Jsonl::open("archive", &path).unwrap();
    assert_eq!(mode(&path), 0o600);
    fs::write(&path, "torn").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(deliver(&mut sink, &[finding(1)]), [Verdict::Delivered]);
    assert_eq!((mode(&path), mode(&folder.path().join("findings.jsonl.torn"))), (0o640, 0o600));
}

/// Each batch stays whole and whole batches of several processes stand one after the other.
#[test]
fn two_writers_take_turns() {
    let folder = folder();
    let path = folder.path().join("findings.jsonl");
    let sinks: Vec<Jsonl> = (1..=4).map(|_| Jsonl::open("archive", &path).unwrap()).collect();
    std::thread::scope(|scope| {
        for (writer, mut sink) in (1..).zip(sinks) {
            scope.spawn(move || {
                for _ in 0..10 {
                    let batch: Vec<Finding> = (0..5).map(|n| finding(writer * 16 + n)).collect();
                    assert_eq!(in_turn(&mut sink, &batch), vec![Verdict::Delivered; 5]);
                }
            });
        }
    });
    let ids = ids(&path);
    assert_eq!(ids.len(), 200);
    for batch in ids.chunks(5) {
        let writer = batch[0].trim_end_matches('0');
        assert_eq!(batch, [0, 1, 2, 3, 4].map(|n| format!("{writer}{n}")));
    }
}
