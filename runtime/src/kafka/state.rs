//! What a handle holds, what it has been told, and what waits to be handed out: the part that all three sides of a
//! handle share, and that knows nothing of Kafka.
//!
//! A partition is *held* from when it was assigned until it is released. It is *told* once [`Next::Assigned`] has named
//! it; only then are its records handed out and its commits allowed. After a lost step the partitions that are still
//! held are *rewinding*, and told again later, under a newer lease.

use std::{collections::BTreeMap, time::Duration};

use pipeline::{
    Batch, LogError, Next,
    log::{Assignment, Lease, Limits, Missed, Positions},
};
use schemas::{Offset, TopicPartition};

use super::queue::{Fetched, Queue};

/// A held partition.
#[derive(Debug, Clone)]
struct Slot {
    /// The generation in which it was assigned, or assigned again.
    since: u64,
    /// Nothing was ever committed: the next step commits where it began, so that whoever comes later knows what to miss.
    is_new: bool,
    told: bool,
    rewinding: bool,
    /// Its members-to-be wait for it: nothing more of it is handed out.
    revoking: bool,
    committed: Offset,
    /// The next offset to be taken in.
    expected: Offset,
    /// The next offset to be handed out.
    handed: Offset,
    /// Up to here nothing but the marks of transactions follows what was handed out.
    clear: Offset,
    /// When the oldest record that was handed out last and is not committed was written.
    oldest: Option<i64>,
    /// It is not fetched at the moment: each for itself, since others may come while some are paused.
    paused: bool,
}

/// A partition and where its group is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) at: TopicPartition,
    /// What was committed; where nothing ever was, where the partition begins.
    pub(super) position: Offset,
    /// Nothing was ever committed.
    pub(super) is_new: bool,
}

/// Whether partitions are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Paused,
    Fetched,
}

/// Partitions that others wait for.
#[derive(Debug)]
struct Revoking {
    partitions: Vec<TopicPartition>,
    within: Duration,
    told: bool,
}

/// Whether a revocation still has to be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Release {
    /// The handle has not called again.
    Pending,
    /// Nothing of it is held any longer.
    Done,
}

/// The state of a handle.
#[derive(Debug)]
pub(super) struct State {
    limits: Limits,
    generation: u64,
    held: BTreeMap<TopicPartition, Slot>,
    /// What was held once, with the generation in which it was given up.
    given_up: BTreeMap<TopicPartition, u64>,
    fetched: Queue,
    revoking: Option<Revoking>,
    /// Partitions that went without being asked for; to be told.
    dropped: Vec<TopicPartition>,
    /// Counts the calls of `next`.
    call: u64,
    /// The call that wants to know whether it has caught up, and the last that has.
    asked: Option<u64>,
    caught_up: Option<u64>,
    /// Whether the group has answered for the first time.
    joined: bool,
    end: Option<LogError>,
    /// When the handle had last caught up, or committed something, in milliseconds of the machine's clock.
    level_at: i64,
}

impl State {
    pub(super) fn new(limits: Limits, joined: bool, now: i64) -> Self {
        Self {
            limits,
            generation: 0,
            held: BTreeMap::new(),
            given_up: BTreeMap::new(),
            fetched: Queue::default(),
            revoking: None,
            dropped: Vec::new(),
            call: 0,
            asked: None,
            caught_up: None,
            joined,
            end: None,
            level_at: now,
        }
    }

    // ---- what the handle asks ----

    /// A call of `next` begins: it releases what the stage was told to give up.
    pub(super) fn begin_call(&mut self) {
        self.call += 1;
        // Whoever asks for more has finished what it was given, or will not: ingest finishes its source's shard only.
        self.held.values_mut().for_each(|slot| slot.oldest = None);
        if self.revoking.as_ref().is_some_and(|revoking| revoking.told) {
            self.release();
        }
    }

    /// What can be said now; `None`: wait.
    pub(super) fn next(&mut self) -> Option<Result<Next, LogError>> {
        if let Some(end) = &self.end {
            return Some(Err(end.clone()));
        }
        let told = self.next_dropped().or_else(|| self.next_revoking()).or_else(|| self.next_assigned());
        if let Some(next) = told.or_else(|| self.next_missed()).or_else(|| self.next_batch()) {
            self.asked = None;
            return Some(Ok(next));
        }
        None
    }

    fn next_dropped(&mut self) -> Option<Next> {
        let partitions = std::mem::take(&mut self.dropped);
        (!partitions.is_empty()).then_some(Next::Revoking { partitions, within: Duration::ZERO })
    }

    fn next_revoking(&mut self) -> Option<Next> {
        let revoking = self.revoking.as_mut().filter(|revoking| !revoking.told)?;
        revoking.told = true;
        Some(Next::Revoking { partitions: revoking.partitions.clone(), within: revoking.within })
    }

    fn next_assigned(&mut self) -> Option<Next> {
        let mut gained = Vec::new();
        for (at, slot) in
            self.held.iter_mut().filter(|(_, slot)| !slot.told && !slot.rewinding && !slot.revoking)
        {
            slot.told = true;
            gained.push((*at, slot.committed));
        }
        (!gained.is_empty()).then(|| Next::Assigned(Assignment { lease: self.lease(), gained }))
    }

    fn next_missed(&mut self) -> Option<Next> {
        let ranges = self.fetched.holes();
        for missed in &ranges {
            if let Some(slot) = self.held.get_mut(&missed.at) {
                slot.handed = missed.to;
            }
        }
        (!ranges.is_empty()).then(|| Next::Missed { lease: self.lease(), ranges })
    }

    fn next_batch(&mut self) -> Option<Next> {
        let mut records = Vec::new();
        for Fetched { record, written_at } in self.fetched.batch(&self.limits) {
            if let Some(slot) = self.held.get_mut(&record.at) {
                slot.handed = record.offset.next();
                slot.oldest.get_or_insert(written_at);
            }
            records.push(record);
        }
        (!records.is_empty()).then(|| Next::Batch(Batch { lease: self.lease(), records }))
    }

    fn lease(&self) -> Lease {
        Lease { generation: self.generation }
    }

    /// This call has waited long enough: it is idle if it has caught up; if that is not known, it is asked.
    pub(super) fn idle(&mut self, now: i64) -> bool {
        let is_idle = (self.joined && self.held.is_empty()) || self.caught_up == Some(self.call);
        if is_idle {
            self.level_at = now;
        } else {
            self.asked = Some(self.call);
        }
        is_idle
    }

    /// How long ago, in milliseconds, the oldest record was written that this handle has fetched and not finished;
    /// with none in hand, how long it has not known that there is none.
    pub(super) fn behind(&self, now: i64) -> i64 {
        let in_hand = self.held.values().filter_map(|slot| slot.oldest);
        let oldest = in_hand.chain(self.fetched.first_written_at()).min();
        now.saturating_sub(oldest.unwrap_or(self.level_at)).max(0)
    }

    /// Whether a step may be committed.
    ///
    /// # Errors
    /// [`LogError::Lost`] with what it may not move; what is still held of the step is read again.
    pub(super) fn check(&mut self, lease: Lease, finished: &Positions) -> Result<(), LogError> {
        if let Some(end) = &self.end {
            return Err(end.clone());
        }
        let holds = |slot: &Slot| slot.told && slot.since <= lease.generation;
        let lost: Vec<TopicPartition> = if finished.is_empty() {
            // A step without positions stands as long as anything of its lease is held.
            if self.held.values().any(holds) {
                return Ok(());
            }
            self.given_up.iter().filter(|(_, gone)| **gone >= lease.generation).map(|(at, _)| *at).collect()
        } else {
            finished.keys().filter(|at| !self.held.get(at).is_some_and(holds)).copied().collect()
        };
        if lost.is_empty() && !finished.is_empty() {
            return Ok(());
        }
        self.spoil(finished);
        Err(LogError::Lost(lost))
    }

    /// The stage's memory of these is spoilt: what is still held of them will be read again from where it was committed.
    fn spoil(&mut self, finished: &Positions) {
        for at in finished.keys() {
            if let Some(slot) = self.held.get_mut(at).filter(|slot| !slot.revoking) {
                slot.told = false;
                slot.rewinding = true;
            }
        }
        self.purge();
    }

    // ---- what the producer asks and says ----

    /// The positions to send with a step: its own, and where those partitions of its lease began that have none; or, where
    /// there is neither, the committed one of a partition of its lease, so that the group's generation guards it and its
    /// token is found again.
    pub(super) fn positions(&self, lease: Lease, finished: &Positions) -> Positions {
        let covered = |slot: &Slot| slot.told && slot.since <= lease.generation;
        let new = self.held.iter().filter(|(_, slot)| slot.is_new && !slot.revoking && covered(slot));
        let mut positions: Positions = new.map(|(at, slot)| (*at, slot.committed)).collect();
        positions.extend(finished);
        if positions.is_empty() {
            let of_lease = self.held.iter().find(|(_, slot)| covered(slot));
            positions.extend(of_lease.map(|(at, slot)| (*at, slot.committed)));
        }
        positions
    }

    /// A step was committed.
    pub(super) fn committed(&mut self, positions: &Positions, now: i64) {
        for (at, offset) in positions {
            if let Some(slot) = self.held.get_mut(at) {
                slot.committed = *offset;
                slot.is_new = false;
                if slot.committed >= slot.handed {
                    slot.oldest = None;
                }
            }
        }
        self.level_at = now;
    }

    /// Nothing but marks lies between what was handed out and here.
    pub(super) fn clear(&mut self, at: TopicPartition, end: Offset) {
        if let Some(slot) = self.held.get_mut(&at) {
            slot.clear = end;
        }
    }

    /// What was handed out of these is finished, and nothing but marks follows up to these offsets: a position may
    /// stand there, so that nobody takes marks that retention deletes for lost records.
    pub(super) fn settled(&self) -> Positions {
        let settled = self.held.iter().filter(|(_, slot)| {
            let is_quiet = slot.told && !slot.rewinding && !slot.revoking;
            let is_behind_marks = slot.committed >= slot.handed && slot.clear > slot.committed;
            is_quiet && (is_behind_marks || slot.is_new)
        });
        let position = |slot: &Slot| {
            if slot.committed >= slot.handed { slot.clear.max(slot.committed) } else { slot.committed }
        };
        settled.map(|(at, slot)| (*at, position(slot))).collect()
    }

    /// The handle is done for. The first reason stays.
    pub(super) fn end(&mut self, why: LogError) {
        self.end.get_or_insert(why);
        self.fetched.clear();
    }

    pub(super) fn ended(&self) -> Option<LogError> {
        self.end.clone()
    }

    // ---- what the consumer asks and says ----

    /// The group has given these, with their committed positions.
    pub(super) fn assign(&mut self, gained: &[Found]) {
        self.joined = true;
        if gained.is_empty() {
            return;
        }
        self.generation += 1;
        for Found { at, position, is_new } in gained {
            self.given_up.remove(at);
            let slot = Slot {
                since: self.generation,
                is_new: *is_new,
                told: false,
                rewinding: false,
                revoking: false,
                committed: *position,
                expected: *position,
                handed: *position,
                clear: *position,
                oldest: None,
                paused: false,
            };
            self.held.insert(*at, slot);
        }
    }

    /// The group wants these back: the handle is told, and may commit them until it calls again.
    pub(super) fn revoke(&mut self, partitions: &[TopicPartition], within: Duration) {
        let mut asked = Vec::new();
        for at in partitions {
            let Some(slot) = self.held.get_mut(at) else { continue };
            if slot.told {
                slot.revoking = true;
                asked.push(*at);
            } else {
                self.give_up(*at);
            }
        }
        self.purge();
        if !asked.is_empty() {
            self.revoking = Some(Revoking { partitions: asked, within, told: false });
        }
    }

    /// Whether what was asked back has been released.
    pub(super) fn release_state(&self) -> Release {
        if self.revoking.is_some() { Release::Pending } else { Release::Done }
    }

    /// Nobody waits any longer: what was asked back is gone. A handle that was not told yet will be.
    pub(super) fn release(&mut self) {
        let Some(revoking) = self.revoking.take() else { return };
        for at in &revoking.partitions {
            self.give_up(*at);
        }
        if !revoking.told {
            self.dropped.extend(revoking.partitions);
        }
    }

    /// The group has taken these, without asking.
    pub(super) fn lose(&mut self, partitions: &[TopicPartition]) {
        self.release();
        for at in partitions {
            if self.held.get(at).is_some_and(|slot| slot.told) {
                self.dropped.push(*at);
            }
            self.give_up(*at);
        }
        self.purge();
        // Holding nothing says nothing until the group has answered again.
        self.joined = false;
    }

    fn give_up(&mut self, at: TopicPartition) {
        if self.held.remove(&at).is_some() {
            self.given_up.insert(at, self.generation);
        }
    }

    /// Forgets fetched records that may no longer be handed out.
    fn purge(&mut self) {
        let held = &self.held;
        self.fetched.retain(|at| held.get(&at).is_some_and(|slot| !slot.rewinding && !slot.revoking));
    }

    /// What must be read again.
    pub(super) fn rewinding(&self) -> Vec<TopicPartition> {
        self.held.iter().filter(|(_, slot)| slot.rewinding).map(|(at, _)| *at).collect()
    }

    /// These will be read again from here.
    pub(super) fn rewound(&mut self, positions: &[Found]) {
        self.generation += 1;
        for Found { at, position, is_new } in positions {
            let Some(slot) = self.held.get_mut(at).filter(|slot| slot.rewinding) else { continue };
            slot.since = self.generation;
            slot.rewinding = false;
            slot.is_new = *is_new;
            slot.committed = *position;
            slot.expected = *position;
            slot.handed = *position;
            slot.clear = *position;
            slot.oldest = None;
        }
    }

    /// Where each partition will be read next, as far as it is being read.
    pub(super) fn expected(&self) -> Positions {
        let read = self.held.iter().filter(|(_, slot)| !slot.rewinding && !slot.revoking);
        read.map(|(at, slot)| (*at, slot.expected)).collect()
    }

    /// The partition begins at `to` now, and what was to be read before that is gone. Where nothing but marks was there,
    /// nobody is told; returns whether the handle will be.
    pub(super) fn miss(&mut self, at: TopicPartition, to: Offset) -> bool {
        let Some(slot) = self.held.get_mut(&at) else { return false };
        let from = slot.expected;
        let were_marks = slot.handed == slot.expected && to > from && to <= slot.clear;
        slot.expected = to;
        slot.clear = to;
        if were_marks {
            slot.handed = to;
        } else {
            self.fetched.push_hole(Missed { at, from, to });
        }
        !were_marks
    }

    /// Takes in what was fetched, as far as it is held and was not taken in before.
    pub(super) fn take_in(&mut self, records: Vec<Fetched>) {
        for fetched in records {
            let Some(slot) = self.held.get_mut(&fetched.record.at) else { continue };
            if slot.rewinding || slot.revoking || fetched.record.offset < slot.expected {
                continue;
            }
            slot.expected = fetched.record.offset.next();
            self.fetched.push(fetched);
        }
    }

    /// What must change so that no more is fetched while more than two batches wait, and more when less than one does.
    pub(super) fn flow(&self) -> Option<(Flow, Vec<TopicPartition>)> {
        let flow = match (self.fetched.exceeds(&self.limits, 2), self.fetched.is_low(&self.limits)) {
            (true, _) => Flow::Paused,
            (false, true) => Flow::Fetched,
            (false, false) => return None,
        };
        let other = self.held.iter().filter(|(_, slot)| slot.paused != (flow == Flow::Paused));
        let turning: Vec<TopicPartition> = other.map(|(at, _)| *at).collect();
        (!turning.is_empty()).then_some((flow, turning))
    }

    /// It has been changed.
    pub(super) fn flows(&mut self, flow: Flow, partitions: &[TopicPartition]) {
        for at in partitions {
            if let Some(slot) = self.held.get_mut(at) {
                slot.paused = flow == Flow::Paused;
            }
        }
    }

    /// The call that wants to know whether everything has been handed out, and up to where that is; `None` while there
    /// is something else to be said, or nobody asks.
    pub(super) fn question(&self) -> Option<(u64, Positions)> {
        let call = self.asked.filter(|asked| *asked == self.call && self.caught_up != Some(*asked))?;
        let settled = self.held.values().all(|slot| slot.told && !slot.rewinding && !slot.revoking);
        if !settled || !self.joined || !self.fetched.is_empty() {
            return None;
        }
        Some((call, self.held.iter().map(|(at, slot)| (*at, slot.handed)).collect()))
    }

    /// Everything that was committed before `call` began has been handed out.
    pub(super) fn answer(&mut self, call: u64) {
        self.caught_up = Some(call);
    }

    /// A partition to try the producer's rights on, with its committed position.
    pub(super) fn any(&self) -> Option<(TopicPartition, Offset)> {
        self.held.iter().next().map(|(at, slot)| (*at, slot.committed))
    }
}

#[cfg(test)]
mod tests;
