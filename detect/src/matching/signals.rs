//! From matches of stateful rules to signals: one per (event, group value), naming every rule it matters to.

use std::collections::BTreeMap;

use schemas::{
    Event, Hash128,
    signal::{Origin, RuleSignal, Signal},
};

use crate::{
    rules::{Rule, Stateful, cut, join},
    view::View,
};

const GROUPS_MAX: usize = 256;
const VALUES_MAX: usize = 1024;
const GROUP_BYTES_MAX: usize = 512;
const VALUE_BYTES_MAX: usize = 128;
const FACT_BYTES_MAX: usize = 125;

/// Between the parts of a group value.
pub(crate) const SEPARATOR: char = '\u{1f}';

/// What is to be said about one event, by group value.
#[derive(Default)]
pub(super) struct Wanted(BTreeMap<String, Vec<RuleSignal>>);

impl Wanted {
    /// A base document of the rule matched. An event without a group value, or without a value where values are
    /// counted, is none of the rule's.
    pub(super) fn add(&mut self, rule: &Rule, stateful: &Stateful, role: u32, view: &View<'_>) {
        if stateful.off_hours_only && !is_off_hours(view) {
            return;
        }
        let values = match &stateful.value {
            None => vec![String::new()],
            Some(field) => some_of(view.texts(field), VALUES_MAX),
        };
        for group in groups(stateful, role, view) {
            let wanted = self.0.entry(group).or_default();
            let is_first = wanted.iter().all(|entry| entry.rule != rule.info.id);
            let from = wanted.len();
            wanted.extend(values.iter().map(|value| RuleSignal {
                rule: rule.info.id.clone(),
                role: i32::try_from(role).unwrap_or(i32::MAX),
                value: shortened(value),
                facts: BTreeMap::new(),
            }));
            if let Some(first) = wanted.get_mut(from).filter(|_| is_first) {
                first.facts = facts(rule, view);
            }
        }
    }

    /// In the order of group values.
    pub(super) fn into_signals(self, event: &Event) -> Vec<Signal> {
        let signal = |(group_value, rules)| Signal {
            event_id: event.id,
            tenant: event.tenant.clone(),
            source: event.source.clone(),
            content_type: event.content_type.clone(),
            time: event.time,
            group_value,
            actor: cut(&event.activity.actor.id, VALUE_BYTES_MAX),
            origin: Origin { partition: 0, offset: 0, index: 0 },
            rules,
        };
        self.0.into_iter().map(signal).collect()
    }
}

/// Known to lie outside the hours and outside the places; unknown is neither.
fn is_off_hours(view: &View<'_>) -> bool {
    let hour = &view.event().working_time;
    hour.within_hours == Some(false) && hour.expected_place == Some(false)
}

/// Every combination of the values of the group's fields.
fn groups(stateful: &Stateful, role: u32, view: &View<'_>) -> Vec<String> {
    let mut groups = vec![String::new()];
    for (place, field) in stateful.group_by.iter().enumerate() {
        let texts = view.texts(stateful.group_field(role, field));
        let values = some_of(texts.iter().map(|value| bounded(value)).collect(), GROUPS_MAX);
        let with = |group: &String| {
            let group = if place == 0 { String::new() } else { format!("{group}{SEPARATOR}") };
            values.iter().map(move |value| format!("{group}{value}")).collect::<Vec<_>>()
        };
        groups = groups.iter().flat_map(with).take(GROUPS_MAX).collect();
    }
    groups
}

/// Different values, sorted, the first `most`.
fn some_of(mut values: Vec<String>, most: usize) -> Vec<String> {
    values.sort_unstable();
    values.dedup();
    values.truncate(most);
    values
}

/// What the rule shows of an event.
fn facts(rule: &Rule, view: &View<'_>) -> BTreeMap<String, String> {
    let facts =
        rule.facts.iter().map(|field| (field.clone(), cut(&join(&view.texts(field)), FACT_BYTES_MAX)));
    facts.filter(|(_, value)| !value.is_empty()).collect()
}

/// A value as it may be part of a key: without the separator, and of bounded length.
pub(super) fn bounded(value: &str) -> String {
    let value = value.replace(SEPARATOR, "\u{fffd}");
    if value.len() <= GROUP_BYTES_MAX { value } else { told_apart(&value, GROUP_BYTES_MAX) }
}

/// A counted value: as short as it may be shown, and still told apart from others.
fn shortened(value: &str) -> String {
    if value.len() <= VALUE_BYTES_MAX { value.to_owned() } else { told_apart(value, VALUE_BYTES_MAX - 40) }
}

fn told_apart(value: &str, most: usize) -> String {
    format!("{}{}", cut(value, most), Hash128::of(&[value.as_bytes()]))
}
