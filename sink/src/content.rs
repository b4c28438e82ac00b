//! The content for SIEMs in `sink/content` says what the code writes: columns, streams, sourcetype, indexed fields.

use std::{collections::BTreeSet, fs, path::PathBuf};

use runtime::config::{Document, Problems};
use serde_json::Value;

use crate::{
    SinkConfig,
    sample::finding,
    sinks::declared::{ALERTS, FINDINGS, SOURCETYPE, event_of},
};

fn read(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("content").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn template() -> Value {
    serde_json::from_str(&read("sentinel/weir.json")).unwrap()
}

fn columns(of: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    of["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| (text(&column["name"]), text(&column["type"])))
        .collect()
}

fn owned(columns: &[(&str, &str)]) -> Vec<(String, String)> {
    columns.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned())).collect()
}

/// What a stream does not declare is dropped without a word.
#[test]
fn the_streams_declare_exactly_what_is_written() {
    let template = template();
    let (stream, declared) = FINDINGS;
    assert_eq!(columns(&template["variables"]["findingsStream"][stream]), owned(declared));
    let (stream, declared) = ALERTS;
    assert_eq!(columns(&template["variables"]["alertsStream"][stream]), owned(declared));
}

/// What a table does not have is dropped just so. Tables write one type in another case.
#[test]
fn the_table_has_exactly_what_is_written() {
    let template = template();
    let resources = template["resources"].as_array().unwrap();
    let table =
        resources.iter().find(|resource| resource["type"].as_str().unwrap().ends_with("/tables")).unwrap();
    let schema = &table["properties"]["schema"];
    assert_eq!(schema["name"], "WeirFindings_CL");
    let found: Vec<_> = columns(schema)
        .into_iter()
        .map(|(name, kind)| (name, kind.replace("dateTime", "datetime")))
        .collect();
    assert_eq!(found, owned(FINDINGS.1));
}

#[test]
fn the_rule_leads_each_stream_to_its_table_and_the_outputs_name_the_defaults() {
    let template = template();
    for (flow, stream, table) in [
        ("findingsFlow", FINDINGS.0, "Custom-WeirFindings_CL"),
        ("alertsFlow", ALERTS.0, "Microsoft-ASimAlertEventLogs"),
    ] {
        let flow = &template["variables"][flow][0];
        assert_eq!((&flow["streams"][0], &flow["outputStream"]), (&stream.into(), &table.into()));
    }
    assert_eq!(template["outputs"]["findings"]["value"], FINDINGS.0);
    assert!(template["outputs"]["alerts"]["value"].as_str().unwrap().contains(ALERTS.0));
}

/// The functions in the template are those of the files, and name columns that exist.
#[test]
fn the_functions_are_those_of_the_files() {
    let template = template();
    let resources = template["resources"].as_array().unwrap();
    for (name, columns) in [("WeirFindings", FINDINGS.1), ("WeirAlerts", ALERTS.1)] {
        let function =
            resources.iter().find(|resource| resource["properties"]["functionAlias"] == name).unwrap();
        let text = read(&format!("sentinel/{name}.kql"));
        assert_eq!(function["properties"]["query"], text.as_str(), "{name}");
        let words = text.lines().filter(|line| !line.starts_with("//")).flat_map(|line| {
            line.split(|char: char| !char.is_ascii_alphanumeric() && char != '_').map(str::to_owned)
        });
        let names: BTreeSet<String> =
            words.filter(|word| word.starts_with(|first: char| first.is_ascii_uppercase())).collect();
        let other = ["Weir", "WeirFindings_CL", "ASimAlertEventLogs", "Active", "Revision"];
        for word in names.iter().filter(|word| !other.contains(&word.as_str())) {
            assert!(columns.iter().any(|(column, _)| column == word), "{name}: {word} is no column");
        }
    }
}

#[test]
fn the_add_on_knows_the_sourcetype_and_the_indexed_fields() {
    let stanzas = |text: &str| -> Vec<String> {
        let names =
            text.lines().filter_map(|line| line.strip_prefix('[')?.strip_suffix(']').map(str::to_owned));
        names.collect()
    };
    assert_eq!(stanzas(&read("splunk/TA-weir/default/props.conf")), [SOURCETYPE]);
    for file in ["macros", "eventtypes", "savedsearches"] {
        let text = read(&format!("splunk/TA-weir/default/{file}.conf"));
        assert!(text.contains(&format!("sourcetype=\"{SOURCETYPE}\"")), "{file}.conf");
    }
    let event = event_of(&finding(1));
    // Searches see the severity in other words: the add-on computes it.
    let indexed = event["fields"].as_object().unwrap().keys().filter(|name| *name != "severity");
    let indexed: Vec<String> = indexed.cloned().collect();
    assert_eq!(stanzas(&read("splunk/TA-weir/default/fields.conf")), indexed);
}

/// Each `EVAL` takes its value from a field that an event has.
#[test]
fn the_add_on_reads_fields_that_are_written() {
    let event = event_of(&finding(1));
    let props = read("splunk/TA-weir/default/props.conf");
    let quoted = props
        .lines()
        .filter(|line| line.starts_with("EVAL-"))
        .flat_map(|line| line.split('\'').skip(1).step_by(2));
    let mut count = 0;
    for field in
        quoted.filter(|field| !field.starts_with("evidences{}.src") && !field.starts_with("resources"))
    {
        let pointer = format!("/event/{}", field.replace("{}", ".0").replace('.', "/"));
        assert!(event.pointer(&pointer).is_some(), "{field} is not in {event:#}");
        count += 1;
    }
    assert!(count >= 6, "{count} fields were seen");
}

/// What a guide tells to paste is a configuration; only its secrets are not on this machine.
#[test]
fn what_the_guides_tell_to_paste_is_read() {
    for guide in ["splunk", "sentinel"] {
        let text = read(&format!("../../docs/guides/{guide}.md"));
        let blocks: Vec<&str> =
            text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert!(!blocks.is_empty(), "{guide}");
        for block in blocks {
            let document = Document::parse("guide.yaml", block).unwrap();
            let problems = Problems::default();
            let root = document.root(&problems);
            drop(SinkConfig::read_all(&root));
            root.finish();
            let found = problems.into_result().map_err(|error| error.problems).err().unwrap_or_default();
            let others = found.iter().filter(|problem| !problem.message.contains("the secret's file"));
            assert_eq!(others.count(), 0, "{guide}: {found:#?}");
        }
    }
}
