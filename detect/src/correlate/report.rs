//! From a revision to a finding: a function of the rule, the group value and the reading.
//!
//! The entity is a part of the group value, never of the events, so that every revision has the same key.

use std::collections::BTreeMap;

use schemas::{
    FindingId, Micros,
    finding::{Change, Entity, Finding},
};

use super::driver::Revision;
use crate::{
    matching::SEPARATOR,
    rules::{Rule, Stateful, join},
};

/// One group value of one rule.
pub(super) struct Subject<'a> {
    pub(super) rule: &'a Rule,
    pub(super) stateful: &'a Stateful,
    pub(super) tenant: &'a str,
    pub(super) group_value: &'a str,
}

impl Subject<'_> {
    /// The finding that says this revision.
    pub(super) fn finding(&self, revision: Revision, now: Micros) -> Finding {
        let info = &self.rule.info;
        let detector = &*self.stateful.detector;
        let Revision { bucket, number, change, reading } = revision;
        let reading = reading.as_ref();
        let values = |field: &str| self.values(field, reading);
        let summary = match change {
            Change::Create | Change::Update => self.rule.summary.render(values),
            Change::Close => format!("no longer holds: {}", info.title),
        };
        let mut facts = BTreeMap::new();
        let own = ["count", "window", "values", "expected", "ratio", "known_days"].into_iter();
        for field in own.chain(self.rule.facts.iter().map(String::as_str)) {
            facts.insert(field.to_owned(), join(&self.values(field, reading)));
        }
        facts.retain(|_, value| !value.is_empty());
        Finding {
            id: FindingId::of_bucket(self.tenant, &info.id, info.major, self.group_value, bucket),
            revision: number,
            change,
            tenant: self.tenant.to_owned(),
            rule: info.id.clone(),
            rule_name: info.name.clone(),
            title: info.title.clone(),
            rule_major: info.major,
            group: info.group.name().to_owned(),
            kind: info.kind.to_owned(),
            severity: info.level,
            entity: Entity { kind: self.rule.entity_kind.clone(), id: self.entity_id() },
            summary,
            description: info.description.clone(),
            first_time: reading.map_or(detector.bucket_start(bucket), |reading| reading.first),
            last_time: reading.map_or(detector.bucket_end(bucket), |reading| reading.last),
            created_at: now,
            event_ids: reading.map(|reading| reading.evidence.clone()).unwrap_or_default(),
            event_count: reading.map_or(0, |reading| i64::try_from(reading.events).unwrap_or(i64::MAX)),
            techniques: info.techniques.clone(),
            facts,
            false_positives: info.false_positives.clone(),
        }
    }

    fn entity_id(&self) -> String {
        match &self.rule.entity_field {
            Some(field) => self.part(field).unwrap_or_default().to_owned(),
            None => self.whole(),
        }
    }

    fn whole(&self) -> String {
        self.group_value.replace(SEPARATOR, ", ")
    }

    /// The part of the group value that is this field's.
    fn part(&self, field: &str) -> Option<&str> {
        let place = self.stateful.group_by.iter().position(|part| part == field)?;
        self.group_value.split(SEPARATOR).nth(place)
    }

    /// What a rule's text may name: what the reading counts and shows, and the parts of the group.
    fn values(&self, field: &str, reading: Option<&crate::detectors::Reading>) -> Vec<String> {
        match field {
            "group" => vec![self.whole()],
            "window" => vec![self.stateful.window.clone()],
            "count" => reading.map(|reading| reading.count.to_string()).into_iter().collect(),
            "values" => reading.map(|reading| reading.values.clone()).unwrap_or_default(),
            "actors" => reading.map(|reading| reading.actors.clone()).unwrap_or_default(),
            _ if self.stateful.value.as_deref() == Some(field) => self.values("values", reading),
            _ => match self.part(field) {
                Some(part) => vec![part.to_owned()],
                None => reading.and_then(|reading| reading.facts.get(field)).cloned().unwrap_or_default(),
            },
        }
    }
}

/// What a stateful rule's summary and facts may name besides its group-by fields and its value field.
pub(crate) const NAMES: [&str; 8] =
    ["group", "window", "count", "values", "actors", "expected", "ratio", "known_days"];
