//! The producer's thread: each step is one transaction, tried until its outcome is known.
//!
//! A step's positions are sent inside its transaction, with the group's metadata of that moment, so that the broker
//! refuses them once the group has moved on. Each carries the step's *token* (when the handle was opened, number of the
//! step) as its metadata string. When the outcome is unknown (the answer to the commit did not arrive, or the client
//! broke), the producer is thrown away; a new one of the same transactional id makes the broker end the open
//! transaction and refuse the old producer's late requests; then the committed positions say whether the token is
//! there. For that a step needs a position of a partition: where it has none of its own, the unchanged one of a
//! partition of its lease is sent. A member without topics has none at all: its step of unknown outcome is done again,
//! and may then be there twice.
//!
//! librdkafka 2.12 does not speak the second version of transactions (KIP-890), so that a request that was delayed for
//! longer than all of this may still hit a later transaction: stable ids and idempotent sinks remain the last guarantee.

mod causes;
mod places;
mod positions;
mod standing;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use pipeline::{Clock, LogError, Outgoing, Step, log::Positions};
use rdkafka::{
    consumer::Consumer as _,
    error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code},
    message::{Header, OwnedHeaders},
    producer::{BaseRecord, Producer as _},
    util::Timeout,
};
use schemas::{Partition, Topic};
use tokio::sync::mpsc;

use self::causes::{cause, held_against};
use super::{
    client::{self, Batching, Producer},
    errors::{self, Class},
    meter::Counts,
    names,
    shared::{Job, Shared},
    survey::{ANSWER_WITHIN, closed},
    wait::Patience,
};

/// How long one attempt at initialising may take before the stop is looked at.
const INIT_WITHIN: Duration = Duration::from_secs(10);
/// How often it is looked whether a step's records are delivered, and after how many looks whether they still can be.
const LOOK: Duration = Duration::from_millis(1);
const LOOKS_PER_QUESTION: u128 = 50;
/// What a batch may hold unless a topic takes less, and what it always may.
const BATCH_BYTES_MOST: usize = 1_000_000;
const BATCH_BYTES_LEAST: usize = 16_384;

/// How an attempt at a step ended.
enum Attempt {
    /// It is visible.
    Done,
    /// It left no trace.
    Undone(KafkaError),
    /// Nobody knows.
    Unknown(KafkaError),
    /// The handle, or the step, cannot go on; it left no trace.
    Over(LogError),
    /// A topic is not there, or the broker does not know it yet; it left no trace.
    Absent(LogError),
    /// These records, by their places, are larger than the broker takes; it left no trace.
    TooLarge(Vec<usize>),
    /// Records were refused together; which of them is too large, if any is, shows when each is sent by itself. It left
    /// no trace.
    Unclear,
}

/// The producer's side of a handle.
pub(super) struct Steps {
    shared: Arc<Shared>,
    producer: Option<Producer>,
    counts: BTreeMap<Topic, (u32, i64)>,
    clock: Clock,
    /// When the handle was opened, in microseconds, and how many steps it has begun.
    opened: i64,
    number: u64,
    /// The positions that went with the last attempt: where its token is to be found.
    sent: Positions,
    batching: Batching,
}

impl Steps {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let clock = Clock::machine();
        let opened = clock.now().0;
        Self {
            shared,
            producer: None,
            counts: BTreeMap::new(),
            clock,
            opened,
            number: 0,
            sent: Positions::new(),
            batching: Batching::default(),
        }
    }

    /// Takes possession of the name: whoever had it before can commit nothing from now on.
    pub(super) fn init(&mut self) -> Result<(), LogError> {
        let mut patience = Patience::new("initialising a producer");
        loop {
            let identity = &self.shared.identity;
            let producer = client::producer(&identity.config, &identity.transactional_id, self.batching)?;
            let error = match producer.init_transactions(INIT_WITHIN) {
                Ok(()) => {
                    self.producer = Some(producer);
                    return Ok(());
                }
                Err(error) => error,
            };
            if let Some(refused) = producer.context().refused() {
                return Err(refused);
            }
            if errors::code(&error) == Code::InvalidTransactionTimeout {
                let what =
                    "transaction_timeout is longer than the broker lets one be (transaction.max.timeout.ms)";
                return Err(LogError::Unusable(what.to_owned()));
            }
            if let Some(ending) =
                self.shared.ending(&error, "a broker with transactions is needed", ("Write", ""))
            {
                return Err(ending);
            }
            if patience.wait(&self.shared.stop, &error) {
                return Err(closed());
            }
        }
    }

    /// Until nobody can ask any more, or the handle is stopped.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(job) = jobs.blocking_recv() {
            match job {
                Job::Step(step, underway, answer) => {
                    let answered = self.step(&step);
                    drop(underway);
                    if let Err(LogError::Fenced(_)) = &answered {
                        self.shared.end(self.fenced());
                    }
                    let back = matches!(answered, Err(LogError::TooLarge(_))).then_some(step);
                    // A dropped call does not want to know.
                    drop(answer.send((answered, back)));
                }
                Job::Prove(answer) => drop(answer.try_send(self.prove())),
                Job::Settle => self.settle(),
            }
            if self.shared.stop.is_stopped() {
                break;
            }
        }
    }

    // ---- a step ----

    fn step(&mut self, step: &Step) -> Result<(), LogError> {
        self.number += 1;
        let token = format!("weir:{:x}:{:x}", self.opened, self.number);
        let mut patience = Patience::new("committing a step");
        loop {
            let begun = self.clock.now().0;
            let attempt = self.attempt(step, &token);
            let cause = match attempt {
                Attempt::Done => break,
                Attempt::Over(LogError::Fenced(_)) if self.timed_out(begun) && self.is_still_in(begun) => {
                    // The broker ended the transaction because it took too long, and answers as if the name were taken.
                    self.renew()?;
                    if self.is_committed(&token)? {
                        break;
                    }
                    KafkaError::Global(Code::OperationTimedOut)
                }
                Attempt::Over(error) => return Err(error),
                Attempt::Absent(error) if !patience.bears(&error) => return Err(error),
                Attempt::Absent(_) => KafkaError::Global(Code::UnknownTopicOrPartition),
                Attempt::TooLarge(places) => return Err(self.too_large(step, places)),
                Attempt::Unclear => {
                    Counts::add(&self.shared.counts.aborts, 1);
                    (self.producer, self.batching.one_by_one) = (None, true);
                    continue;
                }
                Attempt::Undone(error) => error,
                Attempt::Unknown(error) => {
                    tracing::warn!(%error, "the outcome of a step is unknown; looking it up");
                    self.hear(begun)?;
                    self.renew()?;
                    if self.is_committed(&token)? {
                        break;
                    }
                    error
                }
            };
            Counts::add(&self.shared.counts.aborts, 1);
            if patience.wait(&self.shared.stop, &cause) {
                return Err(closed());
            }
        }
        self.widen();
        let mut committed = std::mem::take(&mut self.sent);
        committed.extend(&step.finished);
        self.shared.state().committed(&committed, self.shared.millis());
        Ok(())
    }

    /// A new producer of the same name, after which nothing of the old one can happen any more.
    fn renew(&mut self) -> Result<(), LogError> {
        self.producer = None;
        self.counts.clear();
        self.init()
    }

    fn attempt(&mut self, step: &Step, token: &str) -> Attempt {
        // Before the lease is looked at: it was given by the group for what is held now, or the group refuses it.
        let consumer = self.shared.consumer();
        let metadata = consumer.as_ref().and_then(|consumer| consumer.group_metadata());
        if consumer.is_some() && metadata.is_none() {
            // Without it the positions could not go with the records.
            return Attempt::Undone(KafkaError::Global(Code::WaitingForCoordinator));
        }
        if let Err(error) = self.guard(step) {
            return Attempt::Over(error);
        }
        let placed = match self.place(&step.records) {
            Ok(placed) => placed,
            Err(error) => return Attempt::Over(error),
        };
        if self.producer.is_none()
            && let Err(error) = self.init()
        {
            return Attempt::Over(error);
        }
        if placed.is_empty() && step.finished.is_empty() {
            return Attempt::Done;
        }
        self.sent = match &metadata {
            Some(_) => self.shared.state().positions(step.lease, &step.finished),
            None => Positions::new(),
        };
        let Some(producer) = &self.producer else { return Attempt::Over(closed()) };
        let filled = self.fill(producer, step, &placed).and_then(|()| self.deliver(producer));
        // Positions go last: the broker may still be busy with the transaction before, and librdkafka (2.12) asks again after
        // 20 ms for records, but after 100 ms for positions.
        let sent = filled.and_then(|()| match &metadata {
            Some(metadata) if !self.sent.is_empty() => {
                let list = self.offsets(&self.sent, token);
                self.again(|| producer.send_offsets_to_transaction(&list, metadata, ANSWER_WITHIN))
            }
            _ => Ok(()),
        });
        if let Err(error) = sent {
            let cause = cause(producer, error);
            return self.abort(cause);
        }
        // Without a limit librdkafka would ask for ever: unlike the other calls, this one is not bound by the
        // transaction's.
        match producer.commit_transaction(self.shared.identity.config.transaction_timeout) {
            Ok(()) => Attempt::Done,
            Err(error) => self.uncommitted(error),
        }
    }

    /// Waits until the records are delivered. A commit begins with that too, but rdkafka (0.39) looks only every 100 ms
    /// whether it is done, and most steps are through in a few.
    ///
    /// # Errors
    /// The transaction cannot be committed any more, or a record has failed: librdkafka then keeps the rest, and a commit
    /// would wait for it as long as the transaction may last.
    fn deliver(&self, producer: &Producer) -> KafkaResult<()> {
        let most = self.shared.identity.config.transaction_timeout.as_millis() / LOOK.as_millis();
        for look in 0..most {
            producer.poll(Duration::ZERO);
            let has_undelivered = producer.context().has_undelivered();
            if has_undelivered || look % LOOKS_PER_QUESTION == LOOKS_PER_QUESTION - 1 {
                held_against(producer)?;
            }
            if has_undelivered {
                return Err(KafkaError::Global(Code::MessageTimedOut));
            }
            if producer.in_flight_count() == 0 || self.shared.stop.wait(LOOK) {
                break;
            }
        }
        Ok(())
    }

    /// What a failed commit means. Only where records did not get through has nothing been asked of the broker. An error
    /// that merely demands an abort may hide a commit whose answer was lost while the transaction failed locally.
    fn uncommitted(&mut self, error: KafkaError) -> Attempt {
        let undelivered = self.producer.as_ref().is_some_and(|producer| producer.context().has_undelivered());
        // Rights are asked for before the commit is.
        if errors::class(&error) == Class::Refused || undelivered || matches!(error, KafkaError::Flush(_)) {
            return self.abort(error);
        }
        match errors::class(&error) {
            Class::Fenced => Attempt::Over(self.fenced()),
            Class::Retry
            | Class::Abort
            | Class::Broken
            | Class::Unusable
            | Class::Astray
            | Class::Missing
            | Class::Refused => Attempt::Unknown(error),
        }
    }

    /// Begins the transaction and puts the records into it.
    fn fill(&self, producer: &Producer, step: &Step, placed: &[(usize, Partition)]) -> KafkaResult<()> {
        producer.context().take_undelivered();
        producer.context().take_too_large();
        producer.context().take_denied();
        producer.begin_transaction()?;
        for (index, partition) in placed {
            if let Some(record) = step.records.get(*index) {
                self.send(producer, (*index, record), *partition)?;
            }
        }
        Ok(())
    }

    fn send(
        &self,
        producer: &Producer,
        (place, record): (usize, &Outgoing),
        partition: Partition,
    ) -> KafkaResult<()> {
        loop {
            let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
            for (key, value) in &record.headers {
                headers = headers.insert(Header { key, value: Some(value.as_ref()) });
            }
            let topic = self.shared.names().topic(record.topic);
            let mut out: BaseRecord<'_, [u8], [u8], usize> = BaseRecord::with_opaque_to(topic, place)
                .partition(names::number(partition))
                .key(record.key.as_ref())
                .headers(headers);
            out.payload = record.value.as_deref();
            match producer.send(out) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(Code::QueueFull), _)) => {
                    // Room is made as the broker takes records; a broker that takes none ends the transaction.
                    if self.shared.stop.wait(Duration::from_millis(10)) {
                        return Err(KafkaError::Canceled);
                    }
                    if producer.context().has_undelivered() {
                        return Err(KafkaError::MessageProduction(Code::MessageTimedOut));
                    }
                }
                Err((error, _)) => {
                    if errors::code(&error) == Code::MessageSizeTooLarge {
                        // This very record, whatever the broker has said of batches with others in them.
                        producer.context().take_too_large();
                        producer.context().note_too_large(place);
                    }
                    return Err(error);
                }
            }
        }
    }

    /// The same call again while that may help. After the transaction's time it cannot: the broker has undone it. And
    /// librdkafka (2.12) may wait for ever for a coordinator that was away: only a new client finds it again.
    fn again(&self, mut call: impl FnMut() -> KafkaResult<()>) -> KafkaResult<()> {
        let mut patience = Patience::new("a transaction");
        let begun = self.clock.now().0;
        loop {
            match call() {
                Err(error) if errors::class(&error) == Class::Retry => {
                    if self.timed_out(begun) {
                        return Err(KafkaError::Global(Code::State));
                    }
                    if patience.wait(&self.shared.stop, &error) {
                        return Err(error);
                    }
                }
                other => return other,
            }
        }
    }

    /// Undoes a transaction that cannot be committed.
    fn abort(&mut self, cause: KafkaError) -> Attempt {
        self.hear_of_sizes(&cause);
        let undelivered = self.producer.as_ref().and_then(|producer| producer.context().take_undelivered());
        let too_large = self.producer.as_ref().map(|producer| producer.context().take_too_large());
        let too_large = too_large.unwrap_or_default();
        let denied = self.denied(&cause);
        match errors::class(&cause) {
            Class::Fenced if errors::is_taken(&cause) => return Attempt::Over(self.fenced()),
            // Nobody has asked for it to be committed, and the next producer of the name ends it.
            Class::Broken => self.producer = None,
            Class::Retry
            | Class::Abort
            | Class::Astray
            | Class::Fenced
            | Class::Refused
            | Class::Missing
            | Class::Unusable => {
                if !self.undo() {
                    return Attempt::Over(self.fenced());
                }
            }
        }
        self.counts.clear();
        if !too_large.is_empty() {
            let refused_at_once = matches!(cause, KafkaError::MessageProduction(Code::MessageSizeTooLarge));
            let is_clear = refused_at_once || self.batching.one_by_one;
            return if is_clear { Attempt::TooLarge(too_large) } else { Attempt::Unclear };
        }
        // Why a record was not delivered says more than that the transaction must be aborted.
        let cause = match undelivered {
            Some(code) if errors::class(&cause) != Class::Refused => KafkaError::MessageProduction(code),
            Some(_) | None => cause,
        };
        let writing = ("Write", denied.as_deref().unwrap_or("that it writes to"));
        match self.shared.ending(&cause, "a step", writing) {
            // Whoever may abort is not fenced: the broker had ended the transaction because of its age.
            Some(LogError::Fenced(_)) | None => Attempt::Undone(cause),
            Some(missing @ LogError::Missing(_)) => Attempt::Absent(missing),
            Some(ending) => Attempt::Over(ending),
        }
    }

    /// Aborts what is open; false when the name belongs to somebody else.
    fn undo(&mut self) -> bool {
        let Some(producer) = &self.producer else { return true };
        if let Err(error) = self.again(|| producer.abort_transaction(Timeout::After(ANSWER_WITHIN))) {
            if errors::class(&error) == Class::Fenced {
                return false;
            }
            // The next producer of the name ends it; nobody has asked for it to be committed.
            self.producer = None;
        }
        true
    }

    /// Says which topics take smaller records than they must.
    fn too_large(&mut self, step: &Step, places: Vec<usize>) -> LogError {
        Counts::add(&self.shared.counts.aborts, 1);
        for record in places.iter().filter_map(|place| step.records.get(*place)) {
            let (topic, bytes) = (self.shared.names().topic(record.topic), record.bytes());
            tracing::error!(topic, bytes, "a record is larger than the topic takes (max.message.bytes)");
        }
        if self.batching.one_by_one {
            (self.producer, self.batching.one_by_one) = (None, false);
        }
        LogError::TooLarge(places)
    }

    /// A step went through record by record that did not in batches: from now on these are half as large.
    fn widen(&mut self) {
        if !self.batching.one_by_one {
            return;
        }
        let bytes = (self.batching.bytes_max.unwrap_or(BATCH_BYTES_MOST) / 2).max(BATCH_BYTES_LEAST);
        tracing::warn!(
            bytes,
            "a topic takes smaller batches than ours (max.message.bytes): ours are smaller now"
        );
        self.batching = Batching { bytes_max: Some(bytes), one_by_one: false };
        self.producer = None;
    }

    fn fenced(&self) -> LogError {
        LogError::Fenced(self.shared.identity.transactional_id.clone())
    }
}
