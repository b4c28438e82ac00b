//! `weir run`, the workers and `check` as an operator meets them: what they say, and with which code they end.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use runtime::embedded::{EmbeddedLog, EmbeddedOptions};

fn weir(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(words).current_dir(folder).env_remove("WEIR_LOG").output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A folder with a good configuration over one file of the corpus; `log` is what stands under `log:`.
fn folder(log: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/det-eng-samples.jsonl");
    std::fs::copy(source, folder.path().join("exports.jsonl")).unwrap();
    let text = format!(
        "log: {{{log}}}
sources: [{{name: exports, kind: files, paths: [exports.jsonl]}}]
sinks: [{{name: archive, kind: jsonl, path: findings.jsonl}}]
admin: {{listen: off}}
"
    );
    std::fs::write(folder.path().join("weir.yaml"), text).unwrap();
    folder
}

#[test]
fn a_second_run_reads_nothing_new_and_says_so() {
    let folder = folder("embedded: {path: weir.db}");
    let first = weir(folder.path(), &["run", "-c", "weir.yaml"]);
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    assert!(stdout(&first).starts_with("ledger: 119 records read = 119 events + "), "{}", stdout(&first));
    assert!(!stdout(&first).contains("nothing new"));
    // No rule is about most of the records, and match says so with the reason.
    let said = stdout(&first);
    let matching = said.lines().find(|line| line.starts_with("match: ")).unwrap();
    assert!(matching.contains(" skipped (") && matching.contains("no_match "), "{matching}");
    let findings = std::fs::read(folder.path().join("findings.jsonl")).unwrap();
    assert!(!findings.is_empty());
    let second = weir(folder.path(), &["run", "-c", "weir.yaml"]);
    assert_eq!(second.status.code(), Some(0), "{}", stderr(&second));
    let said = stdout(&second);
    assert!(said.starts_with("ledger: 119 records read = 119 events + "), "{said}");
    assert!(said.contains("nothing new: all of them were read by earlier runs\n"), "{said}");
    assert!(said.contains("sink archive: 0 read = "), "{said}");
    assert_eq!(std::fs::read(folder.path().join("findings.jsonl")).unwrap(), findings);
    // A line more is read, and nothing else.
    let record = std::fs::read_to_string(folder.path().join("exports.jsonl")).unwrap();
    let line = record.lines().next().unwrap().replacen("\"Id\":\"", "\"Id\":\"new-", 1);
    let mut file =
        std::fs::OpenOptions::new().append(true).open(folder.path().join("exports.jsonl")).unwrap();
    writeln!(file, "{line}").unwrap();
    drop(file);
    let third = stdout(&weir(folder.path(), &["run", "-c", "weir.yaml"]));
    assert!(third.starts_with("ledger: 120 records read = 120 events + "), "{third}");
    assert!(third.contains("\n        1 of them in this run\n"), "{third}");
}

#[test]
fn every_problem_of_a_configuration_is_said_at_once_and_nothing_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let text = "\
log:
  embedded: {path: weir.db, partitions: many}
  kafka: {bootstrap: 'localhost:1', password: hunter2, prefx: a}
sources:
  - {name: exports, kind: files, paths: [missing.jsonl], record_bytes_mx: 5}
sinks:
  - {name: Archive, kind: jsonl, path: findings.jsonl}
  - {name: other, kind: json}
enrich: {partner_domain: [a.example]}
detect: {rules: no-such-folder}
limits: {records_max: 0}
sorces: []
";
    std::fs::write(folder.path().join("weir.yaml"), text).unwrap();
    let expected = [
        "weir.yaml:2:41: \"partitions\" must be a number from 1 to 1024",
        "weir.yaml:3:10: one log is allowed, and embedded is configured too",
        "weir.yaml:3:47: \"password\" is a secret: refer to it by {file: path} or {env: NAME}",
        "weir.yaml:3:56: unknown key \"prefx\"; did you mean \"prefix\"?",
        "weir.yaml:5:41: missing.jsonl: ",
        "weir.yaml:5:58: unknown key \"record_bytes_mx\"; did you mean \"record_bytes_max\"?",
        "weir.yaml:7:12: \"name\" must be 1 to 40 lower-case letters, digits and dashes",
        "weir.yaml:8:25: \"kind\" must be one of jsonl, splunk_hec, log_analytics, sentinel; did you mean \"jsonl\"?",
        "weir.yaml:8:5: key \"path\" is missing",
        "weir.yaml:9:10: unknown key \"partner_domain\"; did you mean \"partner_domains\"?",
        "no-such-folder",
        "weir.yaml:11:23: \"records_max\" must be a number from 1 to 4096",
        "weir.yaml:12:1: unknown key \"sorces\"; did you mean \"sources\"?",
    ];
    for command in ["run", "check"] {
        let output = weir(folder.path(), &[command, "-c", "weir.yaml"]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(78), "{said}");
        for problem in expected {
            assert!(said.contains(problem), "{command} does not say {problem}, but\n{said}");
        }
        assert_eq!(said.lines().count(), expected.len(), "{said}");
        assert!(!said.contains("hunter2"), "a secret is not repeated");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was opened or made");
    }
}

#[test]
fn a_worker_elsewhere_needs_no_files_of_the_source() {
    let folder = folder("kafka: {bootstrap: 'localhost:1'}");
    std::fs::remove_file(folder.path().join("exports.jsonl")).unwrap();
    let ingest = weir(folder.path(), &["ingest", "-c", "weir.yaml"]);
    assert_eq!(ingest.status.code(), Some(78));
    assert!(stderr(&ingest).contains("weir.yaml:2:47: exports.jsonl: "), "{}", stderr(&ingest));
    // Scan looks at the facts of the same file only.
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/plaso.jsonl");
    let scan = weir(folder.path(), &["scan", "-c", "weir.yaml", corpus.to_str().unwrap()]);
    assert_eq!(scan.status.code(), Some(0), "{}", stderr(&scan));
}

#[test]
fn wrong_usage_ends_with_64_and_help_with_0() {
    let folder = folder("embedded: {path: weir.db}");
    for words in [&["run"][..], &["rum", "-c", "weir.yaml"], &["run", "-c", "weir.yaml", "--fast"], &[]] {
        let output = weir(folder.path(), words);
        assert_eq!(output.status.code(), Some(64), "{words:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("Usage: weir"), "{}", stderr(&output));
    }
    let help = weir(folder.path(), &["run", "--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(stdout(&help).contains("--config <FILE>"));
}

#[test]
fn a_file_that_is_no_configuration_and_a_level_that_is_none_end_with_78() {
    let folder = folder("embedded: {path: weir.db}");
    let cases = [
        (&["run", "-c", "nowhere.yaml"][..], "nowhere.yaml: cannot be read"),
        (&["run", "-c", "exports.jsonl"], "exports.jsonl:"),
        (&["--log", "info,ingest=loud", "run", "-c", "weir.yaml"], "the log level must be error, warn, info"),
        (&["enrich", "-c", "weir.yaml"], "a worker alone needs a log that others can reach"),
        (&["topics", "apply", "-c", "weir.yaml"], "only a Kafka log has topics to create"),
    ];
    for (words, says) in cases {
        let output = weir(folder.path(), words);
        assert_eq!(output.status.code(), Some(78), "{words:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(says), "{words:?}: {}", stderr(&output));
    }
    assert!(!folder.path().join("weir.db").exists());
}

#[test]
fn check_says_what_is_configured_and_opens_the_log_unless_told_not_to() {
    let folder = folder("embedded: {path: weir.db}");
    let offline = weir(folder.path(), &["check", "--offline", "-c", "weir.yaml"]);
    assert_eq!(offline.status.code(), Some(0), "{}", stderr(&offline));
    assert!(stdout(&offline).starts_with("weir.yaml: 1 source, "), "{}", stdout(&offline));
    assert!(!folder.path().join("weir.db").exists());
    let online = weir(folder.path(), &["check", "-c", "weir.yaml"]);
    assert_eq!(online.status.code(), Some(0), "{}", stderr(&online));
    assert!(stdout(&online).ends_with("the log answers, and every topic is there\n"), "{}", stdout(&online));
}

#[test]
fn a_sink_that_cannot_be_opened_is_found_by_check_as_by_run() {
    let folder = folder("embedded: {path: weir.db}");
    let text = std::fs::read_to_string(folder.path().join("weir.yaml")).unwrap();
    let text = text.replace("path: findings.jsonl", "path: not-made/findings.jsonl");
    std::fs::write(folder.path().join("weir.yaml"), text).unwrap();
    for command in ["check", "run"] {
        let output = weir(folder.path(), &[command, "-c", "weir.yaml"]);
        assert_eq!(output.status.code(), Some(78), "{command}: {}", stderr(&output));
        let says = stderr(&output);
        assert!(says.starts_with("weir: sink archive: cannot append to not-made/findings.jsonl: "), "{says}");
        assert_eq!(says.lines().count(), 1, "{says}");
    }
}

#[test]
fn a_rules_folder_that_is_not_there_is_named_at_its_place_beside_the_other_problems() {
    let folder = folder("embedded: {path: weir.db}");
    let text = std::fs::read_to_string(folder.path().join("weir.yaml")).unwrap();
    std::fs::write(folder.path().join("weir.yaml"), text + "detect: {rules: not-made}\nsink: []\n").unwrap();
    let output = weir(folder.path(), &["check", "--offline", "-c", "weir.yaml"]);
    assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
    let says = stderr(&output);
    assert!(says.contains("weir.yaml:5:17: not-made: no such folder\n"), "{says}");
    assert!(says.contains("weir.yaml:6:1: unknown key \"sink\""), "{says}");
}

#[test]
fn a_log_file_that_cannot_be_had_ends_with_69_and_a_sentence() {
    let folder = folder("embedded: {path: weir.db}");
    let options = EmbeddedOptions { partitions: 2, ..EmbeddedOptions::new(folder.path().join("weir.db")) };
    let held = EmbeddedLog::open(&options).unwrap();
    let says = |words: &str| {
        let output = weir(folder.path(), &["run", "-c", "weir.yaml"]);
        assert_eq!(output.status.code(), Some(69), "{}", stderr(&output));
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
        assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
    };
    says("held by another process");
    drop(held);
    says("the log file has 2 partitions a topic, 4 were asked for; that is settled");
    std::fs::write(folder.path().join("weir.db"), "these are notes\n".repeat(1000)).unwrap();
    says("no SQLite database");
}

#[test]
fn topics_that_are_missing_on_kafka_end_every_command_with_69() {
    let Some(broker) = std::env::var("WEIR_KAFKA").ok().filter(|broker| !broker.is_empty()) else {
        std::io::stderr()
            .write_all(b"topics on kafka: skipped, because WEIR_KAFKA names no broker\n")
            .unwrap();
        return;
    };
    let folder = folder(&format!("kafka: {{bootstrap: '{broker}', prefix: never-made.}}"));
    for command in ["run", "check", "ingest", "enrich", "detect", "sink"] {
        let output = weir(folder.path(), &[command, "-c", "weir.yaml"]);
        assert_eq!(output.status.code(), Some(69), "{command}: {}", stderr(&output));
        assert!(
            stderr(&output).contains("missing: topic never-made.weir."),
            "{command}: {}",
            stderr(&output)
        );
    }
}
