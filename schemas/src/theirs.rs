//! What a schema from a registry is to us: the current one of a message, one that ours can read, or a stranger's.
//!
//! Whoever may register decides what such a schema is, so it must not be able to harm. One that holds itself is a
//! stranger's: a record nested deeply enough would exhaust the stack of its reader. So is one of more than
//! [`PARTS_MAX`] parts with every name written out: parts need not take bytes, and a short record could have millions.
//! None of our schemas comes near. How deep the text itself may be nested is bounded by the JSON parser, at 128.

use std::collections::BTreeMap;

use apache_avro::{Schema, reader::datum::GenericDatumReader, schema_compatibility::SchemaCompatibility};

use crate::codec::MESSAGES;

/// So many parts a schema may have, counting each as often as it is used.
const PARTS_MAX: u64 = 10_000;

/// What an id in a record means.
#[derive(Clone, Copy)]
pub(crate) enum Meaning {
    /// The current schema of the message with this fixed id.
    Current(u32),
    /// Another schema of that message, which ours can read.
    Other(&'static Other),
}

/// A schema of ours that is not the current one.
pub(crate) struct Other {
    fixed: u32,
    /// Reads it as the current one.
    pub(crate) reader: GenericDatumReader<'static>,
}

impl Meaning {
    pub(crate) fn fixed(self) -> u32 {
        match self {
            Self::Current(fixed) => fixed,
            Self::Other(other) => other.fixed,
        }
    }
}

/// Which message a schema is of, if ours can read it.
pub(crate) fn meaning(text: &str) -> Option<Meaning> {
    let theirs = Schema::parse_str(text).ok()?;
    let name = theirs.name()?.fullname(None);
    for (fixed, _, text) in MESSAGES {
        let ours = Schema::parse_str(text).ok()?;
        if ours.name().is_none_or(|ours| ours.fullname(None) != name) {
            continue;
        }
        if ours.canonical_form() == theirs.canonical_form() {
            return Some(Meaning::Current(*fixed));
        }
        parts(&theirs, &mut BTreeMap::new()).filter(|parts| *parts <= PARTS_MAX)?;
        SchemaCompatibility::can_read(&theirs, &ours).ok()?;
        return other(*fixed, theirs, ours).map(Meaning::Other);
    }
    None
}

/// Whether this text is the current schema of that message, if perhaps in other words.
pub(crate) fn is_current(fixed: u32, text: &str) -> bool {
    let ours = MESSAGES.iter().find(|(id, ..)| *id == fixed).map(|(_, _, text)| Schema::parse_str(text));
    let (Some(Ok(ours)), Ok(theirs)) = (ours, Schema::parse_str(text)) else { return false };
    ours.canonical_form() == theirs.canonical_form()
}

/// The schemas and their reader live as long as the process: there are [`crate::ids::LEARNED_MAX`] of them at most.
fn other(fixed: u32, theirs: Schema, ours: Schema) -> Option<&'static Other> {
    // On borrowed ones first: what no reader can be made of is not kept.
    GenericDatumReader::builder(&theirs).reader_schema(&ours).build().ok()?;
    let (theirs, ours): (&'static Schema, &'static Schema) =
        (Box::leak(theirs.into()), Box::leak(ours.into()));
    let reader = GenericDatumReader::builder(theirs).reader_schema(ours).build().ok()?;
    Some(Box::leak(Box::new(Other { fixed, reader })))
}

/// How many parts a schema has with every name written out; none where it holds itself. `known` are the records that
/// were met before, without a number while they are open.
fn parts(schema: &Schema, known: &mut BTreeMap<String, Option<u64>>) -> Option<u64> {
    let inside = match schema {
        Schema::Array(array) => parts(&array.items, known)?,
        Schema::Map(map) => parts(&map.types, known)?,
        Schema::Union(union) => sum(union.variants().iter(), known)?,
        Schema::Record(record) => {
            let name = record.name.fullname(None);
            known.insert(name.clone(), None);
            let inside = sum(record.fields.iter().map(|field| &field.schema), known)?;
            known.insert(name, Some(inside));
            inside
        }
        // What is not known is no record.
        Schema::Ref { name } => known.get(&name.fullname(None)).copied().unwrap_or(Some(0))?,
        Schema::Null
        | Schema::Boolean
        | Schema::Int
        | Schema::Long
        | Schema::Float
        | Schema::Double
        | Schema::Bytes
        | Schema::String
        | Schema::Enum(_)
        | Schema::Fixed(_)
        | Schema::Decimal(_)
        | Schema::BigDecimal
        | Schema::Uuid(_)
        | Schema::Date
        | Schema::TimeMillis
        | Schema::TimeMicros
        | Schema::TimestampMillis
        | Schema::TimestampMicros
        | Schema::TimestampNanos
        | Schema::LocalTimestampMillis
        | Schema::LocalTimestampMicros
        | Schema::LocalTimestampNanos
        | Schema::Duration(_) => 0,
    };
    Some(inside.saturating_add(1))
}

fn sum<'s>(
    schemas: impl Iterator<Item = &'s Schema>,
    known: &mut BTreeMap<String, Option<u64>>,
) -> Option<u64> {
    schemas.map(|schema| parts(schema, known)).try_fold(0_u64, |sum, parts| Some(sum.saturating_add(parts?)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{codec::Message, gap::Gap};

    /// The schema of a gap with a field more of this type.
    fn with(field: &Value) -> String {
        let mut schema: Value = serde_json::from_str(Gap::SCHEMA).unwrap();
        let field = json!({"name": "later", "type": field});
        schema["fields"].as_array_mut().unwrap().push(field);
        schema.to_string()
    }

    fn record(name: &str, fields: &[Value]) -> Value {
        let field = |(number, field)| json!({"name": format!("f{number}"), "type": field});
        let fields: Vec<Value> = fields.iter().enumerate().map(field).collect();
        json!({"type": "record", "name": name, "fields": fields})
    }

    /// Law: what it takes to read a record is bounded by its bytes and by what is written here, not by who registered.
    #[test]
    fn a_schema_that_holds_itself_is_a_strangers() {
        let leaf = record("Twice", &[json!("int")]);
        assert!(meaning(&with(&record("Once", &[leaf, json!("Twice")]))).is_some(), "used twice, not held");
        for holding in [
            json!(["null", "Gap"]),
            record("Node", &[json!(["null", "Node"])]),
            record("Node", &[json!({"type": "array", "items": "Node"})]),
            record("Node", &[record("Inner", &[json!({"type": "map", "values": "Node"})])]),
        ] {
            assert!(meaning(&with(&holding)).is_none(), "{holding}");
        }
    }

    /// Fourteen records, each of which holds the one before it twice.
    #[test]
    fn a_schema_with_many_parts_in_few_words_is_a_strangers() {
        let doubled = |times: u32| {
            (0..times).fold(record("R", &[json!("null")]), |inner, number| {
                let name = inner["name"].clone();
                record(&format!("R{number}"), &[inner, name])
            })
        };
        assert!(meaning(&with(&doubled(3))).is_some());
        assert!(meaning(&with(&doubled(14))).is_none());
    }

    #[test]
    fn the_current_schema_is_known_in_other_words_and_no_other_is() {
        let mut schema: Value = serde_json::from_str(Gap::SCHEMA).unwrap();
        schema["doc"] = "other words".into();
        assert!(is_current(Gap::SCHEMA_ID, &schema.to_string()));
        assert!(!is_current(Gap::SCHEMA_ID, &with(&json!("int"))));
        assert!(!is_current(Gap::SCHEMA_ID, "{"));
        assert!(!is_current(4711, Gap::SCHEMA));
    }
}
