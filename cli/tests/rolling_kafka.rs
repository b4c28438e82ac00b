//! A rolling restart over Apache Kafka: each worker in turn is told to stop and started again while records come in.
//! Nothing is there twice, in the topics or at the receiver.
//!
//! Needs `WEIR_KAFKA=host:port` (`.ci/kafka start`); `WEIR_SEED` for a run that was seen before.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails so"
)]

use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use pipeline::Clock;
use schemas::Micros;

#[path = "support/audit.rs"]
mod audit;
#[path = "support/crew.rs"]
mod crew;
#[path = "support/folded.rs"]
mod folded;
#[path = "support/load.rs"]
mod load;
#[path = "support/process.rs"]
mod process;
#[expect(dead_code, reason = "nobody is killed here")]
#[path = "support/random.rs"]
mod random;
#[path = "support/six.rs"]
mod six;

use crew::{Crew, WORKERS, undisturbed};
use process::Process;
use random::{Random, say};

/// Enough for something to be on its way until the last worker is back, on a fast machine too: both take their time from the
/// same processor. Where it is not, nothing is delivered then, and the test fails.
const COPIES: usize = 48;
/// Whoever comes back within the session's time has its partitions at once.
const STATIC: bool = true;
const MEMBER: &str = "a";
/// A look at what changes by itself.
const LOOK: Duration = Duration::from_millis(20);
/// So many looks at what must come: a minute.
const LOOKS_MAX: usize = 3_000;

/// Watches a file grow, until it is told to end.
struct Pauses {
    end: Sender<()>,
    watching: JoinHandle<Duration>,
}

impl Pauses {
    fn watch(path: PathBuf) -> Self {
        let (end, told) = channel();
        let watching = std::thread::spawn(move || {
            let clock = Clock::machine();
            let (mut longest, mut grown, mut bytes) = (Duration::ZERO, clock.now(), size(&path));
            while told.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                let now = size(&path);
                if now > bytes {
                    longest = longest.max(since(&clock, grown));
                    (grown, bytes) = (clock.now(), now);
                }
            }
            longest
        });
        Self { end, watching }
    }

    /// The longest time from one growth to the next.
    fn longest(self) -> Duration {
        self.end.send(()).unwrap();
        self.watching.join().unwrap()
    }
}

fn since(clock: &Clock, begin: Micros) -> Duration {
    Duration::from_micros(u64::try_from(clock.now().0 - begin.0).unwrap())
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

/// Waits until the sink has written more; it must not end.
fn delivers(crew: &Crew, sink: &mut Process) {
    let before = size(&crew.archive(MEMBER));
    for _ in 0..LOOKS_MAX {
        assert!(sink.ends_within(LOOK).is_none(), "the sink has ended: {}", crew.log());
        if size(&crew.archive(MEMBER)) > before {
            return;
        }
    }
    panic!("nothing is delivered: {}", crew.log());
}

/// A round of restarts under load: the sink's next line comes before the next worker is told. The findings, events and
/// the ledger are those of a run that was left alone, and each is there once.
#[test]
fn workers_on_kafka_that_are_restarted_in_turn_repeat_nothing() {
    let Some(broker) = std::env::var("WEIR_KAFKA").ok().filter(|broker| !broker.is_empty()) else {
        say("rolling_kafka: skipped, because WEIR_KAFKA names no broker");
        return;
    };
    let mut random = Random::seeded("rolling_kafka");
    let folder = tempfile::tempdir().unwrap();
    process::program(folder.path());
    let sources = load::write(folder.path(), COPIES, &mut random);
    let reference = undisturbed(folder.path(), &sources);
    let crew = Crew::new(folder.path().join("rolling"), &broker, &sources, &[MEMBER], STATIC);
    let mut workers: Vec<Process> = WORKERS.iter().map(|name| crew.work(name, MEMBER)).collect();
    delivers(&crew, &mut workers[3]);
    let clock = Clock::machine();
    let (begin, pauses) = (clock.now(), Pauses::watch(crew.archive(MEMBER)));
    for (worker, name) in WORKERS.iter().enumerate() {
        crew.stops_well(name, workers.remove(worker));
        workers.insert(worker, crew.work(name, MEMBER));
        delivers(&crew, &mut workers[3]);
    }
    let took = since(&clock, begin);
    crew.ends_well("ingest", workers.remove(0));
    let longest = pauses.longest();
    for (name, process) in WORKERS[1..].iter().zip(workers) {
        crew.stops_well(name, process);
    }
    crew.finish();
    let (found, repeated) = crew.audit();
    say(&format!(
        "a round of restarts: {took:?}, longest pause at the receiver {longest:?}, {repeated} lines repeated"
    ));
    assert_eq!(found.ledger, reference.ledger);
    assert!(found == reference, "other events or findings");
    assert_eq!(repeated, 0, "who is told to stop delivers once");
}
