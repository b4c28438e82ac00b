//! What ties a handle's three sides together: the handle itself, the consumer's thread and the producer's.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use pipeline::LogError;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::{
    client::Consumer, names::Names, settings::KafkaConfig, state::State, survey::Survey, wait::Stop,
};

/// One member's identity and settings.
pub(super) struct Identity {
    pub(super) config: KafkaConfig,
    /// The group, as Kafka knows it.
    pub(super) group: String,
    /// The member's name.
    pub(super) name: String,
    pub(super) transactional_id: String,
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
}

impl Shared {
    pub(super) fn new(identity: Identity, survey: Survey, state: State) -> Self {
        Self {
            identity,
            survey,
            state: Mutex::new(state),
            told: Notify::new(),
            stop: Stop::default(),
            consumer: Mutex::new(None),
            steps: Arc::default(),
        }
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
    /// A step of the handle.
    Step(pipeline::Step, Underway, oneshot::Sender<Result<(), LogError>>),
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
