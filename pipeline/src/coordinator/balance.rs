//! Spreading partitions evenly over the members that read their topic, moving as few as possible.
//!
//! The result is even where all members read the same topics: their counts differ by at most one.

use std::{collections::BTreeMap, time::Duration};

use schemas::{Partition, TopicPartition};

use super::{Group, Hold, Seat, SeatId};

/// Who shall hold what.
type Target = BTreeMap<SeatId, Vec<TopicPartition>>;

impl Group {
    /// Asks back, by `until`, what shall move, and hands out what is free.
    pub(super) fn balance(&mut self, until: Duration) {
        let target = self.target();
        for (id, seat) in &mut self.seats {
            let shall = target.get(id).map_or(&[][..], Vec::as_slice);
            seat.holds.retain(|partition, hold| *hold != Hold::Gained || shall.contains(partition));
            for (partition, hold) in &mut seat.holds {
                match *hold {
                    Hold::Held { since } if !shall.contains(partition) => {
                        *hold = Hold::Asked { since, until }
                    }
                    // It was to move, but has not been told, and now it stays.
                    Hold::Asked { since, .. } if shall.contains(partition) => *hold = Hold::Held { since },
                    Hold::Gained | Hold::Held { .. } | Hold::Asked { .. } | Hold::Told { .. } => {}
                }
            }
        }
        for (id, shall) in target {
            for partition in shall {
                let held = self.seats.values().any(|seat| seat.holds.contains_key(&partition));
                if held || self.busy.contains_key(&partition) {
                    continue;
                }
                if let Some(seat) = self.seats.get_mut(&id) {
                    seat.holds.insert(partition, Hold::Gained);
                }
            }
        }
    }

    fn target(&self) -> Target {
        let mut target: Target = self.seats.iter().map(|(id, seat)| (*id, seat.keeps())).collect();
        for (topic, count) in &self.partitions {
            for number in 0..*count {
                let partition = TopicPartition::new(*topic, Partition(number));
                if target.values().any(|kept| kept.contains(&partition)) {
                    continue;
                }
                let readers = self.seats.iter().filter(|(_, seat)| seat.topics.contains(topic));
                let least =
                    readers.min_by_key(|(id, _)| target.get(id).map_or(0, Vec::len)).map(|(id, _)| *id);
                if let Some(kept) = least.and_then(|id| target.get_mut(&id)) {
                    kept.push(partition);
                }
            }
        }
        while let Some((from, place, to)) = self.uneven(&target) {
            let moved = target.get_mut(&from).map(|kept| kept.swap_remove(place));
            if let (Some(partition), Some(kept)) = (moved, target.get_mut(&to)) {
                kept.push(partition);
            }
        }
        target
    }

    /// A partition that one member could pass on to another which has at least two fewer. Each such move makes the sum
    /// of the squared counts smaller, so there is an end to them.
    fn uneven(&self, target: &Target) -> Option<(SeatId, usize, SeatId)> {
        let mut by_count: Vec<(usize, SeatId)> = target.iter().map(|(id, kept)| (kept.len(), *id)).collect();
        by_count.sort_unstable();
        for (many, from) in by_count.iter().rev() {
            for (few, to) in by_count.iter().take_while(|(few, _)| few + 2 <= *many) {
                let (giver, taker) = (self.seats.get(from)?, self.seats.get(to)?);
                debug_assert!(few < many);
                let kept = target.get(from)?;
                let movable =
                    kept.iter().enumerate().filter(|(_, partition)| taker.topics.contains(&partition.topic));
                // What its member has not been told of yet moves first: nobody notices.
                let place = movable.max_by_key(|(_, partition)| (giver.is_new(partition), **partition));
                if let Some((place, _)) = place {
                    return Some((*from, place, *to));
                }
            }
        }
        None
    }
}

impl Seat {
    /// What it would keep if nobody else were worse off.
    fn keeps(&self) -> Vec<TopicPartition> {
        self.those(|hold| !matches!(hold, Hold::Told { .. }))
    }

    fn is_new(&self, partition: &TopicPartition) -> bool {
        matches!(self.holds.get(partition), None | Some(Hold::Gained))
    }
}
