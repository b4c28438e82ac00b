//! The registry of detector kinds, and what each of them must bring.
//!
//! A detector is three pure parts: *fold* one event into an order-free state, *read* from the state what one bucket has
//! to say, and say how far an event *reaches*. None of them knows an order, a clock or what was said before; the driver
//! (`correlate/driver.rs`) turns readings into findings, once for all kinds. The laws in `correlate/laws.rs` run over
//! [`specimens`], so that a new kind is under them as soon as it is in the list.

use std::{collections::BTreeMap, fmt::Debug, ops::RangeInclusive};

use schemas::{EventId, Micros, id::Hasher};

pub mod distinct;
pub mod first_seen;
pub mod off_hours;
pub mod sequence;
pub mod slots;
pub mod spike;
pub mod threshold;

pub use slots::Slots;

/// One event as a detector sees it.
#[derive(Debug, Clone)]
pub struct Occurrence<'a> {
    /// When it happened.
    pub time: Micros,
    /// Its id.
    pub event: EventId,
    /// Who did it.
    pub actor: &'a str,
    /// Which of the rule's base rules it matched: bit n for base rule n.
    pub roles: u64,
    /// The values that the rule counts.
    pub values: Vec<&'a str>,
    /// What the rule shows besides: fields and their values.
    pub facts: Vec<(&'a str, &'a str)>,
}

/// What a bucket has to say: a function of the set of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What the rule counts: events or distinct values, in the fullest window that ends in the bucket.
    pub count: u64,
    /// How many events there are in the windows on fire.
    pub events: u64,
    /// Time of the first of them.
    pub first: Micros,
    /// Time of the last of them.
    pub last: Micros,
    /// The first of them by (time, id): [`schemas::finding::EVIDENCE_MAX`] at most, of each slot as many as it keeps.
    pub evidence: Vec<EventId>,
    /// Their counted values, sorted, the first few.
    pub values: Vec<String>,
    /// Who did it, sorted, the first few.
    pub actors: Vec<String>,
    /// What the rule shows besides: by field the values, sorted, the first few.
    pub facts: BTreeMap<String, Vec<String>>,
}

impl Reading {
    /// Tells two readings apart, so that an open finding need not keep its own.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut hasher = Hasher::default();
        for number in [self.count, self.events, self.first.0.cast_unsigned(), self.last.0.cast_unsigned()] {
            hasher.part(&number.to_be_bytes());
        }
        for event in &self.evidence {
            hasher.part(&event.0.to_bytes());
        }
        let facts = self.facts.iter().flat_map(|(field, values)| [field].into_iter().chain(values));
        for text in self.values.iter().chain(&self.actors).chain(facts) {
            hasher.part(text.as_bytes());
        }
        for length in [self.values.len(), self.actors.len()] {
            hasher.part(&length.to_be_bytes());
        }
        distinct::high_half(hasher.finish())
    }
}

/// One kind of stateful rule, with its parameters.
pub trait Detector: Send + Sync + Debug {
    /// The kind's name, as findings carry it.
    fn kind(&self) -> &'static str;

    /// Tells states apart that must not be mixed: everything that decides what [`Detector::fold`] keeps.
    fn shape(&self) -> String;

    /// Adds one event. Commutative and associative, not idempotent: duplicates must be gone by now.
    fn fold(&self, state: &mut Slots, occurrence: &Occurrence<'_>);

    /// What a bucket has to say, if anything.
    fn read(&self, state: &Slots, bucket: i64) -> Option<Reading>;

    /// The bucket of a moment. Buckets are aligned to the epoch and counted from it.
    fn bucket_of(&self, time: Micros) -> i64;

    /// When a bucket begins; the one before it ends then.
    fn bucket_start(&self, bucket: i64) -> Micros;

    /// The buckets whose reading an event of that time can change.
    fn reach(&self, time: Micros) -> RangeInclusive<i64>;

    /// Of those buckets the ones that may have something to say; the others are not read. Kinds whose events reach far
    /// ahead name those with events.
    fn candidates(&self, _state: &Slots, buckets: RangeInclusive<i64>) -> Vec<i64> {
        buckets.collect()
    }

    /// How long an event still matters to buckets that are not frozen, after the freeze has passed it.
    fn horizon(&self) -> i64;

    /// How long one slot of the state is, in microseconds.
    fn slot(&self) -> i64;

    /// Drops or shortens what the freeze at `floor` has passed. No reading of a bucket that ends after the floor may
    /// change; those of others are not read again.
    fn forget(&self, state: &mut Slots, floor: Micros) {
        state.forget_before(floor.plus(-self.horizon()).0.div_euclid(self.slot()));
    }

    /// When the freeze next has something to drop or to shorten.
    fn due(&self, state: &Slots) -> Option<Micros> {
        let first = state.iter().next()?;
        Some(slot_end(first.index(), self.slot()).plus(self.horizon()))
    }

    /// When a bucket ends.
    fn bucket_end(&self, bucket: i64) -> Micros {
        self.bucket_start(bucket.saturating_add(1))
    }
}

/// When a slot of that length ends.
fn slot_end(index: i64, slot: i64) -> Micros {
    Micros(index.saturating_add(1).saturating_mul(slot))
}

/// One detector of each kind and flavour, for the laws and the benchmarks: the registry.
#[must_use]
pub fn specimens() -> Vec<(&'static str, Box<dyn Detector>)> {
    vec![
        ("threshold event_count", Box::new(threshold::Threshold::events(schemas::time::HOUR, 5))),
        ("threshold value_count", Box::new(threshold::Threshold::values(schemas::time::HOUR, 3))),
        ("threshold temporal", Box::new(threshold::Threshold::roles(schemas::time::HOUR, 3))),
        ("off_hours", Box::new(off_hours::OffHours)),
        ("first_seen", Box::new(first_seen::FirstSeen::new(2, 1))),
        ("sequence", Box::new(sequence::Sequence::new(2 * schemas::time::DAY))),
        ("spike", Box::new(spike::Spike::new(spike::specimen(false)))),
        ("spike distinct", Box::new(spike::Spike::new(spike::specimen(true)))),
    ]
}
