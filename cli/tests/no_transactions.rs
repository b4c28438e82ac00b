//! A broker that offers no transactions is refused by `weir check`, and when a worker starts: exit 69, one line that says
//! why. The broker is a real one behind a proxy that takes the call that initialises a producer from its list.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up has failed")]
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use pipeline::Clock;
use runtime::kafka::{KafkaConfig, KafkaLogs};

#[path = "../../runtime/tests/kafka/proxy.rs"]
#[expect(dead_code, reason = "of what the proxy can do, one thing is asked here")]
mod proxy;

fn weir(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(words).args(["-c", "weir.yaml"]).current_dir(folder).env_remove("WEIR_LOG");
    command.output().unwrap()
}

fn configure(folder: &Path, bootstrap: &str, prefix: &str) {
    let text = format!(
        "log: {{kafka: {{bootstrap: '{bootstrap}', prefix: {prefix}, partitions: 1}}}}
admin: {{listen: off}}
sources: [{{name: exports, kind: files, paths: [exports.jsonl]}}]
sinks: [{{name: archive, kind: jsonl, path: findings.jsonl}}]
"
    );
    std::fs::write(folder.join("weir.yaml"), text).unwrap();
    std::fs::write(folder.join("exports.jsonl"), "").unwrap();
}

#[test]
fn no_worker_starts_on_a_kafka_without_transactions() {
    let Some(broker) = std::env::var("WEIR_KAFKA").ok().filter(|broker| !broker.is_empty()) else {
        let skipped = b"a broker without transactions: skipped, because WEIR_KAFKA names no broker\n";
        std::io::stderr().write_all(skipped).unwrap();
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let prefix = format!("without-{:x}-{}.", Clock::machine().now().0, std::process::id());
    configure(folder.path(), &broker, &prefix);
    let made = weir(folder.path(), &["topics", "apply"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let proxy = proxy::Proxy::to(&broker);
    proxy.hide_transactions();
    configure(folder.path(), &proxy.address(), &prefix);
    for command in ["check", "run", "ingest", "enrich", "detect", "sink"] {
        let ended = weir(folder.path(), &[command]);
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(69), "{command}: {said}");
        // Another of its workers may warn after that.
        let why: Vec<&str> = said.lines().filter(|line| line.starts_with("weir: ")).collect();
        assert!(
            why.len() == 1 && why[0].contains("a broker with transactions is needed"),
            "{command}: {said}"
        );
    }
    assert!(proxy.has_struck(), "the broker's list was cut");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let logs = KafkaLogs::new(KafkaConfig { prefix, ..KafkaConfig::new(broker) }).unwrap();
    runtime.block_on(logs.delete_topics()).unwrap();
}
