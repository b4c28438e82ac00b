//! The Kafka log: for whoever outgrows one machine.
//!
//! A handle is a transactional producer and a member of a consumer group, each on a thread of its own
//! (`kafka/producer.rs`,
//! `kafka/group.rs`), and a state that both share with the stage (`kafka/state.rs`). A step is one transaction: its records
//! and, with the group's metadata, its positions. Consumers read what is committed, nothing else.
//!
//! What fences: a second handle of a name, by the transactional id, which is made of the prefix, the group and the
//! member's name. A partition that went to another member, by the group's generation, which the broker compares. So a
//! step should finish something, or at least its handle should hold a partition: ingest holds its ledger's.
//!
//! A broker that is away is waited for, with warnings that grow rare; it is never an error of `next` or `commit`. A
//! broker without transactions is refused when a handle is opened.
//!
//! Limits: a record of 1,000,000 bytes with key and headers, or less where a topic takes less: such a record is named
//! ([`LogError::TooLarge`]), the step is not tried for ever; a step of what the broker takes within
//! [`KafkaConfig::transaction_timeout`].
//!
//! A position that is no longer in its partition is never passed over: [`pipeline::Next::Missed`] says what is gone. So
//! that this is known, a group's beginning is committed with its first step, and a position moves behind the marks of
//! transactions once nothing comes. Not told: a topic that was deleted and made again within a minute while its worker
//! ran, and that holds more records by then than had been read; stop the workers before a topic is deleted.
//!
//! `group.protocol: consumer` among the settings switches to the newer protocol (KIP-848, Kafka 4): the broker hands
//! partitions out, and settles session and heartbeat. Its limit with librdkafka 2.12: a member that is given nothing
//! never says that it is idle, so a spare replica does not become ready.
//!
//! Follows <https://github.com/confluentinc/librdkafka/blob/v2.12.1/INTRODUCTION.md> and KIP-98, KIP-429, KIP-447.

mod client;
mod context;
mod errors;
mod group;
mod handle;
mod meter;
mod names;
mod open;
mod peer;
mod plan;
mod producer;
mod queue;
mod reader;
mod refusal;
mod security;
mod settings;
mod shared;
mod state;
mod survey;
mod tail;
mod token;
mod topics;
mod wait;

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};
use pipeline::{Log, LogError, Logs, Reader, log::Member, metrics::Measure};
use schemas::Topic;

pub use meter::KafkaMetrics;
pub use plan::{TopicChange, TopicPlan};
pub use refusal::NO_RIGHT;
pub use security::OAuthConfig;
pub use settings::{ALLOWED, KafkaConfig};

use names::Names;
use open::Handles;
use survey::Survey;
use tail::Tail;
use topics::Topics;
use wait::Stop;

/// The logs of one Kafka cluster.
pub struct KafkaLogs {
    config: KafkaConfig,
    survey: Survey,
    handles: Handles,
    meter: Arc<KafkaMetrics>,
}

impl std::fmt::Debug for KafkaLogs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaLogs").field("config", &self.config).finish_non_exhaustive()
    }
}

impl KafkaLogs {
    /// Ready to connect; nothing is connected to before something is asked for.
    ///
    /// # Errors
    /// [`LogError::Unusable`] with all [`KafkaConfig::problems`]; [`LogError::Refused`] for a secret that cannot be read.
    pub fn new(config: KafkaConfig) -> Result<Self, LogError> {
        let problems = config.problems();
        if !problems.is_empty() {
            return Err(LogError::Unusable(problems.join("; ")));
        }
        let names = Arc::new(Names::new(&config.prefix));
        let survey = Survey { consumer: Arc::new(client::surveyor(&config)?), names };
        Ok(Self { config, survey, handles: Handles::default(), meter: Arc::default() })
    }

    /// What would have to change for the topics to be as planned.
    ///
    /// # Errors
    /// [`LogError`] when the broker refuses to say.
    pub async fn plan_topics(&self, plan: &TopicPlan) -> Result<Vec<TopicChange>, LogError> {
        self.topics()?.plan(plan).await
    }

    /// Makes missing topics and adds missing partitions; returns all differences there were, also those that are left
    /// to an operator ([`TopicChange::is_applied`]).
    ///
    /// # Errors
    /// [`LogError::Refused`] when the broker would not.
    pub async fn apply_topics(&self, plan: &TopicPlan) -> Result<Vec<TopicChange>, LogError> {
        self.topics()?.apply(plan).await
    }

    /// Deletes every topic of this prefix, with everything in it: for tests.
    ///
    /// # Errors
    /// [`LogError::Refused`] when the broker would not.
    pub async fn delete_topics(&self) -> Result<(), LogError> {
        self.topics()?.delete().await
    }

    /// Ends every handle that was opened here, as the end of the process would, and waits until their threads are gone.
    pub async fn close(&self) {
        self.handles.close().await;
    }

    fn topics(&self) -> Result<Topics, LogError> {
        if let Some(problem) = self.config.topics_problem() {
            return Err(LogError::Unusable(problem.to_owned()));
        }
        Ok(Topics { admin: client::admin(&self.config)?, survey: self.survey.clone() })
    }

    async fn make_reader(&self) -> Result<Box<dyn Reader>, LogError> {
        let consumer = client::follower(&self.config, &self.survey.names.group("weir-reader"))?;
        // Asked once here, so that refused credentials are an error of opening.
        self.reach().await?;
        let tail = Tail::new(consumer, self.survey.clone());
        Ok(Box::new(reader::KafkaReader::new(tail, Arc::clone(&self.meter))))
    }

    /// Waits until a broker takes our word; says nothing of topics and rights.
    async fn reach(&self) -> Result<(), LogError> {
        let survey = self.survey.clone();
        let stop = StopOnDrop(Arc::new(Stop::default()));
        let stopped = Arc::clone(&stop.0);
        let reached = tokio::task::spawn_blocking(move || survey.reach(&stopped)).await;
        reached.map_err(|_| LogError::Unusable("a look at the brokers broke off".to_owned()))?
    }

    async fn count(&self, topic: Topic) -> Result<u32, LogError> {
        let survey = self.survey.clone();
        let stop = StopOnDrop(Arc::new(Stop::default()));
        let stopped = Arc::clone(&stop.0);
        let count = tokio::task::spawn_blocking(move || survey.partitions(topic, &stopped)).await;
        count.map_err(|_| LogError::Unusable("a look at a topic broke off".to_owned()))?
    }
}

/// Ends work that nobody waits for any longer.
struct StopOnDrop(Arc<Stop>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Logs for KafkaLogs {
    fn open(&self, member: Member) -> BoxFuture<'_, Result<Box<dyn Log>, LogError>> {
        self.handles.open(&self.config, &self.survey, &self.meter, member).boxed()
    }

    fn reader(&self) -> BoxFuture<'_, Result<Box<dyn Reader>, LogError>> {
        self.make_reader().boxed()
    }

    fn partitions(&self, topic: Topic) -> BoxFuture<'_, Result<u32, LogError>> {
        self.count(topic).boxed()
    }

    fn measures(&self) -> Vec<Arc<dyn Measure>> {
        vec![Arc::<KafkaMetrics>::clone(&self.meter)]
    }
}
