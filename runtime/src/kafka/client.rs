//! The only place that makes Kafka clients: what every one of them is set to.

use std::{fs::File, path::Path, time::Duration};

use pipeline::LogError;
use rdkafka::{
    ClientConfig,
    admin::AdminClient,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, KafkaResult},
    producer::ThreadedProducer,
};

pub(super) use super::context::{Context, Rebalance, acknowledge};
use super::{errors, peer, settings::KafkaConfig};
use crate::secret::Secret;

/// As Kafka's defaults have it.
pub(super) const BEATS_A_SESSION: u32 = 15;

/// A consumer, of a group or not.
pub(super) type Consumer = BaseConsumer<Context>;
/// A transactional producer; its own thread hears delivery reports, which blocking calls wait for.
pub(super) type Producer = ThreadedProducer<Context>;
/// For topics.
pub(super) type Admin = AdminClient<Context>;

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
            // The others' changes are heard of with the next beat.
            .set("heartbeat.interval.ms", millis(config.session_timeout / BEATS_A_SESSION))
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
    if consumer.context().has_tokens() {
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

/// Settings that only one kind of client knows, or may have: the others would warn about them. Near copies may lag, and whoever
/// restores a table by the end of its partition must not take theirs for it: `client.rack` is for members alone.
const SCOPE_CONSUMER: &[&str] = &[
    GROUP_PROTOCOL,
    "client.rack",
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

    /// A near copy that lags would end a table before its end.
    #[test]
    fn only_members_read_from_a_near_copy() {
        let mut config = KafkaConfig::new("127.0.0.1:9092");
        config.extra.insert("client.rack".to_owned(), "here".to_owned());
        for client in [base(&config), consumer(&config, "group"), producer_config(&config, "id")] {
            assert_eq!(client.expect("no secret is read").get("client.rack"), None);
        }
        assert!(SCOPE_CONSUMER.contains(&"client.rack"), "members are given it");
    }

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
