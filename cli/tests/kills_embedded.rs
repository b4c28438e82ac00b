//! `weir run` on the embedded log, killed at random moments: nothing is lost, nothing is there twice.
//!
//! Ten kills; `WEIR_KILLS=100` for the full count, `WEIR_SEED` for a run that was seen before.
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
use runtime::embedded::{EmbeddedLog, EmbeddedOptions};

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
const PARTITIONS: u32 = 3;
/// Small, so that a run is many steps.
const BATCH_RECORDS: usize = 64;
const STOPS: usize = 3;
/// A store that is killed so often before it is done is let to its end.
const KILLS_A_STORE_MAX: usize = 25;

/// A store with its configuration.
struct Store {
    folder: PathBuf,
    program: PathBuf,
    config: String,
    /// Kills that it has seen.
    kills: usize,
}

impl Store {
    fn new(folder: PathBuf, sources: &[PathBuf]) -> Self {
        std::fs::create_dir(&folder).unwrap();
        let text = format!(
            "log: {{embedded: {{path: {}, partitions: {PARTITIONS}}}}}
sources: [{{name: exports, kind: files, paths: [{}]}}]
sinks: [{{name: archive, kind: jsonl, path: {}}}]
limits: {{records_max: {BATCH_RECORDS}}}
",
            folder.join("weir.db").display(),
            sources.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "),
            folder.join("findings.jsonl").display(),
        );
        let config = folder.join("weir.yaml");
        std::fs::write(&config, text).unwrap();
        let program = folder.with_file_name("weir");
        Self { config: config.display().to_string(), program, folder, kills: 0 }
    }

    fn start(&self) -> Process {
        Process::start(&self.program, &["run", "-c", &self.config], &self.folder.join("log"))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap()
    }

    /// Runs it to its end.
    fn finish(&self) {
        let ended = self.start().end();
        assert!(ended.status.success(), "{}: {}", ended.status, self.log());
    }

    /// Kills it at random moments up to `longest` after each start; gives up killing when it has ended by itself.
    fn disturb(&mut self, random: &mut Random, longest: Duration, kills: usize) {
        while self.kills < kills.min(KILLS_A_STORE_MAX) {
            let mut process = self.start();
            if let Some(ended) = process.ends_within(random.time(longest)) {
                assert!(ended.status.success(), "{}: {}", ended.status, self.log());
                return;
            }
            self.kills += usize::from(process.kill());
        }
    }

    /// Waits until the process has begun to write: it listened to signals before. False when it has ended.
    fn is_under_way(&self, process: &mut Process) -> bool {
        let written = || std::fs::metadata(self.folder.join("weir.db-wal")).map_or(0, |wal| wal.len());
        let before = written();
        while written() == before {
            if process.ends_within(Duration::from_millis(1)).is_some() {
                return false;
            }
        }
        true
    }

    /// What it holds, and how many lines of its file are repeated.
    fn audit(&self) -> (Audit, usize) {
        let options =
            EmbeddedOptions { partitions: PARTITIONS, ..EmbeddedOptions::new(self.folder.join("weir.db")) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let log = EmbeddedLog::open(&options).unwrap();
        let found = runtime.block_on(audit(&log));
        let (standing, repeated) = fold(&self.folder.join("findings.jsonl"));
        assert_eq!(standing, found.findings, "the file says what the log says");
        (found, repeated)
    }
}

/// A stop is no crash: it ends well, says how it goes on, and leaves nothing to repeat.
#[test]
fn a_run_that_is_told_to_stop_ends_well_and_the_next_goes_on() {
    let mut random = Random::seeded("kills_embedded, stopped");
    let folder = tempfile::tempdir().unwrap();
    process::program(folder.path());
    let sources = load::write(folder.path(), COPIES, &mut random);
    let (reference, took) = undisturbed(folder.path(), &sources);
    let store = Store::new(folder.path().join("stopped"), &sources);
    let mut stops = 0;
    for _ in 0..STOPS {
        let mut process = store.start();
        let later = if stops == 0 { Duration::ZERO } else { random.time(took / 4) };
        if !store.is_under_way(&mut process) || process.ends_within(later).is_some() {
            break;
        }
        let ended = process.stop();
        assert_eq!(ended.status.code(), Some(0), "{}: {}", ended.status, store.log());
        stops += usize::from(ended.stdout.contains("stopped: the next run goes on from here"));
    }
    assert!(stops > 0, "it was never stopped before its end");
    store.finish();
    let (found, repeated) = store.audit();
    assert!(found == reference, "other events or findings");
    assert_eq!(repeated, 0, "who is told to stop delivers once");
}

fn undisturbed(folder: &Path, sources: &[PathBuf]) -> (Audit, Duration) {
    let store = Store::new(folder.join("undisturbed"), sources);
    let clock = Clock::machine();
    let begin = clock.now().0;
    store.finish();
    let took = Duration::from_micros(u64::try_from(clock.now().0 - begin).unwrap());
    let (reference, repeated) = store.audit();
    assert_eq!(repeated, 0, "who is not disturbed delivers once");
    let ledger = reference.ledger;
    assert!(ledger.deduplicated > 0 && ledger.rejected > 0 && ledger.conflicts > 0, "{ledger:?}");
    assert!(reference.findings.len() > 100);
    say(&format!("undisturbed: {took:?}, {} findings, {ledger:?}", reference.findings.len()));
    (reference, took)
}

/// However often and whenever `weir run` is killed: the findings, the events and the ledger are those of a run that was
/// left alone; only lines of the file may be repeated, at most a batch for each kill.
#[test]
fn a_run_that_is_killed_ends_as_one_that_is_not() {
    let mut random = Random::seeded("kills_embedded");
    let folder = tempfile::tempdir().unwrap();
    process::program(folder.path());
    let sources = load::write(folder.path(), COPIES, &mut random);
    let (reference, took) = undisturbed(folder.path(), &sources);
    let (wanted, mut kills, mut stores) = (random::kills(), 0, 0);
    while kills < wanted {
        let mut store = Store::new(folder.path().join(format!("store-{stores}")), &sources);
        // Anywhere in a run, or in its first half: then a store sees more of them before it is done.
        let longest = took / u32::try_from(1 + random.below(2)).unwrap();
        store.disturb(&mut random, longest, wanted - kills);
        store.finish();
        say(&format!("store {stores}: {} kills within {longest:?}", store.kills));
        let (found, repeated) = store.audit();
        say(&format!("store {stores}: {repeated} lines of the file are repeated"));
        assert_eq!(found.ledger, reference.ledger);
        let differ = || found.findings.symmetric_difference(&reference.findings).collect::<Vec<_>>();
        assert!(found == reference, "other events or findings: {:?}", differ());
        assert!(repeated <= store.kills * BATCH_RECORDS, "{repeated} lines are repeated");
        kills += store.kills;
        stores += 1;
    }
    say(&format!("{kills} kills over {stores} stores"));
}
