//! Threshold: at least n events, n distinct values, or one event of every base rule, inside a window.
//!
//! "Inside a window" hops by a sixtieth of the window: an event counts with the 59 slots before its own, so two events
//! count together when they are at most 59/60 of the window apart, and do not when they are a whole window apart; in
//! between it depends on where the slots begin. That keeps memory bounded and the answer exact whatever the order of
//! arrival. A bucket (one window long, aligned to the epoch) is on fire when a window that ends in one of its slots with
//! events holds enough.

use std::ops::RangeInclusive;

use schemas::Micros;

use super::{
    Detector, Occurrence, Reading, Slots,
    distinct::Distinct,
    slots::{Slot, reading},
};

/// Slots in a window.
const SLOTS: i64 = 60;

/// Events that a slot keeps as evidence: enough that a burst within one slot shows all of a count as small as those of
/// the rules here.
const EVIDENCE_MAX: usize = 20;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Events,
    Values,
    Roles,
}

/// A threshold over a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Threshold {
    slot: i64,
    least: u64,
    measure: Measure,
}

impl Threshold {
    /// At least `least` events in `window` microseconds, a multiple of sixty.
    #[must_use]
    pub fn events(window: i64, least: u64) -> Self {
        Self { slot: (window / SLOTS).max(1), least, measure: Measure::Events }
    }

    /// At least `least` distinct values.
    #[must_use]
    pub fn values(window: i64, least: u64) -> Self {
        Self { measure: Measure::Values, ..Self::events(window, least) }
    }

    /// At least one event of each of `roles` base rules, of which there are at most 64.
    #[must_use]
    pub fn roles(window: i64, roles: u64) -> Self {
        Self { measure: Measure::Roles, ..Self::events(window, roles) }
    }

    /// The window's length.
    fn window(&self) -> i64 {
        self.slot.saturating_mul(SLOTS)
    }

    /// What the rule shows for these slots, where they hold enough.
    fn measure(&self, slots: &[Slot]) -> Option<u64> {
        let events = slots.iter().map(Slot::count).sum::<u64>();
        match self.measure {
            Measure::Events => (events >= self.least).then_some(events),
            Measure::Values => {
                let most = slots.iter().map(|slot| slot.distinct().count()).sum::<u64>();
                // Cheaper than the union, and never less than it but for sketches, which stand for more than 256.
                if most < self.least && most <= 256 {
                    return None;
                }
                let values = Distinct::count_all(slots.iter().map(Slot::distinct));
                (values >= self.least).then_some(values)
            }
            Measure::Roles => {
                let roles = slots.iter().fold(0, |roles, slot| roles | slot.roles());
                (u64::from(roles.count_ones()) >= self.least).then_some(events)
            }
        }
    }
}

impl Detector for Threshold {
    fn kind(&self) -> &'static str {
        "threshold"
    }

    fn shape(&self) -> String {
        format!("threshold {:?} {}", self.measure, self.slot)
    }

    fn fold(&self, state: &mut Slots, occurrence: &Occurrence<'_>) {
        let index = occurrence.time.0.div_euclid(self.slot);
        state.add(index, occurrence, EVIDENCE_MAX);
    }

    fn read(&self, state: &Slots, bucket: i64) -> Option<Reading> {
        let first = bucket.saturating_mul(SLOTS);
        let mut count = None;
        let mut covered: Vec<&Slot> = Vec::new();
        for end in state.between(first, first.saturating_add(SLOTS - 1)) {
            let window = state.between(end.index().saturating_sub(SLOTS - 1), end.index());
            let Some(measured) = self.measure(window) else { continue };
            count = count.max(Some(measured));
            let known = covered.last().map(|slot| slot.index());
            covered.extend(window.iter().filter(|slot| Some(slot.index()) > known));
        }
        count.map(|count| reading(count, &covered))
    }

    fn bucket_of(&self, time: Micros) -> i64 {
        time.0.div_euclid(self.window())
    }

    fn bucket_start(&self, bucket: i64) -> Micros {
        Micros(bucket.saturating_mul(self.window()))
    }

    fn reach(&self, time: Micros) -> RangeInclusive<i64> {
        let slot = time.0.div_euclid(self.slot);
        slot.div_euclid(SLOTS)..=slot.saturating_add(SLOTS - 1).div_euclid(SLOTS)
    }

    fn horizon(&self) -> i64 {
        // The oldest bucket that is not frozen may have begun a window before the freeze, and its first window a
        // window before that.
        self.window().saturating_mul(2)
    }

    fn slot(&self) -> i64 {
        self.slot
    }
}

#[cfg(test)]
mod tests {
    use schemas::{
        EventId, Hash128,
        time::{HOUR, MINUTE, SECOND},
    };

    use super::*;

    /// Whether two events of different values and roles, `apart` from each other, make a finding of two.
    fn fires(detector: &Threshold, begin: i64, apart: i64) -> bool {
        let mut state = Slots::default();
        for (time, value, role) in [(begin, "a", 1), (begin + apart, "b", 2)] {
            let event = EventId(Hash128::of(&[value.as_bytes()]));
            let (time, values) = (Micros(time), vec![value]);
            detector.fold(
                &mut state,
                &Occurrence { time, event, actor: "", roles: role, values, facts: Vec::new() },
            );
        }
        detector.reach(Micros(begin + apart)).any(|bucket| detector.read(&state, bucket).is_some())
    }

    #[test]
    fn a_burst_leaves_a_bounded_slot_and_still_counts_whole() {
        let detector = Threshold::events(HOUR, 2);
        let mut state = Slots::default();
        for n in 0..1_000_u32 {
            let event = EventId(Hash128::of(&[&n.to_be_bytes()]));
            let time = Micros(i64::from(n));
            detector.fold(
                &mut state,
                &Occurrence { time, event, actor: "", roles: 1, values: Vec::new(), facts: Vec::new() },
            );
        }
        let reading = detector.read(&state, 0).unwrap();
        assert_eq!((reading.count, reading.evidence.len(), state.len()), (1_000, EVIDENCE_MAX, 1));
        assert!(state.bytes() < 4 * size_of::<Slot>() + 2 * EVIDENCE_MAX * 24, "{} bytes", state.bytes());
    }

    #[test]
    fn wherever_the_window_begins_it_is_all_but_a_sixtieth_of_its_length() {
        let of = |window| {
            [Threshold::events(window, 2), Threshold::values(window, 2), Threshold::roles(window, 2)]
        };
        for begin in [0, 1, 7 * SECOND + 300, 3 * HOUR + 55 * MINUTE + 9 * SECOND, -1, -HOUR - 17 * SECOND] {
            for (window, inside) in [(10 * MINUTE, 590 * SECOND), (24 * HOUR, 23 * HOUR + 36 * MINUTE)] {
                for detector in of(window) {
                    assert!(fires(&detector, begin, inside), "{detector:?} from {begin}");
                    assert!(!fires(&detector, begin, window), "{detector:?} from {begin}");
                }
            }
        }
    }
}
