//! Topics: what there is, what there should be, and making the difference.
//!
//! Nothing is ever deleted by it, partitions are only added, and never where state is bound to their number.

use std::time::Duration;

use pipeline::{Clock, LogError};
use rdkafka::{
    admin::{AdminOptions, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication, TopicResult},
    consumer::Consumer as _,
    error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code},
};
use schemas::{Topic, time::SECOND};

use super::{
    client::Admin,
    errors::{self, Class},
    names::Names,
    plan::{self, COPIES_SAFE, DAY_MILLIS, IN_SYNC_LEAST, Standing, TopicChange, TopicPlan},
    survey::{ANSWER_WITHIN, Survey},
    wait::{Patience, Stop},
};

/// How long the broker may take to make topics.
const MADE_WITHIN: Duration = Duration::from_secs(30);
/// How long until every part of it may know of them.
const SEEN_WITHIN: i64 = 60 * SECOND;

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
            changes.extend(plan::change(*topic, has.map(|found| found.partitions), *wanted));
        }
        let there: Vec<(Topic, u32)> =
            found.iter().filter_map(|(topic, has, _)| Some((*topic, (*has)?.copies))).collect();
        changes.extend(self.settings(&there, plan.replication).await?);
        Ok(changes)
    }

    /// What is set on topics that are there, and should be otherwise.
    async fn settings(
        &self,
        topics: &[(Topic, u32)],
        replication: Option<u16>,
    ) -> Result<Vec<TopicChange>, LogError> {
        if topics.is_empty() {
            return Ok(Vec::new());
        }
        let asked: Vec<ResourceSpecifier<'_>> =
            topics.iter().map(|(topic, _)| ResourceSpecifier::Topic(self.names().topic(*topic))).collect();
        let answers = self.admin.describe_configs(&asked, &options()).await.map_err(failed)?;
        let mut changes = Vec::new();
        for ((topic, copies), answer) in topics.iter().zip(answers) {
            let config = answer.map_err(|code| failed(KafkaError::AdminOp(code)))?;
            let set = |name| config.get(name).and_then(|entry| entry.value.as_deref());
            let standing = Standing {
                copies: *copies,
                cleanup: set("cleanup.policy").unwrap_or_default(),
                retention_ms: set("retention.ms").unwrap_or_default(),
                retention_bytes: set("retention.bytes").unwrap_or_default(),
                in_sync: set("min.insync.replicas").unwrap_or_default(),
            };
            changes.extend(standing.changes(*topic, replication));
        }
        Ok(changes)
    }

    /// Carries out what may be carried out, and returns all differences there were.
    pub(super) async fn apply(&self, plan: &TopicPlan) -> Result<Vec<TopicChange>, LogError> {
        let changes = self.plan(plan).await?;
        let replication = plan.replication.map_or(-1, i32::from);
        // Numbers as texts, for as long as the requests live.
        let kept: Vec<String> = changes.iter().map(retention).collect();
        let in_sync = IN_SYNC_LEAST.to_string();
        let mut create = Vec::new();
        let mut grow = Vec::new();
        for (change, kept) in changes.iter().zip(&kept) {
            if let TopicChange::Create { topic, partitions } = change {
                let count = i32::try_from(*partitions).unwrap_or(i32::MAX);
                let copies = TopicReplication::Fixed(replication);
                let mut new = NewTopic::new(self.names().topic(*topic), count, copies)
                    .set("cleanup.policy", plan::cleanup(*topic));
                if !kept.is_empty() {
                    new = new.set("retention.ms", kept);
                }
                if plan.replication >= Some(COPIES_SAFE) {
                    new = new.set("min.insync.replicas", &in_sync);
                }
                create.push(new);
            } else if let Some((topic, to)) = change.wanted() {
                let count = usize::try_from(to).unwrap_or(usize::MAX);
                grow.push(NewPartitions::new(self.names().topic(topic), count));
            }
        }
        let mut asked = Vec::new();
        if !create.is_empty() {
            // One that somebody else has made meanwhile is as good.
            asked.push(taken(self.admin.create_topics(&create, &options()).await, Code::TopicAlreadyExists));
        }
        if !grow.is_empty() {
            asked.push(taken(self.admin.create_partitions(&grow, &options()).await, Code::NoError));
        }
        // Each is asked for, whatever became of the other.
        asked.into_iter().collect::<Result<Vec<()>, LogError>>()?;
        self.wait_for(&changes).await?;
        Ok(changes)
    }

    /// The broker answers before every one of its parts knows: waits until the topics are seen.
    async fn wait_for(&self, changes: &[TopicChange]) -> Result<(), LogError> {
        let survey = self.survey.clone();
        let wanted: Vec<(Topic, u32)> = changes.iter().filter_map(|change| change.wanted()).collect();
        let seen = tokio::task::spawn_blocking(move || {
            let (stop, mut patience) = (Stop::default(), Patience::new("waiting for new topics"));
            let begun = Clock::machine().now();
            for (topic, wanted) in wanted {
                while survey.try_partitions(topic).ok().flatten().is_none_or(|count| count < wanted) {
                    if Clock::machine().now().0.saturating_sub(begun.0) > SEEN_WITHIN {
                        return Err(LogError::Unusable(format!(
                            "the broker has taken what was asked for, but {} is still not there",
                            survey.names.topic(topic)
                        )));
                    }
                    patience.wait(&stop, &topic);
                }
            }
            Ok(())
        });
        seen.await.map_err(|_| LogError::Unusable("a look at the topics broke off".to_owned()))?
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
    let TopicChange::Create { topic, .. } = change else { return String::new() };
    plan::days(*topic).map_or_else(String::new, |days| (days * DAY_MILLIS).to_string())
}

/// A topic that is there.
#[derive(Clone, Copy)]
struct Found {
    partitions: u32,
    copies: u32,
}

fn count(survey: &Survey, wanted: &[(Topic, u32)]) -> Result<Vec<(Topic, Option<Found>, u32)>, LogError> {
    let mut counts = Vec::new();
    for (topic, wanted) in wanted {
        let has = match found(survey, *topic) {
            Ok(has) => Some(has),
            Err(LogError::Missing(_)) => None,
            Err(error) => return Err(error),
        };
        counts.push((*topic, has, *wanted));
    }
    Ok(counts)
}

fn found(survey: &Survey, topic: Topic) -> Result<Found, LogError> {
    let (stop, mut patience) = (Stop::default(), Patience::new("counting copies"));
    loop {
        let partitions = survey.partitions(topic, &stop)?;
        match copies(survey, topic) {
            Ok(Some(copies)) => return Ok(Found { partitions, copies }),
            Ok(None) => patience.wait(&stop, &topic),
            Err(error) => patience.wait(&stop, &error),
        };
    }
}

/// How many copies the partition has that has the fewest.
fn copies(survey: &Survey, topic: Topic) -> KafkaResult<Option<u32>> {
    let name = survey.names.topic(topic);
    let metadata = survey.consumer.fetch_metadata(Some(name), ANSWER_WITHIN)?;
    let found = metadata.topics().iter().find(|found| found.name() == name);
    let counts = found.map(|found| found.partitions().iter().map(|partition| partition.replicas().len()));
    Ok(counts.and_then(Iterator::min).and_then(|count| u32::try_from(count).ok()))
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .operation_timeout(Some(MADE_WITHIN))
        .request_timeout(Some(MADE_WITHIN + ANSWER_WITHIN))
}

/// All went well, or failed only in a way that is as good.
fn taken(answers: KafkaResult<Vec<TopicResult>>, as_good: Code) -> Result<(), LogError> {
    let answers = answers.map_err(failed)?;
    let asked = answers.len();
    let failures: Vec<(String, Code)> =
        answers.into_iter().filter_map(Result::err).filter(|(_, code)| *code != as_good).collect();
    if failures.is_empty() {
        return Ok(());
    }
    let is_refused =
        failures.iter().any(|(_, code)| errors::class(&KafkaError::AdminOp(*code)) == Class::Refused);
    let texts: Vec<String> = failures.iter().map(|(topic, code)| format!("{topic}: {code}")).collect();
    let mut text = texts.join(", ");
    if failures.len() < asked {
        text.push_str(&format!("; taken: {}", asked - failures.len()));
    }
    Err(if is_refused { LogError::Refused(text) } else { LogError::Unusable(text) })
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of map_err")]
fn failed(error: KafkaError) -> LogError {
    errors::ending(&error, "", "administering topics")
        .unwrap_or_else(|| LogError::Unusable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(refused: &[(&str, Code)], taken: usize) -> KafkaResult<Vec<TopicResult>> {
        let refused = refused.iter().map(|(topic, code)| Err(((*topic).to_owned(), *code)));
        Ok(refused.chain((0..taken).map(|number| Ok(number.to_string()))).collect())
    }

    #[test]
    fn only_a_want_of_rights_is_a_refusal_and_what_went_well_is_said() {
        assert_eq!(taken(answered(&[("a", Code::TopicAlreadyExists)], 2), Code::TopicAlreadyExists), Ok(()));
        let denied = [("a", Code::TopicAuthorizationFailed), ("b", Code::TopicAuthorizationFailed)];
        let Err(LogError::Refused(text)) = taken(answered(&denied, 3), Code::NoError) else {
            panic!("rights")
        };
        assert!(text.starts_with("a: ") && text.ends_with("; taken: 3"), "{text}");
        let copies = [("a", Code::InvalidReplicationFactor)];
        let Err(LogError::Unusable(text)) = taken(answered(&copies, 0), Code::NoError) else {
            panic!("none")
        };
        assert!(!text.contains("taken"), "{text}");
    }
}
