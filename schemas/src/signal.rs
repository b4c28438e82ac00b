//! A signal: one event that matters to stateful rules, keyed by (tenant, group value).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{EventId, Hash128, Micros, Offset, Partition};

/// One event for one group value, with the rules it matters to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// The event.
    pub event_id: EventId,
    /// Its tenant.
    pub tenant: String,
    /// Its source.
    pub source: String,
    /// Its content type.
    pub content_type: String,
    /// When it happened.
    pub time: Micros,
    /// What the state is kept for: the values of the rule's `group-by` fields, joined by U+001F.
    pub group_value: String,
    /// Who did it, for the finding's text.
    pub actor: String,
    /// Where the signal was made: drops what a zombie or a repeated step wrote twice.
    pub origin: Origin,
    /// The rules it matters to.
    pub rules: Vec<RuleSignal>,
}

/// The enriched record that a signal came from, and which of its signals this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// Partition of the enriched topic.
    pub partition: i32,
    /// Offset in it.
    pub offset: i64,
    /// Counted from 0 over the signals of that record.
    pub index: i32,
}

impl Origin {
    /// The partition and offset as their own types; `None` when the numbers cannot be.
    #[must_use]
    pub fn position(&self) -> Option<(Partition, Offset)> {
        Some((Partition(u32::try_from(self.partition).ok()?), Offset(u64::try_from(self.offset).ok()?)))
    }
}

/// What one rule wants to fold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleSignal {
    /// The stateful rule's id.
    pub rule: String,
    /// Which of the rule's base rules matched, counted from 0.
    pub role: i32,
    /// The counted value, for rules that count distinct values; else empty.
    pub value: String,
    /// What the finding shows besides: the fields that the rule names and their values in this event. Only in the
    /// first entry of a rule.
    pub facts: BTreeMap<String, String>,
}

/// The key of everything kept for one group value: `tenant`, U+001F, `group_value`.
#[must_use]
pub fn key(tenant: &str, group_value: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(tenant.len() + 1 + group_value.len());
    key.extend_from_slice(tenant.as_bytes());
    key.push(0x1f);
    key.extend_from_slice(group_value.as_bytes());
    key
}

/// The same key hashed, for state maps.
#[must_use]
pub fn key_hash(tenant: &str, group_value: &str) -> Hash128 {
    Hash128::of(&[tenant.as_bytes(), group_value.as_bytes()])
}
