//! The records that are timed: README's six files.

use std::path::Path;

const FILES: [&str; 6] = [
    "det-eng-samples.jsonl",
    "splunk-security-content.jsonl",
    "pnp-analytics-insights.jsonl",
    "pnp-cli-microsoft365.jsonl",
    "plaso.jsonl",
    "microsoft-docs.jsonl",
];

/// Every record's bytes.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn corpus() -> std::io::Result<Vec<Vec<u8>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    let mut records = Vec::new();
    for file in FILES {
        let text = std::fs::read_to_string(folder.join(file))?;
        records.extend(text.lines().map(|line| line.as_bytes().to_vec()));
    }
    Ok(records)
}
