//! The handle that a stage owns; its work is done by two threads.

use std::{sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _};
use pipeline::{Log, LogError, Next, Step};
use tokio::{sync::oneshot, time::Instant};

use super::{
    shared::{Ended, Job, Jobs, Shared},
    survey::closed,
};

/// How long leaving may take before the group is left to find out by itself.
const LEAVE_WITHIN: Duration = Duration::from_secs(15);

/// A [`Log`] over Kafka.
pub(super) struct KafkaLog {
    shared: Arc<Shared>,
    idle_after: Duration,
    jobs: Option<Jobs>,
    ended: Vec<Ended>,
    /// Since when nothing has come, over dropped calls.
    quiet_since: Option<Instant>,
    /// The step that was refused as too large.
    refused: Option<Step>,
}

impl KafkaLog {
    pub(super) fn new(shared: Arc<Shared>, idle_after: Duration, jobs: Jobs, ended: Vec<Ended>) -> Self {
        Self { shared, idle_after, jobs: Some(jobs), ended, quiet_since: None, refused: None }
    }

    async fn wait_for_next(&mut self) -> Result<Next, LogError> {
        self.shared.state().begin_call();
        let quiet_since = *self.quiet_since.get_or_insert_with(Instant::now);
        let idle_at = quiet_since + self.idle_after;
        loop {
            // Bound before the state is looked at, so that what is told in between is not missed.
            let told = self.shared.told.notified();
            let said = self.shared.state().next();
            if let Some(next) = said {
                self.quiet_since = None;
                return next;
            }
            if Instant::now() < idle_at {
                drop(tokio::time::timeout_at(idle_at, told).await);
                continue;
            }
            if self.shared.state().idle(self.shared.millis()) {
                self.quiet_since = None;
                return Ok(Next::Idle);
            }
            told.await;
        }
    }

    async fn take_step(&mut self, step: Step) -> Result<(), LogError> {
        // The lease is looked at here first: a lost step costs nobody a transaction.
        let ended = self.shared.state().ended();
        if let Some(ended) = ended {
            return Err(ended);
        }
        let Some(jobs) = &self.jobs else { return Err(closed()) };
        let (answer, answered) = oneshot::channel();
        if jobs.send(Job::Step(step, self.shared.begin_step(), answer)).await.is_err() {
            return Err(self.shared.state().ended().unwrap_or_else(closed));
        }
        match answered.await {
            Ok((answer, refused)) => {
                self.refused = refused;
                answer
            }
            Err(_) => Err(self.shared.state().ended().unwrap_or_else(closed)),
        }
    }

    async fn go(&mut self) -> Result<(), LogError> {
        let ended = self.shared.state().ended();
        self.shared.end(closed());
        self.jobs = None;
        let all = async {
            for thread in &mut self.ended {
                // An error says that the thread is gone, too.
                drop(thread.wait_for(|ended| *ended).await);
            }
        };
        match tokio::time::timeout(LEAVE_WITHIN, all).await {
            Ok(()) => ended.map_or(Ok(()), Err),
            Err(_) => {
                Err(LogError::Unusable("the group was not told in time that its member left".to_owned()))
            }
        }
    }
}

impl Log for KafkaLog {
    fn next(&mut self) -> BoxFuture<'_, Result<Next, LogError>> {
        self.wait_for_next().boxed()
    }

    fn commit(&mut self, step: Step) -> BoxFuture<'_, Result<(), LogError>> {
        self.take_step(step).boxed()
    }

    fn take_back(&mut self) -> Option<Step> {
        self.refused.take()
    }

    fn leave(&mut self) -> BoxFuture<'_, Result<(), LogError>> {
        self.go().boxed()
    }
}

impl Drop for KafkaLog {
    /// The threads end by themselves, the consumer's after it has left its group.
    fn drop(&mut self) {
        self.shared.end(closed());
    }
}
