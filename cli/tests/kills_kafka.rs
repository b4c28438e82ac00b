//! The workers as processes of their own over Apache Kafka, killed at random moments: nothing is lost, nothing is there
//! twice.
//!
//! Needs `WEIR_KAFKA=host:port` (`.ci/kafka start`). Ten kills; `WEIR_KILLS=100` for the full count, `WEIR_SEED` for a
//! run that was seen before.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails so"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use pipeline::Clock;
use runtime::kafka::{KafkaConfig, KafkaLogs};

#[path = "support/audit.rs"]
mod audit;
#[path = "support/folded.rs"]
mod folded;
#[path = "support/load.rs"]
mod load;
#[path = "support/process.rs"]
mod process;
#[path = "support/random.rs"]
mod random;
#[path = "support/six.rs"]
mod six;

use audit::{Audit, audit};
use folded::fold;
use process::Process;
use random::{Random, say};

const COPIES: usize = 10;
const WORKERS: [&str; 4] = ["ingest", "enrich", "detect", "sink"];
/// Small, so that a run is many steps.
const BATCH_RECORDS: usize = 64;
/// So many kills on one log, then the next: all of them would not fit into the time that its records take.
const KILLS_A_LOG: usize = 5;
/// From one kill to the next.
const BETWEEN_KILLS: Duration = Duration::from_secs(4);

/// A log of its own on the broker, with its configuration.
struct Store {
    folder: PathBuf,
    program: PathBuf,
    config: String,
    kafka: KafkaConfig,
    kills: usize,
}

impl Store {
    fn new(folder: PathBuf, broker: &str, sources: &[PathBuf]) -> Self {
        std::fs::create_dir(&folder).unwrap();
        let prefix = format!("kills-{:x}-{}.", Clock::machine().now().0, std::process::id());
        let text = format!(
            "log:
  kafka:
    bootstrap: {broker}
    prefix: {prefix}
    partitions: 3
    session_timeout: 2s
    transaction_timeout: 10s
    revoke_within: 2s
    settings: {{heartbeat.interval.ms: 200}}
sources: [{{name: exports, kind: files, paths: [{}]}}]
sinks: [{{name: archive, kind: jsonl, path: {}}}]
limits: {{records_max: {BATCH_RECORDS}}}
",
            sources.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "),
            folder.join("findings.jsonl").display(),
        );
        let config = folder.join("weir.yaml");
        std::fs::write(&config, text).unwrap();
        let kafka = KafkaConfig { prefix, ..KafkaConfig::new(broker) };
        let program = folder.with_file_name("weir");
        let store = Self { config: config.display().to_string(), program, folder, kafka, kills: 0 };
        store.ends_well(store.start(&["topics", "apply"]));
        store
    }

    fn start(&self, words: &[&str]) -> Process {
        Process::start(&self.program, &[words, &["-c", &self.config]].concat(), &self.folder.join("log"))
    }

    fn work(&self, worker: &str) -> Process {
        self.start(&[worker, "--member", "0"])
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap()
    }

    fn ends_well(&self, process: Process) -> String {
        let ended = process.end();
        assert!(ended.status.success(), "{}: {}", ended.status, self.log());
        ended.stdout
    }

    /// Kills one worker after the other at random moments and starts it again; then stops them all.
    fn disturb(&mut self, random: &mut Random, kills: usize) {
        let mut workers: Vec<(&str, Process)> = WORKERS.iter().map(|name| (*name, self.work(name))).collect();
        while self.kills < kills.min(KILLS_A_LOG) {
            let chosen = usize::try_from(random.below(workers.len() as u64)).unwrap();
            let (name, mut process) = workers.swap_remove(chosen);
            if let Some(ended) = process.ends_within(random.time(BETWEEN_KILLS)) {
                assert!(
                    ended.status.success() && name == "ingest",
                    "{name}: {}: {}",
                    ended.status,
                    self.log()
                );
                continue;
            }
            self.kills += usize::from(process.kill());
            workers.push((name, self.work(name)));
        }
        // Those that were started last are given a moment to take part in the group.
        let (name, mut last) = workers.pop().unwrap();
        match last.ends_within(BETWEEN_KILLS / 2) {
            None => workers.push((name, last)),
            Some(ended) => assert!(
                ended.status.success() && name == "ingest",
                "{name}: {}: {}",
                ended.status,
                self.log()
            ),
        }
        for (name, process) in workers {
            let ended = process.stop();
            assert!(ended.status.success(), "{name}: {}: {}", ended.status, self.log());
        }
    }

    /// What it holds, and how many lines of its file are repeated.
    fn audit(&self) -> (Audit, usize) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let found = runtime.block_on(async {
            let logs = KafkaLogs::new(self.kafka.clone()).unwrap();
            let found = audit(&logs).await;
            logs.delete_topics().await.unwrap();
            logs.close().await;
            found
        });
        let (standing, repeated) = fold(&self.folder.join("findings.jsonl"));
        assert_eq!(standing, found.findings, "the file says what the log says");
        (found, repeated)
    }
}

fn undisturbed(folder: &Path, broker: &str, sources: &[PathBuf]) -> Audit {
    let store = Store::new(folder.join("undisturbed"), broker, sources);
    let clock = Clock::machine();
    let begin = clock.now().0;
    store.ends_well(store.start(&["run"]));
    let took = Duration::from_micros(u64::try_from(clock.now().0 - begin).unwrap());
    let (reference, repeated) = store.audit();
    assert_eq!(repeated, 0, "who is not disturbed delivers once");
    say(&format!("undisturbed: {took:?}, {} findings, {:?}", reference.findings.len(), reference.ledger));
    assert!(reference.findings.len() > 100);
    reference
}

/// Whichever worker is killed, and whenever: the findings, the events and the ledger are those of a run that was left
/// alone; only lines of the file may be repeated, at most a batch for each kill.
#[test]
fn workers_on_kafka_that_are_killed_end_as_ones_that_are_not() {
    let Some(broker) = std::env::var("WEIR_KAFKA").ok().filter(|broker| !broker.is_empty()) else {
        say("kills_kafka: skipped, because WEIR_KAFKA names no broker");
        return;
    };
    let mut random = Random::seeded("kills_kafka");
    let folder = tempfile::tempdir().unwrap();
    process::program(folder.path());
    let sources = load::write(folder.path(), COPIES, &mut random);
    let reference = undisturbed(folder.path(), &broker, &sources);
    let (wanted, mut kills, mut logs) = (random::kills(), 0, 0);
    while kills < wanted {
        let mut store = Store::new(folder.path().join(format!("log-{logs}")), &broker, &sources);
        store.disturb(&mut random, wanted - kills);
        let rest = store.ends_well(store.start(&["run"]));
        let (found, repeated) = store.audit();
        say(&format!("log {logs}: {} kills, {repeated} lines repeated; then\n{rest}", store.kills));
        assert_eq!(found.ledger, reference.ledger);
        let differ = || found.findings.symmetric_difference(&reference.findings).collect::<Vec<_>>();
        assert!(found == reference, "other events or findings: {:?}", differ());
        assert!(repeated <= store.kills * BATCH_RECORDS, "{repeated} lines are repeated");
        kills += store.kills;
        logs += 1;
    }
    say(&format!("{kills} kills over {logs} logs"));
}
