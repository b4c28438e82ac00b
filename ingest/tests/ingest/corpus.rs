//! The real records: counts that were taken from the files by other means (a script over `json` and `ipaddress`).

use std::collections::BTreeMap;

use crate::support::{Bench, CORPUS, corpus_lines, corpus_path, event_of, gzip, reason_of, scanning};

/// The one record whose time is none: its second is 65.
const BAD: usize = 119 + 18 - 1;

#[test]
fn every_record_decodes_keeps_its_bytes_and_yields_time_actor_and_operation() {
    let lines = corpus_lines();
    assert_eq!(lines.len(), 181);
    for (index, line) in lines.iter().enumerate() {
        if index == BAD {
            assert_eq!(reason_of(line.as_bytes()), "bad_time");
            continue;
        }
        let event = event_of(line);
        assert_eq!(event.raw, line.as_bytes());
        assert_eq!(event.raw_bytes, line.len() as i64);
        assert!(event.time > schemas::Micros::parse("2015-01-01T00:00:00Z").unwrap());
        assert!(!event.operation.is_empty() && !event.native_id.is_empty() && !event.tenant.is_empty());
        assert!(!event.activity.actor.id.is_empty() && !event.activity.actor.kind.is_empty());
    }
}

#[test]
fn addresses_content_types_and_forwardings_are_as_many_as_counted() {
    let lines = corpus_lines();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for line in lines.iter().enumerate().filter(|(index, _)| *index != BAD).map(|(_, line)| line) {
        let event = event_of(line);
        let address = match &event.activity.address {
            Some(address) if !address.ip.is_empty() => "an address",
            Some(_) => "a text that is none",
            None => "none",
        };
        *counts.entry(address).or_default() += 1;
        if event.activity.kind == "mail.forward" {
            *counts.entry("forwards").or_default() += 1;
        }
        let content_type = match event.content_type.as_str() {
            "Audit.AzureActiveDirectory" => "directory",
            "Audit.Exchange" => "exchange",
            "Audit.SharePoint" => "sharepoint",
            "Audit.General" => "general",
            other => panic!("{other}"),
        };
        *counts.entry(content_type).or_default() += 1;
    }
    let expected = [
        ("an address", 128),
        ("a text that is none", 2),
        ("none", 50),
        ("forwards", 7),
        ("directory", 118),
        ("exchange", 35),
        ("sharepoint", 12),
        ("general", 15),
    ];
    assert_eq!(counts, expected.into_iter().collect());
}

#[test]
fn no_record_of_the_corpus_is_another_one_again() {
    let ids: std::collections::BTreeSet<String> = corpus_lines()
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != BAD)
        .map(|(_, line)| event_of(line).id.to_string())
        .collect();
    assert_eq!(ids.len(), 180);
}

#[tokio::test]
async fn the_files_through_the_worker_balance() {
    let bench = Bench::new(2);
    let mut source = scanning(bench.source());
    source.paths = CORPUS.iter().map(|(name, _)| corpus_path(name)).collect();
    let summary = bench.run(&source).await.unwrap();
    let counts = summary.counts;
    assert!(counts.balance());
    assert_eq!(
        (counts.read, counts.emitted, counts.deduplicated, counts.skipped, counts.rejected, counts.conflicts),
        (181, 180, 0, 0, 1, 4)
    );
    // Four native ids stand twice in det-eng-samples, with other content (the publisher's masking differs).
    assert_eq!(summary.ledger, counts);
    let (events, marks) = bench.events().await;
    assert_eq!(events.len(), 180);
    assert_eq!(marks.len(), 2, "one on each partition");
    assert!(marks[0].1.marks.iter().all(|mark| mark.time == schemas::Micros::END));
    let letters = bench.dead_letters().await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].headers["x-dlq-reason"], "bad_time");
    assert_eq!(letters[0].headers["__connect.errors.offset"], "18");
    assert!(letters[0].headers["__connect.errors.topic"].ends_with("splunk-security-content.jsonl"));
    assert_eq!(letters[0].value, corpus_lines()[BAD].as_bytes());
}

/// A CSV as Export-Csv writes it: every field in quotes, CR LF, the record in the middle.
fn as_csv(lines: &[String], delimiter: char) -> String {
    let row = |record: &str| {
        let quoted = format!("\"{}\"", record.replace('"', "\"\""));
        ["\"2024-01-01\"", quoted.as_str(), "\"a@x\r\nb@x\""].join(&delimiter.to_string())
    };
    let header = ["\"CreationDate\"", "\"AuditData\"", "\"UserIds\""].join(&delimiter.to_string());
    let rows = lines.iter().map(|line| row(line));
    std::iter::once(header).chain(rows).map(|row| row + "\r\n").collect()
}

/// Every way the same records can lie in a file.
fn forms(lines: &[String]) -> Vec<(&'static str, Vec<u8>)> {
    let list = format!("[{}]", lines.join(","));
    let rows: Vec<serde_json::Value> =
        lines.iter().map(|line| serde_json::json!({"Identity": "x", "AuditData": line})).collect();
    let object = |line: &String| format!("{{\"id\":\"x\",\"auditData\":{line}}}");
    let graph: Vec<String> = lines.iter().map(object).collect();
    let records = |part: &[String]| format!("{{\"records\":[{}]}}\n", part.join(","));
    vec![
        ("csv", as_csv(lines, ',').into_bytes()),
        ("csv with semicolons", as_csv(lines, ';').into_bytes()),
        ("csv with tabs", as_csv(lines, '\t').into_bytes()),
        ("csv of Export-Csv", format!("#TYPE Selected\r\n{}", as_csv(lines, ',')).into_bytes()),
        ("csv with a mark", [b"\xef\xbb\xbf", as_csv(lines, ',').as_bytes()].concat()),
        ("csv.gz", gzip(as_csv(lines, ',').as_bytes())),
        ("lines.gz", gzip(lines.join("\n").as_bytes())),
        (
            "two members",
            [gzip(lines[..90].join("\n").as_bytes()), gzip(b"\n"), gzip(lines[90..].join("\n").as_bytes())]
                .concat(),
        ),
        ("lines with CR LF and blanks", lines.join("\r\n\r\n").into_bytes()),
        ("list", list.clone().into_bytes()),
        ("list.gz", gzip(list.as_bytes())),
        ("list of lines", format!("[\n{}\n]\n", lines.join(",\n")).into_bytes()),
        ("one after the other", lines.concat().into_bytes()),
        (
            "web api",
            format!("{{\"@odata.context\":\"x\",\"value\":{list},\"@odata.nextLink\":\"y\"}}").into_bytes(),
        ),
        ("records a line", lines.chunks(7).map(records).collect::<String>().into_bytes()),
        ("rows", serde_json::to_vec(&rows).unwrap()),
        ("rows, indented", serde_json::to_vec_pretty(&rows).unwrap()),
        ("graph", format!("{{\"value\":[{}]}}", graph.join(",")).into_bytes()),
    ]
}

#[tokio::test]
async fn the_same_records_in_every_form_give_the_same_events() {
    let lines = corpus_lines();
    let bench = Bench::new(1);
    bench.write("a.jsonl", lines.join("\n").as_bytes());
    bench.run(&bench.source()).await.unwrap();
    let (expected, _) = bench.events().await;
    for (form, bytes) in forms(&lines) {
        let bench = Bench::new(1);
        bench.write("export", &bytes);
        let summary = bench.run(&bench.source()).await.unwrap();
        assert_eq!((summary.counts.read, summary.counts.rejected), (181, 1), "{form}");
        let (events, _) = bench.events().await;
        assert_eq!(events.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{form}");
        assert!(events == expected, "the events differ in more than their ids: {form}");
    }
}

#[tokio::test]
async fn pretty_printed_records_are_the_same_events_with_other_bytes() {
    let lines = corpus_lines();
    let values: Vec<serde_json::Value> =
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let pretty: Vec<String> =
        values.iter().map(|value| serde_json::to_string_pretty(value).unwrap()).collect();
    let list = serde_json::to_string_pretty(&values).unwrap();
    for text in [pretty.join("\n"), pretty.concat(), list] {
        let bench = Bench::new(1);
        bench.write("pretty", text.as_bytes());
        let summary = bench.run(&bench.source()).await.unwrap();
        assert_eq!((summary.counts.read, summary.counts.emitted), (181, 180));
        let (events, _) = bench.events().await;
        let ids: std::collections::BTreeSet<String> = lines
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != BAD)
            .map(|(_, line)| event_of(line).id.to_string())
            .collect();
        assert_eq!(events.keys().cloned().collect::<std::collections::BTreeSet<_>>(), ids);
    }
}
