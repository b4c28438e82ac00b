//! The records that README's first command scans.

use std::path::{Path, PathBuf};

/// A file of the corpus.
pub(crate) fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(name)
}

/// The six files of the command.
pub(crate) fn six() -> Vec<PathBuf> {
    [
        "det-eng-samples.jsonl",
        "splunk-security-content.jsonl",
        "pnp-analytics-insights.jsonl",
        "pnp-cli-microsoft365.jsonl",
        "plaso.jsonl",
        "microsoft-docs.jsonl",
    ]
    .map(corpus)
    .to_vec()
}
