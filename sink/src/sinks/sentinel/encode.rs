//! A finding as an alert event of ASIM: schema `AlertEvent`, version 0.1, in the columns of `ASimAlertEventLogs`.
//!
//! What ASIM has no word for stands in `AdditionalFields`. Its severities end at High: a critical finding is High there,
//! and `EventOriginalSeverity` says Critical. An alert of a rule on trial, a suppressed one and one that fell away are
//! Closed, so that they wake nobody. Tactics are not written: the rules name techniques. Aliases are not written either.
//! Follows "The Advanced Security Information Model (ASIM) Alert Schema Reference".

use std::{collections::BTreeMap, net::IpAddr};

use schemas::{
    EventId, FindingGroup, FindingId,
    finding::{Finding, Severity},
};
use serde::Serialize;

use crate::{
    ocsf,
    sinks::{
        log_analytics::encode::{change, state},
        logs_ingestion::column::{Cuts, datetime, int},
    },
};

/// The columns with their types, as the stream must declare them and `ASimAlertEventLogs` has them.
#[cfg(test)]
pub(in crate::sinks) const COLUMNS: [(&str, &str); 30] = [
    ("TimeGenerated", "datetime"),
    ("EventCount", "int"),
    ("EventStartTime", "datetime"),
    ("EventEndTime", "datetime"),
    ("EventType", "string"),
    ("EventSubType", "string"),
    ("EventUid", "string"),
    ("EventOriginalUid", "string"),
    ("EventProduct", "string"),
    ("EventProductVersion", "string"),
    ("EventVendor", "string"),
    ("EventSchema", "string"),
    ("EventSchemaVersion", "string"),
    ("EventSeverity", "string"),
    ("EventOriginalSeverity", "string"),
    ("EventMessage", "string"),
    ("AlertName", "string"),
    ("AlertVerdict", "string"),
    ("AlertStatus", "string"),
    ("AlertOriginalStatus", "string"),
    ("DetectionMethod", "string"),
    ("RuleName", "string"),
    ("RuleDescription", "string"),
    ("AttackTechniques", "string"),
    ("IndicatorType", "string"),
    ("Username", "string"),
    ("UsernameType", "string"),
    ("UserScopeId", "string"),
    ("DvcIpAddr", "string"),
    ("AdditionalFields", "dynamic"),
];

/// Facts and lists share one column of 64 KB.
const SHARED_BYTES_MAX: usize = 16_000;

/// One alert event. Absent columns are left out.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Alert<'a> {
    time_generated: String,
    event_count: i32,
    event_start_time: String,
    event_end_time: String,
    event_type: &'static str,
    event_sub_type: &'static str,
    event_uid: FindingId,
    event_original_uid: String,
    event_product: &'static str,
    event_product_version: &'static str,
    event_vendor: &'static str,
    event_schema: &'static str,
    event_schema_version: &'static str,
    event_severity: &'static str,
    event_original_severity: &'static str,
    event_message: &'a str,
    alert_name: &'a str,
    alert_verdict: &'static str,
    alert_status: &'static str,
    alert_original_status: &'static str,
    detection_method: &'static str,
    rule_name: &'a str,
    rule_description: &'a str,
    attack_techniques: String,
    indicator_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username_type: Option<&'static str>,
    user_scope_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dvc_ip_addr: Option<&'a str>,
    additional_fields: More<'a>,
}

/// `AdditionalFields`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct More<'a> {
    revision: i32,
    state: &'static str,
    created_time: String,
    rule_id: &'a str,
    rule_major: i32,
    finding_group: &'a str,
    finding_kind: &'a str,
    entity_kind: &'a str,
    entity_id: &'a str,
    evidence_ids: &'a [EventId],
    evidence_count: i32,
    facts: BTreeMap<&'a str, &'a str>,
    false_positives: &'a [String],
    runbook: String,
    /// The columns that were cut; left out where none was.
    #[serde(skip_serializing_if = "String::is_empty")]
    truncated: String,
}

/// The alert event of one revision.
pub(super) fn alert(finding: &Finding) -> Alert<'_> {
    let mut cuts = Cuts::new();
    let entity = &finding.entity;
    let id = cuts.text("EntityId", &entity.id);
    let username = (entity.kind == "user").then_some(id);
    let techniques = finding.techniques.join(", ");
    let mut alert = Alert {
        time_generated: datetime(finding.created_at),
        event_count: 1,
        event_start_time: datetime(finding.first_time),
        event_end_time: datetime(finding.last_time),
        event_type: "Alert",
        event_sub_type: sub_type(finding),
        event_uid: finding.id,
        event_original_uid: format!("{}-{}", finding.id, finding.revision),
        event_product: "Weir",
        event_product_version: env!("CARGO_PKG_VERSION"),
        event_vendor: "Weir",
        event_schema: "AlertEvent",
        event_schema_version: "0.1",
        event_severity: severity(finding.severity).0,
        event_original_severity: severity(finding.severity).1,
        event_message: cuts.text("EventMessage", &finding.summary),
        alert_name: cuts.text("AlertName", &finding.title),
        alert_verdict: "Unknown",
        alert_status: if ocsf::is_alert(finding) { "Active" } else { "Closed" },
        alert_original_status: change(finding.change),
        detection_method: detection_method(&finding.kind),
        rule_name: cuts.text("RuleName", &finding.rule_name),
        rule_description: cuts.text("RuleDescription", &finding.description),
        attack_techniques: cuts.text("AttackTechniques", &techniques).to_owned(),
        indicator_type: indicator(&entity.kind),
        username,
        username_type: username.map(|name| if name.contains('@') { "UPN" } else { "Simple" }),
        user_scope_id: cuts.text("UserScopeId", &finding.tenant),
        dvc_ip_addr: (entity.kind == "address" && id.parse::<IpAddr>().is_ok()).then_some(id),
        additional_fields: more(finding),
    };
    alert.additional_fields.note(&cuts);
    alert
}

fn more(finding: &Finding) -> More<'_> {
    let mut cuts = Cuts::within(SHARED_BYTES_MAX);
    let mut short = Cuts::within(SHARED_BYTES_MAX / 8);
    let mut more = More {
        revision: finding.revision,
        state: state(finding),
        created_time: datetime(finding.created_at),
        rule_id: short.text("RuleId", &finding.rule),
        rule_major: finding.rule_major,
        finding_group: short.text("FindingGroup", &finding.group),
        finding_kind: short.text("FindingKind", &finding.kind),
        entity_kind: short.text("EntityKind", &finding.entity.kind),
        entity_id: short.text("EntityId", &finding.entity.id),
        evidence_ids: cuts.list("EvidenceIds", &finding.event_ids),
        evidence_count: int(finding.event_count),
        facts: cuts.map("Facts", &finding.facts),
        false_positives: cuts.list("FalsePositives", &finding.false_positives),
        runbook: String::new(),
        truncated: String::new(),
    };
    more.runbook = short.text("Runbook", &crate::runbook(finding)).to_owned();
    more.note(&short);
    more.note(&cuts);
    more
}

impl More<'_> {
    fn note(&mut self, cuts: &Cuts) {
        let names = cuts.names();
        if !names.is_empty() {
            let between = if self.truncated.is_empty() { "" } else { ", " };
            self.truncated = format!("{}{between}{names}", self.truncated);
        }
    }
}

/// What kind of alert a group of rules gives. `Threat` means confirmed, which no rule of ours can say.
fn sub_type(finding: &Finding) -> &'static str {
    match FindingGroup::named(&finding.group) {
        Some(FindingGroup::Volume | FindingGroup::Unusual) => "Anomaly",
        Some(FindingGroup::Policy | FindingGroup::Sharing) => "Compliance Violation",
        Some(_) | None => "Suspicious Activity",
    }
}

fn severity(severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Info => ("Informational", "Informational"),
        Severity::Low => ("Low", "Low"),
        Severity::Medium => ("Medium", "Medium"),
        Severity::High => ("High", "High"),
        Severity::Critical => ("High", "Critical"),
    }
}

fn detection_method(kind: &str) -> &'static str {
    match kind {
        "off_hours" | "spike" | "first_seen" => "Behavioral Analytics",
        _ => "Cloud Application Security",
    }
}

fn indicator(kind: &str) -> &'static str {
    match kind {
        "user" | "recipient" => "User",
        "address" => "Ip",
        "mailbox" => "Mailbox",
        "application" | "app" => "Application",
        _ => "Cloud Resource",
    }
}

#[cfg(test)]
mod tests;
