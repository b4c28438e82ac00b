//! The consumer's thread: it polls, takes what is fetched in, and works on the group's changes.
//!
//! It polls as long as it lives, so that the group never takes it for dead: under back-pressure that lasts, the
//! partitions are paused, not the polling. A change that the group announces is posted by the callback and worked on
//! here: positions are looked up, the handle is told, and others wait for it no longer than agreed. A consumer never
//! stores or commits an offset: only steps do.
//!
//! Before any change the producer proves that the member's name is still its own. A handle that was fenced leaves the
//! group at once, and the partitions go to whoever took its name: a static member is fenced by the broker, others have
//! no other way to notice while they hold nothing that must be committed.

mod level;
mod room;

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, TryRecvError, sync_channel},
    },
    time::Duration,
};

use pipeline::Clock;
use rdkafka::{
    TopicPartitionList,
    consumer::Consumer as _,
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
};
use schemas::{Offset, TopicPartition};

use self::room::{Room, Turn};
use super::{
    client::{Consumer, Rebalance, acknowledge},
    errors::{self, Class},
    meter::Counts,
    names,
    queue::Fetched,
    shared::{Job, Jobs, Shared},
    state::{Flow, Found, Release},
    survey::ANSWER_WITHIN,
    tail::{Met, Tail, incoming, meet, written_at},
    wait::Patience,
};

/// One wait for records; then the handle's wishes are looked at. Longer waits save nothing that can be measured.
const POLL: Duration = Duration::from_millis(10);
/// So many records are taken from librdkafka before they are handed on and wishes are looked at.
const TAKE_MAX: usize = 1000;
/// And no more after so long: a registry may be asked for each of them.
const TAKE_WITHIN_MILLIS: i64 = 250;

/// A change of the group that is being worked on.
struct Change {
    rebalance: Rebalance,
    partitions: Vec<TopicPartition>,
    /// The producer's word on whether the name is still ours.
    proof: Option<Receiver<bool>>,
    /// When others stop waiting, in microseconds of the machine's clock; `None` before the handle was asked.
    until: Option<i64>,
}

/// The consumer's side of a handle.
pub(super) struct Group {
    shared: Arc<Shared>,
    consumer: Arc<Consumer>,
    jobs: Jobs,
    /// Looks whether everything has been handed out; made when first asked.
    tail: Option<Tail>,
    /// Up to here nothing but marks follows what was handed out.
    clear: std::collections::BTreeMap<TopicPartition, Offset>,
    change: Option<Change>,
    /// A position is not in its partition any more. Which one, rdkafka does not say.
    is_astray: bool,
    room: Room,
    /// When records were last taken in, or positions settled, in milliseconds.
    taken_at: i64,
    patience: Patience,
    clock: Clock,
}

impl Group {
    pub(super) fn new(shared: Arc<Shared>, consumer: Arc<Consumer>, jobs: Jobs) -> Self {
        Self {
            shared,
            consumer,
            jobs,
            tail: None,
            clear: std::collections::BTreeMap::new(),
            change: None,
            is_astray: false,
            room: Room::default(),
            taken_at: Clock::machine().now().0 / 1000,
            patience: Patience::new("reading"),
            clock: Clock::machine(),
        }
    }

    /// Until the handle is stopped or ends.
    pub(super) fn run(mut self) {
        while !self.shared.stop.is_stopped() {
            self.change();
            if self.change.is_none() {
                // Not while the group waits for us: taking partitions up anew would be taken for our answer.
                self.rewind();
                self.find_back();
            }
            self.answer();
            let wanted = self.shared.state().flow();
            match self.room.turn(wanted, self.shared.millis()) {
                Turn::Fetch => self.pull(),
                Turn::Set(flow, partitions) => {
                    self.set(flow, &partitions);
                    self.pull();
                }
                Turn::Wait => {
                    self.shared.stop.wait(POLL);
                }
            }
        }
        self.close();
    }

    /// Leaves the group. Dropping a consumer polls it until it has left; changes are acknowledged meanwhile.
    fn close(self) {
        let Self { shared, consumer, tail, change, .. } = self;
        shared.set_consumer(None);
        consumer.context().close();
        if let Some(change) = change {
            acknowledge(&consumer, &change.rebalance);
        }
        while let Some(posted) = consumer.context().rebalance() {
            acknowledge(&consumer, &posted);
        }
        drop(consumer);
        drop(tail);
    }

    // ---- changes ----

    fn change(&mut self) {
        if self.change.is_none() {
            self.change = self.consumer.context().rebalance().map(|rebalance| self.begin(rebalance));
        }
        let Some(mut change) = self.change.take() else { return };
        if self.consumer.assignment_lost() {
            change.proof = None;
        }
        let done = match change.proof.as_ref().map(Receiver::try_recv) {
            Some(Err(TryRecvError::Empty)) => false,
            // Not ours any more: the handle has been ended, and close acknowledges the change.
            Some(Ok(false)) => false,
            Some(Ok(true) | Err(TryRecvError::Disconnected)) | None => {
                change.proof = None;
                match change.rebalance {
                    Rebalance::Assign(_) => self.assign(&change),
                    Rebalance::Revoke(_) => self.revoke(&mut change),
                }
            }
        };
        if !done {
            self.change = Some(change);
        }
    }

    fn begin(&self, rebalance: Rebalance) -> Change {
        let (Rebalance::Assign(list) | Rebalance::Revoke(list)) = &rebalance;
        Counts::add(&self.shared.counts.rebalances, 1);
        let partitions = self.shared.names().partitions(list);
        // A producer with a step finds out by itself. It must not be waited for: the step may be one that the broker
        // refuses until the change has been worked on.
        let (answer, proof) = sync_channel(1);
        let asked = !self.shared.has_step() && self.jobs.try_send(Job::Prove(answer)).is_ok();
        Change { rebalance, partitions, proof: asked.then_some(proof), until: None }
    }

    /// Takes the partitions, from their committed positions. Tried again by the next turn while those are not known.
    fn assign(&mut self, change: &Change) -> bool {
        let positions = match self.committed(&change.partitions) {
            Ok(positions) => positions,
            Err(_) if self.consumer.assignment_lost() => {
                // They have been taken away again; the group says so next.
                acknowledge(&self.consumer, &change.rebalance);
                return true;
            }
            Err(error) => {
                self.endure(&error, "looking up committed positions");
                return false;
            }
        };
        let list = self.list(places(&positions));
        if let Err(error) = self.consumer.incremental_assign(&list) {
            self.endure(&error, "taking partitions");
            return false;
        }
        for at in &change.partitions {
            self.clear.remove(at);
        }
        // A partition that was paused when it went is still paused when it comes back.
        if let Err(error) = self.consumer.resume(&list) {
            tracing::debug!(%error, "resuming");
        }
        self.shared.state().assign(&positions);
        self.shared.told.notify_one();
        tracing::info!(group = self.shared.identity.group, gained = positions.len(), "partitions assigned");
        true
    }

    /// Gives the partitions back once the handle has released them, or nobody waits any longer, or they are lost.
    fn revoke(&mut self, change: &mut Change) -> bool {
        let now = self.clock.now().0;
        if self.consumer.assignment_lost() {
            self.shared.state().lose(&change.partitions);
        } else if let Some(until) = change.until {
            if self.shared.state().release_state() == Release::Pending {
                if now < until {
                    return false;
                }
                tracing::warn!(
                    group = self.shared.identity.group,
                    "partitions were taken back before they were released"
                );
                self.shared.state().release();
            }
        } else {
            let within = self.shared.identity.config.revoke_within;
            self.shared.state().revoke(&change.partitions, within);
            self.shared.told.notify_one();
            change.until = Some(now.saturating_add(i64::try_from(within.as_micros()).unwrap_or(i64::MAX)));
            return self.revoke_done(change);
        }
        acknowledge(&self.consumer, &change.rebalance);
        self.shared.told.notify_one();
        tracing::info!(
            group = self.shared.identity.group,
            given_up = change.partitions.len(),
            "partitions revoked"
        );
        true
    }

    /// What the handle was never told of is given back without asking it.
    fn revoke_done(&self, change: &Change) -> bool {
        let done = self.shared.state().release_state() == Release::Done;
        if done {
            acknowledge(&self.consumer, &change.rebalance);
        }
        done
    }

    /// The committed positions of these. Waits for transactions that are still open on them.
    fn committed(&self, partitions: &[TopicPartition]) -> KafkaResult<Vec<Found>> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let list = self.shared.names().list(partitions.iter().copied());
        let found = self.consumer.committed_offsets(list, ANSWER_WITHIN)?;
        let (mut positions, mut new) = (Vec::new(), Vec::new());
        for entry in found.elements() {
            entry.error()?;
            let Some(at) = self.shared.names().partition(entry.topic(), entry.partition()) else { continue };
            match names::offset(entry.offset()) {
                Some(position) => positions.push(Found { at, position, is_new: false }),
                None => new.push(at),
            }
        }
        for (at, position) in self.shared.survey.starts(&new)? {
            positions.push(Found { at, position, is_new: true });
        }
        Ok(positions)
    }

    /// Goes back to the committed positions of what a lost step has spoilt.
    fn rewind(&mut self) {
        let partitions = self.shared.state().rewinding();
        if partitions.is_empty() {
            return;
        }
        match self.committed(&partitions).and_then(|positions| self.seek(positions)) {
            Ok(positions) => {
                for found in &positions {
                    self.clear.remove(&found.at);
                }
                self.shared.state().rewound(&positions);
                self.shared.told.notify_one();
            }
            Err(error) => self.endure(&error, "going back to committed positions"),
        }
    }

    fn list(&self, positions: impl IntoIterator<Item = (TopicPartition, Offset)>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (at, position) in positions {
            self.shared.names().add(&mut list, at, Some(position));
        }
        list
    }

    fn seek(&self, positions: Vec<Found>) -> KafkaResult<Vec<Found>> {
        let list = self.list(places(&positions));
        let sought = self.consumer.seek_partitions(list.clone(), ANSWER_WITHIN);
        match sought.and_then(|sought| sought.elements().iter().try_for_each(|entry| entry.error())) {
            // It has stopped fetching one of them, and refuses to seek there.
            Err(error) if errors::code(&error) == RDKafkaErrorCode::State => self.take_up(&list)?,
            sought => sought?,
        }
        Ok(positions)
    }

    /// Puts partitions down and takes them up again at these positions: librdkafka (2.12) refuses to seek in one that it has
    /// stopped fetching.
    fn take_up(&self, list: &TopicPartitionList) -> KafkaResult<()> {
        if let Err(error) = self.consumer.incremental_unassign(list) {
            // They were put down by an earlier try.
            tracing::debug!(%error, "putting partitions down");
        }
        self.consumer.incremental_assign(list)
    }

    /// Looks which positions are not in their partitions any more, and goes on where those begin now. What lies between
    /// is told, never passed over in silence. A partition that ends before its position was made anew.
    fn find_back(&mut self) {
        if !self.is_astray {
            return;
        }
        match self.astray() {
            Ok(found) => {
                self.is_astray = false;
                if found.is_empty() {
                    // Which it was nobody says, nor what has changed.
                    tracing::warn!(
                        group = self.shared.identity.group,
                        "a position was refused, and lies within its partition: was a log cut back and filled again (unclean \
                         election)? What is there now is read from there on"
                    );
                }
                for (at, from, to) in found {
                    self.clear.remove(&at);
                    if self.shared.state().miss(at, to) {
                        Counts::add(&self.shared.counts.missed, to.0.saturating_sub(from.0));
                    }
                }
                self.shared.told.notify_one();
            }
            Err(error) => self.endure(&error, "looking for positions that retention went past"),
        }
    }

    /// Positions that are gone, with where their partitions begin now. All are taken up anew, since nobody says which it
    /// was.
    fn astray(&self) -> KafkaResult<Vec<(TopicPartition, Offset, Offset)>> {
        let expected = self.shared.state().expected();
        let partitions: Vec<TopicPartition> = expected.keys().copied().collect();
        let starts = self.shared.survey.starts(&partitions)?;
        let ends = self.shared.survey.ends(&partitions)?;
        let mut sought = Vec::new();
        let mut gone = Vec::new();
        for (at, position) in expected {
            let (Some(start), Some(end)) = (starts.get(&at), ends.get(&at)) else { continue };
            let is_there = *start <= position && position <= *end;
            sought.push((at, if is_there { position } else { *start }));
            if !is_there {
                gone.push((at, position, *start));
            }
        }
        self.take_up(&self.list(sought))?;
        Ok(gone)
    }

    // ---- records ----

    fn set(&self, flow: Flow, partitions: &[TopicPartition]) {
        let list = self.shared.names().list(partitions.iter().copied());
        let set = match flow {
            Flow::Paused => self.consumer.pause(&list),
            Flow::Fetched => self.consumer.resume(&list),
        };
        match set {
            Ok(()) => self.shared.state().flows(flow, partitions),
            // Some of them have just gone; the next turn looks again, after the group has been asked.
            Err(error) => tracing::debug!(%error, "pausing"),
        }
    }

    fn pull(&mut self) {
        let mut taken: Vec<Fetched> = Vec::new();
        let mut troubled = None;
        let (mut wait, begun) = (POLL, self.shared.millis());
        for _ in 0..TAKE_MAX {
            if self.shared.stop.is_stopped()
                || !(0..TAKE_WITHIN_MILLIS).contains(&self.shared.millis().saturating_sub(begun))
            {
                break;
            }
            match self.consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    let met = meet(&message, &self.shared.stop);
                    if met == Met::Stopped {
                        break;
                    }
                    let record = incoming(&message, self.shared.names());
                    let written_at = written_at(&message);
                    taken.extend(record.map(|record| Fetched { record, written_at }));
                    if met == Met::Waited {
                        // The group and the handle have waited too.
                        break;
                    }
                }
                Some(Err(error)) if errors::class(&error) == Class::Astray => self.is_astray = true,
                Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
                    // This consumer is dead, whatever the code would mean elsewhere.
                    self.shared.end(self.shared.dead(code));
                    break;
                }
                Some(Err(error)) => {
                    let reading = ("Read", self.shared.identity.topics.as_str());
                    let ending = self.shared.ending(&error, "reading", reading);
                    if let Some(ending) = ending.filter(|ending| !self.patience.bears(ending)) {
                        self.shared.end(ending);
                        break;
                    }
                    troubled = Some(error);
                }
            }
            wait = Duration::ZERO;
        }
        if let Some(error) = troubled {
            // Once, however many errors have queued up; not waited for, since the next poll waits.
            self.patience.note(&error);
        }
        if !taken.is_empty() {
            self.patience.reset();
            self.taken_at = self.shared.millis();
            self.shared.state().take_in(taken);
            self.shared.told.notify_one();
        }
    }

    /// Ends the handle where the error says so; otherwise waits a little and lets the next turn try again.
    fn endure(&mut self, error: &KafkaError, what: &str) {
        match self.shared.ending(error, what, ("Read", &self.shared.identity.topics)) {
            Some(ending) if !self.patience.bears(&ending) => self.shared.end(ending),
            Some(_) | None => {
                self.patience.wait(&self.shared.stop, error);
            }
        }
    }
}

fn places(found: &[Found]) -> impl Iterator<Item = (TopicPartition, Offset)> {
    found.iter().map(|found| (found.at, found.position))
}
