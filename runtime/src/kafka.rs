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
//! Limits: a record of 1,000,000 bytes with key and headers; a step of what the broker takes within
//! [`KafkaConfig::transaction_timeout`].
//!
//! Follows <https://github.com/confluentinc/librdkafka/blob/v2.12.1/INTRODUCTION.md> and KIP-98, KIP-429, KIP-447.

mod client;
mod errors;
mod group;
mod handle;
mod names;
mod open;
mod producer;
mod reader;
mod settings;
mod shared;
mod state;
mod survey;
mod tail;
mod topics;
mod wait;

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};
use pipeline::{Log, LogError, Logs, Reader, log::Member};
use schemas::Topic;

pub use settings::{ALLOWED, KafkaConfig};
pub use topics::{TopicChange, TopicPlan};

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
        Ok(Self { config, survey, handles: Handles::default() })
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
        Ok(Topics { admin: client::admin(&self.config)?, survey: self.survey.clone() })
    }

    async fn make_reader(&self) -> Result<Box<dyn Reader>, LogError> {
        let consumer = client::follower(&self.config, &self.survey.names.group("weir-reader"))?;
        // Asked once here, so that refused credentials are an error of opening.
        match self.count(Topic::Event).await {
            Ok(_) | Err(LogError::Missing(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(Box::new(reader::KafkaReader::new(Tail::new(consumer, self.survey.clone()))))
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
        self.handles.open(&self.config, &self.survey, member).boxed()
    }

    fn reader(&self) -> BoxFuture<'_, Result<Box<dyn Reader>, LogError>> {
        self.make_reader().boxed()
    }

    fn partitions(&self, topic: Topic) -> BoxFuture<'_, Result<u32, LogError>> {
        self.count(topic).boxed()
    }
}
