use schemas::{EventId, FindingGroup, Hash128, finding::Severity};
use serde_json::Value;

use super::*;
use crate::sample::{START, finding};

fn json(finding: &Finding) -> Value {
    let mut line = Vec::new();
    write_line(finding, &mut line).unwrap();
    assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1, "one line");
    serde_json::from_slice(&line).unwrap()
}

/// Every finding that differs in what decides about OCSF's closed sets.
fn every_kind() -> Vec<Finding> {
    let mut all = Vec::new();
    let groups = FindingGroup::ALL.iter().map(|group| group.name()).chain(["", "of a later version"]);
    for group in groups {
        for (change, revision) in [(Change::Create, 1), (Change::Update, 2), (Change::Close, 3)] {
            for severity in Severity::ALL {
                for kind in ["single", "threshold", "off_hours", "of a later version", ""] {
                    let (group, kind) = (group.to_owned(), kind.to_owned());
                    all.push(Finding { group, change, revision, severity, kind, ..finding(7) });
                }
            }
        }
    }
    let empty = |kind: &str| Entity { kind: kind.to_owned(), id: String::new() };
    for kind in ["user", "address", "mailbox", ""] {
        let bare = Finding { techniques: vec![], event_ids: vec![], facts: [].into(), ..finding(7) };
        all.push(Finding { entity: empty(kind), tenant: String::new(), ..bare });
    }
    all
}

/// What version 1.8.0 requires of a Detection Finding, and of each object in it that is written.
#[test]
fn every_required_attribute_is_there_in_its_type() {
    const INTEGERS: [&str; 14] = [
        "/activity_id",
        "/category_uid",
        "/class_uid",
        "/type_uid",
        "/severity_id",
        "/time",
        "/start_time",
        "/end_time",
        "/status_id",
        "/metadata/sequence",
        "/finding_info/analytic/type_id",
        "/finding_info/first_seen_time",
        "/finding_info/last_seen_time",
        "/finding_info/related_events_count",
    ];
    const TEXTS: [&str; 8] = [
        "/metadata/version",
        "/metadata/product/name",
        "/metadata/product/vendor_name",
        "/metadata/uid",
        "/finding_info/uid",
        "/finding_info/title",
        "/finding_info/analytic/uid",
        "/cloud/provider",
    ];
    for finding in every_kind() {
        let json = json(&finding);
        for path in INTEGERS {
            assert!(json.pointer(path).is_some_and(Value::is_i64), "{path} in {json:#}");
        }
        for path in TEXTS {
            let text = json.pointer(path).and_then(Value::as_str);
            assert!(text.is_some_and(|text| !text.is_empty()), "{path} in {json:#}");
        }
    }
}

/// OCSF's constraints: of these objects at least one of these attributes.
#[test]
fn objects_say_which_one_they_are() {
    let has = |object: &Value, keys: &[&str]| keys.iter().any(|key| object.get(key).is_some());
    let each =
        |json: &Value, path: &str| json.pointer(path).and_then(Value::as_array).cloned().unwrap_or_default();
    let kinds = ["user", "address", "mailbox"];
    let more = kinds.map(|kind| Finding {
        entity: Entity { kind: kind.to_owned(), id: "192.0.2.1".to_owned() },
        ..finding(1)
    });
    for finding in every_kind().iter().chain(&more) {
        let json = json(finding);
        for evidence in each(&json, "/evidences") {
            assert!(has(&evidence, &["actor", "src_endpoint", "resources"]), "{evidence}");
        }
        for attack in each(&json, "/finding_info/attacks") {
            assert!(has(&attack, &["technique", "tactic", "sub_technique"]), "{attack}");
        }
        for resource in each(&json, "/resources") {
            assert!(has(&resource, &["uid", "name"]), "{resource}");
        }
        for observable in each(&json, "/observables") {
            assert!(observable["type_id"].is_i64(), "{observable}");
        }
        for event in each(&json, "/finding_info/related_events") {
            assert_eq!(event["uid"].as_str().map(str::len), Some(32));
        }
        assert!(json.pointer("/cloud/org").is_none_or(|org| has(org, &["uid", "name"])));
    }
}

#[test]
fn ids_follow_from_the_class_and_the_change() {
    for (change, activity, status, alert) in [
        (Change::Create, 1, "New", true),
        (Change::Update, 2, "New", true),
        (Change::Close, 3, "Deleted", false),
    ] {
        let json = json(&Finding { change, ..finding(1) });
        assert_eq!((&json["category_uid"], &json["class_uid"]), (&2.into(), &2004.into()));
        assert_eq!(
            (&json["activity_id"], &json["type_uid"]),
            (&activity.into(), &(200_400 + activity).into())
        );
        assert_eq!((&json["status"], &json["is_alert"]), (&status.into(), &alert.into()));
        assert_eq!(json["metadata"]["version"], "1.8.0");
    }
    for (severity, id) in Severity::ALL.into_iter().zip(1..) {
        assert_eq!(json(&Finding { severity, ..finding(1) })["severity_id"], id);
    }
}

#[test]
fn what_should_wake_nobody_is_no_alert() {
    for (group, status, state) in [
        ("shadow", "New", "Experimental"),
        ("suppressed", "Suppressed", "Suppressed"),
        ("sharing", "New", "Active"),
    ] {
        let json = json(&Finding { group: group.to_owned(), ..finding(1) });
        assert_eq!(json["is_alert"], group == "sharing");
        assert_eq!(
            (&json["status"], &json["finding_info"]["analytic"]["state"]),
            (&status.into(), &state.into())
        );
    }
}

#[test]
fn a_receiver_can_fold_revisions() {
    let created = json(&finding(1));
    let updated = json(&Finding { revision: 2, change: Change::Update, ..finding(1) });
    assert_eq!(created["finding_info"]["uid"], updated["finding_info"]["uid"]);
    assert_ne!(created["metadata"]["uid"], updated["metadata"]["uid"]);
    assert_eq!((&created["metadata"]["sequence"], &updated["metadata"]["sequence"]), (&1.into(), &2.into()));
    let times = |json: &Value| {
        let info = &json["finding_info"];
        (info.get("created_time").cloned(), info.get("modified_time").cloned())
    };
    let made = Value::from(1_614_834_967_000_i64);
    assert_eq!(times(&created), (Some(made.clone()), None));
    assert_eq!(times(&updated), (None, Some(made)));
}

#[test]
fn times_are_milliseconds_rounded_down_before_1970_too() {
    let at = |micros| json(&Finding { first_time: Micros(micros), ..finding(1) })["start_time"].clone();
    assert_eq!(at(1_999), 1);
    assert_eq!(at(-1), -1);
    assert_eq!(at(-1_000), -1);
    assert_eq!(at(START.0), 1_614_834_367_000_i64);
    assert_eq!(at(i64::MAX), 9_223_372_036_854_775_i64);
}

#[test]
fn a_sub_technique_names_its_technique_too() {
    let attacks = json(&finding(1))["finding_info"]["attacks"].clone();
    assert_eq!(attacks[0]["technique"]["uid"], "T1114");
    assert_eq!(attacks[0]["sub_technique"]["uid"], "T1114.003");
    assert_eq!(attacks[1]["technique"]["uid"], "T1020");
    assert_eq!(attacks[1].get("sub_technique"), None);
}

#[test]
fn the_entity_stands_where_its_kind_belongs() {
    let of = |kind: &str, id: &str| {
        json(&Finding { entity: Entity { kind: kind.to_owned(), id: id.to_owned() }, ..finding(1) })
    };
    for (kind, id, path, type_id) in [
        ("user", "alice@contoso.example", "/evidences/0/actor/user/name", 4),
        ("address", "192.0.2.7", "/evidences/0/src_endpoint/ip", 2),
        ("address", "2001:db8::1", "/evidences/0/src_endpoint/ip", 2),
        ("address", "not an address", "/evidences/0/resources/0/uid", 10),
        ("mailbox", "bob", "/resources/0/uid", 10),
    ] {
        let json = of(kind, id);
        assert_eq!(json.pointer(path).and_then(Value::as_str), Some(id), "{json:#}");
        let observable = &json["observables"][0];
        assert_eq!((&observable["type_id"], &observable["value"]), (&type_id.into(), &id.into()));
        let pointer =
            format!("/{}", observable["name"].as_str().unwrap().replace("[0]", ".0").replace('.', "/"));
        assert_eq!(
            json.pointer(&pointer),
            Some(&observable["value"]),
            "the observable's name leads to its value"
        );
    }
}

/// Nothing of a finding is lost on the way: each of its values is found in the object.
#[test]
fn nothing_is_dropped() {
    let finding = Finding { event_ids: vec![EventId(Hash128(9))], event_count: 4711, ..finding(1) };
    let text = json(&finding).to_string();
    for part in [
        &finding.id.to_string(),
        &finding.tenant,
        &finding.rule,
        &finding.rule_name,
        &finding.title,
        &finding.group,
        &finding.kind,
        &finding.entity.kind,
        &finding.entity.id,
        &finding.summary,
        &finding.description,
        &finding.event_ids[0].to_string(),
        "4711",
        "T1114.003",
        "T1020",
        r#""operation":"New-InboxRule""#,
        &finding.false_positives[0],
        "docs/runbooks/mail_forward_outside.md",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}
