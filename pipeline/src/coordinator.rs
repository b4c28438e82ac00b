//! Group membership inside one process: who holds which partition, and how it is handed over.
//!
//! Pure: no clock, no lock, no storage. Times are durations since some beginning, given by the caller.
//!
//! A partition changes hands in four moves. It is *asked* back from its holder; the holder is *told* at its next turn;
//! its turn after that releases it; then the next holder *gains* it. A holder that takes no turn for `hand_over` after
//! it was asked loses the partition all the same. While a step over a partition is being written, the partition waits:
//! nobody gains it before the outcome is known, so nobody reads a position that is about to change.

mod balance;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use schemas::{Topic, TopicPartition};

use crate::log::{Lease, LogError};

/// A handle's place in its group; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SeatId(u64);

/// What a member may do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It must give these up, and has been told so.
    Revoking { partitions: Vec<TopicPartition>, within: Duration },
    /// It may take these: read their positions, then [`Coordinator::accept`].
    Gained(Vec<TopicPartition>),
    /// It may read these.
    Holds { lease: Lease, partitions: Vec<TopicPartition>, next_deadline: Option<Duration> },
}

/// How a member holds a partition. `since` is the generation under which it was assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    /// Its own, but it has not been told yet.
    Gained,
    Held {
        since: u64,
    },
    /// Wanted back by `until`; it has not been told yet.
    Asked {
        since: u64,
        until: Duration,
    },
    /// It has been told: its next turn releases it.
    Told {
        since: u64,
        until: Duration,
    },
}

impl Hold {
    fn since(self) -> Option<u64> {
        match self {
            Self::Gained => None,
            Self::Held { since } | Self::Asked { since, .. } | Self::Told { since, .. } => Some(since),
        }
    }

    fn until(self) -> Option<Duration> {
        match self {
            Self::Gained | Self::Held { .. } => None,
            Self::Asked { until, .. } | Self::Told { until, .. } => Some(until),
        }
    }
}

#[derive(Debug)]
struct Seat {
    name: String,
    topics: Vec<Topic>,
    generation: u64,
    holds: BTreeMap<TopicPartition, Hold>,
    /// Taken away before it was told.
    taken: BTreeSet<TopicPartition>,
}

#[derive(Debug, Default)]
struct Group {
    partitions: BTreeMap<Topic, u32>,
    seats: BTreeMap<SeatId, Seat>,
    /// Partitions over which steps are being written, and how many steps.
    busy: BTreeMap<TopicPartition, usize>,
}

/// Every group of a log.
#[derive(Debug)]
pub(crate) struct Coordinator {
    groups: BTreeMap<String, Group>,
    seats: u64,
    hand_over: Duration,
    /// Whether somebody who waits has reason to look.
    changed: bool,
}

impl Coordinator {
    pub(crate) fn new(hand_over: Duration) -> Self {
        Self { groups: BTreeMap::new(), seats: 0, hand_over, changed: false }
    }

    /// Seats `name`, which fences whoever sat there under that name.
    pub(crate) fn join(&mut self, group: &str, name: &str, topics: &[(Topic, u32)], now: Duration) -> SeatId {
        self.seats += 1;
        let id = SeatId(self.seats);
        let hand_over = self.hand_over;
        let group = self.groups.entry(group.to_owned()).or_default();
        group.seats.retain(|_, seat| seat.name != name);
        group.partitions.extend(topics.iter().copied());
        let seat = Seat {
            name: name.to_owned(),
            topics: topics.iter().map(|(topic, _)| *topic).collect(),
            generation: 0,
            holds: BTreeMap::new(),
            taken: BTreeSet::new(),
        };
        group.seats.insert(id, seat);
        group.balance(now + hand_over);
        self.changed = true;
        id
    }

    pub(crate) fn leave(&mut self, group: &str, id: SeatId, now: Duration) {
        let hand_over = self.hand_over;
        let Some(group) = self.groups.get_mut(group) else { return };
        if group.seats.remove(&id).is_some() {
            group.balance(now + hand_over);
            self.changed = true;
        }
    }

    /// Unseats everybody: the process died, as far as they can tell.
    pub(crate) fn clear(&mut self) {
        self.groups.clear();
        self.changed = true;
    }

    /// Whether something has changed since the last time it was asked.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// A member's turn; `None` where it has no seat any more.
    pub(crate) fn turn(&mut self, group: &str, id: SeatId, now: Duration) -> Option<Turn> {
        let hand_over = self.hand_over;
        let group = self.groups.get_mut(group)?;
        let released = group.seats.get_mut(&id)?.release();
        if group.evict(now) || released {
            group.balance(now + hand_over);
            self.changed = true;
        }
        let next_deadline = group.next_deadline();
        let seat = group.seats.get_mut(&id)?;
        if let Some(turn) = seat.tell(now) {
            return Some(turn);
        }
        let gained = seat.those(|hold| hold == Hold::Gained);
        if !gained.is_empty() {
            return Some(Turn::Gained(gained));
        }
        let lease = Lease { generation: seat.generation };
        Some(Turn::Holds { lease, partitions: seat.those(|hold| hold.since().is_some()), next_deadline })
    }

    /// The member has read the positions of what it gained; `None` where that is not its own any more.
    pub(crate) fn accept(&mut self, group: &str, id: SeatId, gained: &[TopicPartition]) -> Option<Lease> {
        let seat = self.groups.get_mut(group)?.seats.get_mut(&id)?;
        if gained.iter().any(|partition| seat.holds.get(partition) != Some(&Hold::Gained)) {
            return None;
        }
        seat.generation += 1;
        let since = seat.generation;
        seat.holds.extend(gained.iter().map(|partition| (*partition, Hold::Held { since })));
        Some(Lease { generation: since })
    }

    /// Begins to write a step that moves these positions: from here to [`Coordinator::end`] they change hands with
    /// nobody.
    ///
    /// # Errors
    /// As [`Coordinator::check`].
    pub(crate) fn begin(
        &mut self,
        (group, name): (&str, &str),
        id: SeatId,
        lease: Lease,
        finished: &[TopicPartition],
    ) -> Result<(), LogError> {
        self.check((group, name), id, lease, finished)?;
        let Some(group) = self.groups.get_mut(group) else { return Ok(()) };
        for partition in finished {
            *group.busy.entry(*partition).or_default() += 1;
        }
        Ok(())
    }

    /// Whether a step may move these positions.
    ///
    /// # Errors
    /// [`LogError::Lost`] with those that the lease does not cover; the others of the step are gained anew.
    /// [`LogError::Fenced`] where the member has no seat.
    pub(crate) fn check(
        &mut self,
        (group, name): (&str, &str),
        id: SeatId,
        lease: Lease,
        finished: &[TopicPartition],
    ) -> Result<(), LogError> {
        let fenced = || LogError::Fenced(name.to_owned());
        let group = self.groups.get_mut(group).ok_or_else(fenced)?;
        let seat = group.seats.get_mut(&id).ok_or_else(fenced)?;
        let covered = |partition: &TopicPartition| {
            let since = seat.holds.get(partition).and_then(|hold| hold.since());
            since.is_some_and(|since| since <= lease.generation)
        };
        let lost: Vec<TopicPartition> =
            finished.iter().filter(|partition| !covered(partition)).copied().collect();
        if lost.is_empty() {
            return Ok(());
        }
        seat.gain_anew(finished);
        Err(LogError::Lost(lost))
    }

    /// The outcome of a step over these is known.
    pub(crate) fn end(&mut self, group: &str, finished: &[TopicPartition], now: Duration) {
        let hand_over = self.hand_over;
        let Some(group) = self.groups.get_mut(group) else { return };
        for partition in finished {
            let left = group.busy.get(partition).map_or(0, |steps| steps - 1);
            if left == 0 {
                group.busy.remove(partition);
            } else {
                group.busy.insert(*partition, left);
            }
        }
        let waiting = |partition| !group.seats.values().any(|seat| seat.holds.contains_key(partition));
        if finished.iter().any(waiting) {
            group.balance(now + hand_over);
            self.changed = true;
        }
    }
}

impl Group {
    /// Takes away what was asked back in vain; whether there was any.
    fn evict(&mut self, now: Duration) -> bool {
        let mut any = false;
        for seat in self.seats.values_mut() {
            let late = seat.those(|hold| hold.until().is_some_and(|until| until <= now));
            any |= !late.is_empty();
            for partition in late {
                if let Some(Hold::Asked { .. }) = seat.holds.remove(&partition) {
                    seat.taken.insert(partition);
                }
            }
        }
        any
    }

    fn next_deadline(&self) -> Option<Duration> {
        self.seats.values().flat_map(|seat| seat.holds.values()).filter_map(|hold| hold.until()).min()
    }
}

impl Seat {
    fn those(&self, which: impl Fn(Hold) -> bool) -> Vec<TopicPartition> {
        self.holds.iter().filter(|(_, hold)| which(**hold)).map(|(partition, _)| *partition).collect()
    }

    /// Releases what it has been told to give up; whether there was any.
    fn release(&mut self) -> bool {
        let before = self.holds.len();
        self.holds.retain(|_, hold| !matches!(hold, Hold::Told { .. }));
        self.holds.len() < before
    }

    /// Tells what is asked back, and what has been taken.
    fn tell(&mut self, now: Duration) -> Option<Turn> {
        let mut within = Duration::ZERO;
        let mut partitions: BTreeSet<TopicPartition> = std::mem::take(&mut self.taken);
        for (partition, hold) in &mut self.holds {
            if let Hold::Asked { since, until } = *hold {
                *hold = Hold::Told { since, until };
                within = until.saturating_sub(now);
                partitions.insert(*partition);
            }
        }
        if partitions.is_empty() {
            return None;
        }
        Some(Turn::Revoking { partitions: partitions.into_iter().collect(), within })
    }

    /// What it still holds of these, and need not give up, is gained once more: its memory of them is spoilt.
    fn gain_anew(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            if let Some(hold @ Hold::Held { .. }) = self.holds.get_mut(partition) {
                *hold = Hold::Gained;
            }
        }
    }
}

#[cfg(test)]
mod tests;
