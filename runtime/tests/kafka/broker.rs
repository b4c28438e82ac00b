//! The broker under test, as a harness of the conformance suite: each case has a prefix of its own for its topics and
//! groups, which are deleted when it ends.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use libtest_mimic::Failed;
use pipeline::{
    Clock, Logs,
    conformance::{Harness, Instance},
    log::Positions,
};
use rdkafka::{
    ClientConfig, TopicPartitionList,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    producer::BaseProducer,
};
use runtime::kafka::{KafkaConfig, KafkaLogs, TopicPlan};

/// Where the broker is; none: nothing is run.
pub(crate) fn address() -> Option<String> {
    std::env::var("WEIR_KAFKA").ok().filter(|address| !address.is_empty())
}

/// Settings that make a group quick: it is heard of changes ten times a second.
pub(crate) fn config(address: &str, prefix: &str) -> KafkaConfig {
    let mut config = KafkaConfig {
        prefix: prefix.to_owned(),
        session_timeout: Duration::from_secs(6),
        transaction_timeout: Duration::from_secs(20),
        revoke_within: Duration::from_secs(10),
        ..KafkaConfig::new(address)
    };
    config.extra.insert("heartbeat.interval.ms".to_owned(), "100".to_owned());
    config
}

static CASES: AtomicU32 = AtomicU32::new(0);

/// A name that no other case, run or process has.
pub(crate) fn fresh_prefix() -> String {
    let number = CASES.fetch_add(1, Ordering::Relaxed);
    format!("test-{:x}-{}-{number}.", Clock::machine().now().0, std::process::id())
}

/// Makes a log for each case.
#[derive(Clone)]
pub(crate) struct Broker {
    pub(crate) address: String,
    made: Arc<Mutex<Vec<String>>>,
    protocol: &'static str,
}

impl Broker {
    pub(crate) fn new(address: &str) -> Self {
        Self { address: address.to_owned(), made: Arc::default(), protocol: "classic" }
    }

    /// The same, with this group protocol.
    pub(crate) fn of_protocol(self, protocol: &'static str) -> Self {
        Self { protocol, ..self }
    }

    /// A log of its own, with so many partitions for every topic.
    pub(crate) async fn make(&self, partitions: u32) -> Kafka {
        let prefix = fresh_prefix();
        self.made.lock().expect("nobody panics with the lock").push(prefix.clone());
        let kafka = Kafka::of_protocol(&self.address, &prefix, self.protocol);
        kafka.logs.apply_topics(&TopicPlan::all(partitions)).await.expect("topics are made");
        kafka
    }

    async fn clean_up(&self) {
        let made = std::mem::take(&mut *self.made.lock().expect("nobody panics with the lock"));
        for prefix in made {
            Kafka::open(&self.address, &prefix).logs.delete_topics().await.expect("topics are deleted");
        }
    }
}

/// One log under test.
pub(crate) struct Kafka {
    pub(crate) address: String,
    pub(crate) prefix: String,
    pub(crate) logs: Arc<KafkaLogs>,
    protocol: &'static str,
}

impl Kafka {
    /// Deletes what lies before these offsets, as retention does.
    pub(crate) async fn delete_before(&self, old: &Positions) {
        let mut list = TopicPartitionList::new();
        for (at, offset) in old {
            let partition = i32::try_from(at.partition.0).expect("few partitions");
            let offset = rdkafka::Offset::Offset(i64::try_from(offset.0).expect("few records"));
            let topic = format!("{}{}", self.prefix, at.topic);
            list.add_partition_offset(&topic, partition, offset).expect("an offset");
        }
        let deleted = self.admin().delete_records(&list, &AdminOptions::new()).await.expect("it is asked");
        for entry in deleted.elements() {
            entry.error().expect("it is deleted");
        }
    }

    /// The hand of an operator.
    #[expect(clippy::disallowed_methods, reason = "a stranger's client, not one of ours")]
    pub(crate) fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", &self.address).create().expect("a client is made")
    }

    pub(crate) fn open(address: &str, prefix: &str) -> Self {
        Self::of_protocol(address, prefix, "classic")
    }

    fn of_protocol(address: &str, prefix: &str, protocol: &'static str) -> Self {
        let mut config = config(address, prefix);
        config.extra.insert("group.protocol".to_owned(), protocol.to_owned());
        let logs = Arc::new(KafkaLogs::new(config).expect("the settings are sound"));
        Self { address: address.to_owned(), prefix: prefix.to_owned(), logs, protocol }
    }
}

impl Harness for Broker {
    fn fresh(&self, partitions: u32) -> BoxFuture<'_, Box<dyn Instance>> {
        async move { Box::new(self.make(partitions).await) as Box<dyn Instance> }.boxed()
    }
}

impl Instance for Kafka {
    fn logs(&self) -> Arc<dyn Logs> {
        Arc::clone(&self.logs) as Arc<dyn Logs>
    }

    fn crash(&mut self) -> BoxFuture<'_, ()> {
        async move {
            self.logs.close().await;
            *self = Self::of_protocol(&self.address, &self.prefix, self.protocol);
        }
        .boxed()
    }

    /// The broker deletes what it is told to, whoever has read it or not.
    fn age(&mut self, old: Positions) -> BoxFuture<'_, ()> {
        async move { self.delete_before(&old).await }.boxed()
    }
}

/// A producer that is none of ours, with these settings.
#[expect(clippy::disallowed_methods, reason = "a stranger's client, not one of ours")]
pub(crate) fn writer(kafka: &Kafka, settings: &[(&str, &str)]) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &kafka.address);
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config.create().expect("a producer is made")
}

/// No case takes a quarter of that.
const HANGS_AFTER: Duration = Duration::from_secs(120);

/// Runs a case and deletes what it made, whether it panicked or not.
pub(crate) fn run(
    broker: &Broker,
    case: impl FnOnce(Broker) -> BoxFuture<'static, ()>,
) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outcome = runtime.block_on(async {
        let bounded = tokio::time::timeout(HANGS_AFTER, case(broker.clone()));
        let outcome = AssertUnwindSafe(async { bounded.await.expect("the case hangs") }).catch_unwind().await;
        broker.clean_up().await;
        outcome
    });
    // Threads that still wait for a broker are not waited for.
    runtime.shutdown_background();
    outcome.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Failed::from(text.unwrap_or_else(|| "the case panicked".to_owned()))
    })
}
