//! Opens handles: the name is taken possession of first, then the group is joined.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use pipeline::{Log, LogError, log::Member};
use rdkafka::consumer::Consumer as _;
use tokio::sync::{mpsc, watch};

use super::{
    client,
    group::Group,
    handle::KafkaLog,
    meter::KafkaMetrics,
    producer::Steps,
    settings::KafkaConfig,
    shared::{Ended, Ending, Identity, Shared},
    state::State,
    survey::Survey,
};

/// A handle has one step at a time, and its consumer one question; dropped calls leave a few more.
const JOBS_MAX: usize = 8;
/// How long a handle waits for one of the same process and name that is closing already.
const PREDECESSOR_WITHIN: Duration = Duration::from_secs(15);

/// A handle that was opened here, as long as its threads live.
struct Opened {
    shared: Arc<Shared>,
    ended: Vec<Ended>,
}

impl Opened {
    fn is_over(&self) -> bool {
        self.ended.iter().all(|ended| *ended.borrow())
    }

    async fn over(mut self) {
        for ended in &mut self.ended {
            // An error says that the thread is gone, too.
            drop(ended.wait_for(|ended| *ended).await);
        }
    }

    fn again(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), ended: self.ended.clone() }
    }
}

/// The handles of one log.
#[derive(Default)]
pub(super) struct Handles(Mutex<Vec<Opened>>);

impl Handles {
    fn all(&self) -> Vec<Opened> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|opened| !opened.is_over());
        all.iter().map(Opened::again).collect()
    }

    /// Ends all handles and waits until they are gone.
    pub(super) async fn close(&self) {
        let all = self.all();
        for opened in &all {
            opened.shared.end(super::survey::closed());
        }
        let gone = async {
            for opened in all {
                opened.over().await;
            }
        };
        if tokio::time::timeout(PREDECESSOR_WITHIN, gone).await.is_err() {
            tracing::warn!("some kafka handles did not close in time");
        }
    }

    /// Opens a handle for `member`.
    pub(super) async fn open(
        &self,
        config: &KafkaConfig,
        survey: &Survey,
        meter: &KafkaMetrics,
        member: Member,
    ) -> Result<Box<dyn Log>, LogError> {
        let topics: Vec<&str> = member.topics.iter().map(|topic| survey.names.topic(*topic)).collect();
        let identity = Identity {
            topics: topics.join(", "),
            config: config.clone(),
            group: survey.names.group(&member.group),
            transactional_id: survey.names.transactional_id(&member.group, &member.name),
            name: member.name.clone(),
        };
        self.wait_for_predecessor(&identity.transactional_id).await;
        let now = pipeline::Clock::machine().now().0 / 1000;
        let state = State::new(member.limits, member.topics.is_empty(), now);
        let counts = meter.group(&member.group);
        let shared = Arc::new(Shared::new(identity, survey.clone(), state, Arc::clone(&counts)));
        counts.watch(&shared);
        // Whoever drops this call stops what it has begun.
        let guard = Guard(Some(Arc::clone(&shared)));
        let (sender, ended) = watch::channel(false);
        let (jobs, asked) = mpsc::channel(JOBS_MAX);
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        let (steps, topics) = (Arc::clone(&shared), member.topics.clone());
        spawn("weir-kafka-steps", move || {
            let _ending = Ending(sender);
            let mut producer = Steps::new(Arc::clone(&steps));
            let begun = missing(&steps, &topics).and_then(|()| producer.init());
            let went = begun.is_ok();
            drop(ready.send(begun));
            if went {
                producer.run(asked);
            }
        })?;
        is_ready.await.map_err(|_| super::survey::closed())??;
        let mut threads = vec![ended];
        if !member.topics.is_empty() {
            threads.push(join(&shared, &member, jobs.clone())?);
        }
        let opened = Opened { shared: Arc::clone(&shared), ended: threads.clone() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(opened);
        guard.keep();
        Ok(Box::new(KafkaLog::new(shared, member.limits.idle_after, jobs, threads)))
    }

    /// A handle of the same name that is closing should be gone first, so that the group need not shuffle twice.
    async fn wait_for_predecessor(&self, transactional_id: &str) {
        let same = |opened: &Opened| {
            opened.shared.identity.transactional_id == transactional_id && opened.shared.stop.is_stopped()
        };
        for opened in self.all().into_iter().filter(same) {
            drop(tokio::time::timeout(PREDECESSOR_WITHIN, opened.over()).await);
        }
    }
}

/// Stops a handle that nobody received.
struct Guard(Option<Arc<Shared>>);

impl Guard {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(shared) = &self.0 {
            shared.end(super::survey::closed());
        }
    }
}

/// All topics that do not exist, at once.
fn missing(shared: &Shared, topics: &[schemas::Topic]) -> Result<(), LogError> {
    let mut names = Vec::new();
    for topic in topics {
        match shared.survey.partitions(*topic, &shared.stop) {
            Ok(_) => {}
            Err(LogError::Missing(name)) => names.push(name),
            Err(error) => return Err(error),
        }
    }
    if names.is_empty() { Ok(()) } else { Err(LogError::Missing(names.join(", "))) }
}

/// Joins the group.
fn join(shared: &Arc<Shared>, member: &Member, jobs: super::shared::Jobs) -> Result<Ended, LogError> {
    let config = &shared.identity.config;
    let instance = config.static_membership.then_some(shared.identity.name.as_str());
    let consumer = Arc::new(client::member(config, &shared.identity.group, instance)?);
    let topics: Vec<&str> = member.topics.iter().map(|topic| shared.names().topic(*topic)).collect();
    consumer.subscribe(&topics).map_err(|error| LogError::Unusable(error.to_string()))?;
    shared.set_consumer(Some(Arc::clone(&consumer)));
    let (sender, ended) = watch::channel(false);
    let group = Group::new(Arc::clone(shared), consumer, jobs);
    spawn("weir-kafka-group", move || {
        let _ending = Ending(sender);
        group.run();
    })?;
    Ok(ended)
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), LogError> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map(drop).map_err(|error| LogError::Unusable(format!("a thread: {error}")))
}
