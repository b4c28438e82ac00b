//! Many records out of the corpus: copies with ids of their own in three tenants, and a second file that repeats 40 % of
//! them in another order.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::random::Random;
use crate::six::six;

/// Writes both files into `folder`, and gives their paths.
pub(crate) fn write(folder: &Path, copies: usize, random: &mut Random) -> [PathBuf; 2] {
    let lines = many(copies);
    let mut again: Vec<&String> = lines.iter().filter(|_| random.below(100) < 40).collect();
    for last in (1..again.len()).rev() {
        again.swap(last, usize::try_from(random.below(last as u64 + 1)).unwrap());
    }
    let paths = [folder.join("exports.jsonl"), folder.join("repeated.jsonl")];
    std::fs::write(&paths[0], lines.join("\n")).unwrap();
    std::fs::write(&paths[1], again.into_iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    paths
}

fn many(copies: usize) -> Vec<String> {
    let mut records: Vec<Value> = Vec::new();
    for path in six() {
        let text = std::fs::read_to_string(path).unwrap();
        records.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    let mut lines = Vec::new();
    for copy in 0..copies {
        for record in &records {
            let mut record = record.clone();
            extend(&mut record, "Id", &format!("-{copy}"));
            extend(&mut record, "OrganizationId", &format!("-{}", copy % 3));
            lines.push(record.to_string());
        }
    }
    lines
}

fn extend(record: &mut Value, field: &str, with: &str) {
    let text = record[field].as_str().unwrap().to_owned();
    record[field] = Value::String(text + with);
}
