//! A record's own fields, read from its bytes without building a tree of owned values.
//!
//! [`Record::parse`] lays the JSON out as one flat list of nodes that borrow from the bytes; paths then find values as
//! rules and decoders name them:
//!
//! * `ObjectId`, `AppAccessContext.CorrelationId`: fields and fields of fields;
//! * `Parameters.ForwardTo`, `PropertyCollection.enduser.ip_address`: lists of `Name`/`Value` (or `Key`/`Value`) pairs,
//!   by name; the rest of the path is the name, dots included;
//! * `ModifiedProperties.Role.DisplayName.new`, `….old`: the pair's `NewValue` and `OldValue`;
//! * `Actor.ID`: in a list of other objects, that field of each;
//! * `AdditionalInfo.policyId`: JSON inside a string is read as if it stood there (three levels at most).
//!
//! Names compare as they are written. Nesting deeper than 128 is refused, as serde_json does by default. Half of a
//! surrogate pair reads as U+FFFD, and a number that no 64-bit float holds as a string of its text (see [`mended`]).

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use crate::Hash128;

mod mend;
mod tape;

pub use mend::mended;
use tape::{Kind, Node};

/// How many levels of JSON inside strings are looked into.
const EMBEDDED_DEPTH_MAX: usize = 3;

/// One record: a JSON object, flat.
#[derive(Debug)]
pub struct Record<'a> {
    nodes: Vec<Node<'a>>,
}

/// One value of a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar<'a> {
    /// `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer above `i64::MAX`.
    UInt(u64),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(Cow<'a, str>),
}

impl Scalar<'_> {
    /// The value as text; `None` for null.
    #[must_use]
    pub fn as_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Null => None,
            Self::Bool(true) => Some(Cow::Borrowed("true")),
            Self::Bool(false) => Some(Cow::Borrowed("false")),
            Self::Int(number) => Some(Cow::Owned(number.to_string())),
            Self::UInt(number) => Some(Cow::Owned(number.to_string())),
            Self::Float(number) => Some(Cow::Owned(number.to_string())),
            Self::Text(text) => Some(Cow::Borrowed(text)),
        }
    }

    /// The value as an integer, also where it is written as a string.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Null | Self::Bool(_) | Self::UInt(_) | Self::Float(_) => None,
        }
    }
}

/// Bytes that are no record, with the reason (which never quotes the record).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRecord {
    /// Not JSON: where and why.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// JSON, but no object.
    #[error("a JSON value that is no object")]
    NotAnObject,
}

impl<'a> Record<'a> {
    /// Reads one JSON object.
    ///
    /// # Errors
    /// [`NoRecord`] for bytes that are not exactly one JSON object in UTF-8, or are nested deeper than 128.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, NoRecord> {
        let nodes = tape::read(bytes).map_err(|error| NoRecord::NotJson(reason_of(&error)))?;
        match nodes.first() {
            Some(root) if matches!(root.kind, Kind::Object) => Ok(Self { nodes }),
            _ => Err(NoRecord::NotAnObject),
        }
    }

    /// The scalar of a top-level field; `None` where it is absent or no scalar.
    #[must_use]
    pub fn top(&self, key: &str) -> Option<&Scalar<'a>> {
        tape::children(&self.nodes, 0).find(|(_, node)| node.key.as_deref() == Some(key)).and_then(
            |(_, node)| match &node.kind {
                Kind::Scalar(scalar) => Some(scalar),
                Kind::List | Kind::Object => None,
            },
        )
    }

    /// Whether the record has that top-level field, whatever its value.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        tape::children(&self.nodes, 0).any(|(_, node)| node.key.as_deref() == Some(key))
    }

    /// The top-level keys, in the record's order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        tape::children(&self.nodes, 0).filter_map(|(_, node)| node.key.as_deref())
    }

    /// Calls `found` with every scalar at `path`, in the record's order.
    pub fn visit(&self, path: &str, found: &mut dyn FnMut(&Scalar<'_>)) {
        visit_in(&self.nodes, 0, path, EMBEDDED_DEPTH_MAX, found);
    }

    /// The first scalar at `path` as text; `None` where there is none or it is null.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<String> {
        let mut first = None;
        self.visit(path, &mut |scalar| {
            if first.is_none() {
                first = scalar.as_text().map(Cow::into_owned);
            }
        });
        first
    }

    /// Every scalar at `path` as text, nulls left out.
    #[must_use]
    pub fn texts(&self, path: &str) -> Vec<String> {
        let mut all = Vec::new();
        self.visit(path, &mut |scalar| all.extend(scalar.as_text().map(Cow::into_owned)));
        all
    }

    /// Every string anywhere in the record, in its order; keys and JSON inside strings are not looked into.
    pub fn strings(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().filter_map(|node| match &node.kind {
            Kind::Scalar(Scalar::Text(text)) => Some(text.as_ref()),
            Kind::Scalar(_) | Kind::List | Kind::Object => None,
        })
    }

    /// A hash of the content that does not depend on the order of keys or on white space; the order of lists counts.
    #[must_use]
    pub fn content_hash(&self) -> Hash128 {
        let mut canonical = Vec::with_capacity(2048);
        tape::canonical(&self.nodes, 0, &mut canonical);
        let digest = Sha256::digest(&canonical);
        let mut first = [0_u8; 16];
        for (to, from) in first.iter_mut().zip(digest) {
            *to = from;
        }
        Hash128::from_bytes(first)
    }
}

/// serde_json's reason and place, without the record's own text (which custom messages would quote).
fn reason_of(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Io => "it cannot be read",
        serde_json::error::Category::Syntax | serde_json::error::Category::Data => {
            let text = error.to_string();
            if text.starts_with("recursion limit") {
                return format!("nested too deep at column {}", error.column());
            }
            "a syntax error"
        }
    };
    format!("{what} at column {}", error.column())
}

fn visit_in(nodes: &[Node<'_>], at: usize, path: &str, embedded: usize, found: &mut dyn FnMut(&Scalar<'_>)) {
    let Some(node) = nodes.get(at) else { return };
    match &node.kind {
        Kind::Object => {
            for (index, child) in tape::children(nodes, at) {
                let Some(key) = child.key.as_deref() else { continue };
                if key == path {
                    visit_value(nodes, index, found);
                } else if let Some(rest) = path.strip_prefix(key).and_then(|rest| rest.strip_prefix('.')) {
                    visit_in(nodes, index, rest, embedded, found);
                }
            }
        }
        Kind::List => {
            for (index, _) in tape::children(nodes, at) {
                visit_element(nodes, index, path, embedded, found);
            }
        }
        Kind::Scalar(Scalar::Text(text)) if embedded > 0 && looks_like_json(text) => {
            if let Ok(inner) = tape::read(text.as_bytes()) {
                visit_in(&inner, 0, path, embedded - 1, found);
            }
        }
        Kind::Scalar(_) => {}
    }
}

/// One element of a list: a name/value pair that `path` names, or an object to look into.
fn visit_element(
    nodes: &[Node<'_>],
    at: usize,
    path: &str,
    embedded: usize,
    found: &mut dyn FnMut(&Scalar<'_>),
) {
    let Some(name) = field_text(nodes, at, "Name").or_else(|| field_text(nodes, at, "Key")) else {
        return visit_in(nodes, at, path, embedded, found);
    };
    let (wanted, field) = if let Some(wanted) = path.strip_suffix(".new") {
        (wanted, "NewValue")
    } else if let Some(wanted) = path.strip_suffix(".old") {
        (wanted, "OldValue")
    } else {
        (path, "Value")
    };
    let value = |field| tape::children(nodes, at).find(|(_, child)| child.key.as_deref() == Some(field));
    if name == wanted {
        if let Some((index, _)) = value(field) {
            visit_value(nodes, index, found);
        }
    } else if let Some(rest) = path.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) {
        if let Some((index, _)) = value("Value") {
            visit_in(nodes, index, rest, embedded, found);
        }
    } else if matches!(path, "Name" | "Key" | "Value" | "NewValue" | "OldValue")
        && let Some((index, _)) = value(path)
    {
        visit_value(nodes, index, found);
    }
}

fn field_text<'n>(nodes: &'n [Node<'_>], at: usize, key: &str) -> Option<&'n str> {
    tape::children(nodes, at).find(|(_, child)| child.key.as_deref() == Some(key)).and_then(|(_, child)| {
        match &child.kind {
            Kind::Scalar(Scalar::Text(text)) => Some(text.as_ref()),
            Kind::Scalar(_) | Kind::List | Kind::Object => None,
        }
    })
}

/// A scalar itself, or every scalar of a list of scalars.
fn visit_value(nodes: &[Node<'_>], at: usize, found: &mut dyn FnMut(&Scalar<'_>)) {
    let Some(node) = nodes.get(at) else { return };
    match &node.kind {
        Kind::Scalar(scalar) => found(scalar),
        Kind::List => {
            for (_, child) in tape::children(nodes, at) {
                if let Kind::Scalar(scalar) = &child.kind {
                    found(scalar);
                }
            }
        }
        Kind::Object => {}
    }
}

fn looks_like_json(text: &str) -> bool {
    matches!(text.trim_start().as_bytes().first(), Some(b'{' | b'['))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"Id":"1","Version":1,"Big":18446744073709551615,"Empty":null,"Yes":true,
        "Parameters":[{"Name":"Identity","Value":"a\\b"},{"Name":"ForwardTo","Value":"x@y.example"}],
        "PropertyCollection":[{"Name":"enduser.ip_address","Value":"::ffff:1.2.3.4"}],
        "ModifiedProperties":[{"Name":"Role.DisplayName","NewValue":"Admin","OldValue":"None"},"bare"],
        "Actor":[{"ID":"u@x","Type":5},{"ID":"g","Type":2}],
        "AdditionalInfo":"{\"policyId\":\"p1\",\"changeSet\":{\"changedProperties\":[\"a\",\"b\"]}}",
        "Deep":{"er":{"est":1.5}}}"#;

    #[test]
    fn paths_find_what_rules_name() {
        let record = Record::parse(RECORD.as_bytes()).unwrap();
        for (path, expected) in [
            ("Id", vec!["1"]),
            ("Version", vec!["1"]),
            ("Big", vec!["18446744073709551615"]),
            ("Empty", vec![]),
            ("Yes", vec!["true"]),
            ("Parameters.Identity", vec!["a\\b"]),
            ("Parameters.ForwardTo", vec!["x@y.example"]),
            ("Parameters.Name", vec!["Identity", "ForwardTo"]),
            ("PropertyCollection.enduser.ip_address", vec!["::ffff:1.2.3.4"]),
            ("ModifiedProperties.Role.DisplayName.new", vec!["Admin"]),
            ("ModifiedProperties.Role.DisplayName.old", vec!["None"]),
            ("Actor.ID", vec!["u@x", "g"]),
            ("AdditionalInfo.policyId", vec!["p1"]),
            ("AdditionalInfo.changeSet.changedProperties", vec!["a", "b"]),
            ("Deep.er.est", vec!["1.5"]),
            ("Deep.er", vec![]),
            ("deep.er.est", vec![]),
            ("ForwardTo", vec![]),
        ] {
            assert_eq!(record.texts(path), expected, "{path}");
        }
        assert!(record.has("Actor") && !record.has("ID"));
        assert_eq!(record.top("Version"), Some(&Scalar::Int(1)));
    }

    #[test]
    fn the_content_hash_ignores_the_order_of_keys_and_white_space_only() {
        let hash = |text: &str| Record::parse(text.as_bytes()).unwrap().content_hash();
        let reference = hash(r#"{"a":1,"b":{"c":[1,2],"d":"x"}}"#);
        assert_eq!(hash(r#" {"b":{"d":"\u0078","c":[1, 2]},"a":1}"#), reference);
        for other in [
            r#"{"a":1,"b":{"c":[2,1],"d":"x"}}"#,
            r#"{"a":"1","b":{"c":[1,2],"d":"x"}}"#,
            r#"{"a":1,"b":{"c":[1,2],"d":"x","e":null}}"#,
            r#"{"a":1,"b":{"c":[1,2]},"d":"x"}"#,
        ] {
            assert_ne!(hash(other), reference, "{other}");
        }
    }

    #[test]
    fn halves_of_characters_and_numbers_without_bound_are_read() {
        let digits = "7".repeat(400);
        let record = format!(
            r#"{{"Cut":"x \ud83d","Whole":"\ud83d\ude00","Long":{digits},"Float":-1e999,"\udc00":1,
                "Inner":"{{\"a\":\"y \\ud83d\",\"b\":1e999}}","Both":"{{\"a\":\"z \ud83d\"}}"}}"#
        );
        let record = Record::parse(record.as_bytes()).unwrap();
        for (path, expected) in [
            ("Cut", "x \u{fffd}"),
            ("Whole", "😀"),
            ("Long", digits.as_str()),
            ("Float", "-1e999"),
            ("\u{fffd}", "1"),
            ("Inner.a", "y \u{fffd}"),
            ("Inner.b", "1e999"),
            ("Both.a", "z \u{fffd}"),
        ] {
            assert_eq!(record.text(path).as_deref(), Some(expected), "{path}");
        }
        let hash = |text: &str| Record::parse(text.as_bytes()).unwrap().content_hash();
        assert_eq!(hash(r#"{"a":"\ud83d","b":1}"#), hash(r#"{"b":1,"a":"\ufffd"}"#));
        assert_ne!(hash(r#"{"a":"\ud83d"}"#), hash(r#"{"a":""}"#));
        assert_ne!(hash(r#"{"a":1e999}"#), hash(r#"{"a":1e998}"#));
    }

    #[test]
    fn what_is_no_record_says_why_without_quoting_it() {
        let reason = |bytes: &[u8]| Record::parse(bytes).unwrap_err().to_string();
        assert_eq!(reason(b"[1]"), "a JSON value that is no object");
        assert_eq!(reason(b"{\"a\":"), "not JSON: it ends too early at column 5");
        assert_eq!(reason(b"{\"secret\"; 1}"), "not JSON: a syntax error at column 10");
        assert_eq!(reason(b"{} {}"), "not JSON: a syntax error at column 4");
        assert!(
            reason(&[b"{\"a\":".repeat(200), b"1".to_vec()].concat())
                .starts_with("not JSON: nested too deep")
        );
        assert_eq!(
            reason(br#"{"a":"\ud83d","b":"#),
            "not JSON: it ends too early at column 18",
            "not for what can be mended"
        );
        assert!(reason(br#"{"a":"\ud83d","b";1}"#).starts_with("not JSON: a syntax error"));
        assert!(reason(b"{\"a\":\"\xff\"}").starts_with("not JSON: a syntax error"));
    }
}
