//! What the receivers of `weir simulate` hold on the disk, folded as their users fold it: of each finding the highest
//! revision, without those that were closed.
//!
//! A line that a kill tore off at a file's end was never answered, and does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use schemas::Micros;
use serde_json::Value;
use simulator::Accepted;

/// Id, severity and evidence of the findings that stand.
pub(crate) type Standing = BTreeSet<(String, String, Vec<String>)>;

/// The receivers, each with its file, the place in it and how its objects are read.
const RECEIVERS: [(&str, &str, &str, Read); 3] = [
    ("splunk", "hec.jsonl", "main", event),
    ("sentinel", "ingestion.jsonl", "Custom-WeirFindings", row),
    ("sentinel's alerts", "ingestion.jsonl", "Custom-WeirAlerts", alert),
];

type Read = fn(&Value) -> Revision;

/// One place of one receiver.
#[derive(Debug)]
pub(crate) struct Held {
    /// Its name.
    pub(crate) receiver: &'static str,
    /// Every revision that came.
    pub(crate) revisions: BTreeSet<(String, i64)>,
    /// What stands.
    pub(crate) standing: Standing,
    /// How many came again.
    pub(crate) repeated: usize,
    /// When the requests came that brought them.
    pub(crate) again: Vec<Micros>,
}

struct Revision {
    id: String,
    revision: i64,
    closed: bool,
    severity: String,
    evidence: Vec<String>,
}

/// What each of them holds.
pub(crate) fn held(folder: &Path) -> Vec<Held> {
    RECEIVERS.iter().map(|(receiver, file, to, read)| fold(receiver, &folder.join(file), to, *read)).collect()
}

/// How many bytes they hold: it grows whenever something is delivered.
pub(crate) fn bytes(folder: &Path) -> u64 {
    let size = |file: &str| std::fs::metadata(folder.join(file)).map_or(0, |file| file.len());
    size("hec.jsonl") + size("ingestion.jsonl")
}

fn fold(receiver: &'static str, path: &Path, to: &str, read: Read) -> Held {
    let text = std::fs::read_to_string(path).unwrap();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let (mut newest, mut revisions) = (BTreeMap::<String, Revision>::new(), BTreeSet::new());
    let (mut repeated, mut again) = (0, BTreeMap::new());
    for line in whole.lines() {
        let accepted: Accepted = serde_json::from_str(line).unwrap();
        if accepted.to != to {
            continue;
        }
        let revision = read(&serde_json::from_str(accepted.object.get()).unwrap());
        if !revisions.insert((revision.id.clone(), revision.revision)) {
            repeated += 1;
            again.insert(accepted.request, accepted.at);
        }
        if newest.get(&revision.id).is_none_or(|known| known.revision < revision.revision) {
            newest.insert(revision.id.clone(), revision);
        }
    }
    let open = newest.into_values().filter(|newest| !newest.closed);
    let standing = open.map(|open| (open.id, open.severity, open.evidence)).collect();
    Held { receiver, revisions, standing, repeated, again: again.into_values().collect() }
}

fn event(envelope: &Value) -> Revision {
    let fields = &envelope["fields"];
    let evidence = envelope["event"]["finding_info"]["related_events"].as_array().into_iter().flatten();
    Revision {
        id: text(&fields["finding_id"]),
        revision: fields["revision"].as_i64().unwrap(),
        closed: fields["state"] == "closed",
        severity: text(&fields["severity"]),
        evidence: evidence.map(|event| text(&event["uid"])).collect(),
    }
}

fn row(row: &Value) -> Revision {
    Revision {
        id: text(&row["FindingId"]),
        revision: row["Revision"].as_i64().unwrap(),
        closed: row["State"].as_str().unwrap().eq_ignore_ascii_case("closed"),
        severity: severity(&row["Severity"]),
        evidence: row["EvidenceIds"].as_array().into_iter().flatten().map(text).collect(),
    }
}

fn alert(row: &Value) -> Revision {
    let more = &row["AdditionalFields"];
    Revision {
        id: text(&row["EventUid"]),
        revision: more["Revision"].as_i64().unwrap(),
        closed: more["State"].as_str().unwrap().eq_ignore_ascii_case("closed"),
        severity: severity(&row["EventOriginalSeverity"]),
        evidence: more["EvidenceIds"].as_array().into_iter().flatten().map(text).collect(),
    }
}

/// Azure's word for the least is "Informational".
fn severity(word: &Value) -> String {
    let word = text(word).to_ascii_lowercase();
    if word == "informational" { "info".to_owned() } else { word }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
