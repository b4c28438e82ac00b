//! Records that are JSON to those who wrote them: texts cut inside a character, numbers without bound.

use proptest::prelude::*;
use schemas::{Event, EventId, Hash128};

use crate::support::{Bench, event_of, reason_of};

const CUT: &str = r"\ud83d";
const MENDED: &str = r"\ufffd";

/// An audit record with `text`, as JSON writes it, in fields of every kind, and `number` in one.
fn record(text: &str, number: &str) -> String {
    let inner = text.replace('\\', "\\\\");
    format!(
        r#"{{"Id":"1","CreationTime":"2024-05-01T10:00:00","Operation":"New-InboxRule","RecordType":1,"UserId":"Ann@X","Note{text}":"{text}","Size":{number},"ObjectId":"N/x/Ann{text}\\1","Parameters":[{{"Name":"Name","Value":"cut {text}"}},{{"Name":"ForwardTo","Value":"b{text}@y;c@y"}}],"ExtendedProperties":[{{"Name":"additionalDetails","Value":"{{\"User-Agent\":\"{inner}\"}}"}}]}}"#
    )
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// The record itself, and the rows that carry it.
fn shapes(record: &str) -> [String; 5] {
    let text = quoted(record);
    [
        record.to_owned(),
        format!(r#"{{"RecordType":"ExchangeAdmin","AuditData":{text},"Identity":"i"}}"#),
        format!(r#"{{"id":"q","auditData":{record}}}"#),
        format!(r#"{{"_raw":{text},"Operation":"New-InboxRule"}}"#),
        format!(r#"{{"preview":false,"result":{{"_raw":{text}}}}}"#),
    ]
}

/// What detection needs of it is there, and its bytes are its own.
fn is_whole(event: &Event, raw: &str) {
    assert_eq!(event.time.to_string(), "2024-05-01T10:00:00Z", "{raw}");
    assert_eq!((event.operation.as_str(), event.activity.kind.as_str()), ("New-InboxRule", "mail.forward"));
    assert_eq!(event.activity.actor.id, "ann@x");
    assert!(event.activity.recipients.iter().any(|to| to == "c@y"), "{:?}", event.activity.recipients);
    assert_eq!(String::from_utf8_lossy(&event.raw), raw);
}

/// What the event says, without its bytes and its id: JSON inside a string is hashed as it is written there.
fn fields(text: &str) -> Event {
    let id = EventId::of("", "", "", Hash128::from_bytes([0; 16]));
    Event { id, raw: Vec::new(), raw_bytes: 0, ..event_of(text) }
}

fn numbers() -> [String; 4] {
    ["9".repeat(400), format!("-{}", "1".repeat(400)), "1e999".to_owned(), "-1.5E+4000".to_owned()]
}

#[test]
fn a_text_cut_inside_a_character_costs_no_record() {
    for cut in [CUT, r"\uDE00", r"\ud83d\ud83d", r"\ude00\ud83d", r"\udbff\n"] {
        let record = record(cut, "1");
        for row in shapes(&record) {
            is_whole(&event_of(&row), &record);
        }
    }
}

#[test]
fn a_number_without_bound_costs_no_record() {
    for number in numbers() {
        let record = record("x", &number);
        for row in shapes(&record) {
            is_whole(&event_of(&row), &record);
        }
    }
}

/// Here the row's own text was cut, and the record inside is what can be read of it.
#[test]
fn a_row_that_is_cut_itself_is_read() {
    let mark = "MARK";
    let inside = record(mark, "1").replace(mark, "\u{fffd}");
    for row in shapes(&record(mark, "1")).into_iter().skip(1) {
        let cut = row.replace(mark, CUT);
        let is_object = row.contains("auditData");
        let raw = if is_object { record(mark, "1").replace(mark, CUT) } else { inside.clone() };
        is_whole(&event_of(&cut), &raw);
    }
}

#[test]
fn what_was_cut_has_the_mark_of_it() {
    let event = event_of(&record(CUT, "1"));
    assert_eq!(event.activity.recipients[0], "b\u{fffd}@y");
    assert_eq!(event.activity.resource.id, "n/x/ann\u{fffd}");
    let list = r#"{"time":"2024-05-01T10:00:00Z","data":{"baseData":{"name":"FlowExecution","properties":{"ConnectorsUsed":"[\"shared_a\",\"b,\\ud83d\"]"}}}}"#;
    assert_eq!(event_of(list).activity.connectors, vec!["a", "b,\u{fffd}"]);
}

#[test]
fn records_that_differ_where_it_was_mended_are_two() {
    let ids = [record("", "1"), record(CUT, "1"), record("", "1e999"), record("", "1e998")]
        .map(|text| event_of(&text).id.to_string());
    for (at, id) in ids.iter().enumerate() {
        assert!(!ids[..at].contains(id), "{at}");
    }
}

#[test]
fn what_is_no_json_for_another_reason_stays_none() {
    let record = record(CUT, "1e999");
    assert_eq!(reason_of(&record.as_bytes()[..record.len() - 1]), "truncated");
    assert_eq!(reason_of(record.replace("\"Id\":", "\"Id\";").as_bytes()), "not_json");
    assert_eq!(reason_of(record.replace("1e999", "1e999.5").as_bytes()), "not_json");
    assert_eq!(reason_of(record.replace("1e999", "NaN").as_bytes()), "not_json");
    assert_eq!(reason_of(br#"{"AuditData":"{\"Id\":\"\ud83d"}"#), "truncated");
}

#[tokio::test]
async fn between_good_ones_all_are_events_in_every_shape_of_a_file() {
    let good = |id: &str| record("x", "1").replacen("\"1\"", &quoted(id), 1);
    let bad = [record(CUT, "1"), record("x", &numbers()[0]), record("x", "1e999")];
    for bad in bad {
        let records = [good("a"), bad.clone(), good("b")];
        let rows = records.each_ref().map(|record| format!("2024,\"{}\",x", record.replace('"', "\"\"")));
        for (name, text) in [
            ("lines.jsonl", records.join("\n")),
            ("list.json", format!("[{}]", records.join(",\n"))),
            (
                "rows.json",
                format!("[{}]", records.each_ref().map(|record| shapes(record)[1].clone()).join(",")),
            ),
            ("cells.csv", format!("CreationDate,AuditData,Operation\n{}\n", rows.join("\n"))),
        ] {
            let bench = Bench::new(1);
            bench.write(name, text.as_bytes());
            let summary = bench.run(&bench.source()).await.unwrap();
            assert_eq!((summary.counts.read, summary.counts.emitted), (3, 3), "{name}: {summary:?}");
            let (events, _) = bench.events().await;
            let event = events.values().find(|event| event.native_id == "1").unwrap();
            is_whole(event, &bad);
        }
    }
}

proptest! {
    /// Halves, pairs and letters in any order: a reader that put U+FFFD for the halves would have made the same event.
    #[test]
    fn the_replacement_character_in_its_place_gives_the_same_fields(
        pieces in prop::collection::vec(0..4_usize, 0..8),
        shape in 0..5_usize,
    ) {
        // No high half right before a low one: these would be a pair.
        let written = [CUT, r"\ude00", r"\ud83d\ude00", "e"];
        let as_read = [MENDED, MENDED, r"\ud83d\ude00", "e"];
        let text = |of: [&str; 4]| pieces.iter().map(|piece| format!("{} ", of[*piece])).collect::<String>();
        let [cut, whole] = [written, as_read].map(|of| shapes(&record(&text(of), "1"))[shape].clone());
        prop_assert_eq!(fields(&cut), fields(&whole));
    }
}
