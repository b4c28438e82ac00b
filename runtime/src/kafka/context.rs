//! What a client hears from librdkafka: errors of its connections, changes of a group, records that were not delivered.
//!
//! Callbacks run on the thread that polls, and only note: whoever may wait judges and works on it.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use pipeline::{Clock, LogError};
use rdkafka::{
    ClientContext, TopicPartitionList,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode as Code},
    producer::{DeliveryResult, ProducerContext},
    types::RDKafkaRespErr,
};
use schemas::{Micros, time::SECOND};

use super::{
    client::Consumer,
    errors,
    refusal::{Expected, Judged, NO_TOKEN, Suspect},
    settings::KafkaConfig,
    token::Tokens,
};

/// A change of what a member holds, posted by the callback and worked on outside of it.
#[derive(Debug)]
pub(super) enum Rebalance {
    Assign(TopicPartitionList),
    Revoke(TopicPartitionList),
}

/// A client looks at a suspect so often at most, in microseconds.
const LOOK_EVERY: i64 = 60 * SECOND;

/// What librdkafka tells a client.
#[derive(Debug)]
pub(super) struct Context {
    expected: Expected,
    tokens: Option<Tokens>,
    rebalances: Mutex<VecDeque<Rebalance>>,
    /// From now on nobody works on posted changes: they are acknowledged at once.
    closing: AtomicBool,
    has_worked: AtomicBool,
    refused: Mutex<Option<LogError>>,
    /// Who is to be looked at, by whoever may wait.
    suspect: Mutex<Option<Suspect>>,
    /// When that was done last.
    looked_at: Mutex<Option<Micros>>,
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
    pub(super) fn of(config: &KafkaConfig) -> Self {
        Self {
            expected: Expected::of(config),
            tokens: config.oauth.clone().map(Tokens::new),
            rebalances: Mutex::default(),
            closing: AtomicBool::default(),
            has_worked: AtomicBool::default(),
            refused: Mutex::default(),
            suspect: Mutex::default(),
            looked_at: Mutex::default(),
            denied: Mutex::default(),
            undelivered: Mutex::default(),
            too_large: Mutex::default(),
        }
    }

    /// Whether it logs in with tokens, which are fetched while it is polled.
    pub(super) fn has_tokens(&self) -> bool {
        self.tokens.is_some()
    }

    /// The oldest change that has not been worked on.
    pub(super) fn rebalance(&self) -> Option<Rebalance> {
        lock(&self.rebalances).pop_front()
    }

    /// The consumer is about to be dropped, which polls it until it has left its group.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Why waiting for the brokers is useless, if it is; forgets it. Looks at a suspect, which blocks for 5 s at most, and
    /// is done once a minute at most: a member of a group that waits cannot give partitions back.
    pub(super) fn refused(&self) -> Option<LogError> {
        let refused = lock(&self.refused).take();
        let suspect = lock(&self.suspect).take();
        if refused.is_some() {
            return refused;
        }
        // librdkafka tells it only once, and it may have been forgotten since: this is how it is now.
        if self.tokens.as_ref().and_then(Tokens::failure).is_some_and(|failure| failure.is_refusal()) {
            return Some(LogError::Refused(NO_TOKEN.to_owned()));
        }
        // A suspect that is passed over is named again: librdkafka tries on.
        let suspect = suspect?;
        self.may_look(Clock::machine().now()).then(|| self.expected.look_at(&suspect)).flatten()
    }

    fn may_look(&self, now: Micros) -> bool {
        let mut looked_at = lock(&self.looked_at);
        let is_soon = looked_at.is_some_and(|at| (at..at.plus(LOOK_EVERY)).contains(&now));
        if !is_soon {
            *looked_at = Some(now);
        }
        !is_soon
    }

    /// The brokers have answered: what was heard before is of the past.
    pub(super) fn worked(&self) {
        self.has_worked.store(true, Ordering::Release);
        self.forget();
    }

    /// Whether they ever have.
    pub(super) fn has_worked(&self) -> bool {
        self.has_worked.load(Ordering::Acquire)
    }

    /// What was heard so far is of the past.
    pub(super) fn forget(&self) {
        *lock(&self.refused) = None;
        *lock(&self.suspect) = None;
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

    /// Whether a record of the step is known to be too large.
    pub(super) fn has_too_large(&self) -> bool {
        !lock(&self.too_large).is_empty()
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
        if away.is_none() {
            match self.expected.judge(errors::code(&error), reason) {
                Judged::Refused(refused) => *lock(&self.refused) = Some(refused),
                Judged::Look(suspect) => *lock(&self.suspect) = Some(suspect),
                Judged::Wait => {}
            }
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
            // Before anybody hears that something is wrong.
            if matches!(code, Code::MessageSizeTooLarge | Code::MessageBatchTooLarge) {
                self.note_too_large(place);
            }
            // The first says why; the others follow from it.
            lock(&self.undelivered).get_or_insert(code);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SecretSource, http::Base, kafka::security::OAuthConfig};

    /// A callback of librdkafka's runs on the thread that polls: it must not wait for a stranger.
    #[test]
    fn a_suspect_is_looked_at_by_who_may_wait_and_once_a_minute() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let context = Context::of(&KafkaConfig::new(address.to_string()));
        context.error(
            KafkaError::Global(Code::SSL),
            &format!("ssl://{address}/bootstrap: SSL handshake failed"),
        );
        assert!(lock(&context.looked_at).is_none() && lock(&context.suspect).is_some());
        assert_eq!(context.refused(), None, "nobody is there");
        let at = lock(&context.looked_at).expect("it was looked");
        assert!(!context.may_look(at.plus(LOOK_EVERY - 1)));
        assert!(context.may_look(at.plus(LOOK_EVERY)));
        assert!(context.may_look(at), "a clock that was set back does not keep it from looking");
    }

    #[test]
    fn what_is_forgotten_is_not_told() {
        let context = Context::of(&KafkaConfig::new("127.0.0.1:1"));
        let hear = || context.error(KafkaError::Global(Code::SaslAuthenticationFailed), "");
        hear();
        context.forget();
        assert_eq!(context.refused(), None);
        hear();
        assert!(context.refused().is_some());
        assert_eq!(context.refused(), None, "it is told once");
    }

    #[test]
    fn a_token_that_is_refused_is_told_as_long_as_it_is() {
        let oauth = OAuthConfig {
            token_url: Base::parse("http://127.0.0.1:1/token").expect("an address"),
            client_id: "weir".to_owned(),
            // Any variable that is set everywhere will do for a secret.
            client_secret: SecretSource::Env("PATH".to_owned()),
            scope: None,
            ca_file: Some("/nowhere.pem".into()),
        };
        let config = KafkaConfig { oauth: Some(Box::new(oauth)), ..KafkaConfig::new("127.0.0.1:1") };
        let context = Context::of(&config);
        assert!(context.generate_oauth_token(None).is_err());
        for _ in 0..2 {
            context.forget();
            assert_eq!(context.refused(), Some(LogError::Refused(NO_TOKEN.to_owned())));
        }
    }
}
