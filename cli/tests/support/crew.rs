//! The workers as processes of their own over a log of their own on a broker: started, brought to the end of what the
//! sources hold, and what they left read back.
//!
//! Their configurations are those that the chart renders for `helm/ci/crew-values.yaml` (`helm/tests/test_rendered.py` holds
//! the files to it); put in are the broker, the prefix, the records, and a file for each member's sink: two processes do not
//! share one. The records are read once, not watched, and nobody listens for probes.

use std::path::{Path, PathBuf};

use pipeline::Clock;
use runtime::embedded::{EmbeddedLog, EmbeddedOptions};
use runtime::kafka::{KafkaConfig, KafkaLogs};

use super::audit::{Audit, audit};
use super::folded::{Standing, fold};
use super::process::Process;
use super::random::say;

/// What is rendered for each worker.
const RENDERED: [(&str, &str); 4] = [
    ("ingest", include_str!("../data/rendered/ingest.yaml")),
    ("enrich", include_str!("../data/rendered/enrich.yaml")),
    ("detect", include_str!("../data/rendered/detect.yaml")),
    ("sink", include_str!("../data/rendered/sink-archive.yaml")),
];
/// Each is a command of the binary.
pub(crate) const WORKERS: [&str; 4] = ["ingest", "enrich", "detect", "sink"];
/// Small, so that a run is many steps. As it is rendered, too.
pub(crate) const BATCH_RECORDS: usize = 64;
/// Of every topic. As it is rendered, too.
const PARTITIONS: u32 = 3;
/// Who brings a log to its end.
const LAST: &str = "last";

/// A folder with what a log's processes need.
pub(crate) struct Crew {
    folder: PathBuf,
    program: PathBuf,
    kafka: KafkaConfig,
    members: Vec<&'static str>,
}

impl Crew {
    /// A log on `broker` with topics of its own for workers of these names, which read `sources`; with or without static
    /// membership. The program lies beside the folder.
    pub(crate) fn new(
        folder: PathBuf,
        broker: &str,
        sources: &[PathBuf],
        members: &[&'static str],
        is_static: bool,
    ) -> Self {
        std::fs::create_dir(&folder).unwrap();
        let prefix = format!("crew-{:x}-{}.", Clock::machine().now().0, std::process::id());
        let program = folder.with_file_name("weir");
        let kafka = KafkaConfig { prefix, ..KafkaConfig::new(broker) };
        let members = members.iter().copied().chain([LAST]).collect();
        let crew = Self { folder, program, kafka, members };
        for member in crew.members.iter().filter(|member| **member != LAST) {
            for (worker, text) in RENDERED {
                let text = fitted(text, &crew.kafka, is_static, sources, &crew.archive(member));
                std::fs::write(crew.config(member, worker), text).unwrap();
            }
        }
        // One process, which does what all of them do.
        let [(_, ingest), .., (_, sink)] = RENDERED;
        let (_, sinks) = sink.split_once("sinks:").unwrap();
        let (sinks, _) = sinks.split_once("limits:").unwrap();
        let text = format!("{ingest}sinks:{sinks}");
        let text = fitted(&text, &crew.kafka, is_static, sources, &crew.archive(LAST));
        std::fs::write(crew.config(LAST, "run"), text).unwrap();
        crew.ends_well("topics", crew.start(&crew.config(LAST, "run"), &["topics", "apply"]));
        crew
    }

    fn config(&self, member: &str, worker: &str) -> PathBuf {
        self.folder.join(format!("{member}-{worker}.yaml"))
    }

    /// Where that member's sink writes.
    pub(crate) fn archive(&self, member: &str) -> PathBuf {
        self.folder.join(format!("{member}.jsonl"))
    }

    fn start(&self, config: &Path, words: &[&str]) -> Process {
        let config = config.display().to_string();
        Process::start(&self.program, &[words, &["-c", &config]].concat(), &self.folder.join("log"))
    }

    /// Starts a worker, with the words that the chart gives it.
    pub(crate) fn work(&self, worker: &str, member: &str) -> Process {
        let mut words = vec![worker, "--member", member];
        if worker == "sink" {
            words.extend(["--only", "archive"]);
        }
        self.start(&self.config(member, worker), &words)
    }

    /// Why they ended, and the last of what they logged.
    pub(crate) fn log(&self) -> String {
        let text = std::fs::read_to_string(self.folder.join("log")).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let reasons = lines.iter().filter(|line| line.starts_with("weir: "));
        reasons.chain(&lines[lines.len().saturating_sub(40)..]).copied().collect::<Vec<_>>().join("\n")
    }

    /// Waits for its end, which must be a good one; what it printed.
    pub(crate) fn ends_well(&self, name: &str, process: Process) -> String {
        let ended = process.end();
        assert!(ended.status.success(), "{name}: {}: {}", ended.status, self.log());
        ended.stdout
    }

    /// Tells it to stop; it must end well.
    pub(crate) fn stops_well(&self, name: &str, process: Process) {
        let ended = process.stop();
        assert!(ended.status.success(), "{name}: {}: {}", ended.status, self.log());
    }

    /// One process does what they have left; what it printed.
    pub(crate) fn finish(&self) -> String {
        self.ends_well("run", self.start(&self.config(LAST, "run"), &["run"]))
    }

    /// What the log holds, and how many lines of the sinks' files are repeated. The topics are gone after it.
    pub(crate) fn audit(&self) -> (Audit, usize) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let found = runtime.block_on(async {
            let logs = KafkaLogs::new(self.kafka.clone()).unwrap();
            let found = audit(&logs).await;
            logs.delete_topics().await.unwrap();
            logs.close().await;
            found
        });
        let (standing, repeated) = self.standing();
        assert_eq!(standing, found.findings, "the files say what the log says");
        (found, repeated)
    }

    /// What the sinks have written, folded, and how many lines are repeated.
    pub(crate) fn standing(&self) -> (Standing, usize) {
        let all = self.folder.join("findings.jsonl");
        std::fs::write(&all, self.delivered()).unwrap();
        fold(&all)
    }

    /// Every line that the sinks have written, a member's after the other's; the last of them may be half there.
    pub(crate) fn delivered(&self) -> String {
        let whole = |member: &&str| {
            let mut text = std::fs::read_to_string(self.archive(member)).unwrap_or_default();
            text.truncate(text.rfind('\n').map_or(0, |last| last + 1));
            text
        };
        self.members.iter().map(whole).collect()
    }
}

/// What is rendered, with what is a test's own.
fn fitted(text: &str, kafka: &KafkaConfig, is_static: bool, sources: &[PathBuf], archive: &Path) -> String {
    let paths: Vec<String> = sources.iter().map(|path| format!("    - {}\n", path.display())).collect();
    let put = |text: String, from: &str, to: &str| {
        assert!(text.contains(from), "{from} is not rendered");
        text.replace(from, to)
    };
    let mut text = put(text.to_owned(), "BROKER:9092", &kafka.bootstrap);
    text = put(text, "PREFIX.", &kafka.prefix);
    text = put(text, "static_membership: true", &format!("static_membership: {is_static}"));
    text = put(text, "  listen: \"0.0.0.0:9464\"\n  beyond_loopback: true\n", "  listen: 'off'\n");
    if text.contains("sources:") {
        text = put(text, "    - /SOURCES\n", &paths.concat());
        text = put(text, "    watch: true\n", "");
    }
    if text.contains("sinks:") {
        text = put(text, "/ARCHIVE", &archive.display().to_string());
    }
    text
}

/// What one process finds that nobody disturbs, on an embedded log; one over memory must find the same. The program lies
/// in `folder`.
pub(crate) fn undisturbed(folder: &Path, sources: &[PathBuf]) -> Audit {
    let file = folder.join("weir.db");
    let log = format!("embedded: {{path: {}, partitions: {PARTITIONS}}}", file.display());
    let (standing, repeated) = alone(folder, "embedded", &log, sources);
    let options = EmbeddedOptions { partitions: PARTITIONS, ..EmbeddedOptions::new(file) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let found = runtime.block_on(audit(&EmbeddedLog::open(&options).unwrap()));
    assert_eq!((&standing, repeated), (&found.findings, 0), "who is not disturbed delivers once");
    assert!(found.findings.len() > 100, "fewer findings would say little");
    let (standing, repeated) = alone(folder, "memory", "memory: {partitions: 4}", sources);
    assert_eq!((&standing, repeated), (&found.findings, 0), "the memory log finds the same");
    say(&format!("undisturbed, embedded and memory: {} findings, {:?}", standing.len(), found.ledger));
    found
}

fn alone(folder: &Path, name: &str, log: &str, sources: &[PathBuf]) -> (Standing, usize) {
    let archive = folder.join(format!("{name}.jsonl"));
    let config = folder.join(format!("{name}.yaml"));
    std::fs::write(&config, format!("log: {{{log}}}\n{}", flow(sources, &archive))).unwrap();
    let words = ["run", "-c", &config.display().to_string()];
    let ended = Process::start(&folder.join("weir"), &words, &folder.join(format!("{name}.log"))).end();
    assert!(ended.status.success(), "{}: {}", ended.status, ended.stdout);
    fold(&archive)
}

/// The rest of a configuration.
fn flow(sources: &[PathBuf], archive: &Path) -> String {
    let paths = sources.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    format!(
        "admin: {{listen: 'off'}}
sources: [{{name: exports, kind: files, paths: [{paths}]}}]
sinks: [{{name: archive, kind: jsonl, path: {}}}]
limits: {{records_max: {BATCH_RECORDS}}}
",
        archive.display()
    )
}
