use schemas::{Micros, finding::Severity};
use serde_json::Value;

use super::*;
use crate::sample::finding;

fn metadata() -> Metadata {
    Metadata { host: None, source: "weir".to_owned(), sourcetype: "weir:finding".to_owned(), index: None }
}

fn json(finding: &Finding, metadata: &Metadata) -> Value {
    serde_json::from_slice(&encode(finding, metadata).unwrap()).unwrap()
}

/// Splunk answers "success" to an unknown key, and leaves out what follows that object.
#[test]
fn an_object_has_the_keys_that_hec_knows_and_no_other() {
    let all = Metadata { host: Some("h".to_owned()), index: Some("security".to_owned()), ..metadata() };
    let keys = |json: &Value| json.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&json(&finding(1), &metadata())), ["event", "fields", "source", "sourcetype", "time"]);
    let json = json(&finding(1), &all);
    assert_eq!(keys(&json), ["event", "fields", "host", "index", "source", "sourcetype", "time"]);
    assert_eq!((&json["host"], &json["index"]), (&"h".into(), &"security".into()));
}

#[test]
fn the_whole_object_as_it_stands_on_the_wire() {
    let text = String::from_utf8(encode(&finding(1), &metadata()).unwrap()).unwrap();
    let head =
        r#"{"time":1614834967.000999,"source":"weir","sourcetype":"weir:finding","event":{"activity_id":1,"#;
    assert!(text.starts_with(head), "{text}");
    let fields = r#","fields":{"finding_id":"00000000000000000000000000000001","revision":1,"rule":"mail_forward_outside","severity":"high","tenant":"contoso","state":"open"}}"#;
    assert!(text.ends_with(fields), "{text}");
    assert!(!text.contains('\n'));
}

#[test]
fn the_event_is_the_finding_in_ocsf() {
    let mut line = Vec::new();
    ocsf::write_line(&finding(7), &mut line).unwrap();
    let ocsf: Value = serde_json::from_slice(&line).unwrap();
    assert_eq!(json(&finding(7), &metadata())["event"], ocsf);
}

#[test]
fn indexed_fields_are_flat_and_never_empty() {
    let bare =
        Finding { tenant: String::new(), rule_name: String::new(), severity: Severity::Info, ..finding(1) };
    let closed = Finding { revision: 3, change: Change::Close, ..bare };
    let json = json(&closed, &metadata());
    let fields = json["fields"].as_object().unwrap();
    assert!(
        fields.values().all(|value| value.is_number() || value.as_str().is_some_and(|text| !text.is_empty()))
    );
    assert_eq!((&fields["state"], &fields["revision"]), (&"closed".into(), &3.into()));
    assert!(!fields.contains_key("tenant") && !fields.contains_key("rule"));
}

#[test]
fn time_keeps_every_digit() {
    for (micros, text) in [
        (0, "0.000000"),
        (1, "0.000001"),
        (1_614_834_967_000_999, "1614834967.000999"),
        (9_007_199_254_740_993, "9007199254.740993"),
        (-1, "-0.000001"),
        (-1_500_000, "-1.500000"),
        (i64::MIN, "-9223372036854.775808"),
    ] {
        assert_eq!(time(micros), text);
        let object = Finding { created_at: Micros(micros), ..finding(1) };
        let bytes = encode(&object, &metadata()).unwrap();
        assert!(bytes.starts_with(format!("{{\"time\":{text},").as_bytes()));
    }
}

#[test]
fn a_name_that_needs_escaping_is_escaped() {
    let odd = Metadata { source: "a\"b\\c".to_owned(), ..metadata() };
    assert_eq!(json(&finding(1), &odd)["source"], "a\"b\\c");
}
