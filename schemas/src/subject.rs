//! Under which names our schemas stand in a schema registry.
//!
//! A topic with one kind of message has the subject `<topic>-value`, where every viewer looks; one that carries
//! watermarks between its messages has a subject for each, `<topic>-<record>`, since a subject holds the versions of one
//! schema. Confluent calls these `TopicNameStrategy` and `TopicRecordNameStrategy`. Dead letters hold whatever came, so they
//! have none; keys are bytes. Limit: 23 subjects.

use crate::{
    codec::Message,
    enriched::EnrichedEvent,
    event::Event,
    finding::Finding,
    gap::Gap,
    ledger::{LedgerEntry, Seen},
    receipt::Receipt,
    signal::Signal,
    state::DetectState,
    topic::Topic,
    watermark::Watermark,
};

/// A schema as it stands in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its name there.
    pub name: String,
    /// The message's fixed id.
    pub message: u32,
    /// The text that is to be its newest version.
    pub schema: &'static str,
}

/// Every subject, in the order of the fixed ids: an empty registry that counts from 1 then gives out the same. `prefix`
/// is that of the topics.
#[must_use]
pub fn subjects(prefix: &str) -> Vec<Subject> {
    let mut all: Vec<Subject> = Topic::all().into_iter().flat_map(|topic| of(topic, prefix)).collect();
    all.sort_by_key(|subject| subject.message);
    all
}

/// The subjects of one topic.
fn of(topic: Topic, prefix: &str) -> Vec<Subject> {
    let value = |(message, _, schema)| Subject { name: format!("{prefix}{topic}-value"), message, schema };
    let mixed =
        |(message, record, schema)| Subject { name: format!("{prefix}{topic}-{record}"), message, schema };
    match topic {
        Topic::Event => vec![mixed(entry::<Event>("io.weir.Event")), mixed(marks())],
        Topic::Enriched => vec![mixed(entry::<EnrichedEvent>("io.weir.EnrichedEvent")), mixed(marks())],
        Topic::Signal => vec![mixed(entry::<Signal>("io.weir.Signal")), mixed(marks())],
        Topic::Ledger => vec![mixed(entry::<LedgerEntry>("io.weir.LedgerEntry")), mixed(marks())],
        Topic::DetectState => vec![value(entry::<DetectState>(""))],
        Topic::Finding(_) => vec![value(entry::<Finding>(""))],
        Topic::Seen => vec![value(entry::<Seen>(""))],
        Topic::Gap => vec![value(entry::<Gap>(""))],
        Topic::Receipt => vec![value(entry::<Receipt>(""))],
        Topic::DeadLetter(_) => Vec::new(),
    }
}

fn marks() -> (u32, &'static str, &'static str) {
    entry::<Watermark>("io.weir.Watermark")
}

fn entry<T: Message>(record: &'static str) -> (u32, &'static str, &'static str) {
    (T::SCHEMA_ID, record, T::SCHEMA)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::codec::MESSAGES;

    #[test]
    fn every_message_has_a_subject_and_no_two_share_a_name() {
        let subjects = subjects("sec-");
        let names: BTreeSet<&str> = subjects.iter().map(|subject| subject.name.as_str()).collect();
        assert_eq!(names.len(), subjects.len());
        let messages: BTreeSet<u32> = subjects.iter().map(|subject| subject.message).collect();
        assert_eq!(messages, MESSAGES.iter().map(|(id, ..)| *id).collect());
        assert!(names.contains("sec-weir.finding.identity.v1-value"), "{names:?}");
        assert!(names.contains("sec-weir.event.v1-io.weir.Watermark"), "{names:?}");
    }

    /// `TopicRecordNameStrategy` asks for the record's own name.
    #[test]
    fn a_mixed_subject_ends_with_the_name_in_its_schema() {
        for subject in subjects("") {
            let Some((_, record)) = subject.name.split_once(".v1-") else { panic!("{}", subject.name) };
            let schema = apache_avro::Schema::parse_str(subject.schema).unwrap();
            let name = schema.name().unwrap().fullname(None);
            assert!(record == "value" || record == name, "{} and {name}", subject.name);
        }
    }
}
