use schemas::finding::{Change, Entity};
use serde_json::Value;

use super::*;
use crate::sample::finding;

fn written(finding: &Finding) -> Value {
    serde_json::to_value(alert(finding)).unwrap()
}

/// Written by hand from the sample and the schema's page.
#[test]
fn a_finding_becomes_this_alert() {
    let expected: Value = serde_json::from_str(
        r#"{
        "TimeGenerated": "2021-03-04T05:16:07.000999Z",
        "EventCount": 1,
        "EventStartTime": "2021-03-04T05:06:07Z",
        "EventEndTime": "2021-03-04T05:09:07Z",
        "EventType": "Alert",
        "EventSubType": "Suspicious Activity",
        "EventUid": "00000000000000000000000000000001",
        "EventOriginalUid": "00000000000000000000000000000001-1",
        "EventProduct": "Weir",
        "EventProductVersion": "0.1.0",
        "EventVendor": "Weir",
        "EventSchema": "AlertEvent",
        "EventSchemaVersion": "0.1",
        "EventSeverity": "High",
        "EventOriginalSeverity": "High",
        "EventMessage": "New-InboxRule forwards to eve@outside.example",
        "AlertName": "Mail is forwarded outside the organisation",
        "AlertVerdict": "Unknown",
        "AlertStatus": "Active",
        "AlertOriginalStatus": "create",
        "DetectionMethod": "Cloud Application Security",
        "RuleName": "mail_forward_outside",
        "RuleDescription": "Forwarding copies mail out without a trace. Ask the owner first.",
        "AttackTechniques": "T1114.003, T1020",
        "IndicatorType": "User",
        "Username": "alice@contoso.example",
        "UsernameType": "UPN",
        "UserScopeId": "contoso",
        "AdditionalFields": {
            "Revision": 1,
            "State": "open",
            "CreatedTime": "2021-03-04T05:16:07.000999Z",
            "RuleId": "5f9c7a2e-0000-4000-8000-000000000001",
            "RuleMajor": 1,
            "FindingGroup": "exfiltration",
            "FindingKind": "single",
            "EntityKind": "user",
            "EntityId": "alice@contoso.example",
            "EvidenceIds": ["00000000000000000000000000000001", "00000000000000000000000000000002"],
            "EvidenceCount": 2,
            "Facts": {"operation": "New-InboxRule"},
            "FalsePositives": ["A mailbox that moves to another provider."],
            "Runbook": "docs/runbooks/mail_forward_outside.md"
        }
    }"#,
    )
    .unwrap();
    assert_eq!(written(&finding(1)), expected);
}

/// What the schema lists, of what we write.
const SETS: [(&str, &[&str]); 7] = [
    ("EventSubType", &["Threat", "Suspicious Activity", "Anomaly", "Compliance Violation"]),
    ("EventSeverity", &["Informational", "Low", "Medium", "High"]),
    ("AlertVerdict", &["True Positive", "False Positive", "Benign Positive", "Unknown"]),
    ("AlertStatus", &["Active", "Closed"]),
    ("DetectionMethod", &["Behavioral Analytics", "Cloud Application Security"]),
    ("UsernameType", &["UPN", "Windows", "DN", "Simple"]),
    (
        "IndicatorType",
        &[
            "Ip",
            "User",
            "Process",
            "Registry",
            "Url",
            "Host",
            "Cloud Resource",
            "Application",
            "File",
            "Email",
            "Mailbox",
            "Logon Session",
        ],
    ),
];

#[test]
fn every_alert_has_what_is_mandatory_and_words_of_the_closed_sets() {
    let groups = FindingGroup::ALL.iter().map(|group| group.name()).chain(["", "of a later version"]);
    let kinds = ["user", "address", "mailbox", "recipient", "application", "tenant", ""];
    let declared: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    for group in groups {
        for kind in kinds {
            for severity in Severity::ALL {
                let entity = Entity { kind: kind.to_owned(), id: "192.0.2.7".to_owned() };
                let json = written(&Finding { group: group.to_owned(), severity, entity, ..finding(1) });
                let keys = json.as_object().unwrap();
                assert!(keys.keys().all(|key| declared.contains(&key.as_str())), "{keys:?}");
                for mandatory in [
                    "EventCount",
                    "EventStartTime",
                    "EventEndTime",
                    "EventType",
                    "EventUid",
                    "EventProduct",
                    "EventVendor",
                    "EventSchema",
                    "EventSchemaVersion",
                ] {
                    assert!(keys.contains_key(mandatory), "{mandatory}");
                }
                for (name, set) in SETS {
                    let word = keys.get(name).and_then(Value::as_str);
                    assert!(word.is_none_or(|word| set.contains(&word)), "{name}: {word:?}");
                }
            }
        }
    }
}

#[test]
fn the_entity_stands_where_its_kind_belongs() {
    let of = |kind: &str, id: &str| {
        written(&Finding { entity: Entity { kind: kind.to_owned(), id: id.to_owned() }, ..finding(1) })
    };
    assert_eq!(of("address", "192.0.2.7")["DvcIpAddr"], "192.0.2.7");
    assert_eq!(of("address", "no address").get("DvcIpAddr"), None);
    assert_eq!(of("user", "CONTOSO\\alice")["UsernameType"], "Simple");
    assert_eq!(of("mailbox", "m").get("Username"), None);
    assert_eq!(of("mailbox", "m")["AdditionalFields"]["EntityId"], "m");
}

#[test]
fn a_critical_finding_is_high_and_says_what_it_was() {
    let json = written(&Finding { severity: Severity::Critical, ..finding(1) });
    assert_eq!(
        (&json["EventSeverity"], &json["EventOriginalSeverity"]),
        (&"High".into(), &"Critical".into())
    );
}

#[test]
fn what_should_wake_nobody_is_closed() {
    for (finding, status) in [
        (Finding { change: Change::Update, revision: 2, ..finding(1) }, "Active"),
        (Finding { change: Change::Close, revision: 3, ..finding(1) }, "Closed"),
        (Finding { group: "shadow".to_owned(), ..finding(1) }, "Closed"),
        (Finding { group: "suppressed".to_owned(), ..finding(1) }, "Closed"),
    ] {
        assert_eq!(written(&finding)["AlertStatus"], status);
    }
}

/// No column of an alert is above 64 KB, and every cut is named.
#[test]
fn an_alert_of_any_size_fits_its_columns() {
    let huge = "h".repeat(100_000);
    let facts = (0..100).map(|number| (format!("{number}"), huge.clone())).collect();
    let json = written(&Finding {
        summary: huge.clone(),
        title: huge.clone(),
        rule: huge.clone(),
        entity: Entity { kind: "user".to_owned(), id: huge.clone() },
        false_positives: vec![huge.clone(); 9],
        techniques: vec![huge.clone(); 2],
        facts,
        ..finding(1)
    });
    for (name, value) in json.as_object().unwrap() {
        let bytes = value.as_str().map_or_else(|| value.to_string().len(), str::len);
        assert!(bytes <= 64_000, "{name} has {bytes}");
    }
    let named = json["AdditionalFields"]["Truncated"].as_str().unwrap();
    for column in
        ["EventMessage", "AlertName", "RuleId", "EntityId", "FalsePositives", "Facts", "AttackTechniques"]
    {
        assert!(named.contains(column), "{column} is not in {named}");
    }
}
