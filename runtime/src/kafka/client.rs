//! The only place that makes Kafka clients: what every one of them is set to, and what it hears from librdkafka.

use std::{
    collections::VecDeque,
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
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code},
    producer::{DeliveryResult, ProducerContext, ThreadedProducer},
    types::RDKafkaRespErr,
};

use super::{errors, errors::Class, settings::KafkaConfig};
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
#[derive(Debug, Default)]
pub(super) struct Context {
    rebalances: Mutex<VecDeque<Rebalance>>,
    /// From now on nobody works on posted changes: they are acknowledged at once.
    closing: AtomicBool,
    refused: Mutex<Option<String>>,
    undelivered: Mutex<Option<Code>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Context {
    /// The oldest change that has not been worked on.
    pub(super) fn rebalance(&self) -> Option<Rebalance> {
        lock(&self.rebalances).pop_front()
    }

    /// The consumer is about to be dropped, which polls it until it has left its group.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Why the broker refused us, if it did.
    pub(super) fn refused(&self) -> Option<String> {
        lock(&self.refused).clone()
    }

    /// Whether a record was not delivered.
    pub(super) fn has_undelivered(&self) -> bool {
        lock(&self.undelivered).is_some()
    }

    /// Why a record was not delivered, if any was not; forgets it.
    pub(super) fn take_undelivered(&self) -> Option<Code> {
        lock(&self.undelivered).take()
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
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
        if errors::class(&error) == Class::Refused {
            *lock(&self.refused) = Some(error.to_string());
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
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            // The first says why; the others follow from it.
            lock(&self.undelivered).get_or_insert(errors::code(error));
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
    client
        .set("session.timeout.ms", millis(config.session_timeout))
        // 15 beats a session, as Kafka's defaults have it; the others' changes are heard of with the next beat.
        .set("heartbeat.interval.ms", millis(config.session_timeout / 15))
        .set("partition.assignment.strategy", "cooperative-sticky")
        // What is fetched ahead beside our own queue. The defaults (100,000 records a partition) took others gigabytes.
        .set("queued.min.messages", "10000")
        .set("queued.max.messages.kbytes", "16384");
    extend(&mut client, config, SCOPE_CONSUMER);
    if let Some(instance) = instance {
        client.set("group.instance.id", instance);
    }
    made(client.create_with_context(Context::default()))
}

/// Reads partitions it is told to, as far as they are committed; its group is only a name, it joins none.
pub(super) fn follower(config: &KafkaConfig, group: &str) -> Result<Consumer, LogError> {
    let mut client = consumer(config, group)?;
    client
        .set("enable.partition.eof", "true")
        // It always reads to an end that is there already: waiting for more would only delay the news that it is.
        .set("fetch.wait.max.ms", "10")
        .set("queued.min.messages", "10000")
        .set("queued.max.messages.kbytes", "16384");
    extend(&mut client, config, &["fetch.max.bytes", "fetch.message.max.bytes"]);
    made(client.create_with_context(Context::default()))
}

/// Asks for metadata, and for the ends of partitions as they are written, committed or not.
pub(super) fn surveyor(config: &KafkaConfig) -> Result<Consumer, LogError> {
    let mut client = base(config)?;
    client.set("isolation.level", "read_uncommitted");
    made(client.create_with_context(Context::default()))
}

/// The producer that owns `transactional_id`, once it is initialised.
pub(super) fn producer(config: &KafkaConfig, transactional_id: &str) -> Result<Producer, LogError> {
    made(producer_config(config, transactional_id)?.create_with_context(Context::default()))
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
    made(base(config)?.create_with_context(Context::default()))
}

fn consumer(config: &KafkaConfig, group: &str) -> Result<ClientConfig, LogError> {
    let mut client = base(config)?;
    client
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "earliest");
    Ok(client)
}

/// Settings that only one kind of client knows; the others would warn about them.
const SCOPE_CONSUMER: &[&str] = &[
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
    for (key, source) in [("sasl.password", &config.password), ("ssl.key.password", &config.key_password)] {
        if let Some(source) = source {
            let secret = Secret::read(source.clone())
                .map_err(|message| LogError::Refused(format!("{key}: {message}")))?;
            client.set(key, secret.reveal());
        }
    }
    Ok(client)
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
