//! What a handle holds, what it has been told, and what waits to be handed out: the part that all three sides of a
//! handle share, and that knows nothing of Kafka.
//!
//! A partition is *held* from when it was assigned until it is released. It is *told* once [`Next::Assigned`] has named
//! it; only then are its records handed out and its commits allowed. After a lost step the partitions that are still
//! held are *rewinding*, and told again later, under a newer lease.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use pipeline::{
    Batch, Incoming, LogError, Next,
    log::{Assignment, Lease, Limits, Positions},
};
use schemas::{Offset, TopicPartition};

/// A held partition.
#[derive(Debug, Clone)]
struct Slot {
    /// The generation in which it was assigned, or assigned again.
    since: u64,
    told: bool,
    rewinding: bool,
    /// Its members-to-be wait for it: nothing more of it is handed out.
    revoking: bool,
    committed: Offset,
    /// The next offset to be taken in.
    expected: Offset,
    /// The next offset to be handed out.
    handed: Offset,
    /// It is not fetched at the moment: each for itself, since others may come while some are paused.
    paused: bool,
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
    fetched: VecDeque<Incoming>,
    fetched_bytes: usize,
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
}

impl State {
    pub(super) fn new(limits: Limits, joined: bool) -> Self {
        Self {
            limits,
            generation: 0,
            held: BTreeMap::new(),
            given_up: BTreeMap::new(),
            fetched: VecDeque::new(),
            fetched_bytes: 0,
            revoking: None,
            dropped: Vec::new(),
            call: 0,
            asked: None,
            caught_up: None,
            joined,
            end: None,
        }
    }

    // ---- what the handle asks ----

    /// A call of `next` begins: it releases what the stage was told to give up.
    pub(super) fn begin_call(&mut self) {
        self.call += 1;
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
        if let Some(next) = told.or_else(|| self.next_batch()) {
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

    fn next_batch(&mut self) -> Option<Next> {
        let mut records = Vec::new();
        let mut bytes = 0;
        while let Some(record) = self.fetched.front() {
            let size = size(record);
            if records.len() >= self.limits.records_max.max(1)
                || (!records.is_empty() && bytes + size > self.limits.bytes_max)
            {
                break;
            }
            bytes += size;
            records.extend(self.fetched.pop_front());
        }
        self.fetched_bytes -= bytes;
        for record in &records {
            if let Some(slot) = self.held.get_mut(&record.at) {
                slot.handed = record.offset.next();
            }
        }
        (!records.is_empty()).then(|| Next::Batch(Batch { lease: self.lease(), records }))
    }

    fn lease(&self) -> Lease {
        Lease { generation: self.generation }
    }

    /// This call has waited long enough: it is idle if it has caught up; if that is not known, it is asked.
    pub(super) fn idle(&mut self) -> bool {
        if self.joined && self.held.is_empty() {
            return true;
        }
        self.asked = Some(self.call);
        self.caught_up == Some(self.call)
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

    /// The positions to send with a step: its own, or, where it has none, the committed one of a partition of its lease,
    /// so that the group's generation guards it and its token is found again.
    pub(super) fn positions(&self, lease: Lease, finished: &Positions) -> Positions {
        if !finished.is_empty() {
            return finished.clone();
        }
        let of_lease = self.held.iter().find(|(_, slot)| slot.told && slot.since <= lease.generation);
        of_lease.map(|(at, slot)| (*at, slot.committed)).into_iter().collect()
    }

    /// A step was committed.
    pub(super) fn committed(&mut self, positions: &Positions) {
        for (at, offset) in positions {
            if let Some(slot) = self.held.get_mut(at) {
                slot.committed = *offset;
            }
        }
    }

    /// The handle is done for. The first reason stays.
    pub(super) fn end(&mut self, why: LogError) {
        self.end.get_or_insert(why);
        self.fetched.clear();
        self.fetched_bytes = 0;
    }

    pub(super) fn ended(&self) -> Option<LogError> {
        self.end.clone()
    }

    // ---- what the consumer asks and says ----

    /// The group has given these, with their committed positions.
    pub(super) fn assign(&mut self, gained: &[(TopicPartition, Offset)]) {
        self.joined = true;
        if gained.is_empty() {
            return;
        }
        self.generation += 1;
        for (at, position) in gained {
            self.given_up.remove(at);
            let slot = Slot {
                since: self.generation,
                told: false,
                rewinding: false,
                revoking: false,
                committed: *position,
                expected: *position,
                handed: *position,
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
        self.fetched
            .retain(|record| held.get(&record.at).is_some_and(|slot| !slot.rewinding && !slot.revoking));
        self.fetched_bytes = self.fetched.iter().map(size).sum();
    }

    /// What must be read again.
    pub(super) fn rewinding(&self) -> Vec<TopicPartition> {
        self.held.iter().filter(|(_, slot)| slot.rewinding).map(|(at, _)| *at).collect()
    }

    /// These will be read again from here.
    pub(super) fn rewound(&mut self, positions: &[(TopicPartition, Offset)]) {
        self.generation += 1;
        for (at, position) in positions {
            let Some(slot) = self.held.get_mut(at).filter(|slot| slot.rewinding) else { continue };
            slot.since = self.generation;
            slot.rewinding = false;
            slot.committed = *position;
            slot.expected = *position;
            slot.handed = *position;
        }
    }

    /// Takes in what was fetched, as far as it is held and was not taken in before.
    pub(super) fn take_in(&mut self, records: Vec<Incoming>) {
        for record in records {
            let Some(slot) = self.held.get_mut(&record.at) else { continue };
            if slot.rewinding || slot.revoking || record.offset < slot.expected {
                continue;
            }
            slot.expected = record.offset.next();
            self.fetched_bytes += size(&record);
            self.fetched.push_back(record);
        }
    }

    /// What must change so that no more is fetched while more than two batches wait, and more when less than one does.
    pub(super) fn flow(&self) -> Option<(Flow, Vec<TopicPartition>)> {
        let Limits { records_max, bytes_max, .. } = self.limits;
        let waits_more = |batches: usize| {
            self.fetched.len() > records_max.saturating_mul(batches)
                || self.fetched_bytes > bytes_max.saturating_mul(batches)
        };
        let is_low = self.fetched.len() < records_max.max(1) && self.fetched_bytes < bytes_max.max(1);
        let flow = match (waits_more(2), is_low) {
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

fn size(record: &Incoming) -> usize {
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    record.key.len() + record.value.as_ref().map_or(0, bytes::Bytes::len) + headers
}

#[cfg(test)]
mod tests;
