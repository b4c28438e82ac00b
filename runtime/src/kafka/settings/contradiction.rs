//! Settings that are right each by itself, and wrong together.
//!
//! The first four librdkafka refuses, but only when a client is made; of the others, members would be put out of their
//! group again and again, or a record would wait for ever. Each is named by the setting that was passed, since it has a
//! default without it.
//!
//! Follows `rd_kafka_conf_finalize` of
//! <https://github.com/confluentinc/librdkafka/blob/v2.12.1/src/rdkafka_conf.c>.

use std::time::Duration;

use super::KafkaConfig;

/// What the clients have unless it is passed.
const RECONNECT_FIRST: f64 = 100.0;
const RECONNECT_MOST: f64 = 2000.0;
/// As a consumer has it, and a producer unless it is passed.
const MESSAGE_BYTES: f64 = 1_000_000.0;
/// Beyond the transaction, librdkafka lets a request take so much longer.
const SOCKET_BEYOND: f64 = 100.0;

/// What does not go together. A value that is no number is a problem of its own, and none here.
pub(super) fn problems(config: &KafkaConfig) -> Vec<String> {
    let passed = |key: &str| config.extra.get(key).and_then(|value| value.trim().parse::<f64>().ok());
    let mut problems = Vec::new();
    let mut note = |key: &str, is_wrong: bool, message: String| {
        if is_wrong {
            problems.push(format!("{key}: {message}"));
        }
    };
    let step = config.transaction_timeout;
    if let Some(socket) = passed("socket.timeout.ms") {
        let is_long = socket > millis(step) + SOCKET_BEYOND;
        note("socket.timeout.ms", is_long, format!("must not be more than transaction_timeout ({step:?})"));
    }
    if let Some(linger) = passed("linger.ms") {
        note(
            "linger.ms",
            linger >= millis(step),
            format!("must be less than transaction_timeout ({step:?})"),
        );
    }
    let (first, most) = (passed("reconnect.backoff.ms"), passed("reconnect.backoff.max.ms"));
    let crossed = first.unwrap_or(RECONNECT_FIRST) > most.unwrap_or(RECONNECT_MOST);
    let (key, message) = match most {
        None => (
            "reconnect.backoff.ms",
            format!("must not be more than reconnect.backoff.max.ms ({RECONNECT_MOST} by default)"),
        ),
        Some(_) => (
            "reconnect.backoff.max.ms",
            format!("must not be less than reconnect.backoff.ms ({RECONNECT_FIRST} by default)"),
        ),
    };
    note(key, crossed, message);
    if let Some(bytes) = passed("fetch.max.bytes") {
        note("fetch.max.bytes", bytes < MESSAGE_BYTES, format!("must be {MESSAGE_BYTES} or more"));
    }
    let message = passed("message.max.bytes").unwrap_or(MESSAGE_BYTES);
    if let Some(queue) = passed("queue.buffering.max.kbytes") {
        let what = format!("is no room for a record of {message} bytes (message.max.bytes)");
        note("queue.buffering.max.kbytes", queue * 1024.0 < message, what);
    }
    member(config, passed, note);
    problems
}

/// What a member of a group may keep waiting, and how often it is heard from.
fn member(
    config: &KafkaConfig,
    passed: impl Fn(&str) -> Option<f64>,
    mut note: impl FnMut(&str, bool, String),
) {
    let (session, revoke) = (config.session_timeout, config.revoke_within);
    // Of the newer protocol the brokers settle session and heartbeat.
    let is_classic = config.extra.get("group.protocol").is_none_or(|protocol| protocol == "classic");
    if let Some(heartbeat) = passed("heartbeat.interval.ms") {
        let is_rare = is_classic && heartbeat >= millis(session);
        note("heartbeat.interval.ms", is_rare, format!("must be less than session_timeout ({session:?})"));
    }
    if let Some(poll) = passed("max.poll.interval.ms") {
        let is_short = is_classic && poll < millis(session);
        note(
            "max.poll.interval.ms",
            is_short,
            format!("must not be less than session_timeout ({session:?})"),
        );
        // The group waits so long for a member that gives partitions back.
        let is_short = poll <= millis(revoke);
        note("max.poll.interval.ms", is_short, format!("must be more than revoke_within ({revoke:?})"));
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::client::{self, Batching};

    fn config(settings: &[(&str, &str)]) -> KafkaConfig {
        let extra = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        KafkaConfig { extra, ..KafkaConfig::new("127.0.0.1:1") }
    }

    /// Whether librdkafka makes every client; nothing is connected to.
    fn is_made(config: &KafkaConfig) -> bool {
        client::surveyor(config).is_ok()
            && client::follower(config, "reader").is_ok()
            && client::member(config, "group", None).is_ok()
            && client::admin(config).is_ok()
            && client::producer(config, "id", Batching::default()).is_ok()
    }

    /// What librdkafka refuses when a client is made is named before, and nothing that it takes.
    #[test]
    fn what_librdkafka_refuses_is_named_and_what_it_takes_is_not() {
        type Case = (&'static [(&'static str, &'static str)], Option<&'static str>);
        let cases: [Case; 20] = [
            (&[], None),
            (&[("socket.timeout.ms", "60000")], None),
            (&[("socket.timeout.ms", "60100")], None),
            (
                &[("socket.timeout.ms", "60101")],
                Some("socket.timeout.ms: must not be more than transaction_timeout (60s)"),
            ),
            (&[("linger.ms", "59999")], None),
            (&[("linger.ms", "60000")], Some("linger.ms: must be less than transaction_timeout (60s)")),
            (&[("linger.ms", "0.5")], None),
            (&[("reconnect.backoff.ms", "2000")], None),
            (
                &[("reconnect.backoff.ms", "2001")],
                Some(
                    "reconnect.backoff.ms: must not be more than reconnect.backoff.max.ms (2000 by default)",
                ),
            ),
            (&[("reconnect.backoff.max.ms", "100")], None),
            (
                &[("reconnect.backoff.max.ms", "99")],
                Some("reconnect.backoff.max.ms: must not be less than reconnect.backoff.ms (100 by default)"),
            ),
            (&[("reconnect.backoff.ms", "5000"), ("reconnect.backoff.max.ms", "5000")], None),
            (
                &[("reconnect.backoff.ms", "5000"), ("reconnect.backoff.max.ms", "4999")],
                Some("reconnect.backoff.max.ms: must not be less than reconnect.backoff.ms (100 by default)"),
            ),
            (&[("fetch.max.bytes", "1000000")], None),
            (&[("fetch.max.bytes", "999999")], Some("fetch.max.bytes: must be 1000000 or more")),
            (&[("max.poll.interval.ms", "45000")], None),
            (
                &[("max.poll.interval.ms", "44999")],
                Some("max.poll.interval.ms: must not be less than session_timeout (45s)"),
            ),
            (&[("max.poll.interval.ms", "44999"), ("group.protocol", "consumer")], None),
            (&[("heartbeat.interval.ms", "60000"), ("group.protocol", "consumer")], None),
            (&[("retry.backoff.ms", "5000"), ("retry.backoff.max.ms", "1")], None),
        ];
        for (settings, expected) in cases {
            let config = config(settings);
            assert_eq!(config.problems(), Vec::from_iter(expected), "{settings:?}");
            assert_eq!(is_made(&config), expected.is_none(), "{settings:?}");
        }
    }

    /// librdkafka takes these, and nothing would go well.
    #[test]
    fn what_only_a_group_or_a_record_would_suffer_from_is_named_too() {
        for (settings, expected) in [
            (("heartbeat.interval.ms", "44999"), None),
            (
                ("heartbeat.interval.ms", "45000"),
                Some("heartbeat.interval.ms: must be less than session_timeout (45s)"),
            ),
            (("queue.buffering.max.kbytes", "977"), None),
            (
                ("queue.buffering.max.kbytes", "976"),
                Some(
                    "queue.buffering.max.kbytes: is no room for a record of 1000000 bytes (message.max.bytes)",
                ),
            ),
        ] {
            assert_eq!(config(&[settings]).problems(), Vec::from_iter(expected), "{settings:?}");
        }
        let hesitant = KafkaConfig {
            revoke_within: Duration::from_secs(90),
            ..config(&[("max.poll.interval.ms", "90000")])
        };
        assert_eq!(hesitant.problems(), ["max.poll.interval.ms: must be more than revoke_within (90s)"]);
    }

    /// A shorter time for a step, beside a setting that was right before.
    #[test]
    fn the_times_that_are_configured_are_the_measure() {
        let settings = config(&[("socket.timeout.ms", "30101"), ("linger.ms", "30000")]);
        let short = KafkaConfig { transaction_timeout: Duration::from_secs(30), ..settings.clone() };
        assert_eq!(
            short.problems(),
            [
                "socket.timeout.ms: must not be more than transaction_timeout (30s)",
                "linger.ms: must be less than transaction_timeout (30s)",
            ]
        );
        assert_eq!(settings.problems(), Vec::<String>::new());
    }

    /// librdkafka reads it in any case, and whoever sets what depends on it does not.
    #[test]
    fn the_group_protocol_has_two_names() {
        let says = ["group.protocol: must be one of classic, consumer"];
        assert_eq!(config(&[("group.protocol", "Consumer")]).problems(), says);
        assert_eq!(config(&[("group.protocol", "consumer")]).problems(), Vec::<String>::new());
    }
}
