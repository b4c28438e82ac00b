//! Topics: what there is, what there should be, and making the difference.
//!
//! Nothing is ever deleted by it, partitions are only added, and never where state is bound to their number.

use std::{fmt, time::Duration};

use pipeline::LogError;
use rdkafka::{
    admin::{AdminOptions, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication, TopicResult},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code},
};
use schemas::Topic;

use super::{
    client::Admin,
    errors,
    names::Names,
    survey::{ANSWER_WITHIN, Survey},
    wait::{Patience, Stop},
};

/// How long the broker may take to make topics.
const MADE_WITHIN: Duration = Duration::from_secs(30);

/// What topics should be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPlan {
    /// The topics with their partitions.
    pub partitions: Vec<(Topic, u32)>,
    /// Copies of each; `None`: as the broker has it by default.
    pub replication: Option<u16>,
}

impl TopicPlan {
    /// Every topic with so many partitions.
    #[must_use]
    pub fn all(partitions: u32) -> Self {
        Self {
            partitions: Topic::all().into_iter().map(|topic| (topic, partitions)).collect(),
            replication: None,
        }
    }
}

/// Where a topic differs from its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicChange {
    /// It is not there, and will be made.
    Create {
        /// The topic.
        topic: Topic,
        /// With so many partitions.
        partitions: u32,
    },
    /// Partitions will be added.
    Grow {
        /// The topic.
        topic: Topic,
        /// What it has.
        from: u32,
        /// What it should have.
        to: u32,
    },
    /// It has another number of partitions, and may not change: state is bound to them, or they would be fewer.
    Refused {
        /// The topic.
        topic: Topic,
        /// What it has.
        has: u32,
        /// What it should have.
        wanted: u32,
    },
    /// It forgets sooner than deduplication needs. Only an operator can know what the room is for.
    Forgets {
        /// The topic.
        topic: Topic,
        /// How many days it keeps.
        days: u64,
        /// How many it must keep.
        least: u64,
    },
    /// It is compacted and should not be, or the other way round. Only an operator can know what that would lose.
    OtherCleanup {
        /// The topic.
        topic: Topic,
        /// Whether it should be compacted.
        compact: bool,
    },
}

impl TopicChange {
    /// Whether applying the plan carries it out; otherwise it is for an operator to decide.
    #[must_use]
    pub fn is_applied(self) -> bool {
        matches!(self, Self::Create { .. } | Self::Grow { .. })
    }
}

impl fmt::Display for TopicChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { topic, partitions } => write!(f, "create {topic} with {partitions} partitions"),
            Self::Grow { topic, from, to } => write!(f, "grow {topic} from {from} to {to} partitions"),
            Self::Refused { topic, has, wanted } => {
                write!(f, "refused: {topic} has {has} partitions, not {wanted}")
            }
            Self::Forgets { topic, days, least } => {
                write!(f, "refused: {topic} keeps {days} days, and must keep {least} (retention.ms)")
            }
            Self::OtherCleanup { topic, compact: true } => write!(f, "refused: {topic} is not compacted"),
            Self::OtherCleanup { topic, compact: false } => write!(f, "refused: {topic} is compacted"),
        }
    }
}

/// What the number of partitions asks for.
fn change(topic: Topic, has: Option<u32>, wanted: u32) -> Option<TopicChange> {
    match has {
        None => Some(TopicChange::Create { topic, partitions: wanted }),
        Some(has) if has == wanted => None,
        Some(from) if from < wanted && !topic.has_fixed_partitions() => {
            Some(TopicChange::Grow { topic, from, to: wanted })
        }
        Some(has) => Some(TopicChange::Refused { topic, has, wanted }),
    }
}

fn cleanup(topic: Topic) -> &'static str {
    if topic.is_compacted() { "compact" } else { "delete" }
}

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// How many days a new topic keeps its records: what the source hands out (7 days) twice over, findings for a quarter.
/// Compacted topics keep by key.
fn days(topic: Topic) -> Option<u64> {
    match topic {
        Topic::Event | Topic::Enriched | Topic::Signal | Topic::Seen => Some(14),
        Topic::Finding(_) | Topic::Receipt | Topic::Gap => Some(90),
        Topic::DeadLetter(_) => Some(30),
        Topic::DetectState | Topic::Ledger => None,
    }
}

/// How many days a topic must keep: ids are looked for through 8.
fn days_least(topic: Topic) -> Option<u64> {
    matches!(topic, Topic::Seen).then_some(9)
}

/// How many days `retention.ms` stands for; none when it has no end.
fn days_of(retention: &str) -> Option<u64> {
    retention.parse::<u64>().ok().map(|millis| millis / DAY_MILLIS)
}

/// Administers topics.
pub(super) struct Topics {
    pub(super) admin: Admin,
    pub(super) survey: Survey,
}

impl Topics {
    fn names(&self) -> &Names {
        &self.survey.names
    }

    /// The differences between what there is and `plan`. Waits for a broker that is away.
    pub(super) async fn plan(&self, plan: &TopicPlan) -> Result<Vec<TopicChange>, LogError> {
        let (survey, wanted) = (self.survey.clone(), plan.partitions.clone());
        let found = tokio::task::spawn_blocking(move || count(&survey, &wanted)).await;
        let found = found.map_err(|_| LogError::Unusable("a look at the topics broke off".to_owned()))??;
        let mut changes = Vec::new();
        for (topic, has, wanted) in &found {
            changes.extend(change(*topic, *has, *wanted));
        }
        let there: Vec<Topic> =
            found.iter().filter(|(_, has, _)| has.is_some()).map(|(topic, _, _)| *topic).collect();
        changes.extend(self.cleanups(&there).await?);
        Ok(changes)
    }

    async fn cleanups(&self, topics: &[Topic]) -> Result<Vec<TopicChange>, LogError> {
        if topics.is_empty() {
            return Ok(Vec::new());
        }
        let asked: Vec<ResourceSpecifier<'_>> =
            topics.iter().map(|topic| ResourceSpecifier::Topic(self.names().topic(*topic))).collect();
        let answers = self.admin.describe_configs(&asked, &options()).await.map_err(failed)?;
        let mut changes = Vec::new();
        for (topic, answer) in topics.iter().zip(answers) {
            let config = answer.map_err(|code| failed(KafkaError::AdminOp(code)))?;
            let has =
                config.get("cleanup.policy").and_then(|entry| entry.value.as_deref()).unwrap_or_default();
            if has.split(',').any(|part| part == "compact") != topic.is_compacted() {
                changes.push(TopicChange::OtherCleanup { topic: *topic, compact: topic.is_compacted() });
            }
            let retention = config.get("retention.ms").and_then(|entry| entry.value.as_deref());
            if let (Some(least), Some(days)) = (days_least(*topic), retention.and_then(days_of))
                && days < least
            {
                changes.push(TopicChange::Forgets { topic: *topic, days, least });
            }
        }
        Ok(changes)
    }

    /// Carries out what may be carried out, and returns all differences there were.
    pub(super) async fn apply(&self, plan: &TopicPlan) -> Result<Vec<TopicChange>, LogError> {
        let changes = self.plan(plan).await?;
        let replication = plan.replication.map_or(-1, i32::from);
        // Numbers as texts, for as long as the requests live.
        let kept: Vec<String> = changes.iter().map(retention).collect();
        let mut create = Vec::new();
        let mut grow = Vec::new();
        for (change, kept) in changes.iter().zip(&kept) {
            match change {
                TopicChange::Create { topic, partitions } => {
                    let count = i32::try_from(*partitions).unwrap_or(i32::MAX);
                    let copies = TopicReplication::Fixed(replication);
                    let mut new = NewTopic::new(self.names().topic(*topic), count, copies)
                        .set("cleanup.policy", cleanup(*topic));
                    if !kept.is_empty() {
                        new = new.set("retention.ms", kept);
                    }
                    // One copy may be away without stopping the writers, and without a record on a single disk.
                    if replication >= 3 {
                        new = new.set("min.insync.replicas", "2");
                    }
                    create.push(new);
                }
                TopicChange::Grow { topic, to, .. } => {
                    let count = usize::try_from(*to).unwrap_or(usize::MAX);
                    grow.push(NewPartitions::new(self.names().topic(*topic), count));
                }
                TopicChange::Refused { .. }
                | TopicChange::Forgets { .. }
                | TopicChange::OtherCleanup { .. } => {}
            }
        }
        if !create.is_empty() {
            // One that somebody else has made meanwhile is as good.
            taken(self.admin.create_topics(&create, &options()).await, Code::TopicAlreadyExists)?;
        }
        if !grow.is_empty() {
            taken(self.admin.create_partitions(&grow, &options()).await, Code::NoError)?;
        }
        self.wait_for(&changes).await?;
        Ok(changes)
    }

    /// The broker answers before every one of its parts knows: waits until the topics are seen.
    async fn wait_for(&self, changes: &[TopicChange]) -> Result<(), LogError> {
        let survey = self.survey.clone();
        let wanted: Vec<(Topic, u32)> = changes
            .iter()
            .filter_map(|change| match change {
                TopicChange::Create { topic, partitions } => Some((*topic, *partitions)),
                TopicChange::Grow { topic, to, .. } => Some((*topic, *to)),
                TopicChange::Refused { .. }
                | TopicChange::Forgets { .. }
                | TopicChange::OtherCleanup { .. } => None,
            })
            .collect();
        let seen = tokio::task::spawn_blocking(move || {
            let (stop, mut patience) = (Stop::default(), Patience::new("waiting for new topics"));
            for (topic, wanted) in wanted {
                while survey.try_partitions(topic).ok().flatten().is_none_or(|count| count < wanted) {
                    patience.wait(&stop, &topic);
                }
            }
        });
        seen.await.map_err(|_| LogError::Unusable("a look at the topics broke off".to_owned()))
    }

    /// Deletes all topics of this prefix, with everything in them.
    pub(super) async fn delete(&self) -> Result<(), LogError> {
        let all = Topic::all();
        let names: Vec<&str> = all.iter().map(|topic| self.names().topic(*topic)).collect();
        taken(self.admin.delete_topics(&names, &options()).await, Code::UnknownTopicOrPartition)
    }
}

/// The `retention.ms` of a topic that is to be made; empty where there is none to set.
fn retention(change: &TopicChange) -> String {
    let days = match change {
        TopicChange::Create { topic, .. } => days(*topic),
        TopicChange::Grow { .. }
        | TopicChange::Refused { .. }
        | TopicChange::Forgets { .. }
        | TopicChange::OtherCleanup { .. } => None,
    };
    days.map_or_else(String::new, |days| (days * DAY_MILLIS).to_string())
}

fn count(survey: &Survey, wanted: &[(Topic, u32)]) -> Result<Vec<(Topic, Option<u32>, u32)>, LogError> {
    let stop = Stop::default();
    let mut found = Vec::new();
    for (topic, wanted) in wanted {
        let has = match survey.partitions(*topic, &stop) {
            Ok(has) => Some(has),
            Err(LogError::Missing(_)) => None,
            Err(error) => return Err(error),
        };
        found.push((*topic, has, *wanted));
    }
    Ok(found)
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .operation_timeout(Some(MADE_WITHIN))
        .request_timeout(Some(MADE_WITHIN + ANSWER_WITHIN))
}

/// All went well, or failed only in a way that is as good.
fn taken(answers: KafkaResult<Vec<TopicResult>>, as_good: Code) -> Result<(), LogError> {
    let answers = answers.map_err(failed)?;
    let failures: Vec<String> = answers
        .into_iter()
        .filter_map(Result::err)
        .filter(|(_, code)| *code != as_good)
        .map(|(topic, code)| format!("{topic}: {code}"))
        .collect();
    if failures.is_empty() { Ok(()) } else { Err(LogError::Refused(failures.join(", "))) }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of map_err")]
fn failed(error: KafkaError) -> LogError {
    errors::ending(&error, "", "administering topics")
        .unwrap_or_else(|| LogError::Unusable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_topics_keep_at_least_what_they_must() {
        for topic in Topic::all() {
            assert_eq!(days(topic).is_none(), topic.is_compacted(), "{topic}");
            assert!(days(topic) >= days_least(topic), "{topic}");
        }
        assert_eq!((days_of("604800000"), days_of("-1")), (Some(7), None));
    }

    #[test]
    fn partitions_are_added_only_where_no_state_is_bound_to_them() {
        assert_eq!(
            change(Topic::Event, None, 3),
            Some(TopicChange::Create { topic: Topic::Event, partitions: 3 })
        );
        assert_eq!(change(Topic::Event, Some(3), 3), None);
        assert_eq!(
            change(Topic::Event, Some(3), 6),
            Some(TopicChange::Grow { topic: Topic::Event, from: 3, to: 6 })
        );
        for topic in Topic::all().into_iter().filter(|topic| topic.has_fixed_partitions()) {
            assert_eq!(change(topic, Some(3), 6), Some(TopicChange::Refused { topic, has: 3, wanted: 6 }));
        }
        assert_eq!(
            change(Topic::Event, Some(6), 3),
            Some(TopicChange::Refused { topic: Topic::Event, has: 6, wanted: 3 })
        );
    }
}
