//! The state of one rule for one key: order-free summaries of the events, one a slot of time.
//!
//! A slot is a function of the *set* of events that fell into it: counts, sets, and the smallest few of what is kept
//! for the text of a finding. So folding in any order gives the same bytes.
//!
//! What freezes may be kept shorter: `Past` holds no more than a kind's later readings need of it.
//!
//! Limits of a slot: as many events as evidence (24 bytes each) as the kind says (8 to 64), as text 8 values, 4 actors
//! and 4 values of each fact (at most 128 bytes each, cut by match; at most 16 facts, checked by the loader), distinct
//! values as in [`Distinct`] (2 KiB at most). Slots live until the freeze has passed them by the kind's horizon; where
//! no watermark comes (a scan reads all files first) they grow with the data.

use std::{collections::BTreeMap, ops::RangeInclusive};

use schemas::{EventId, Hash128, Micros, finding};
use serde::{Deserialize, Serialize};

use super::{Occurrence, Reading, distinct::Distinct};

mod past;

pub(super) use past::Past;

const VALUES_MAX: usize = 8;
const ACTORS_MAX: usize = 4;
const FACT_VALUES_MAX: usize = 4;

/// The slots of one rule and key that are not empty, in the order of time, and what is left of those that are frozen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Slots {
    slots: Vec<Slot>,
    /// Of the kinds that look far back.
    pub(super) past: Past,
}

/// The events of one slot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    index: i64,
    /// What tells the slots of one time apart, where a kind keeps several (a hash, a role); else 0.
    of: u64,
    count: u64,
    last: i64,
    roles: u64,
    distinct: Distinct,
    evidence: Vec<(i64, [u8; 16])>,
    values: Vec<Box<str>>,
    actors: Vec<Box<str>>,
    /// Sorted by field.
    facts: Vec<Fact>,
}

/// The first values of one field.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Fact {
    field: Box<str>,
    values: Vec<Box<str>>,
}

impl Slots {
    /// The slots, in the order of time.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Slot> {
        self.slots.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.past.is_empty()
    }

    /// The slots from index `first` to `last`, both included.
    #[must_use]
    pub fn between(&self, first: i64, last: i64) -> &[Slot] {
        let from = self.slots.partition_point(|slot| slot.index < first);
        let to = self.slots.partition_point(|slot| slot.index <= last);
        self.slots.get(from..to).unwrap_or_default()
    }

    /// The indices of the slots that lie in that range, each once.
    #[must_use]
    pub fn indices(&self, range: RangeInclusive<i64>) -> Vec<i64> {
        let slots = self.between(*range.start(), *range.end()).iter();
        let mut indices: Vec<i64> = slots.map(Slot::index).collect();
        indices.dedup();
        indices
    }

    /// Adds an event to its slot, which keeps the first `evidence_max` of them as evidence.
    pub fn add(&mut self, index: i64, occurrence: &Occurrence<'_>, evidence_max: usize) {
        self.add_to((index, 0), occurrence, evidence_max);
    }

    /// Adds an event to one of several slots of that index.
    pub(super) fn add_to(
        &mut self,
        (index, of): (i64, u64),
        occurrence: &Occurrence<'_>,
        evidence_max: usize,
    ) {
        let at = self.slots.partition_point(|slot| (slot.index, slot.of) < (index, of));
        if self.slots.get(at).is_none_or(|slot| (slot.index, slot.of) != (index, of)) {
            self.slots.insert(at, Slot { index, of, last: i64::MIN, ..Slot::default() });
        }
        if let Some(slot) = self.slots.get_mut(at) {
            slot.add(occurrence, evidence_max);
        }
    }

    /// Forgets the slots before index `first`.
    pub fn forget_before(&mut self, first: i64) {
        self.take_before(first);
    }

    /// Takes the slots before index `first` out.
    pub(super) fn take_before(&mut self, first: i64) -> Vec<Slot> {
        let keep = self.slots.partition_point(|slot| slot.index < first);
        self.slots.drain(..keep).collect()
    }

    /// Puts slots back that were taken out, before all others.
    pub(super) fn put_back(&mut self, slots: Vec<Slot>) {
        self.slots.splice(..0, slots);
    }

    /// Of the slots of one index, all but the first `most` go.
    pub(super) fn keep_first(&mut self, index: i64, most: usize) {
        let from = self.slots.partition_point(|slot| slot.index < index);
        let to = self.slots.partition_point(|slot| slot.index <= index);
        if to - from > most {
            self.slots.drain(from + most..to);
        }
    }

    /// The memory taken, in bytes, without the allocator's own.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
            + self.slots.iter().map(Slot::heap_bytes).sum::<usize>()
            + self.past.heap_bytes()
    }
}

impl Slot {
    /// Its number, counted from the epoch.
    #[must_use]
    pub fn index(&self) -> i64 {
        self.index
    }

    /// What tells it apart from others of its time.
    pub(super) fn of(&self) -> u64 {
        self.of
    }

    /// How many events it has.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The time of its last event.
    #[must_use]
    pub fn last(&self) -> Micros {
        Micros(self.last)
    }

    /// The base rules that its events matched.
    #[must_use]
    pub fn roles(&self) -> u64 {
        self.roles
    }

    /// The distinct values of its events.
    #[must_use]
    pub fn distinct(&self) -> &Distinct {
        &self.distinct
    }

    /// Its first events by (time, id).
    pub fn evidence(&self) -> impl Iterator<Item = (Micros, EventId)> {
        self.evidence.iter().map(|(time, id)| (Micros(*time), EventId(Hash128::from_bytes(*id))))
    }

    /// The first of its values.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|value| &**value)
    }

    /// The first of its actors.
    pub fn actors(&self) -> impl Iterator<Item = &str> {
        self.actors.iter().map(|actor| &**actor)
    }

    fn add(&mut self, occurrence: &Occurrence<'_>, evidence_max: usize) {
        self.count = self.count.saturating_add(1);
        self.last = self.last.max(occurrence.time.0);
        self.roles |= occurrence.roles;
        for value in &occurrence.values {
            self.distinct.add(value);
            keep_smallest(&mut self.values, value, VALUES_MAX);
        }
        for (field, value) in &occurrence.facts {
            self.add_fact(field, value);
        }
        if !occurrence.actor.is_empty() {
            keep_smallest(&mut self.actors, occurrence.actor, ACTORS_MAX);
        }
        let proof = (occurrence.time.0, occurrence.event.0.to_bytes());
        let at = self.evidence.partition_point(|kept| *kept < proof);
        if at < evidence_max {
            self.evidence.insert(at, proof);
            self.evidence.truncate(evidence_max);
        }
    }

    fn add_fact(&mut self, field: &str, value: &str) {
        let at = self.facts.partition_point(|fact| *fact.field < *field);
        if self.facts.get(at).is_none_or(|fact| *fact.field != *field) {
            self.facts.insert(at, Fact { field: field.into(), values: Vec::new() });
        }
        if let Some(fact) = self.facts.get_mut(at) {
            keep_smallest(&mut fact.values, value, FACT_VALUES_MAX);
        }
    }

    fn heap_bytes(&self) -> usize {
        let texts =
            [&self.values, &self.actors].into_iter().chain(self.facts.iter().map(|fact| &fact.values));
        let text_bytes = |texts: &Vec<Box<str>>| {
            texts.capacity() * size_of::<Box<str>>() + texts.iter().map(|text| text.len()).sum::<usize>()
        };
        let fields = self.facts.iter().map(|fact| size_of::<Fact>() + fact.field.len()).sum::<usize>();
        self.evidence.capacity() * size_of::<(i64, [u8; 16])>()
            + self.distinct.heap_bytes()
            + texts.map(text_bytes).sum::<usize>()
            + fields
    }
}

/// The reading of these slots, which are in the order of time.
pub(crate) fn reading(count: u64, slots: &[&Slot]) -> Reading {
    let mut evidence: Vec<(Micros, EventId)> = slots.iter().flat_map(|slot| slot.evidence()).collect();
    // In order as it is, but where a kind keeps several slots of one time.
    evidence.sort_unstable();
    evidence.dedup();
    evidence.truncate(finding::EVIDENCE_MAX);
    Reading {
        count,
        events: slots.iter().map(|slot| slot.count()).sum(),
        first: evidence.first().map_or(Micros::START, |(time, _)| *time),
        last: slots.iter().map(|slot| slot.last()).max().unwrap_or(Micros::START),
        evidence: evidence.into_iter().map(|(_, id)| id).collect(),
        values: smallest(slots.iter().flat_map(|slot| slot.values()), VALUES_MAX),
        actors: smallest(slots.iter().flat_map(|slot| slot.actors()), ACTORS_MAX),
        facts: facts(slots),
    }
}

fn facts(slots: &[&Slot]) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for fact in slots.iter().flat_map(|slot| &slot.facts) {
        all.entry(&fact.field).or_default().extend(fact.values.iter().map(|value| &**value));
    }
    let kept = all
        .into_iter()
        .map(|(field, values)| (field.to_owned(), smallest(values.into_iter(), FACT_VALUES_MAX)));
    kept.collect()
}

fn smallest<'a>(texts: impl Iterator<Item = &'a str>, most: usize) -> Vec<String> {
    let mut texts: Vec<&str> = texts.collect();
    texts.sort_unstable();
    texts.dedup();
    texts.truncate(most);
    texts.into_iter().map(str::to_owned).collect()
}

/// Adds a text to the smallest `most` different ones.
fn keep_smallest(kept: &mut Vec<Box<str>>, text: &str, most: usize) {
    let at = kept.partition_point(|other| **other < *text);
    if at < most && kept.get(at).is_none_or(|other| **other != *text) {
        kept.insert(at, text.into());
        kept.truncate(most);
    }
}
