//! Stage match.

use detect::MatchStage;
use pipeline::{Clock, Route};
use schemas::{FindingGroup, FindingId, Micros, Topic, enriched::EnrichedEvent, finding::Severity};

use crate::support::{event, failure, findings, incoming, records, rules, signals, watermark, words, work};

const ROLE: &str = r#"{"Operation":"Add member to role.","UserId":"Ann@x",
    "ModifiedProperties":[{"Name":"Role.DisplayName","NewValue":"Reader","OldValue":""}]}"#;

fn stage() -> MatchStage {
    MatchStage::new(rules(), 3, Clock::manual(Micros(77)))
}

fn of(events: &[EnrichedEvent]) -> pipeline::Work {
    let records = events.iter().zip(40..);
    let records =
        records.map(|(event, offset)| incoming(Topic::Enriched, 2, offset, schemas::encode(event).unwrap()));
    work(&mut stage(), records.collect())
}

#[test]
fn a_single_event_rule_writes_its_finding_at_once() {
    let mut granted = event(ROLE, 5);
    granted.event.activity.recipients = vec!["bob@x".to_owned(), "eve@x".to_owned()];
    let work = of(std::slice::from_ref(&granted));
    let [finding] = findings(&work).try_into().unwrap();
    let id = "0a5f9a52-1c1c-4a07-9d5c-0c1e1d2f3a01";
    assert_eq!(finding.id, FindingId::of_event("t", id, 2, granted.event.id));
    assert_eq!(finding.summary, "ann@x gave bob@x, eve@x the role Reader");
    assert_eq!(
        (finding.revision, finding.severity, finding.entity.id.as_str()),
        (1, Severity::High, "ann@x")
    );
    assert_eq!((finding.first_time, finding.created_at), (granted.event.time, Micros(77)));
    assert_eq!(finding.event_ids, [granted.event.id]);
    assert_eq!(finding.techniques, ["T1098.003"]);
    let facts: Vec<_> = finding.facts.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let role = "ModifiedProperties.Role.DisplayName.new=Reader";
    assert_eq!(
        facts,
        [role, "Operation=Add member to role.", "weir.address.ip=198.51.100.7"],
        "unknown: absent"
    );
    let [record] = records(&work).try_into().unwrap();
    assert_eq!((record.topic, record.route), (Topic::Finding(FindingGroup::Sharing), Route::Key));
    assert_eq!(record.key, finding.key());
}

#[test]
fn records_of_the_service_itself_and_records_that_nothing_matches_are_left_out() {
    let own = ROLE.replace("Ann@x", r"NT AUTHORITY\\SYSTEM (w3wp)");
    let outcomes = words(&of(&[event(&own, 0), event(r#"{"Operation":"Other"}"#, 0), event(ROLE, 0)]));
    assert_eq!(outcomes, ["housekeeping", "no_match", "emit"]);
}

#[test]
fn an_event_without_its_bytes_is_matched_by_its_canonical_fields() {
    let mut cut = event(ROLE, 0);
    cut.event.raw = Vec::new();
    assert_eq!(words(&of(&[cut])), ["no_match"]);
}

#[test]
fn a_changed_value_in_quotes_is_the_value() {
    let quoted = ROLE.replace("\"Reader\"", r#""\"Reader\"""#);
    let [finding] = findings(&of(&[event(&quoted, 0)])).try_into().unwrap();
    assert_eq!(finding.facts["ModifiedProperties.Role.DisplayName.new"], "Reader");
}

#[test]
fn a_signal_names_its_origin_its_rule_its_value_and_its_facts() {
    let [signal] = signals(&of(&[event("{}", 0), failure("Bob@x", 3)])).try_into().unwrap();
    assert_eq!((signal.group_value.as_str(), signal.actor.as_str()), ("198.51.100.7", "bob@x"));
    assert_eq!((signal.origin.partition, signal.origin.offset, signal.origin.index), (2, 41, 0));
    let [rule] = signal.rules.as_slice() else { panic!("one rule") };
    assert_eq!((rule.role, rule.value.as_str()), (0, "bob@x"));
    assert!(rule.facts.is_empty(), "LogonError is not in the record");
}

#[test]
fn every_combination_of_group_values_gets_its_signal() {
    let mut first = event(r#"{"Operation":"First"}"#, 0);
    assert_eq!(signals(&of(std::slice::from_ref(&first))).len(), 0, "the resource is unknown");
    first.event.activity.resource.id = "r1\u{1f}x".to_owned();
    let [signal] = signals(&of(&[first])).try_into().unwrap();
    assert_eq!(signal.group_value, "ann@x\u{1f}r1\u{fffd}x", "a value cannot pose as two");
}

#[test]
fn off_hours_needs_a_known_hour_and_a_known_place() {
    let night = |within_hours, expected_place| {
        let mut event = event(r#"{"Operation":"EditFlow"}"#, 0);
        event.working_time.within_hours = within_hours;
        event.working_time.expected_place = expected_place;
        signals(&of(&[event])).len()
    };
    assert_eq!(night(Some(false), Some(false)), 1);
    for (hours, place) in [
        (None, None),
        (None, Some(false)),
        (Some(false), None),
        (Some(true), Some(false)),
        (Some(false), Some(true)),
    ] {
        assert_eq!(night(hours, place), 0, "{hours:?} {place:?}");
    }
}

#[test]
fn base_documents_fire_by_themselves_only_where_the_rule_says_so() {
    let names = |record: &str| -> Vec<String> {
        findings(&of(&[event(record, 0)])).into_iter().map(|finding| finding.title).collect()
    };
    assert_eq!(names(r#"{"Operation":"First"}"#), ["First"], "generate: true");
    assert!(names(r#"{"Operation":"UserLoginFailed","ErrorNumber":"50126"}"#).is_empty());
}

#[test]
fn a_watermark_goes_to_every_signal_partition_with_the_way_it_came() {
    let mark = schemas::encode(&watermark(Micros(9), None, None)).unwrap();
    let work = work(&mut stage(), vec![incoming(Topic::Enriched, 2, 0, mark)]);
    let [record] = records(&work).try_into().unwrap();
    assert_eq!((record.topic, record.route), (Topic::Signal, Route::Every));
    let sent: schemas::watermark::Watermark = schemas::decode(record.value.as_ref().unwrap()).unwrap();
    assert_eq!(sent, watermark(Micros(9), Some(2), Some(3)));
}

#[test]
fn what_is_not_ours_is_rejected_and_the_rest_goes_on() {
    let good = schemas::encode(&event(ROLE, 0)).unwrap();
    let mut tombstone = incoming(Topic::Enriched, 0, 3, Vec::new());
    tombstone.value = None;
    let bad = vec![
        incoming(Topic::Enriched, 0, 0, b"{}".to_vec()),
        incoming(Topic::Enriched, 0, 1, Vec::new()),
        incoming(Topic::Enriched, 0, 2, good[..good.len() - 1].to_vec()),
        tombstone,
        incoming(Topic::Enriched, 0, 4, good),
    ];
    let outcomes = words(&work(&mut stage(), bad));
    assert_eq!(outcomes, ["not_ours", "not_ours", "not_ours", "not_ours", "emit"]);
}

#[test]
fn values_without_end_are_cut_and_still_told_apart() {
    let long = |end: &str| {
        let mut event = failure("bob@x", 0);
        event.event.activity.address.as_mut().unwrap().ip = format!("{}{end}", "1".repeat(900_000));
        let [signal] = signals(&of(&[event])).try_into().unwrap();
        signal.group_value
    };
    assert!(long("1").len() < 600);
    assert_ne!(long("1"), long("2"));
}
