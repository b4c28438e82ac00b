//! The only place that makes Kafka clients: what every one of them is set to, and what it hears from librdkafka.

use std::{
    collections::{BTreeSet, VecDeque},
    fs::File,
    path::Path,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pipeline::LogError;
use rdkafka::{
    ClientConfig, ClientContext, TopicPartitionList,
    admin::AdminClient,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code},
    producer::{DeliveryResult, ProducerContext, ThreadedProducer},
    types::RDKafkaRespErr,
};

use super::{errors, peer, refusal::Expected, settings::KafkaConfig, token::Tokens};
use crate::secret::Secret;

/// A consumer, of a group or not.
pub(super) type Consumer = BaseConsumer<Context>;
/// A transactional producer; its own thread hears delivery reports, which blocking calls wait for.
pub(super) type Producer = ThreadedProducer<Context>;
/// For topics.
pub(super) type Admin = AdminClient<Context>;

/// A change of what a member holds, posted by the callback and worked on outside of it.
#[derive(Debug)]
pub(super) enum Rebalance {
    Assign(TopicPartitionList),
    Revoke(TopicPartitionList),
}

/// What librdkafka tells a client.
#[derive(Debug)]
pub(super) struct Context {
    expected: Expected,
    tokens: Option<Tokens>,
    rebalances: Mutex<VecDeque<Rebalance>>,
    /// From now on nobody works on posted changes: they are acknowledged at once.
    closing: AtomicBool,
    refused: Mutex<Option<LogError>>,
    /// The topic that the last transaction may not write to.
    denied: Mutex<Option<String>>,
    undelivered: Mutex<Option<Code>>,
    /// Records that were refused as too large, alone or with others of their batch, by their places in the step.
    too_large: Mutex<BTreeSet<usize>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Context {
    fn of(config: &KafkaConfig) -> Self {
        Self {
            expected: Expected::of(config),
            tokens: config.oauth.clone().map(Tokens::new),
            rebalances: Mutex::default(),
            closing: AtomicBool::default(),
            refused: Mutex::default(),
            denied: Mutex::default(),
            undelivered: Mutex::default(),
            too_large: Mutex::default(),
        }
    }

    /// The oldest change that has not been worked on.
    pub(super) fn rebalance(&self) -> Option<Rebalance> {
        lock(&self.rebalances).pop_front()
    }

    /// The consumer is about to be dropped, which polls it until it has left its group.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Why waiting for the brokers is useless, if it is; forgets it.
    pub(super) fn refused(&self) -> Option<LogError> {
        lock(&self.refused).take()
    }

    /// Looks why nothing is heard of the brokers: `None` where waiting may help. Blocks for seconds.
    pub(super) fn look(&self) -> Option<LogError> {
        self.expected.look()
    }

    /// The topic that the last transaction may not write to; forgets it.
    pub(super) fn take_denied(&self) -> Option<String> {
        lock(&self.denied).take()
    }

    /// Whether a record was not delivered.
    pub(super) fn has_undelivered(&self) -> bool {
        lock(&self.undelivered).is_some()
    }

    /// Why a record was not delivered, if any was not; forgets it.
    pub(super) fn take_undelivered(&self) -> Option<Code> {
        lock(&self.undelivered).take()
    }

    /// A record of the step is too large.
    pub(super) fn note_too_large(&self, place: usize) {
        lock(&self.too_large).insert(place);
    }

    /// What was too large; forgets it.
    pub(super) fn take_too_large(&self) -> Vec<usize> {
        std::mem::take(&mut *lock(&self.too_large)).into_iter().collect()
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        self.tokens.as_ref().ok_or("no oauth is configured")?.get()
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // The others of the transaction are named too, as not attempted.
        if facility == "ADDPARTS"
            && message.contains("Topic authorization failed")
            && let Some((_, rest)) = message.split_once("Failed to add partition \"")
            && let Some((topic, _)) = rest.split_once('"')
        {
            *lock(&self.denied) = Some(topic.to_owned());
        }
        // What ended a connection is judged in `error`, or waited for with warnings that grow rare.
        if facility == "FAIL" {
            tracing::debug!(target: "librdkafka", facility, message);
            return;
        }
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", facility, message),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                tracing::debug!(target: "librdkafka", facility, message);
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let away = self.tokens.as_ref().and_then(Tokens::failure).filter(|failure| !failure.is_refusal());
        if away.is_none()
            && let Some(judged) = self.expected.judge(errors::code(&error), reason)
        {
            *lock(&self.refused) = Some(judged);
        }
        if errors::code(&error) != Code::PartitionEOF {
            tracing::debug!(target: "librdkafka", %error, reason);
        }
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let change = if error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            Rebalance::Assign(list.clone())
        } else {
            Rebalance::Revoke(list.clone())
        };
        if self.closing.load(Ordering::Acquire) {
            acknowledge(consumer, &change);
        } else {
            lock(&self.rebalances).push_back(change);
        }
    }
}

/// Takes a change as it is.
pub(super) fn acknowledge(consumer: &Consumer, change: &Rebalance) {
    let taken = match change {
        Rebalance::Assign(list) => consumer.incremental_assign(list),
        Rebalance::Revoke(list) => consumer.incremental_unassign(list),
    };
    if let Err(error) = taken {
        tracing::debug!(%error, "a rebalance was overtaken");
    }
}

impl ProducerContext for Context {
    /// The record's place in the step.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, place: usize) {
        if let Err((error, _)) = result {
            let code = errors::code(error);
            // The first says why; the others follow from it.
            lock(&self.undelivered).get_or_insert(code);
            if matches!(code, Code::MessageSizeTooLarge | Code::MessageBatchTooLarge) {
                self.note_too_large(place);
            }
        }
    }
}

/// A member of `group`; `instance` names a static one.
pub(super) fn member(
    config: &KafkaConfig,
    group: &str,
    instance: Option<&str>,
) -> Result<Consumer, LogError> {
    let mut client = consumer(config, group)?;
    // Of the newer protocol (KIP-848) the broker settles how often it is heard from, and who gets what.
    let is_settled_by_broker =
        config.extra.get(GROUP_PROTOCOL).is_some_and(|protocol| protocol == "consumer");
    if !is_settled_by_broker {
        client
            .set("session.timeout.ms", millis(config.session_timeout))
            // 15 beats a session, as Kafka's defaults have it; the others' changes are heard of with the next beat.
            .set("heartbeat.interval.ms", millis(config.session_timeout / 15))
            .set("partition.assignment.strategy", "cooperative-sticky");
    }
    client
        // What is fetched ahead beside our own queue. The defaults (100,000 records a partition) took others gigabytes, and
        // a pause throws all of it away.
        .set("queued.min.messages", "10000")
        .set("queued.max.messages.kbytes", "4096")
        // Its second is a long time for a queue of that size.
        .set("fetch.queue.backoff.ms", "20");
    let unknown = |key: &&str| is_settled_by_broker && *key == "heartbeat.interval.ms";
    let scope: Vec<&str> = SCOPE_CONSUMER.iter().copied().filter(|key| !unknown(key)).collect();
    extend(&mut client, config, &scope);
    if let Some(instance) = instance {
        client.set("group.instance.id", instance);
    }
    made(client.create_with_context(Context::of(config)))
}

/// Reads partitions it is told to, as far as they are committed; its group is only a name, it joins none.
pub(super) fn follower(config: &KafkaConfig, group: &str) -> Result<Consumer, LogError> {
    let mut client = consumer(config, group)?;
    client
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true")
        // It always reads to an end that is there already: waiting for more would only delay the news that it is.
        .set("fetch.wait.max.ms", "10")
        .set("queued.min.messages", "10000")
        .set("queued.max.messages.kbytes", "16384");
    extend(&mut client, config, &["fetch.max.bytes", "fetch.message.max.bytes"]);
    made(client.create_with_context(Context::of(config)))
}

/// Asks for metadata, and for the ends of partitions as they are written, committed or not.
pub(super) fn surveyor(config: &KafkaConfig) -> Result<Consumer, LogError> {
    check_files(config)?;
    let mut client = base(config)?;
    client.set("isolation.level", "read_uncommitted");
    made(client.create_with_context(Context::of(config)))
}

/// How a producer puts records together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Batching {
    /// At most so many bytes; none: as configured.
    pub(super) bytes_max: Option<usize>,
    /// Each record by itself, so that the broker's answer names it.
    pub(super) one_by_one: bool,
}

/// Lets a client that nobody polls at the moment fetch a token, where it needs one: librdkafka asks while it is polled.
pub(super) fn serve(consumer: &Consumer) {
    if consumer.context().tokens.is_some() {
        // Nothing is assigned to it now; an error of its connections is heard by its context.
        drop(consumer.poll(Duration::from_millis(50)));
    }
}

/// The producer that owns `transactional_id`, once it is initialised.
pub(super) fn producer(
    config: &KafkaConfig,
    transactional_id: &str,
    batching: Batching,
) -> Result<Producer, LogError> {
    let mut client = producer_config(config, transactional_id)?;
    if let Some(bytes) = batching.bytes_max {
        client.set("batch.size", bytes.to_string());
    }
    if batching.one_by_one {
        client.set("batch.num.messages", "1");
    }
    made(client.create_with_context(Context::of(config)))
}

fn producer_config(config: &KafkaConfig, transactional_id: &str) -> Result<ClientConfig, LogError> {
    let mut client = base(config)?;
    client
        .set("transactional.id", transactional_id)
        .set("transaction.timeout.ms", millis(config.transaction_timeout))
        // A record that cannot be delivered within its transaction never will be.
        .set("message.timeout.ms", millis(config.transaction_timeout))
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("delivery.report.only.error", "true")
        // Records of 900 kB plus their key, headers and framing.
        .set("message.max.bytes", "1000000")
        .set("compression.type", "lz4")
        // A step is handed over whole and at once: there is nothing to linger for.
        .set("linger.ms", "0")
        .set("batch.num.messages", "10000")
        .set("queue.buffering.max.messages", "100000");
    extend(&mut client, config, SCOPE_PRODUCER);
    Ok(client)
}

/// For topics.
pub(super) fn admin(config: &KafkaConfig) -> Result<Admin, LogError> {
    made(base(config)?.create_with_context(Context::of(config)))
}

fn consumer(config: &KafkaConfig, group: &str) -> Result<ClientConfig, LogError> {
    let mut client = base(config)?;
    client
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("isolation.level", "read_committed")
        // Whoever comes too late for its position is told so (`Class::Astray`), and does not begin somewhere else.
        .set("auto.offset.reset", "error");
    Ok(client)
}

/// `classic`, or `consumer` (KIP-848), which Kafka 4 offers: the broker hands partitions out by itself, without a halt of
/// the whole group.
const GROUP_PROTOCOL: &str = "group.protocol";

/// Settings that only one kind of client knows; the others would warn about them.
const SCOPE_CONSUMER: &[&str] = &[
    GROUP_PROTOCOL,
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.wait.max.ms",
    "queued.min.messages",
    "queued.max.messages.kbytes",
    "heartbeat.interval.ms",
    "max.poll.interval.ms",
];
const SCOPE_PRODUCER: &[&str] = &[
    "compression.type",
    "compression.level",
    "linger.ms",
    "batch.size",
    "message.max.bytes",
    "queue.buffering.max.kbytes",
];

fn extend(client: &mut ClientConfig, config: &KafkaConfig, scope: &[&str]) {
    for (key, value) in config.extra.iter().filter(|(key, _)| scope.contains(&key.as_str())) {
        client.set(key, value);
    }
}

/// What every client has in common.
fn base(config: &KafkaConfig) -> Result<ClientConfig, LogError> {
    #[expect(clippy::disallowed_methods, reason = "the one place that makes Kafka clients")]
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", &config.bootstrap)
        .set("client.id", "weir")
        .set("socket.keepalive.enable", "true")
        .set("topic.metadata.refresh.interval.ms", "60000")
        .set("reconnect.backoff.max.ms", "2000")
        // Topics are made by an operator, never by a misspelt name.
        .set("allow.auto.create.topics", "false")
        .set_log_level(RDKafkaLogLevel::Warning);
    for (key, value) in &config.extra {
        if !SCOPE_CONSUMER.contains(&key.as_str()) && !SCOPE_PRODUCER.contains(&key.as_str()) {
            client.set(key, value);
        }
    }
    if config.has_tls() && !config.extra.contains_key("ssl.ca.location") {
        // Our OpenSSL is built in, and does not know where this platform keeps its certificates.
        client.set("ssl.ca.location", "probe");
    }
    for (key, source) in [("sasl.password", &config.password), ("ssl.key.password", &config.key_password)] {
        if let Some(source) = source {
            let secret = Secret::read(source.clone())
                .map_err(|message| LogError::Refused(format!("{key}: {message}")))?;
            client.set(key, secret.reveal());
        }
    }
    Ok(client)
}

/// What librdkafka says against a value, without the value: it may be secret.
pub(super) fn value_problem(key: &str, value: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the one place that makes Kafka clients")]
    let mut client = ClientConfig::new();
    let refused = client.set(key, value).create_native_config().err()?;
    let KafkaError::ClientConfig(_, why, ..) = refused else { return Some(refused.to_string()) };
    // `Invalid value "x" for configuration property "y"`: the name stands before it already.
    Some(why.split([':', '"']).next().unwrap_or_default().trim().to_owned())
}

/// The files that a client will read: librdkafka would say of a missing one only which system call failed.
fn check_files(config: &KafkaConfig) -> Result<(), LogError> {
    for (key, path) in config.extra.iter().filter(|(key, _)| key.ends_with(".location")) {
        let path = Path::new(path);
        if let Err(error) = File::open(path) {
            return Err(LogError::Refused(format!("{key}: {} cannot be read: {error}", path.display())));
        }
        if !key.starts_with("ssl.key.") && peer::certificates(path).is_none() {
            let what = "holds no certificate in PEM form";
            return Err(LogError::Refused(format!("{key}: {} {what}", path.display())));
        }
    }
    Ok(())
}

fn made<T>(client: KafkaResult<T>) -> Result<T, LogError> {
    client.map_err(|error| {
        errors::ending(&error, "", "making a client").unwrap_or_else(|| LogError::Unusable(error.to_string()))
    })
}

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::settings::ALLOWED;

    /// A setting that is accepted must do something: ours are only what holds without it.
    #[test]
    fn what_may_be_passed_to_a_producer_is_not_set_over() {
        for key in ALLOWED.iter().filter(|key| !SCOPE_CONSUMER.contains(key)) {
            let mut config = KafkaConfig::new("127.0.0.1:9092");
            config.extra.insert((*key).to_owned(), "7".to_owned());
            let client = producer_config(&config, "id").expect("no secret is read");
            assert_eq!(client.get(key), Some("7"), "{key}");
        }
    }
}
