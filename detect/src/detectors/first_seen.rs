//! First seen: a value that its group has not shown for so many days, where the group itself has been known for some.
//!
//! The group is known in an hour when one of its events, of whatever value, lies `learn_days` to `days` before it, by
//! days in UTC. A group that is new says nothing: on its first `learn_days` days everything would be new. Nor does one
//! that comes back after `days` days. Each hour with values that none of its group's events showed in the `days` before
//! is a finding; the same value an hour later is none. An event that comes late may move a finding to an earlier hour:
//! the later one is closed.
//!
//! State: a slot for each hour and value. What is frozen shrinks to the last hour of each value (that one is kept
//! until `days` have passed since, else the value would look new again) and to the days on which the group was there.
//!
//! Limits: 64 values an hour and group, those with the smallest hashes; the others are neither judged nor remembered.
//! So at most 64 values for each hour of `days`, 16 bytes each; a person with three countries takes about 500 bytes
//! besides the open day. How rare a value is among all groups is not asked: one key's state is on one partition, and
//! other keys' are not.

use std::ops::RangeInclusive;

use schemas::{
    Hash128, Micros,
    time::{DAY, HOUR},
};

use super::{
    Detector, Occurrence, Reading, Slots,
    distinct::high_half,
    slot_end,
    slots::{Slot, reading},
};

/// Events that an hour keeps as evidence of a value: most hours are nobody's first, and all of them are kept for a day.
const EVIDENCE_MAX: usize = 8;

/// Values that an hour keeps.
const VALUES_MAX: usize = 64;

const DAY_HOURS: i64 = DAY / HOUR;

/// A value new to its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstSeen {
    days: i64,
    learn_days: i64,
}

impl FirstSeen {
    /// New when not seen for `days`, by a group known for `learn_days`, which is at least 1 and less than `days`.
    #[must_use]
    pub fn new(days: i64, learn_days: i64) -> Self {
        Self { days, learn_days }
    }

    /// Whether the group was there long enough ago, and not too long.
    fn is_known(&self, state: &Slots, hour: i64) -> bool {
        let day = day_of(hour);
        let (first, last) = (day.saturating_sub(self.days), day.saturating_sub(self.learn_days));
        let begin = |day: i64| day.saturating_mul(DAY_HOURS);
        let in_past = state.past.counts.iter().any(|(day, _)| (first..=last).contains(&i64::from(*day)));
        in_past || !state.between(begin(first), begin(last.saturating_add(1)).saturating_sub(1)).is_empty()
    }

    /// Whether the value of that slot was not there in the days before.
    fn is_new(&self, state: &Slots, slot: &Slot) -> bool {
        let first = slot.index().saturating_sub(self.hours());
        let before = state.between(first, slot.index().saturating_sub(1));
        let in_past = state.past.last_of(slot.of()).is_some_and(|last| last >= first);
        // From the end: most values were there an hour ago.
        !in_past && before.iter().rev().all(|other| other.of() != slot.of())
    }

    fn hours(&self) -> i64 {
        self.days.saturating_mul(DAY_HOURS)
    }
}

impl Detector for FirstSeen {
    fn kind(&self) -> &'static str {
        "first_seen"
    }

    fn shape(&self) -> String {
        // What is left of frozen hours depends on them: a shorter memory cannot serve a longer one.
        format!("first_seen {} {}", self.days, self.learn_days)
    }

    fn fold(&self, state: &mut Slots, occurrence: &Occurrence<'_>) {
        let hour = self.bucket_of(occurrence.time);
        let mut values = occurrence.values.clone();
        values.sort_unstable();
        values.dedup();
        for value in values {
            let hash = high_half(Hash128::of(&[value.as_bytes()]));
            let of_value = Occurrence { values: vec![value], ..occurrence.clone() };
            state.add_to((hour, hash), &of_value, EVIDENCE_MAX);
        }
        state.keep_first(hour, VALUES_MAX);
    }

    fn read(&self, state: &Slots, bucket: i64) -> Option<Reading> {
        let slots = state.between(bucket, bucket);
        if slots.is_empty() || !self.is_known(state, bucket) {
            return None;
        }
        let new: Vec<&Slot> = slots.iter().filter(|slot| self.is_new(state, slot)).collect();
        (!new.is_empty()).then(|| reading(new.len() as u64, &new))
    }

    fn bucket_of(&self, time: Micros) -> i64 {
        time.0.div_euclid(HOUR)
    }

    fn bucket_start(&self, bucket: i64) -> Micros {
        Micros(bucket.saturating_mul(HOUR))
    }

    fn reach(&self, time: Micros) -> RangeInclusive<i64> {
        let hour = self.bucket_of(time);
        let last = day_of(hour).saturating_add(self.days).saturating_add(1).saturating_mul(DAY_HOURS);
        hour..=last.saturating_sub(1)
    }

    fn candidates(&self, state: &Slots, buckets: RangeInclusive<i64>) -> Vec<i64> {
        state.indices(buckets)
    }

    fn horizon(&self) -> i64 {
        self.days.saturating_add(1).saturating_mul(DAY)
    }

    fn slot(&self) -> i64 {
        HOUR
    }

    fn forget(&self, state: &mut Slots, floor: Micros) {
        let hour = self.bucket_of(floor);
        for slot in state.take_before(hour) {
            state.past.note_last(slot.of(), slot.index());
            state.past.note_count(day_of(slot.index()), 1);
        }
        state.past.forget_last(hour.saturating_sub(self.hours()));
        state.past.forget_counts(day_of(hour).saturating_sub(self.days));
    }

    fn due(&self, state: &Slots) -> Option<Micros> {
        let slot = state.iter().next().map(|slot| slot_end(slot.index(), HOUR));
        // The last hour of a value lies in one of these days.
        let day = state.past.counts.first().map(|(day, _)| slot_end(i64::from(*day) + self.days, DAY));
        slot.into_iter().chain(day).min()
    }
}

fn day_of(hour: i64) -> i64 {
    hour.div_euclid(DAY_HOURS)
}
