//! The section `log:`: which log the stages meet on. Exactly one of the three; without the section, the embedded log
//! in `weir.db`.
//!
//! ```yaml
//! log:
//!   memory: {partitions: 4}
//!   embedded: {path: weir.db, partitions: 4, retention: 9d, bytes_max: 20000000000}
//!   kafka:
//!     bootstrap: kafka-1:9092,kafka-2:9092
//!     prefix: sec-
//!     partitions: 12                  # of topics that `topics apply` creates
//!     replication: 3
//!     static_membership: false
//!     session_timeout: 45s
//!     transaction_timeout: 60s
//!     revoke_within: 20s
//!     secrets_folder: /run/secrets/weir
//!     password: {file: /run/secrets/weir/kafka-password}
//!     key_password: {file: /run/secrets/weir/key-password}
//!     oauth: {token_url: …, client_id: …, client_secret: {file: …}}   # see kafka/security.rs
//!     settings: {security.protocol: sasl_ssl, sasl.mechanism: PLAIN, sasl.username: weir}
//!     registry: {url: 'https://registry:8081'}   # see registry/settings.rs; without it, schema ids are fixed
//! ```
//! Which of librdkafka's settings may be given, and where its files may lie, is for [`crate::kafka`] to say.

use std::{path::PathBuf, sync::Arc, time::Duration};

use pipeline::{Clock, LogError, Logs, MemoryLog, MemoryOptions, Reader};
use schemas::Topic;

use super::section::Section;
use crate::{
    embedded::{EmbeddedLog, EmbeddedOptions, Watched},
    kafka::{KafkaConfig, KafkaLogs, OAuthConfig, TopicPlan},
    registry::{Book, RegistryConfig, RegistryError},
};

/// As many as the embedded log allows.
const PARTITIONS_MAX: u32 = 1024;
/// On one machine: enough for a worker on each of its cores to be added later, since the number is settled at first.
const PARTITIONS: u32 = 4;
/// On Kafka: divides evenly among 2, 3, 4 and 6 workers.
const PARTITIONS_KAFKA: u32 = 12;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The keys of `kafka:` that [`KafkaConfig::problems`] may name. Secrets have their own names there.
const KAFKA_KEYS: [(&str, &str); 9] = [
    ("bootstrap", "bootstrap"),
    ("prefix", "prefix"),
    ("session_timeout", "session_timeout"),
    ("transaction_timeout", "transaction_timeout"),
    ("revoke_within", "revoke_within"),
    ("secrets_folder", "secrets_folder"),
    ("password", "password"),
    ("key_password", "key_password"),
    ("oauth", "oauth"),
];

/// The configured log.
#[derive(Clone, Debug)]
pub enum LogConfig {
    /// In this process, gone with it.
    Memory {
        /// How many partitions every topic has.
        partitions: u32,
    },
    /// One SQLite file.
    Embedded(EmbeddedConfig),
    /// Apache Kafka.
    Kafka {
        /// How to reach it.
        client: KafkaConfig,
        /// How many partitions new topics get.
        partitions: u32,
        /// In how many brokers each partition is kept; absent: as the brokers have it by default.
        replication: Option<u16>,
        /// Where schema ids come from; absent: they are fixed.
        registry: Option<Box<RegistryConfig>>,
    },
}

/// `embedded:`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedConfig {
    /// The file.
    pub path: PathBuf,
    /// How many partitions every topic has, settled when the file is created.
    pub partitions: u32,
    /// How long finished records stay; absent: as long as the log itself says.
    pub retention: Option<Duration>,
    /// The file grows no larger.
    pub bytes_max: Option<u64>,
}

impl LogConfig {
    /// Reads the section `log` of `root`.
    #[must_use]
    pub fn read(root: &Section<'_>) -> Self {
        let Some(log) = root.optional_section("log") else { return Self::default() };
        let memory = log.optional_section("memory").map(|section| read_memory(&section));
        let embedded = log.optional_section("embedded").map(|section| read_embedded(&section));
        let kafka = log.optional_section("kafka").map(|section| read_kafka(&section));
        let named: Vec<&str> =
            ["memory", "embedded", "kafka"].into_iter().filter(|key| log.has(key)).collect();
        match named.as_slice() {
            [] => log.problem("memory", "a log is needed: memory, embedded or kafka"),
            [_] => {}
            [first, second, ..] => {
                log.problem(second, format!("one log is allowed, and {first} is configured too"))
            }
        }
        memory.or(embedded).or(kafka).unwrap_or_default()
    }

    /// Opens it. Kafka is not connected to before a handle is opened. `readers` are the groups that will read, and
    /// what: the memory log keeps records for them from the beginning, the other logs keep them anyway.
    ///
    /// # Errors
    /// [`LogError`] as the log's own `open` or `new` gives it.
    pub fn open(&self, clock: Clock, readers: Vec<(String, Vec<Topic>)>) -> Result<Arc<dyn Logs>, LogError> {
        Ok(match self {
            Self::Memory { partitions } => Arc::new(MemoryLog::new(MemoryOptions {
                partitions: *partitions,
                readers,
                ..MemoryOptions::default()
            })),
            Self::Embedded(config) => Arc::new(EmbeddedLog::open(&config.options(clock))?),
            Self::Kafka { client, registry, .. } => {
                settled(registry.is_some())?;
                Arc::new(KafkaLogs::new(client.clone())?)
            }
        })
    }

    /// A reader of what is in it, without joining anything: whoever works on the log is not disturbed.
    ///
    /// # Errors
    /// [`LogError::Unusable`] for a memory log, which lives in its process only, and as the log's own reader gives it.
    pub async fn reader(&self) -> Result<Box<dyn Reader>, LogError> {
        match self {
            Self::Memory { .. } => Err(LogError::Unusable(
                "a memory log lives in its process only; nobody else can read it".to_owned(),
            )),
            Self::Embedded(config) => Ok(Box::new(Watched::open(&config.path)?)),
            Self::Kafka { client, registry, .. } => {
                settled(registry.is_some())?;
                KafkaLogs::new(client.clone())?.reader().await
            }
        }
    }

    /// Our subjects in the schema registry; none where the schema ids are fixed.
    ///
    /// # Errors
    /// [`RegistryError::Settings`] when its client cannot be made.
    pub fn book(&self) -> Result<Option<Book>, RegistryError> {
        match self {
            Self::Memory { .. } | Self::Embedded(_) | Self::Kafka { registry: None, .. } => Ok(None),
            Self::Kafka { client, registry: Some(registry), .. } => {
                Book::new(registry, &client.prefix).map(Some)
            }
        }
    }

    /// Settles which schema ids this process speaks. Whoever reads or writes records does this first; without a
    /// registry there is nothing to settle.
    ///
    /// # Errors
    /// [`RegistryError`] when the registry does not answer, or a schema is not there.
    pub async fn settle_schemas(&self) -> Result<(), RegistryError> {
        match self.book()? {
            Some(book) => book.settle().await,
            None => Ok(()),
        }
    }

    /// What `topics apply` should make of a Kafka log; the other logs bring their topics themselves.
    #[must_use]
    pub fn topic_plan(&self) -> Option<TopicPlan> {
        match self {
            Self::Memory { .. } | Self::Embedded(_) => None,
            Self::Kafka { partitions, replication, .. } => {
                Some(TopicPlan { replication: *replication, ..TopicPlan::all(*partitions) })
            }
        }
    }
}

impl Default for LogConfig {
    /// The embedded log in `weir.db`.
    fn default() -> Self {
        let path = PathBuf::from("weir.db");
        Self::Embedded(EmbeddedConfig { path, partitions: PARTITIONS, retention: None, bytes_max: None })
    }
}

impl EmbeddedConfig {
    /// What [`EmbeddedLog::open`] takes.
    #[must_use]
    pub fn options(&self, clock: Clock) -> EmbeddedOptions {
        let standard = EmbeddedOptions::new(&self.path);
        EmbeddedOptions {
            partitions: self.partitions,
            retention: self.retention.unwrap_or(standard.retention),
            bytes_max: self.bytes_max,
            clock,
            ..standard
        }
    }
}

/// With a registry nothing may be written or read before [`LogConfig::settle_schemas`]: the ids would be other people's.
fn settled(has_registry: bool) -> Result<(), LogError> {
    if has_registry && !schemas::ids::is_settled() {
        return Err(LogError::Unusable("the ids of the schema registry are not settled yet".to_owned()));
    }
    Ok(())
}

fn read_memory(section: &Section<'_>) -> LogConfig {
    LogConfig::Memory { partitions: section.number("partitions", 1..=PARTITIONS_MAX, PARTITIONS) }
}

fn read_embedded(section: &Section<'_>) -> LogConfig {
    section.require("path");
    let retention = section.duration("retention", 9 * DAY..=3650 * DAY, 9 * DAY);
    // SQLite needs some room to begin with; above a petabyte no file system holds it.
    let bytes_max = section.number("bytes_max", 1_048_576..=1_000_000_000_000_000, 0);
    LogConfig::Embedded(EmbeddedConfig {
        path: section.path("path").unwrap_or_default(),
        partitions: section.number("partitions", 1..=PARTITIONS_MAX, PARTITIONS),
        retention: section.has("retention").then_some(retention),
        bytes_max: section.has("bytes_max").then_some(bytes_max),
    })
}

fn read_kafka(section: &Section<'_>) -> LogConfig {
    section.require("bootstrap");
    let bootstrap = section.text("bootstrap");
    let is_named = bootstrap.is_some();
    let standard = KafkaConfig::new(bootstrap.unwrap_or_default());
    let any = Duration::ZERO..=DAY;
    let mut client = KafkaConfig {
        prefix: section.text("prefix").unwrap_or_default(),
        session_timeout: section.duration("session_timeout", any.clone(), standard.session_timeout),
        transaction_timeout: section.duration(
            "transaction_timeout",
            any.clone(),
            standard.transaction_timeout,
        ),
        revoke_within: section.duration("revoke_within", any, standard.revoke_within),
        static_membership: section.flag("static_membership", standard.static_membership),
        secrets_folder: section.path("secrets_folder").unwrap_or_else(|| standard.secrets_folder.clone()),
        password: section.secret_source("password"),
        key_password: section.secret_source("key_password"),
        oauth: section.optional_section("oauth").and_then(|oauth| OAuthConfig::read(&oauth)).map(Box::new),
        ..standard
    };
    let check = |name: &str, value: &str| client.setting_problem(name, value).map_or(Ok(()), Err);
    client.extra = section.pairs("settings", check).into_iter().collect();
    for problem in client.problems() {
        let (name, message) = problem.split_once(": ").unwrap_or(("bootstrap", &problem));
        let key = KAFKA_KEYS.iter().find(|(known, _)| *known == name).map_or("settings", |(_, key)| *key);
        if is_named || key != "bootstrap" {
            section.problem(key, format!("{name:?}: {message}"));
        }
    }
    let replication = section.number("replication", 1..=32, 1);
    let registry = section.optional_section("registry");
    LogConfig::Kafka {
        client,
        partitions: section.number("partitions", 1..=PARTITIONS_MAX, PARTITIONS_KAFKA),
        replication: section.has("replication").then_some(replication),
        registry: registry.and_then(|section| RegistryConfig::read(&section)).map(Box::new),
    }
}
