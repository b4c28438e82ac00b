//! Runs the binary as a user does and reads what it prints.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde::Deserialize;

/// What `scan --format json` prints, as far as the tests look.
#[derive(Debug, Deserialize)]
pub(crate) struct Report {
    /// What became of the records.
    pub(crate) ledger: Ledger,
    /// What was found.
    pub(crate) findings: Vec<Found>,
}

/// The ledger, by its documented names.
#[derive(Debug, Deserialize, PartialEq, Eq, Clone, Copy)]
pub(crate) struct Ledger {
    /// Records found.
    pub(crate) read: i64,
    /// Events.
    pub(crate) emitted: i64,
    /// Seen before.
    pub(crate) deduplicated: i64,
    /// Left out on purpose.
    pub(crate) skipped: i64,
    /// In the dead letter.
    pub(crate) rejected: i64,
}

/// One finding.
#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Clone)]
pub(crate) struct Found {
    /// Its id.
    pub(crate) id: String,
    /// Its rule.
    pub(crate) rule_name: String,
    /// How bad.
    pub(crate) severity: String,
    /// What proves it.
    pub(crate) event_ids: Vec<String>,
}

/// The binary with these arguments, run to its end.
pub(crate) fn weir<I: IntoIterator<Item = S>, S: AsRef<std::ffi::OsStr>>(args: I) -> Output {
    Command::new(env!("CARGO_BIN_EXE_weir")).args(args).env_remove("WEIR_LOG").output().unwrap()
}

/// Scans files and reads the JSON, which must add up.
pub(crate) fn scan(files: &[PathBuf]) -> Report {
    let output = weir(["scan".into(), "--format".into(), "json".into()].into_iter().chain(files.to_vec()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Report = serde_json::from_slice(&output.stdout).unwrap();
    let ledger = report.ledger;
    assert_eq!(
        ledger.read,
        ledger.emitted + ledger.deduplicated + ledger.skipped + ledger.rejected,
        "{ledger:?}"
    );
    report
}

impl Report {
    /// The findings without order.
    pub(crate) fn set(&self) -> BTreeSet<Found> {
        self.findings.iter().cloned().collect()
    }

    /// The ids of a rule's findings.
    pub(crate) fn ids(&self, rule: &str) -> BTreeSet<&str> {
        self.findings.iter().filter(|found| found.rule_name == rule).map(|found| found.id.as_str()).collect()
    }
}
