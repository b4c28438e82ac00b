//! A finding as a row of `WeirFindings_CL`. Every value of it has a column; none has a name that the service reserves
//! (`Title`, `Type`, `TenantId`, `Id` …).

use std::collections::BTreeMap;

use schemas::{
    EventId, FindingId,
    finding::{Change, Finding, Severity},
};
use serde::Serialize;

use crate::{
    ocsf,
    sinks::logs_ingestion::column::{Cuts, datetime, int},
};

/// The columns with their types, as table and stream must declare them. What an undeclared one holds is lost unseen.
#[cfg(test)]
pub(in crate::sinks) const COLUMNS: [(&str, &str); 29] = [
    ("TimeGenerated", "datetime"),
    ("FindingId", "string"),
    ("Revision", "int"),
    ("State", "string"),
    ("ChangeKind", "string"),
    ("IsAlert", "boolean"),
    ("EventStartTime", "datetime"),
    ("EventEndTime", "datetime"),
    ("CreatedTime", "datetime"),
    ("Severity", "string"),
    ("SeverityLevel", "int"),
    ("SourceTenant", "string"),
    ("RuleId", "string"),
    ("RuleName", "string"),
    ("RuleMajor", "int"),
    ("FindingTitle", "string"),
    ("FindingGroup", "string"),
    ("FindingKind", "string"),
    ("EntityKind", "string"),
    ("EntityId", "string"),
    ("Summary", "string"),
    ("Description", "string"),
    ("EvidenceIds", "dynamic"),
    ("EvidenceCount", "int"),
    ("Techniques", "dynamic"),
    ("Facts", "dynamic"),
    ("FalsePositives", "dynamic"),
    ("Runbook", "string"),
    ("Truncated", "string"),
];

/// One row.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::sinks) struct Row<'a> {
    time_generated: String,
    finding_id: FindingId,
    revision: i32,
    state: &'static str,
    change_kind: &'static str,
    is_alert: bool,
    event_start_time: String,
    event_end_time: String,
    created_time: String,
    severity: &'static str,
    severity_level: u8,
    source_tenant: &'a str,
    rule_id: &'a str,
    rule_name: &'a str,
    rule_major: i32,
    finding_title: &'a str,
    finding_group: &'a str,
    finding_kind: &'a str,
    entity_kind: &'a str,
    entity_id: &'a str,
    summary: &'a str,
    description: &'a str,
    evidence_ids: &'a [EventId],
    evidence_count: i32,
    techniques: &'a [String],
    facts: BTreeMap<&'a str, &'a str>,
    false_positives: &'a [String],
    runbook: String,
    /// The columns that were cut; empty where none was.
    truncated: String,
}

/// The row of one revision.
pub(in crate::sinks) fn row(finding: &Finding) -> Row<'_> {
    let mut cuts = Cuts::new();
    let mut row = Row {
        time_generated: datetime(finding.created_at),
        finding_id: finding.id,
        revision: finding.revision,
        state: state(finding),
        change_kind: change(finding.change),
        is_alert: ocsf::is_alert(finding),
        event_start_time: datetime(finding.first_time),
        event_end_time: datetime(finding.last_time),
        created_time: datetime(finding.created_at),
        severity: severity(finding.severity).1,
        severity_level: severity(finding.severity).0,
        source_tenant: cuts.text("SourceTenant", &finding.tenant),
        rule_id: cuts.text("RuleId", &finding.rule),
        rule_name: cuts.text("RuleName", &finding.rule_name),
        rule_major: finding.rule_major,
        finding_title: cuts.text("FindingTitle", &finding.title),
        finding_group: cuts.text("FindingGroup", &finding.group),
        finding_kind: cuts.text("FindingKind", &finding.kind),
        entity_kind: cuts.text("EntityKind", &finding.entity.kind),
        entity_id: cuts.text("EntityId", &finding.entity.id),
        summary: cuts.text("Summary", &finding.summary),
        description: cuts.text("Description", &finding.description),
        evidence_ids: cuts.list("EvidenceIds", &finding.event_ids),
        evidence_count: int(finding.event_count),
        techniques: cuts.list("Techniques", &finding.techniques),
        facts: cuts.map("Facts", &finding.facts),
        false_positives: cuts.list("FalsePositives", &finding.false_positives),
        runbook: cuts.text("Runbook", &crate::runbook(finding)).to_owned(),
        truncated: String::new(),
    };
    row.truncated = cuts.names();
    row
}

/// Whether the finding still holds with this revision.
pub(in crate::sinks) fn state(finding: &Finding) -> &'static str {
    if finding.change == Change::Close { "closed" } else { "open" }
}

/// What the revision does.
pub(in crate::sinks) fn change(change: Change) -> &'static str {
    match change {
        Change::Create => "create",
        Change::Update => "update",
        Change::Close => "close",
    }
}

/// OCSF's number and name.
fn severity(severity: Severity) -> (u8, &'static str) {
    match severity {
        Severity::Info => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    }
}

#[cfg(test)]
mod tests;
