//! Compatibility: a reader of any version of a message reads what a writer of any other version wrote.
//!
//! Laws over `avro/<name>.v<N>.avsc`: every field has a default and every enum a default symbol; a later version has
//! every field and every symbol of an earlier one; any two versions read each other, by Avro's own rules.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use apache_avro::{Schema, schema_compatibility::SchemaCompatibility};
use schemas::codec::MESSAGES;
use serde_json::Value;

/// The versions of one message, by number.
type Versions = BTreeMap<u32, String>;

fn all() -> BTreeMap<String, Versions> {
    let mut all: BTreeMap<String, Versions> = BTreeMap::new();
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("avro")).unwrap() {
        let path = file.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap();
        let (name, version) = file.strip_suffix(".avsc").and_then(|stem| stem.rsplit_once(".v")).expect(file);
        let text = fs::read_to_string(&path).unwrap();
        all.entry(name.to_owned()).or_default().insert(version.parse().expect(file), text);
    }
    all
}

/// What a schema's text says, beyond what Avro's rules look at.
#[derive(Default)]
struct Shape {
    /// `Record.field` and `Enum:symbol`.
    parts: BTreeSet<String>,
    /// What breaks a law.
    broken: Vec<String>,
}

impl Shape {
    fn of(text: &str) -> Self {
        let mut shape = Self::default();
        shape.walk(&serde_json::from_str(text).unwrap());
        shape
    }

    fn walk(&mut self, schema: &Value) {
        match schema {
            Value::Array(branches) => branches.iter().for_each(|branch| self.walk(branch)),
            Value::Object(object) => match object["type"].as_str() {
                Some("record") => self.record(schema),
                Some("enum") => self.symbols(schema),
                Some("array") => self.walk(&schema["items"]),
                Some("map") => self.walk(&schema["values"]),
                Some(_) => {}
                None => self.walk(&schema["type"]),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn record(&mut self, record: &Value) {
        for field in record["fields"].as_array().unwrap() {
            let name = format!("{}.{}", record["name"].as_str().unwrap(), field["name"].as_str().unwrap());
            if field.get("default").is_none() {
                self.broken.push(format!("{name} has no default"));
            }
            self.parts.insert(name);
            self.walk(&field["type"]);
        }
    }

    fn symbols(&mut self, set: &Value) {
        let name = set["name"].as_str().unwrap();
        if set.get("default").is_none() {
            self.broken.push(format!("{name} has no default symbol"));
        }
        for symbol in set["symbols"].as_array().unwrap() {
            self.parts.insert(format!("{name}:{}", symbol.as_str().unwrap()));
        }
    }
}

/// What is wrong with the versions of a message.
fn problems(versions: &Versions) -> Vec<String> {
    let mut problems = Vec::new();
    for (later, text) in versions {
        let shape = Shape::of(text);
        problems.extend(shape.broken.iter().map(|broken| format!("v{later}: {broken}")));
        let parsed = match Schema::parse_str(text) {
            Ok(parsed) => parsed,
            Err(error) => {
                problems.push(format!("v{later}: {error}"));
                continue;
            }
        };
        for (earlier, text) in versions.range(..later) {
            for lost in Shape::of(text).parts.difference(&shape.parts) {
                problems.push(format!("v{later} lost {lost} of v{earlier}"));
            }
            let other = Schema::parse_str(text).unwrap();
            if let Err(error) = SchemaCompatibility::mutual_read(&other, &parsed) {
                problems.push(format!("v{earlier} and v{later}: {error}"));
            }
        }
    }
    problems
}

#[test]
fn every_version_of_every_message_reads_every_other() {
    for (name, versions) in all() {
        assert_eq!(problems(&versions), Vec::<String>::new(), "{name}");
        let numbers: Vec<u32> = versions.keys().copied().collect();
        assert_eq!(
            numbers,
            (1..=u32::try_from(numbers.len()).unwrap()).collect::<Vec<_>>(),
            "{name}: versions"
        );
    }
}

#[test]
fn every_schema_belongs_to_a_message_and_the_newest_is_written() {
    let all = all();
    assert_eq!(
        all.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        MESSAGES.iter().map(|(_, name, _)| *name).collect()
    );
    for (_, name, written) in MESSAGES {
        assert_eq!(all[*name].last_key_value().unwrap().1, written, "{name}");
    }
}

/// The text of the finding schema with `from` replaced by `to`, as its version 2.
fn changed(from: &str, to: &str) -> Versions {
    // Compact, so that a test names what it changes on one line.
    let first: Value = serde_json::from_str(&all()["finding"][&1]).unwrap();
    let first = first.to_string();
    assert!(first.contains(from), "{from} is not in {first}");
    [(1, first.clone()), (2, first.replacen(from, to, 1))].into()
}

const REVISION: &str = r#"{"default":1,"doc":"1, 2, 3 ...","name":"revision","type":"int"}"#;
const SEVERITIES: &str = r#"["info","low","medium","high","critical"]"#;

#[test]
fn compatible_changes_are_green() {
    let more = format!(r#"{REVISION},{{"name":"score","type":["null","double"],"default":null}}"#);
    assert_eq!(problems(&changed(REVISION, &more)), Vec::<String>::new());
    let more = r#"["info","low","medium","high","critical","extreme"]"#;
    assert_eq!(problems(&changed(SEVERITIES, more)), Vec::<String>::new());
}

#[test]
fn incompatible_changes_are_red() {
    let without_default = format!(r#"{REVISION},{{"name":"score","type":"int"}}"#);
    let cases = [
        (REVISION, r#"{"default":"1","name":"revision","type":"string"}"#, "v1 and v2: "),
        (REVISION, r#"{"default":1,"name":"version","type":"int"}"#, "v2 lost Finding.revision of v1"),
        (REVISION, &without_default, "v2: Finding.score has no default"),
        (SEVERITIES, r#"["info","low","medium","high"]"#, "v2 lost Severity:critical of v1"),
        (r#"{"default":"info","doc":"How"#, r#"{"doc":"How"#, "v2: Severity has no default symbol"),
        (r#""type":"int""#, r#""type":"no such type""#, "v2: "),
    ];
    for (from, to, expected) in cases {
        let problems = problems(&changed(from, to));
        assert!(
            problems.iter().any(|problem| problem.starts_with(expected)),
            "{to}: {problems:?} not {expected}"
        );
    }
}
