//! The workers as processes of their own over Apache Kafka, two of each: killed at random moments, frozen until others
//! have their work, their broker restarted. Nothing is lost, nothing is there twice. Every other log has static members, as
//! the chart has.
//!
//! Needs `WEIR_KAFKA=host:port` (`.ci/kafka start`), where Kafka tests are wanted; the broker that is restarted is one of
//! its own. Ten kills, two freezes, one restart; `WEIR_KILLS=100` for the full counts, ten times these; `WEIR_SEED` for a
//! run that was seen before.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails so"
)]

use std::process::{Command, ExitStatus};
use std::time::Duration;

use pipeline::Clock;

#[path = "support/audit.rs"]
mod audit;
#[path = "support/broker.rs"]
mod broker;
#[path = "support/crew.rs"]
mod crew;
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

use broker::Broker;
use crew::{BATCH_RECORDS, Crew, WORKERS, undisturbed};
use process::Process;
use random::{Random, say};

const COPIES: usize = 75;
/// A static member that its broker, just started, takes for another ends so, and is started again by whoever looks after
/// it.
const TRY_AGAIN: i32 = 75;
const MEMBERS: [&str; 2] = ["a", "b"];
/// So many kills on one log, then the next: all of them would not fit into the time that its records take.
const KILLS_A_LOG: usize = 10;
/// On each log, beside its kills.
const FREEZES_A_LOG: usize = 2;
/// From one blow to the next, where nothing else is waited for.
const BETWEEN: Duration = Duration::from_secs(2);
/// From a delivery to the blow.
const DELIVERED: Duration = Duration::from_millis(200);
/// A look at what changes by itself.
const LOOK: Duration = Duration::from_millis(50);
/// So many looks for a delivery: ten seconds, longer than a group waits for who was killed.
const LOOKS_MAX: usize = 200;
/// Longer than a session lasts (6 s), so that others have the work when the frozen one wakes.
const FROZEN: Duration = Duration::from_secs(7);
/// And sometimes longer than a transaction may take (10 s).
const FROZEN_LONGER: Duration = Duration::from_secs(4);

/// What can happen to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    Kill,
    Freeze,
    Restart,
}

/// What happens on one log, in any order.
fn blows(random: &mut Random, kills: usize) -> Vec<Blow> {
    let mut blows = vec![Blow::Kill; kills.min(KILLS_A_LOG)];
    blows.extend([Blow::Freeze; FREEZES_A_LOG]);
    blows.push(Blow::Restart);
    for last in (1..blows.len()).rev() {
        blows.swap(last, usize::try_from(random.below(last as u64 + 1)).unwrap());
    }
    blows
}

struct Worker {
    name: &'static str,
    member: &'static str,
    process: Process,
}

/// The crew at work, its broker, and what has happened to them.
struct Struck<'a> {
    crew: &'a Crew,
    broker: &'a Broker,
    workers: Vec<Worker>,
    is_static: bool,
    /// With the lines delivered before it.
    blows: Vec<(Blow, &'static str, usize)>,
    /// How many were started again because they ended so.
    again: usize,
}

impl<'a> Struck<'a> {
    fn start(crew: &'a Crew, broker: &'a Broker, is_static: bool) -> Self {
        let mut struck = Self { crew, broker, workers: Vec::new(), is_static, blows: Vec::new(), again: 0 };
        for name in WORKERS {
            for member in MEMBERS {
                struck.begin(name, member);
            }
        }
        struck
    }

    fn begin(&mut self, name: &'static str, member: &'static str) {
        self.workers.push(Worker { name, member, process: self.crew.work(name, member) });
    }

    /// How much has been delivered.
    fn bytes(&self) -> u64 {
        let size = |member: &&str| std::fs::metadata(self.crew.archive(member)).map_or(0, |file| file.len());
        MEMBERS.iter().map(size).sum()
    }

    /// Every other time waits for a delivery. How much longer to wait.
    fn delivers(&mut self, random: &mut Random) -> Duration {
        if random.below(2) == 0 {
            return BETWEEN;
        }
        let before = self.bytes();
        for _ in 0..LOOKS_MAX {
            if self.bytes() > before {
                break;
            }
            let sink = self.workers.iter().position(|worker| worker.name == "sink").unwrap();
            let mut sink = self.workers.swap_remove(sink);
            match sink.process.ends_within(LOOK) {
                None => self.workers.push(sink),
                Some(ended) => self.ended(&sink, ended.status),
            }
        }
        DELIVERED
    }

    /// Only ingest ends by itself, and well; a static member may have to be started again.
    fn ended(&mut self, worker: &Worker, status: ExitStatus) {
        if self.is_static && status.code() == Some(TRY_AGAIN) {
            self.again += 1;
            return self.begin(worker.name, worker.member);
        }
        let is_well = status.success() && worker.name == "ingest";
        assert!(is_well, "{}: {status}: {}", worker.name, self.crew.log());
    }

    /// One of those that are still at work, after a while.
    fn any(&mut self, random: &mut Random) -> Worker {
        let most = self.delivers(random);
        loop {
            let chosen = usize::try_from(random.below(self.workers.len() as u64)).unwrap();
            let mut worker = self.workers.swap_remove(chosen);
            let Some(ended) = worker.process.ends_within(random.time(most)) else { return worker };
            self.ended(&worker, ended.status);
        }
    }

    fn strike(&mut self, blow: Blow, random: &mut Random) {
        let mut worker = self.any(random);
        let struck = (blow, worker.name, self.crew.delivered().lines().count());
        match blow {
            Blow::Kill => {
                let Worker { name, member, process } = worker;
                if !process.kill() {
                    // It ended by itself at the last moment.
                    assert_eq!(name, "ingest", "{}", self.crew.log());
                    return self.strike(blow, random);
                }
                self.begin(name, member);
                return self.blows.push(struck);
            }
            Blow::Freeze => {
                tell(&worker.process, "STOP");
                let ended = worker.process.ends_within(FROZEN + random.time(FROZEN_LONGER));
                assert!(ended.is_none(), "who is frozen does not end");
                tell(&worker.process, "CONT");
            }
            Blow::Restart => self.broker.restart(),
        }
        self.workers.push(worker);
        self.blows.push(struck);
    }

    /// Those that were struck last are given a moment to take part in their groups.
    fn stop(mut self, random: &mut Random) -> (Vec<(Blow, &'static str, usize)>, usize) {
        let last = self.any(random);
        self.workers.push(last);
        for Worker { name, process, .. } in self.workers {
            if !self.is_static {
                self.crew.stops_well(name, process);
                continue;
            }
            let status = process.stop().status;
            let is_well = status.success() || status.code() == Some(TRY_AGAIN);
            assert!(is_well, "{name}: {status}: {}", self.crew.log());
        }
        (self.blows, self.again)
    }
}

/// The shell's own: not every system has the program.
fn tell(process: &Process, signal: &str) {
    let words = ["-c", "kill -\"$1\" \"$0\"", &process.child.id().to_string(), signal];
    assert!(Command::new("sh").args(words).status().unwrap().success());
}

/// Whichever worker is killed or frozen, and whenever, and wherever they are when the broker restarts: the findings, the
/// events and the ledger are those of a run that was left alone, and every event, signal and revision of a finding is on
/// the log once; only lines of the sinks' files may be repeated, at most a batch of each sink for each blow.
#[test]
fn workers_on_kafka_that_are_struck_end_as_ones_that_are_not() {
    if std::env::var("WEIR_KAFKA").is_ok_and(|broker| !broker.is_empty()) {
        strike_all();
    } else {
        say("kills_kafka: skipped, because WEIR_KAFKA names no broker");
    }
}

fn strike_all() {
    let mut random = Random::seeded("kills_kafka");
    let folder = tempfile::tempdir().unwrap();
    process::program(folder.path());
    let sources = load::write(folder.path(), COPIES, &mut random);
    let reference = undisturbed(folder.path(), &sources);
    let broker = Broker::start(folder.path(), &mut random);
    let clock = Clock::machine();
    let (wanted, mut counts, mut log) = (random::kills(), [0; 3], 0);
    while counts[0] < wanted {
        let begin = clock.now().0;
        let is_static = log % 2 == 0;
        let home = folder.path().join(format!("log-{log}"));
        let crew = Crew::new(home, &broker.address, &sources, &MEMBERS, is_static);
        let mut struck = Struck::start(&crew, &broker, is_static);
        for blow in blows(&mut random, wanted - counts[0]) {
            struck.strike(blow, &mut random);
        }
        let (blows, again) = struck.stop(&mut random);
        crew.finish();
        let (found, repeated) = crew.audit();
        let took = Duration::from_micros(u64::try_from(clock.now().0 - begin).unwrap());
        let told = blows.iter().map(|(blow, name, lines)| format!("{blow:?} {name} {lines}"));
        let told = told.collect::<Vec<_>>().join(", ");
        let members =
            if is_static { format!("static members, {again} begun again") } else { "members".to_owned() };
        say(&format!(
            "log {log}: {members}, {took:.0?}, {repeated} lines repeated; lines before each blow: {told}"
        ));
        assert_eq!(found.ledger, reference.ledger);
        let differ = || found.findings.symmetric_difference(&reference.findings).collect::<Vec<_>>();
        assert!(found == reference, "other events or findings: {:?}", differ());
        let times = (blows.len() + again) * MEMBERS.len();
        assert!(repeated <= times * BATCH_RECORDS, "{repeated} lines are repeated");
        for (count, kind) in counts.iter_mut().zip([Blow::Kill, Blow::Freeze, Blow::Restart]) {
            *count += blows.iter().filter(|(blow, ..)| *blow == kind).count();
        }
        log += 1;
    }
    let [kills, freezes, restarts] = counts;
    say(&format!("{kills} kills, {freezes} freezes, {restarts} restarts of the broker over {log} logs"));
}
