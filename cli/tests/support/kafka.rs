//! The Kafka log, as the law takes it: each log has a prefix of its own for its topics and groups, which are deleted
//! when all is done.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use pipeline::conformance::Instance;
use pipeline::{Clock, Logs};
use runtime::kafka::{KafkaConfig, KafkaLogs, TopicPlan};

/// Where the broker is; none: nothing is run.
pub(crate) fn address() -> Option<String> {
    std::env::var("WEIR_KAFKA").ok().filter(|address| !address.is_empty())
}

/// Every prefix that was made.
static MADE: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Kafka {
    config: KafkaConfig,
    logs: Arc<KafkaLogs>,
}

/// A log with fresh topics.
pub(crate) async fn fresh(partitions: u32) -> Box<dyn Instance> {
    let config = config(&address().unwrap_or_default(), fresh_prefix());
    let logs = Arc::new(KafkaLogs::new(config.clone()).unwrap());
    logs.apply_topics(&TopicPlan::all(partitions)).await.unwrap();
    Box::new(Kafka { config, logs })
}

fn fresh_prefix() -> String {
    let mut made = MADE.lock().unwrap();
    let prefix = format!("law-{:x}-{}-{}.", Clock::machine().now().0, std::process::id(), made.len());
    made.push(prefix.clone());
    prefix
}

/// Deletes every topic that was made.
pub(crate) async fn clean_up() {
    let made = std::mem::take(&mut *MADE.lock().unwrap());
    for prefix in made {
        let logs = KafkaLogs::new(config(&address().unwrap_or_default(), prefix)).unwrap();
        logs.delete_topics().await.unwrap();
    }
}

/// Settings that make a group quick: it hears of changes ten times a second, and of dead members within seconds.
fn config(address: &str, prefix: String) -> KafkaConfig {
    let mut config = KafkaConfig {
        prefix,
        session_timeout: Duration::from_secs(6),
        transaction_timeout: Duration::from_secs(20),
        revoke_within: Duration::from_secs(10),
        ..KafkaConfig::new(address)
    };
    config.extra.insert("heartbeat.interval.ms".to_owned(), "100".to_owned());
    config
}

impl Instance for Kafka {
    fn logs(&self) -> Arc<dyn Logs> {
        Arc::clone(&self.logs) as Arc<dyn Logs>
    }

    fn crash(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.logs.close().await;
            self.logs = Arc::new(KafkaLogs::new(self.config.clone()).unwrap());
        })
    }
}
