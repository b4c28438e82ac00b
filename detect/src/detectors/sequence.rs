//! Sequence: something opens, and something follows while it is open. "Disabled, and then acts."
//!
//! Three roles: 0 opens, 1 follows, 2 closes again. An event that follows is on fire when the last opening before it is
//! not longer ago than the span and nothing closed since. Only what is strictly later follows: records have whole
//! seconds, and what happened within one second has no order. A closing in the second of an opening counts as after it.
//!
//! A bucket is a day in UTC, so that an account that goes on acting is one finding a day. State: a slot for each hour and
//! role; of what is frozen only the last opening is left, and only where nothing closed it.
//!
//! Limits: a slot keeps 64 events and the time of its last. Where more follow within an hour, the first 64 and the last
//! are judged; the last one alone makes a finding whose evidence is the opening.

use std::{collections::BTreeSet, ops::RangeInclusive};

use schemas::{
    EventId, Micros, finding,
    time::{DAY, HOUR},
};

use super::{
    Detector, Occurrence, Reading, Slots, slot_end,
    slots::{Slot, reading},
};

const SLOT: i64 = HOUR;
const DAY_SLOTS: i64 = DAY / SLOT;
const EVIDENCE_MAX: usize = 64;

/// What opens.
pub const OPENS: u32 = 0;
/// What follows.
pub const FOLLOWS: u32 = 1;
/// What closes again.
pub const CLOSES: u32 = 2;

/// An event that follows another one within a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequence {
    span: i64,
}

impl Sequence {
    /// What opened stays open for so many microseconds at most.
    #[must_use]
    pub fn new(span: i64) -> Self {
        Self { span }
    }
}

/// What opened and what closed, as far back as it matters to one bucket.
struct Doors<'s> {
    span: i64,
    opened: Vec<&'s Slot>,
    closed: Vec<&'s Slot>,
}

impl<'s> Doors<'s> {
    fn of(state: &'s Slots, span: i64, bucket: i64) -> Self {
        let first = index_of(Micros(bucket.saturating_mul(DAY)).plus(-span));
        let slots = state.between(first, last_slot(bucket));
        let of_role = |role: u32| slots.iter().filter(|slot| slot.of() == u64::from(role)).collect();
        Self { span, opened: of_role(OPENS), closed: of_role(CLOSES) }
    }

    /// The opening that is still open at that time, and the slot it is in.
    fn open_at(&self, time: Micros) -> Option<(Micros, &'s Slot)> {
        let (opened, slot) = last_of(&self.opened, time.plus(-1))?;
        let is_closed = last_of(&self.closed, time).is_some_and(|(closed, _)| closed >= opened);
        (!is_closed && opened >= time.plus(-self.span)).then_some((opened, slot))
    }
}

impl Detector for Sequence {
    fn kind(&self) -> &'static str {
        "sequence"
    }

    fn shape(&self) -> String {
        format!("sequence {}", self.span)
    }

    fn fold(&self, state: &mut Slots, occurrence: &Occurrence<'_>) {
        for role in [OPENS, FOLLOWS, CLOSES] {
            if occurrence.roles & (1 << role) != 0 {
                state.add_to((index_of(occurrence.time), role.into()), occurrence, EVIDENCE_MAX);
            }
        }
    }

    fn read(&self, state: &Slots, bucket: i64) -> Option<Reading> {
        let doors = Doors::of(state, self.span, bucket);
        if doors.opened.is_empty() {
            return None;
        }
        let mut proof: BTreeSet<(Micros, EventId)> = BTreeSet::new();
        let mut used: Vec<&Slot> = Vec::new();
        let mut count = 0_u64;
        for slot in
            state.between(first_slot(bucket), last_slot(bucket)).iter().filter(|slot| is_follower(slot))
        {
            let mut followed = false;
            for (time, id) in slot.evidence() {
                let Some((opened, opening)) = doors.open_at(time) else { continue };
                followed = true;
                count += 1;
                proof.insert((time, id));
                proof.extend(opening.evidence().filter(|(time, _)| *time == opened));
                used.push(opening);
            }
            // More events than a slot keeps: the last one's time is known, its id is not.
            if !followed && let Some((_, opening)) = doors.open_at(slot.last()) {
                followed = true;
                count += 1;
                used.push(opening);
            }
            if followed {
                used.push(slot);
            }
        }
        if count == 0 {
            return None;
        }
        used.sort_unstable_by_key(|slot| (slot.index(), slot.of()));
        used.dedup_by_key(|slot| (slot.index(), slot.of()));
        let shown = reading(count, &used);
        Some(Reading {
            events: count,
            first: proof.first().map_or(shown.first, |(time, _)| *time),
            last: proof.last().map_or(shown.last, |(time, _)| *time),
            evidence: proof.into_iter().map(|(_, id)| id).take(finding::EVIDENCE_MAX).collect(),
            ..shown
        })
    }

    fn bucket_of(&self, time: Micros) -> i64 {
        time.0.div_euclid(DAY)
    }

    fn bucket_start(&self, bucket: i64) -> Micros {
        Micros(bucket.saturating_mul(DAY))
    }

    fn reach(&self, time: Micros) -> RangeInclusive<i64> {
        self.bucket_of(time)..=self.bucket_of(time.plus(self.span))
    }

    fn candidates(&self, state: &Slots, buckets: RangeInclusive<i64>) -> Vec<i64> {
        let slots = state.between(first_slot(*buckets.start()), last_slot(*buckets.end())).iter();
        let mut days: Vec<i64> =
            slots.filter(|slot| is_follower(slot)).map(|slot| slot.index().div_euclid(DAY_SLOTS)).collect();
        days.dedup();
        days
    }

    fn horizon(&self) -> i64 {
        self.span.saturating_add(DAY)
    }

    fn slot(&self) -> i64 {
        SLOT
    }

    fn forget(&self, state: &mut Slots, floor: Micros) {
        let day = self.bucket_of(floor);
        let gone = state.take_before(first_slot(day));
        state.past.counts.clear();
        let last = |role: u32| {
            let of_role = gone.iter().filter(move |slot| slot.of() == u64::from(role));
            of_role.max_by_key(|slot| slot.last())
        };
        let (opening, closing) = (last(OPENS), last(CLOSES));
        let is_open = |opening: &&Slot| {
            let matters = opening.last().plus(self.span) >= self.bucket_start(day);
            matters && closing.is_none_or(|closing| closing.last() < opening.last())
        };
        if let Some(opening) = opening.filter(is_open).cloned() {
            state.put_back(vec![opening]);
            // Says from which day on slots have not been looked at yet.
            state.past.note_count(day, 0);
        }
    }

    fn due(&self, state: &Slots) -> Option<Micros> {
        let from = state.past.counts.first().map_or(i64::MIN, |(day, _)| i64::from(*day));
        let day_of = |slot: &Slot| slot.index().div_euclid(DAY_SLOTS);
        let kept = state.iter().next().filter(|slot| day_of(slot) < from);
        let expiry = kept.map(|slot| {
            let day = self.bucket_of(slot.last().plus(self.span));
            self.bucket_end(day)
        });
        let next = state.iter().map(day_of).find(|day| *day >= from);
        let end = next.map(|day| slot_end(day, DAY));
        expiry.into_iter().chain(end).min()
    }
}

fn index_of(time: Micros) -> i64 {
    time.0.div_euclid(SLOT)
}

fn first_slot(day: i64) -> i64 {
    day.saturating_mul(DAY_SLOTS)
}

fn last_slot(day: i64) -> i64 {
    first_slot(day.saturating_add(1)).saturating_sub(1)
}

fn is_follower(slot: &Slot) -> bool {
    slot.of() == u64::from(FOLLOWS)
}

/// The last time in these slots that is not after `until`, and its slot.
fn last_of<'s>(slots: &[&'s Slot], until: Micros) -> Option<(Micros, &'s Slot)> {
    let times = slots.iter().filter_map(|slot| Some((last_until(slot, until)?, *slot)));
    times.max_by_key(|(time, slot)| (*time, slot.index()))
}

/// The last time of a slot's events that is not after `until`.
fn last_until(slot: &Slot, until: Micros) -> Option<Micros> {
    let times = slot.evidence().map(|(time, _)| time).chain([slot.last()]);
    times.filter(|time| *time <= until).max()
}
