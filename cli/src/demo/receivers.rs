//! What the simulated receivers hold, folded as their users fold it: of each finding the highest revision, without those
//! that were closed.

use std::collections::{BTreeMap, BTreeSet};

use schemas::finding::{Change, Finding, Severity};
use serde::Deserialize;
use simulator::{Accepted, Simulator};

/// A finding as far as two places must agree about it: severity and evidence, by id.
pub(super) type Standing = BTreeMap<String, (String, Vec<String>)>;

/// What one receiver holds.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// What stands.
    pub(super) standing: Standing,
    /// Revisions that came more often than once.
    pub(super) repeated: usize,
}

/// One revision, wherever it was read.
struct Revision {
    id: String,
    revision: i64,
    closed: bool,
    severity: String,
    evidence: Vec<String>,
}

/// Folds what stands.
fn fold(revisions: impl Iterator<Item = Revision>) -> Held {
    let mut newest: BTreeMap<String, Revision> = BTreeMap::new();
    let (mut came, mut seen) = (0, BTreeSet::new());
    for revision in revisions {
        came += 1;
        seen.insert((revision.id.clone(), revision.revision));
        let known = newest.get(&revision.id).map(|known| known.revision);
        if known.is_none_or(|known| known < revision.revision) {
            newest.insert(revision.id.clone(), revision);
        }
    }
    let open = newest.into_values().filter(|revision| !revision.closed);
    let standing = open.map(|open| (open.id, (open.severity, open.evidence))).collect();
    Held { standing, repeated: came - seen.len() }
}

/// What the log holds.
pub(super) fn on_the_log(revisions: &[Finding]) -> Held {
    fold(revisions.iter().map(|finding| Revision {
        id: finding.id.to_string(),
        revision: finding.revision.into(),
        closed: finding.change == Change::Close,
        severity: finding.severity.name().to_owned(),
        evidence: finding.event_ids.iter().map(ToString::to_string).collect(),
    }))
}

#[derive(Deserialize)]
struct Envelope {
    event: Event,
    fields: Fields,
}

#[derive(Deserialize)]
struct Fields {
    finding_id: String,
    revision: i64,
    severity: String,
    state: String,
}

#[derive(Deserialize)]
struct Event {
    finding_info: FindingInfo,
}

#[derive(Deserialize)]
struct FindingInfo {
    #[serde(default)]
    related_events: Vec<Uid>,
}

#[derive(Deserialize)]
struct Uid {
    uid: String,
}

/// What Splunk holds.
pub(super) fn in_splunk(simulator: &Simulator) -> Held {
    fold(simulator.hec_accepted().iter().filter_map(read::<Envelope>).map(|envelope| Revision {
        id: envelope.fields.finding_id,
        revision: envelope.fields.revision,
        closed: envelope.fields.state == "closed",
        severity: envelope.fields.severity,
        evidence: envelope.event.finding_info.related_events.into_iter().map(|event| event.uid).collect(),
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    finding_id: String,
    revision: i64,
    severity: String,
    state: String,
    evidence_ids: Vec<String>,
}

/// What the rich table of the workspace holds; the alerts beside it say the same in fewer words.
pub(super) fn in_sentinel(simulator: &Simulator, stream: &str) -> Held {
    let rows = simulator.rows_accepted();
    fold(rows.iter().filter(|row| row.to == stream).filter_map(read::<Row>).map(|row| {
        Revision {
            id: row.finding_id,
            revision: row.revision,
            closed: row.state.eq_ignore_ascii_case("closed"),
            // Azure's word for the least is "Informational".
            severity: Severity::named(&row.severity.to_ascii_lowercase())
                .map_or(row.severity, |severity| severity.name().to_owned()),
            evidence: row.evidence_ids,
        }
    }))
}

fn read<T: for<'a> Deserialize<'a>>(accepted: &Accepted) -> Option<T> {
    serde_json::from_str(accepted.object.get()).ok()
}
