use schemas::Micros;
use serde_json::{Value, json};

use super::*;
use crate::sample::finding;

fn written(finding: &Finding) -> Value {
    serde_json::to_value(row(finding)).unwrap()
}

/// Written by hand from the sample.
#[test]
fn a_finding_becomes_this_row() {
    let expected = json!({
        "TimeGenerated": "2021-03-04T05:16:07.000999Z",
        "FindingId": "00000000000000000000000000000001",
        "Revision": 1,
        "State": "open",
        "ChangeKind": "create",
        "IsAlert": true,
        "EventStartTime": "2021-03-04T05:06:07Z",
        "EventEndTime": "2021-03-04T05:09:07Z",
        "CreatedTime": "2021-03-04T05:16:07.000999Z",
        "Severity": "High",
        "SeverityLevel": 4,
        "SourceTenant": "contoso",
        "RuleId": "5f9c7a2e-0000-4000-8000-000000000001",
        "RuleName": "mail_forward_outside",
        "RuleMajor": 1,
        "FindingTitle": "Mail is forwarded outside the organisation",
        "FindingGroup": "exfiltration",
        "FindingKind": "single",
        "EntityKind": "user",
        "EntityId": "alice@contoso.example",
        "Summary": "New-InboxRule forwards to eve@outside.example",
        "Description": "Forwarding copies mail out without a trace. Ask the owner first.",
        "EvidenceIds": ["00000000000000000000000000000001", "00000000000000000000000000000002"],
        "EvidenceCount": 2,
        "Techniques": ["T1114.003", "T1020"],
        "Facts": {"operation": "New-InboxRule"},
        "FalsePositives": ["A mailbox that moves to another provider."],
        "Runbook": "docs/runbooks/mail_forward_outside.md",
        "Truncated": "",
    });
    assert_eq!(written(&finding(1)), expected);
}

#[test]
fn what_is_written_is_what_is_declared() {
    let json = written(&finding(1));
    let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let mut declared: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    declared.sort_unstable();
    assert_eq!(keys, declared);
    for (name, kind) in COLUMNS {
        let value = &json[name];
        let fits = match kind {
            "string" | "datetime" => value.is_string(),
            "int" => value.is_i64(),
            "boolean" => value.is_boolean(),
            "dynamic" => value.is_array() || value.is_object(),
            other => panic!("{other}"),
        };
        assert!(fits, "{name} is no {kind}");
    }
}

/// Letters first, 45 characters at most, and none of the service's own names.
#[test]
fn every_column_has_a_name_that_the_service_allows() {
    let reserved = ["_resourceid", "id", "_subscriptionid", "tenantid", "type", "uniqueid", "title"];
    for (name, _) in COLUMNS {
        assert!(name.len() <= 45 && name.starts_with(|first: char| first.is_ascii_alphabetic()), "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{name}");
        assert!(!reserved.contains(&name.to_lowercase().as_str()), "{name}");
    }
}

#[test]
fn a_closed_revision_says_so() {
    let closed = written(&Finding { revision: 3, change: Change::Close, ..finding(1) });
    assert_eq!(
        (&closed["State"], &closed["ChangeKind"], &closed["Revision"]),
        (&"closed".into(), &"close".into(), &3.into())
    );
    assert_eq!(closed["IsAlert"], false);
    let trial = written(&Finding { group: "shadow".to_owned(), ..finding(1) });
    assert_eq!((&trial["State"], &trial["IsAlert"]), (&"open".into(), &false.into()));
}

/// 64 KB: what lies above is cut by us, in its column, and said; what lies below is not touched.
#[test]
fn a_field_that_is_too_long_is_cut_and_named() {
    let long = Finding { summary: "é".repeat(40_000), description: "d".repeat(63_000), ..finding(1) };
    let json = written(&long);
    assert_eq!(json["Truncated"], "Summary");
    assert_eq!(json["Summary"].as_str().map(str::len), Some(64_000));
    assert_eq!(json["Description"].as_str().map(str::len), Some(63_000));
    let facts = (0..2000).map(|number| (format!("fact {number:04}"), "v".repeat(100))).collect();
    let json = written(&Finding { facts, ..finding(1) });
    assert_eq!(json["Truncated"], "Facts");
    assert!(serde_json::to_vec(&json["Facts"]).unwrap().len() <= 64_000);
}

#[test]
fn odd_values_are_written_as_columns_can_hold_them() {
    let odd = Finding { created_at: Micros::END, event_count: i64::MAX, ..finding(1) };
    let json = written(&odd);
    assert_eq!(json["EvidenceCount"], i32::MAX);
    assert_eq!(json["TimeGenerated"], "9999-12-30T22:00:00Z");
}
