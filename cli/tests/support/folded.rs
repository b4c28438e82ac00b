//! The file of the sink `jsonl`, as its readers fold it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use schemas::finding::Severity;
use serde_json::Value;

/// Id, severity and evidence of the findings that stand.
pub(crate) type Standing = BTreeSet<(String, Severity, Vec<String>)>;

/// Keeps the highest revision of each id, leaves out the closed, and counts the lines that are repeated.
pub(crate) fn fold(path: &Path) -> (Standing, usize) {
    let text = std::fs::read_to_string(path).unwrap();
    let mut newest: BTreeMap<String, Value> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for line in text.lines() {
        let finding: Value = serde_json::from_str(line).unwrap();
        let id = finding["finding_info"]["uid"].as_str().unwrap().to_owned();
        let revision = finding["metadata"]["sequence"].as_i64().unwrap();
        seen.insert((id.clone(), revision));
        if newest.get(&id).is_none_or(|known| known["metadata"]["sequence"].as_i64().unwrap() < revision) {
            newest.insert(id, finding);
        }
    }
    let standing =
        newest.into_iter().filter(|(_, finding)| finding["activity_id"] != 3).map(|(id, finding)| {
            let severity = usize::try_from(finding["severity_id"].as_u64().unwrap()).unwrap();
            let evidence = finding["finding_info"]["related_events"].as_array().into_iter().flatten();
            let evidence = evidence.map(|event| event["uid"].as_str().unwrap().to_owned()).collect();
            (id, Severity::ALL[severity - 1], evidence)
        });
    (standing.collect(), text.lines().count() - seen.len())
}
