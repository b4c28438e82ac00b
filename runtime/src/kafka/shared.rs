//! What ties a handle's three sides together: the handle itself, the consumer's thread and the producer's.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use pipeline::{Clock, LogError};
use rdkafka::{
    consumer::Consumer as _,
    error::{KafkaError, RDKafkaErrorCode},
};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::{
    client::Consumer,
    errors,
    meter::Counts,
    names::Names,
    refusal::{self, Asked},
    settings::KafkaConfig,
    state::State,
    survey::Survey,
    wait::Stop,
};

/// One member's identity and settings.
pub(super) struct Identity {
    pub(super) config: KafkaConfig,
    /// The group, as Kafka knows it.
    pub(super) group: String,
    /// The member's name.
    pub(super) name: String,
    pub(super) transactional_id: String,
    /// What it reads, as Kafka knows it, for an operator.
    pub(super) topics: String,
}

/// Shared by the sides of one handle.
pub(super) struct Shared {
    pub(super) identity: Identity,
    pub(super) survey: Survey,
    state: Mutex<State>,
    /// Wakes the handle.
    pub(super) told: Notify,
    /// Ends both threads.
    pub(super) stop: Stop,
    /// The group's consumer while it lives; none for a member without topics.
    consumer: Mutex<Option<Arc<Consumer>>>,
    /// Steps that were handed to the producer and have not ended.
    steps: Arc<AtomicUsize>,
    pub(super) clock: Clock,
    pub(super) counts: Arc<Counts>,
}

impl Shared {
    pub(super) fn new(identity: Identity, survey: Survey, state: State, counts: Arc<Counts>) -> Self {
        Self {
            identity,
            survey,
            state: Mutex::new(state),
            told: Notify::new(),
            stop: Stop::default(),
            consumer: Mutex::new(None),
            steps: Arc::default(),
            clock: Clock::machine(),
            counts,
        }
    }

    /// How far the handle is behind, in milliseconds; nothing for one that reads nothing, or has ended.
    pub(super) fn behind(&self) -> Option<i64> {
        let is_reading = !self.stop.is_stopped() && self.consumer().is_some();
        is_reading.then(|| self.state().behind(self.millis()))
    }

    /// Now, in milliseconds, as Kafka writes times.
    pub(super) fn millis(&self) -> i64 {
        self.clock.now().0 / 1000
    }

    /// Why a consumer that is dead ends its handle, whatever the code would mean elsewhere.
    pub(super) fn dead(&self, code: RDKafkaErrorCode) -> LogError {
        if code == RDKafkaErrorCode::UnreleasedInstanceId {
            // KIP-848: whoever had the name has not left it, and its session has not ended.
            return LogError::Fenced(self.identity.transactional_id.clone());
        }
        let error = KafkaError::MessageConsumptionFatal(code);
        let ending = self.ending(&error, "reading", ("Read", &self.identity.topics));
        ending.unwrap_or_else(|| LogError::Unusable(format!("the group's consumer ended: {error}")))
    }

    /// `error` as the log's, where it ends the handle; `None` where trying again may help. `doing` is what was asked of
    /// topics, and `topics` which.
    pub(super) fn ending(
        &self,
        error: &KafkaError,
        what: &str,
        (doing, topics): (&'static str, &str),
    ) -> Option<LogError> {
        let code = errors::code(error);
        if errors::is_of_connection(code) {
            return self.consumer().and_then(|consumer| consumer.context().refused());
        }
        let Identity { group, transactional_id, .. } = &self.identity;
        let asked = Asked { on_topics: doing, topics, group, transactional_id };
        let right = refusal::right(code, &asked).map(LogError::Refused);
        right.or_else(|| errors::ending(error, transactional_id, what))
    }

    /// A step is handed to the producer.
    pub(super) fn begin_step(&self) -> Underway {
        self.steps.fetch_add(1, Ordering::AcqRel);
        Underway(Arc::clone(&self.steps))
    }

    /// Whether the producer works on a step, or has one to work on.
    pub(super) fn has_step(&self) -> bool {
        self.steps.load(Ordering::Acquire) > 0
    }

    pub(super) fn names(&self) -> &Names {
        &self.survey.names
    }

    /// The state. Never held across a call of Kafka's.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The handle is done for: it is told, and both threads end.
    pub(super) fn end(&self, why: LogError) {
        self.state().end(why);
        self.stop.stop();
        self.told.notify_one();
    }

    pub(super) fn consumer(&self) -> Option<Arc<Consumer>> {
        self.consumer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_consumer(&self, consumer: Option<Arc<Consumer>>) {
        *self.consumer.lock().unwrap_or_else(PoisonError::into_inner) = consumer;
    }
}

/// What the producer's thread is asked to do.
pub(super) enum Job {
    /// A step of the handle; given back where it was too large.
    Step(pipeline::Step, Underway, oneshot::Sender<(Result<(), LogError>, Option<pipeline::Step>)>),
    /// Move the positions of what is finished behind the marks that follow it.
    Settle,
    /// Find out whether the name is still ours.
    Prove(std::sync::mpsc::SyncSender<bool>),
}

/// A step that has not ended; dropped with it.
pub(super) struct Underway(Arc<AtomicUsize>);

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The way to the producer's thread.
pub(super) type Jobs = mpsc::Sender<Job>;

/// Becomes true when a thread has ended.
pub(super) type Ended = watch::Receiver<bool>;

/// Says that its thread has ended, however it ended.
pub(super) struct Ending(pub(super) watch::Sender<bool>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}
