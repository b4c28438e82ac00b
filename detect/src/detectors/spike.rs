//! Spike: an hour with far more than is normal for this key at this hour of the week.
//!
//! The hour's count (events, or distinct values) fires when all three hold: it is at least `ratio` times what was
//! expected, at least `floor`, and its tail probability is below `tail`. What is expected comes from a baseline
//! ([`baseline`]): hour-of-week slots in one zone, learnt from the 42 days that end two days before the hour's own day.
//! So every day has a version of its own. Once an hour is judged in time its baseline is frozen: an hour judged late
//! sees the same one, and what happens today teaches nothing before the day after tomorrow. A key known for less than
//! `learn_days` is judged by `prior` alone, what an unknown key is believed to do; without one it is left alone.
//!
//! An hour fires as soon as it holds enough; what comes later updates the same finding.
//!
//! State: a slot for each hour that is not frozen; of a frozen hour its count, 8 bytes, for 45 days: at most 1,080 hours
//! or 8,640 bytes a key, and for somebody who is there eight hours a working day about 2,100. In the changelog an hour
//! takes four to six bytes.
//!
//! Limits: counts above 256 distinct values are estimates ([`super::distinct`]). What comes less often than once a week
//! is never normal. A run of hours on fire is a finding an hour.

use std::ops::RangeInclusive;

use schemas::{
    Micros,
    time::{DAY, HOUR},
};

use super::{
    Detector, Occurrence, Reading, Slots, slot_end,
    slots::{Slot, reading},
};

pub mod baseline;
pub mod tail;
mod zone;

use baseline::Baseline;
pub use zone::Zone;

/// Events that an hour keeps as evidence.
const EVIDENCE_MAX: usize = 20;

/// Days of a baseline, between the day that is judged and the 43rd before it, with the borders of any zone.
const HORIZON_DAYS: i64 = baseline::LAST_DAY + 2;

const HORIZON_HOURS: i64 = HORIZON_DAYS * DAY / HOUR;

/// When an hour is one.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// So many times what is expected.
    pub ratio: f64,
    /// And so much at least.
    pub floor: u64,
    /// And less probable than that.
    pub tail: f64,
    /// So many days a key must be known before its own baseline counts.
    pub learn_days: i64,
    /// What a key that is not known yet is expected to do in an hour; without it such keys are left alone.
    pub prior: Option<f64>,
    /// Whether distinct values are counted instead of events.
    pub distinct: bool,
    /// Whose hours and days.
    pub zone: Zone,
}

/// A count far above its baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct Spike(Settings);

impl Spike {
    /// A detector with these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self(settings)
    }

    fn measure(&self, slot: &Slot) -> u64 {
        if self.0.distinct { slot.distinct().count() } else { slot.count() }
    }

    /// The hours of that range with anything in them, and how much.
    fn hours(&self, state: &Slots, first: i64, last: i64) -> Vec<(i64, u64)> {
        let past = state.past.counts.iter().map(|(hour, count)| (i64::from(*hour), u64::from(*count)));
        let past = past.filter(|(hour, _)| (first..=last).contains(hour));
        let open = state.between(first, last).iter().map(|slot| (slot.index(), self.measure(slot)));
        past.chain(open).collect()
    }
}

impl Detector for Spike {
    fn kind(&self) -> &'static str {
        "spike"
    }

    fn shape(&self) -> String {
        format!("spike {}", if self.0.distinct { "values" } else { "events" })
    }

    fn fold(&self, state: &mut Slots, occurrence: &Occurrence<'_>) {
        state.add(self.bucket_of(occurrence.time), occurrence, EVIDENCE_MAX);
    }

    fn read(&self, state: &Slots, bucket: i64) -> Option<Reading> {
        let slot = state.between(bucket, bucket).first()?;
        let count = self.measure(slot);
        if count < self.0.floor {
            return None;
        }
        let hours = self.hours(state, bucket.saturating_sub(HORIZON_HOURS), bucket.saturating_sub(1));
        let baseline = Baseline::learn(&hours, bucket, &self.0)?;
        let expected = baseline.expected;
        let is_far = count as f64 >= self.0.ratio * expected.mean;
        if !is_far || tail::ln_at_least(count, expected) > self.0.tail.ln() {
            return None;
        }
        let mut shown = reading(count, &[slot]);
        for (name, text) in [
            ("expected", format!("{:.2}", expected.mean)),
            ("ratio", format!("{:.1}", count as f64 / expected.mean.max(f64::MIN_POSITIVE))),
            ("known_days", baseline.known_days.to_string()),
        ] {
            shown.facts.insert(name.to_owned(), vec![text]);
        }
        Some(shown)
    }

    fn bucket_of(&self, time: Micros) -> i64 {
        time.0.div_euclid(HOUR)
    }

    fn bucket_start(&self, bucket: i64) -> Micros {
        Micros(bucket.saturating_mul(HOUR))
    }

    fn reach(&self, time: Micros) -> RangeInclusive<i64> {
        let hour = self.bucket_of(time);
        hour..=hour.saturating_add(HORIZON_HOURS)
    }

    fn candidates(&self, state: &Slots, buckets: RangeInclusive<i64>) -> Vec<i64> {
        state.indices(buckets)
    }

    fn horizon(&self) -> i64 {
        HORIZON_HOURS * HOUR
    }

    fn slot(&self) -> i64 {
        HOUR
    }

    fn forget(&self, state: &mut Slots, floor: Micros) {
        let hour = self.bucket_of(floor);
        for slot in state.take_before(hour) {
            let count = self.measure(&slot);
            state.past.note_count(slot.index(), count);
        }
        state.past.forget_counts(hour.saturating_sub(HORIZON_HOURS));
    }

    fn due(&self, state: &Slots) -> Option<Micros> {
        let slot = state.iter().next().map(|slot| slot_end(slot.index(), HOUR));
        let past = state.past.counts.first();
        let past = past.map(|(hour, _)| slot_end(i64::from(*hour), HOUR).plus(self.horizon()));
        slot.into_iter().chain(past).min()
    }
}

/// What the laws and benchmarks run on: it fires on little, and the one that counts values lives by another clock.
pub(super) fn specimen(distinct: bool) -> Settings {
    Settings {
        ratio: 2.0,
        floor: 3,
        tail: 0.2,
        learn_days: 2,
        prior: Some(0.5),
        distinct,
        zone: Zone::named(if distinct { "Pacific/Auckland" } else { "UTC" }).unwrap_or_default(),
    }
}
