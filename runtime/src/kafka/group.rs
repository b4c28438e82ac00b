//! The consumer's thread: it polls, takes what is fetched in, and works on the group's changes.
//!
//! It polls without a pause as long as it lives, so that the group never takes it for dead: under back-pressure the
//! partitions are paused, not the polling. A change that the group announces is posted by the callback and worked on
//! here: positions are looked up, the handle is told, and others wait for it no longer than agreed. A consumer never
//! stores or commits an offset: only steps do.
//!
//! Before any change the producer proves that the member's name is still its own. A handle that was fenced leaves the
//! group at once, and the partitions go to whoever took its name: a static member is fenced by the broker, others have
//! no other way to notice while they hold nothing that must be committed.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, TryRecvError, sync_channel},
    },
    time::Duration,
};

use pipeline::{Clock, Incoming};
use rdkafka::{
    TopicPartitionList,
    consumer::Consumer as _,
    error::{KafkaError, KafkaResult},
};
use schemas::{Offset, TopicPartition};

use super::{
    client::{Consumer, Rebalance, acknowledge},
    errors, names,
    shared::{Job, Jobs, Shared},
    state::{Flow, Release},
    survey::ANSWER_WITHIN,
    tail::{Ranges, Tail, incoming},
    wait::Patience,
};

/// One wait for records; then the handle's wishes are looked at. Longer waits save nothing that can be measured.
const POLL: Duration = Duration::from_millis(10);
/// So many records are taken from librdkafka before they are handed on and wishes are looked at.
const TAKE_MAX: usize = 1000;

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
            patience: Patience::new("reading"),
            clock: Clock::machine(),
        }
    }

    /// Until the handle is stopped or ends.
    pub(super) fn run(mut self) {
        while !self.shared.stop.is_stopped() {
            self.change();
            self.rewind();
            self.flow();
            self.answer();
            self.pull();
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
        let mut list = TopicPartitionList::new();
        for (at, position) in &positions {
            self.shared.names().add(&mut list, *at, Some(*position).filter(|position| position.0 > 0));
        }
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
        self.warn_of_losses(&positions);
        self.shared.state().assign(&positions);
        self.shared.told.notify_one();
        tracing::info!(group = self.shared.identity.group, gained = positions.len(), "partitions assigned");
        true
    }

    /// Says where a topic's retention went past what this group had read. It reads on with what there is. What is gone
    /// may be nothing but the marks of transactions, which nobody reads: that can no longer be told.
    fn warn_of_losses(&self, positions: &[(TopicPartition, Offset)]) {
        for (at, position) in positions.iter().filter(|(_, position)| position.0 > 0) {
            let (topic, partition) = (self.shared.names().topic(at.topic), names::number(at.partition));
            let Ok((low, _)) = self.consumer.fetch_watermarks(topic, partition, ANSWER_WITHIN) else {
                return;
            };
            let gone = u64::try_from(low).unwrap_or_default().saturating_sub(position.0);
            if gone > 0 {
                let group = self.shared.identity.group.as_str();
                tracing::warn!(group, topic, partition, gone, "retention went past what this group has read");
            }
        }
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

    /// The committed positions of these; 0 where there is none. Waits for transactions that are still open on them.
    fn committed(&self, partitions: &[TopicPartition]) -> KafkaResult<Vec<(TopicPartition, Offset)>> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let list = self.shared.names().list(partitions.iter().copied());
        let found = self.consumer.committed_offsets(list, ANSWER_WITHIN)?;
        let mut positions = Vec::new();
        for entry in found.elements() {
            entry.error()?;
            if let Some(at) = self.shared.names().partition(entry.topic(), entry.partition()) {
                positions.push((at, names::offset(entry.offset()).unwrap_or_default()));
            }
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
                for (at, _) in &positions {
                    self.clear.remove(at);
                }
                self.shared.state().rewound(&positions);
                self.shared.told.notify_one();
            }
            Err(error) => self.endure(&error, "going back to committed positions"),
        }
    }

    fn seek(&self, positions: Vec<(TopicPartition, Offset)>) -> KafkaResult<Vec<(TopicPartition, Offset)>> {
        let mut list = TopicPartitionList::new();
        for (at, position) in &positions {
            self.shared.names().add(&mut list, *at, Some(*position).filter(|position| position.0 > 0));
        }
        let sought = self.consumer.seek_partitions(list, ANSWER_WITHIN)?;
        for entry in sought.elements() {
            entry.error()?;
        }
        Ok(positions)
    }

    // ---- records ----

    /// Pauses what is held while enough waits for the handle.
    fn flow(&mut self) {
        let Some((flow, partitions)) = self.shared.state().flow() else { return };
        let list = self.shared.names().list(partitions.iter().copied());
        let turned = match flow {
            Flow::Paused => self.consumer.pause(&list),
            Flow::Fetched => self.consumer.resume(&list),
        };
        match turned {
            Ok(()) => self.shared.state().flows(flow, &partitions),
            // Some of them have just gone; the next turn looks again.
            Err(error) => tracing::debug!(%error, "pausing"),
        }
    }

    fn pull(&mut self) {
        let mut taken: Vec<Incoming> = Vec::new();
        let mut troubled = None;
        let mut wait = POLL;
        for _ in 0..TAKE_MAX {
            match self.consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => taken.extend(incoming(&message, self.shared.names())),
                Some(Err(error)) => {
                    if let Some(ending) = errors::ending(&error, &self.shared.identity.name, "reading") {
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
            self.shared.state().take_in(taken);
            self.shared.told.notify_one();
        }
    }

    /// Tells the handle whether it has caught up, if it asks.
    fn answer(&mut self) {
        let Some((call, handed)) = self.shared.state().question() else { return };
        match self.caught_up(&handed) {
            Ok(true) => {
                self.shared.state().answer(call);
                self.shared.told.notify_one();
            }
            Ok(false) => {}
            Err(error) => self.endure(&error, "looking for the ends of partitions"),
        }
    }

    /// Whether nothing committed follows what was handed out, as of now.
    fn caught_up(&mut self, handed: &pipeline::log::Positions) -> KafkaResult<bool> {
        let tail = match &self.tail {
            Some(tail) => tail,
            None => {
                let config = &self.shared.identity.config;
                let made = super::client::follower(config, &self.shared.identity.group);
                let made = made.map_err(|error| KafkaError::ClientCreation(error.to_string()))?;
                self.tail.insert(Tail::new(made, self.shared.survey.clone()))
            }
        };
        let partitions: Vec<TopicPartition> = handed.keys().copied().collect();
        let ends = tail.ends(&partitions)?;
        if !ends.decided {
            return Ok(false);
        }
        let mut open = Ranges::new();
        for (at, end) in ends.written {
            let from = handed
                .get(&at)
                .copied()
                .unwrap_or_default()
                .max(self.clear.get(&at).copied().unwrap_or_default());
            if from < end {
                open.insert(at, (from, end));
            }
        }
        if !open.is_empty() && !tail.is_empty(&open, &self.shared.stop).unwrap_or(false) {
            return Ok(false);
        }
        self.clear.extend(open.into_iter().map(|(at, (_, end))| (at, end)));
        Ok(true)
    }

    /// Ends the handle where the error says so; otherwise waits a little and lets the next turn try again.
    fn endure(&mut self, error: &KafkaError, what: &str) {
        match errors::ending(error, &self.shared.identity.name, what) {
            Some(ending) => self.shared.end(ending),
            None => {
                self.patience.wait(&self.shared.stop, error);
            }
        }
    }
}
