//! The queue of one signal partition: when the freeze next has something to do for a rule and key.
//!
//! Time passes for each lane by itself: a lane is a tenant and a set of content types, which have one floor.

use std::collections::BTreeSet;

use schemas::Micros;

/// A tenant's number in the partition, and the number of a set of content types in the rule set.
pub(super) type Lane = (usize, usize);

/// A key's hash and a rule's number.
pub(super) type Place = (u128, usize);

/// What is due when.
#[derive(Debug, Clone, Default)]
pub(super) struct Timers(BTreeSet<(Lane, Micros, Place)>);

impl Timers {
    /// Moves an entry.
    pub(super) fn set(&mut self, lane: Lane, place: Place, before: Option<Micros>, due: Option<Micros>) {
        if before == due {
            return;
        }
        if let Some(before) = before {
            self.0.remove(&(lane, before, place));
        }
        if let Some(due) = due {
            self.0.insert((lane, due, place));
        }
    }

    /// Takes out what is due in a lane whose floor is now there.
    pub(super) fn take_due(&mut self, lane: Lane, floor: Micros) -> Vec<Place> {
        let from = (lane, Micros::START, (u128::MIN, usize::MIN));
        let to = (lane, floor, (u128::MAX, usize::MAX));
        let due: Vec<_> = self.0.range(from..=to).copied().collect();
        for entry in &due {
            self.0.remove(entry);
        }
        due.into_iter().map(|(_, _, place)| place).collect()
    }
}
