//! A finding as HEC's event object: the keys that HEC knows and no other, since Splunk answers "success" to an object
//! with an unknown key and leaves out what follows it.
//!
//! `event` is the finding in OCSF. `time` is when the revision was made: whole seconds and six digits, written from
//! integers. `fields` are indexed, so they are few: what a search folds revisions by, and filters on.

use std::io;

use schemas::finding::{Change, Finding};
use serde::Serialize;

use super::config::Metadata;
use crate::{ocsf, sinks::delivery::Piece};

/// The receiver will never take what cannot be written as JSON.
const NOT_ENCODABLE: &str = "not_encodable";

/// What is indexed beside the event.
#[derive(Serialize)]
struct Fields<'a> {
    finding_id: schemas::FindingId,
    revision: i32,
    #[serde(skip_serializing_if = "str::is_empty")]
    rule: &'a str,
    severity: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    tenant: &'a str,
    state: &'static str,
}

/// The object of one finding.
pub(super) fn encode(finding: &Finding, metadata: &Metadata) -> Piece {
    let mut object = Vec::with_capacity(4096);
    write(finding, metadata, &mut object).map_err(|_| NOT_ENCODABLE)?;
    Ok(object)
}

fn write(finding: &Finding, metadata: &Metadata, to: &mut Vec<u8>) -> io::Result<()> {
    to.extend_from_slice(b"{\"time\":");
    to.extend_from_slice(time(finding.created_at.0).as_bytes());
    let texts = [
        ("host", metadata.host.as_deref()),
        ("source", Some(metadata.source.as_str())),
        ("sourcetype", Some(metadata.sourcetype.as_str())),
        ("index", metadata.index.as_deref()),
    ];
    for (key, value) in texts {
        if let Some(value) = value {
            to.extend_from_slice(format!(",\"{key}\":").as_bytes());
            serde_json::to_writer(&mut *to, value)?;
        }
    }
    to.extend_from_slice(b",\"event\":");
    ocsf::write_line(finding, to)?;
    // The line break of a line.
    to.pop();
    to.extend_from_slice(b",\"fields\":");
    let fields = Fields {
        finding_id: finding.id,
        revision: finding.revision,
        rule: &finding.rule_name,
        severity: finding.severity.name(),
        tenant: &finding.tenant,
        state: if finding.change == Change::Close { "closed" } else { "open" },
    };
    serde_json::to_writer(&mut *to, &fields)?;
    to.push(b'}');
    Ok(())
}

/// Seconds since 1970 with six digits behind the point; a float would lose some.
fn time(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

#[cfg(test)]
mod tests;
