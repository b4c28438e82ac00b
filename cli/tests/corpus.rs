//! The real records: what is labelled is found, what is everyday is left alone, whatever file they come in.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::value::RawValue;

#[path = "support/six.rs"]
mod six;
#[path = "support/scan.rs"]
mod support;

use six::{corpus, six};
use support::{Ledger, scan, weir};

#[derive(Deserialize)]
struct Labelled {
    source_file: String,
    event: Box<RawValue>,
}

/// The labelled records by the file they were published in.
fn labelled() -> BTreeMap<String, Vec<String>> {
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in std::fs::read_to_string(corpus("det-eng-samples.labelled.jsonl")).unwrap().lines() {
        let labelled: Labelled = serde_json::from_str(line).unwrap();
        files.entry(labelled.source_file).or_default().push(labelled.event.get().to_owned());
    }
    files
}

/// (source file, rule that must speak, or `none`).
fn expected() -> Vec<(String, String)> {
    let table = include_str!("data/labelled.tsv");
    table
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(file, rule)| (file.into(), rule.into()))
        .collect()
}

fn write(folder: &Path, name: &str, lines: &[String]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    path
}

#[test]
fn every_labelled_file_raises_its_finding_alone_and_with_all_others() {
    let folder = tempfile::tempdir().unwrap();
    let files = labelled();
    let paths: BTreeMap<&str, PathBuf> = files
        .iter()
        .enumerate()
        .map(|(index, (file, lines))| (file.as_str(), write(folder.path(), &format!("{index}.jsonl"), lines)))
        .collect();
    let together = scan(&paths.values().cloned().collect::<Vec<_>>());
    let mut wrong = String::new();
    for (file, rule) in expected() {
        let alone = scan(&[paths[file.as_str()].clone()]);
        if rule == "none" {
            assert_eq!(alone.findings, [], "{file}");
            continue;
        }
        let ids = alone.ids(&rule);
        if ids.is_empty() {
            writeln!(wrong, "{file}: {rule} is silent when it is scanned alone").unwrap();
        }
        if !ids.is_subset(&together.ids(&rule)) {
            writeln!(wrong, "{file}: {rule} is silent when it is scanned with the others").unwrap();
        }
    }
    assert_eq!(wrong, "");
}

#[test]
fn every_labelled_file_but_two_has_a_line_in_the_table() {
    let known: BTreeSet<String> = expected().into_iter().map(|(file, _)| file).collect();
    let missing: Vec<String> = labelled().into_keys().filter(|file| !known.contains(file)).collect();
    assert_eq!(missing, ["dataset/t1482_azurehound_list.csv", "dataset/t1592.004_mfa_sweep.csv"]);
}

#[test]
fn the_six_files_add_up_and_lose_one_record_for_its_second_65() {
    let output = weir(["scan".into(), "--format".into(), "json".into()].into_iter().chain(six()));
    let report: support::Report = serde_json::from_slice(&output.stdout).unwrap();
    let lines: usize = six().iter().map(|path| std::fs::read_to_string(path).unwrap().lines().count()).sum();
    assert_eq!(report.ledger.read, i64::try_from(lines).unwrap());
    assert_eq!(report.ledger, Ledger { read: 181, emitted: 180, deduplicated: 0, skipped: 0, rejected: 1 });
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("splunk-security-content.jsonl") && log.contains("\"line\":18"), "{log}");
}

#[test]
fn everyday_records_raise_nothing_high() {
    for file in
        ["plaso.jsonl", "pnp-analytics-insights.jsonl", "pnp-cli-microsoft365.jsonl", "microsoft-docs.jsonl"]
    {
        let report = scan(&[corpus(file)]);
        let loud: Vec<_> = report
            .findings
            .iter()
            .filter(|found| ["high", "critical"].contains(&found.severity.as_str()))
            .collect();
        assert!(loud.is_empty(), "{file}: {loud:?}");
    }
}

#[test]
fn files_read_twice_change_nothing_but_the_count_of_repeats() {
    let once = scan(&six());
    let folder = tempfile::tempdir().unwrap();
    let mut all: Vec<String> = Vec::new();
    for path in six() {
        all.extend(std::fs::read_to_string(path).unwrap().lines().map(str::to_owned));
    }
    let twice: Vec<String> = all.iter().chain(all.iter().rev()).cloned().collect();
    let doubled = scan(&[write(folder.path(), "twice.jsonl", &twice)]);
    assert_eq!(doubled.set(), once.set());
    assert_eq!(
        doubled.ledger,
        Ledger { read: 362, emitted: 180, deduplicated: 180, skipped: 0, rejected: 2 }
    );
}

#[test]
fn the_same_records_as_csv_as_an_array_and_gzipped_give_the_same_findings() {
    let once = scan(&six());
    let folder = tempfile::tempdir().unwrap();
    let mut csv = String::from("RecordType,CreationDate,UserIds,Operations,AuditData,ResultIndex\r\n");
    let mut array = String::from("[\n");
    for path in six() {
        for line in std::fs::read_to_string(path).unwrap().lines() {
            write!(csv, "1,x,\"a,b\",op,\"{}\",1\r\n", line.replace('"', "\"\"")).unwrap();
            array.push_str(line);
            array.push_str(",\n");
        }
    }
    array.truncate(array.trim_end_matches(",\n").len());
    array.push_str("\n]\n");
    let csv_path = folder.path().join("export.csv");
    std::fs::write(&csv_path, &csv).unwrap();
    let array_path = folder.path().join("export.json");
    std::fs::write(&array_path, &array).unwrap();
    let gz_path = folder.path().join("export.csv.gz");
    let mut gz =
        flate2::write::GzEncoder::new(std::fs::File::create(&gz_path).unwrap(), flate2::Compression::fast());
    gz.write_all(csv.as_bytes()).unwrap();
    gz.finish().unwrap();
    for path in [csv_path, array_path, gz_path] {
        let report = scan(std::slice::from_ref(&path));
        assert_eq!(report.set(), once.set(), "{}", path.display());
        assert_eq!(report.ledger, once.ledger, "{}", path.display());
    }
}

#[test]
fn a_severe_finding_can_fail_the_command() {
    let path = corpus("det-eng-samples.jsonl");
    let run = |least: &str, file: &Path| {
        weir(["scan".as_ref(), "--fail-on".as_ref(), least.as_ref(), file.as_os_str()]).status.code()
    };
    assert_eq!(run("high", &path), Some(1));
    assert_eq!(run("critical", &path), Some(0));
    assert_eq!(run("info", &corpus("plaso.jsonl")), Some(0));
    assert_eq!(run("terrible", &path), Some(64));
}
