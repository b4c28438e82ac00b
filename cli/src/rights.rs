//! What each worker may do on the brokers, and no more: from what the stages read and write.
//!
//! `weir topics rights` prints it as commands for Kafka's own `kafka-acls`; a worker looks at its start whether it sees
//! every topic that it will read or write. That the table is neither too long nor too short is held on a real broker
//! with rights (`cli/tests/secure_kafka.rs`): a worker runs with exactly these, and stops without any one of them.
//!
//! Where the file has no sources, or no sinks, their groups are not known, and the rights are for all that may be: an
//! administrator's file has neither.
//!
//! Principals are named after the workers. Where a certificate or a token gives other names, put those in place.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use pipeline::LogError;
use runtime::config::LogConfig;
use runtime::kafka::{KafkaConfig, NO_RIGHT};
use schemas::{StageName, Topic};
use sink::SinkConfig;

use crate::config::Config;
use crate::flow::Surroundings;
use crate::stages;

/// A process with a user of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worker {
    Ingest,
    Enrich,
    Detect,
    Sink,
}

impl Worker {
    const ALL: [Self; 4] = [Self::Ingest, Self::Enrich, Self::Detect, Self::Sink];

    fn principal(self) -> &'static str {
        match self {
            Self::Ingest => "weir-ingest",
            Self::Enrich => "weir-enrich",
            Self::Detect => "weir-detect",
            Self::Sink => "weir-sink",
        }
    }

    /// Its groups, with what they read.
    fn groups(self, config: &Config) -> Vec<Group> {
        let named = |name, topics| Group { name, is_prefix: false, topics };
        let stage = |read: &[Topic]| {
            let groups = stages::groups().into_iter();
            let groups = groups.filter(|(_, topics)| topics.iter().any(|topic| read.contains(topic)));
            groups.map(|(name, topics)| named(name, topics)).collect()
        };
        // The names of all groups begin as that of a nameless one.
        let all = |name, topics| vec![Group { name, is_prefix: true, topics }];
        match self {
            Self::Ingest => {
                let topics = || ingest::worker::TOPICS.to_vec();
                let group = |name: &str| named(ingest::group(name), topics());
                let groups: Vec<Group> = config.sources.iter().map(|source| group(source.name())).collect();
                if groups.is_empty() { all(ingest::group(""), topics()) } else { groups }
            }
            Self::Enrich => stage(&[Topic::Event]),
            Self::Detect => stage(&[Topic::Enriched, Topic::Signal]),
            Self::Sink => {
                let group = |sink: &SinkConfig| named(sink.group(), Topic::findings());
                let groups: Vec<Group> = config.sinks.iter().map(group).collect();
                if groups.is_empty() { all(SINKS.to_owned(), Topic::findings()) } else { groups }
            }
        }
    }

    /// What it reads without a group: state that is restored.
    fn restores(self) -> Vec<Topic> {
        match self {
            Self::Ingest => vec![Topic::Seen],
            Self::Detect => vec![Topic::DetectState],
            Self::Enrich | Self::Sink => Vec::new(),
        }
    }

    /// What it writes: every worker also the losses that it meets, and what it cannot take.
    fn writes(self) -> Vec<Topic> {
        let dead = Topic::DeadLetter;
        let mut topics = match self {
            Self::Ingest => vec![Topic::Event, Topic::Ledger, Topic::Seen, dead(StageName::Ingest)],
            Self::Enrich => vec![Topic::Enriched, dead(StageName::Enrich)],
            Self::Detect => {
                let own =
                    [Topic::Signal, Topic::DetectState, dead(StageName::Match), dead(StageName::Correlate)];
                Topic::findings().into_iter().chain(own).collect()
            }
            Self::Sink => vec![Topic::Receipt, dead(StageName::Sink)],
        };
        topics.push(Topic::Gap);
        topics
    }

    /// What it does with each topic.
    fn topics(self, config: &Config) -> BTreeMap<Topic, BTreeSet<&'static str>> {
        let mut topics: BTreeMap<Topic, BTreeSet<&'static str>> = BTreeMap::new();
        let read = self.groups(config).into_iter().flat_map(|group| group.topics).chain(self.restores());
        for (topic, operation) in
            read.map(|topic| (topic, "Read")).chain(self.writes().into_iter().map(|topic| (topic, "Write")))
        {
            topics.entry(topic).or_default().insert(operation);
        }
        topics
    }
}

/// What the groups of all sinks begin with.
const SINKS: &str = "weir.sink.";

/// A consumer group, or all whose names begin so.
struct Group {
    name: String,
    is_prefix: bool,
    topics: Vec<Topic>,
}

/// One right of a principal.
#[derive(Debug, PartialEq, Eq)]
struct Right {
    principal: &'static str,
    operation: &'static str,
    /// `topic`, `group` or `transactional-id`, as `kafka-acls` calls them.
    resource: &'static str,
    name: String,
    /// Whether the name is the beginning of many.
    is_prefix: bool,
}

/// Every right there must be, the administrator's last.
fn rights(config: &Config, kafka: &KafkaConfig) -> Vec<Right> {
    let mut rights = Vec::new();
    for worker in Worker::ALL {
        let principal = worker.principal();
        let mut add = |operation, resource, name, is_prefix| {
            rights.push(Right { principal, operation, resource, name, is_prefix });
        };
        for (topic, operations) in worker.topics(config) {
            for operation in operations {
                add(operation, "topic", kafka.topic_name(topic), false);
            }
        }
        for Group { name, is_prefix, .. } in worker.groups(config) {
            let ids = if is_prefix {
                kafka.transactional_ids_of_all(&name)
            } else {
                kafka.transactional_ids(&name)
            };
            add("Read", "group", kafka.group_name(&name), is_prefix);
            add("Write", "transactional-id", ids, true);
        }
    }
    for operation in ["Create", "Alter", "DescribeConfigs"] {
        let (principal, name) = ("weir-admin", kafka.topics_prefix());
        rights.push(Right { principal, operation, resource: "topic", name, is_prefix: true });
    }
    let (principal, name) = ("weir-reader", kafka.topics_prefix());
    rights.push(Right { principal, operation: "Read", resource: "topic", name, is_prefix: true });
    rights
}

/// The rights as commands, one a line.
pub(crate) fn commands(config: &Config, kafka: &KafkaConfig) -> String {
    let mut text = String::new();
    for Right { principal, operation, resource, name, is_prefix } in rights(config, kafka) {
        let pattern = if is_prefix { " --resource-pattern-type prefixed" } else { "" };
        let allow = format!("--allow-principal User:{principal} --operation {operation}");
        text.push_str(&format!("kafka-acls --add {allow} --{resource} {name}{pattern}\n"));
    }
    text
}

/// Looks whether the worker sees every topic that it will read or write: what is missing is said at the start, not when
/// the first dead letter is written. A stop ends it; whoever waits then finds out by itself.
///
/// # Errors
/// [`LogError::Missing`] with all topics that are not there; [`LogError::Refused`] for the first that may not be seen.
pub(crate) async fn settle(worker: Worker, config: &Config, around: &Surroundings) -> anyhow::Result<()> {
    let LogConfig::Kafka { client, .. } = &config.log else { return Ok(()) };
    let mut missing = Vec::new();
    for (topic, operations) in worker.topics(config) {
        let asking = around.stop.run_until_cancelled(around.logs.partitions(topic));
        let Some(asked) = asking.await else { return Ok(()) };
        match asked {
            Ok(_) => {}
            Err(LogError::Missing(name)) => missing.push(name),
            Err(LogError::Refused(why)) if why.starts_with(NO_RIGHT) => {
                let operations: Vec<&str> = operations.into_iter().collect();
                let (rights, name) = (operations.join(" and "), client.topic_name(topic));
                let needs = format!("this worker needs the right {rights} on topic {name}");
                return Err(LogError::Refused(why)).context(needs);
            }
            Err(error) => return Err(error.into()),
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(LogError::Missing(missing.join(", "))).context("`weir topics apply` creates what is missing")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "log: {kafka: {bootstrap: \"kafka:9092\", prefix: acme.}}\n";
    const SOURCES: &str = "sources: [{name: exports, kind: files, paths: [exports]}]\n";
    const SINK: &str = "sinks: [{name: archive, kind: jsonl, path: a.jsonl}]\n";

    fn read(folder: &std::path::Path, sections: &[&str]) -> Config {
        let path = folder.join("weir.yaml");
        std::fs::write(&path, sections.concat()).unwrap();
        Config::read(&path).unwrap()
    }

    fn config(folder: &std::path::Path) -> Config {
        read(folder, &[LOG, SOURCES, SINK])
    }

    /// Whatever one worker writes for another is read by somebody, and what is read is written by somebody.
    #[test]
    fn what_is_read_is_written_by_somebody() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let all = |operation: &str| -> BTreeSet<Topic> {
            let topics = Worker::ALL.into_iter().flat_map(|worker| worker.topics(&config));
            topics.filter(|(_, operations)| operations.contains(operation)).map(|(topic, _)| topic).collect()
        };
        assert_eq!(all("Write"), Topic::all().into_iter().collect(), "every topic has a writer");
        assert!(all("Read").is_subset(&all("Write")));
    }

    #[test]
    fn names_carry_the_prefix_and_no_user_has_another_ones_group() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let LogConfig::Kafka { client, .. } = &config.log else { panic!("kafka is configured") };
        let rights = rights(&config, client);
        assert!(rights.iter().all(|right| right.name.starts_with("acme.")), "{rights:?}");
        let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
        for right in rights.iter().filter(|right| right.resource != "topic") {
            assert_eq!(owners.insert(&right.name, right.principal), None, "{right:?}");
        }
        assert_eq!(owners.len(), 10, "five groups, each with its transactional ids");
    }

    /// Who may make topics has a file with the log alone: what it prints must be enough for any source and any sink.
    #[test]
    fn without_sources_and_sinks_the_rights_are_for_all_that_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let lines = |sections: &[&str], user: &str| -> Vec<String> {
            let config = read(folder.path(), sections);
            let LogConfig::Kafka { client, .. } = &config.log else { panic!("kafka is configured") };
            let begin = format!("kafka-acls --add --allow-principal User:{user} --operation ");
            let text = commands(&config, client);
            text.lines().filter_map(|line| line.strip_prefix(&begin)).map(str::to_owned).collect()
        };
        let ingest = [
            "Read --group acme.weir.ingest. --resource-pattern-type prefixed",
            "Write --transactional-id acme.weir-weir.ingest. --resource-pattern-type prefixed",
        ];
        let sink = [
            "Read --group acme.weir.sink. --resource-pattern-type prefixed",
            "Write --transactional-id acme.weir-weir.sink. --resource-pattern-type prefixed",
        ];
        let has = |lines: &[String], rights: &[&str]| {
            rights.iter().all(|right| lines.iter().any(|line| line == right))
        };
        for (user, own, section) in [("weir-ingest", ingest, SOURCES), ("weir-sink", sink, SINK)] {
            let (bare, named) = (lines(&[LOG], user), lines(&[LOG, section], user));
            assert!(has(&bare, &own), "{bare:?}");
            assert!(!has(&named, &own[..1]) && !has(&named, &own[1..]), "{named:?}");
            let topics = |lines: &[String]| -> Vec<String> {
                lines.iter().filter(|line| line.contains(" --topic ")).cloned().collect()
            };
            assert_eq!(topics(&bare), topics(&named));
        }
        let with = |section| lines(&[LOG, section], "weir-ingest").len();
        assert_eq!((with(SOURCES), with(SINK)), (lines(&[LOG], "weir-ingest").len(), with(SOURCES)));
        for name in ["archive", "x"] {
            assert!(ingest::group(name).starts_with(&ingest::group("")));
        }
        assert_eq!(config(folder.path()).sinks[0].group(), format!("{SINKS}archive"));
    }
}
