//! `weir simulate` and a `weir run` against it, each in a process of its own over one folder: killed and started again,
//! and brought to their end.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use pipeline::{Clock, Scale};
use schemas::Micros;

use super::flowed::{Flowed, Life};
use super::process::Process;
use super::random::Random;
use super::receivers::{self, Held};

/// So many virtual seconds in one: the seven days after which content is gone are 56 s, the three that a new source looks
/// back 24 s. No process is away for nearly so long.
const RATE: u32 = 10_800;
/// Days that the tenant lives, the attack on the last.
const DAYS: u16 = 3;
/// Small, so that a run is many steps, and a batch that comes again is told from a run that begins anew.
pub(crate) const BATCH_RECORDS: usize = 64;
/// A look at something that changes by itself.
const LOOK: Duration = Duration::from_millis(20);
/// So many looks at what must come: five minutes.
const LOOKS_MAX: usize = 15_000;
/// While a process is still starting.
const EARLY: Duration = Duration::from_millis(300);
/// Anywhere from its start to its work.
const ANYWHERE: Duration = Duration::from_millis(3_000);
/// A killed process is missed for so long at most: an hour and a half of virtual time.
const AWAY: Duration = Duration::from_millis(500);
/// So many looks for a delivery: between findings there are quiet virtual hours.
const DELIVERY_LOOKS: usize = 4_000;
/// From a delivery to the kill: the answer, the step that notes it, what comes after.
const DELIVERED: Duration = Duration::from_millis(30);

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Run,
    Simulator,
}

/// The kills that there were.
#[derive(Debug, Default)]
pub(crate) struct Kills {
    pub(crate) run: usize,
    pub(crate) simulator: usize,
    /// When.
    pub(crate) at: Vec<Micros>,
    /// So many of them while the process was starting.
    pub(crate) early: usize,
    /// So many of them just after a receiver had taken something.
    pub(crate) delivering: usize,
}

impl Kills {
    pub(crate) fn all(&self) -> usize {
        self.run + self.simulator
    }
}

/// What there is at the end.
pub(crate) struct Found {
    /// The log's revisions of findings.
    pub(crate) revisions: BTreeSet<(String, i64)>,
    /// What the receivers hold.
    pub(crate) held: Vec<Held>,
}

/// The two processes and their folder.
pub(crate) struct Pair {
    folder: PathBuf,
    program: PathBuf,
    seed: String,
    listen: String,
    run: Option<Process>,
    simulator: Option<Process>,
    clock: Clock,
    life: Life,
    flowed: Option<Flowed>,
    pub(crate) kills: Kills,
}

impl Pair {
    /// Starts both of them. A simulator that is disturbed may be killed before it has written its first file.
    pub(crate) fn start(folder: PathBuf, seed: u64, disturbed: Option<&mut Random>) -> Self {
        fs::create_dir(&folder).unwrap();
        let mut pair = Self {
            program: folder.with_file_name("weir"),
            folder,
            seed: seed.to_string(),
            listen: format!("127.0.0.1:{}", free_port()),
            run: None,
            simulator: None,
            clock: Clock::machine(),
            life: Life::default(),
            flowed: None,
            kills: Kills::default(),
        };
        pair.begin(Side::Simulator);
        if let Some(random) = disturbed
            && random.below(2) == 0
        {
            pair.passes(random.time(EARLY));
            pair.kill(Side::Simulator);
            pair.kills.early += 1;
            pair.begin(Side::Simulator);
        }
        let written = pair.folder.join("weir.yaml");
        pair.comes("its configuration", |_| written.exists());
        let text = fs::read_to_string(written).unwrap();
        pair.configure(&text);
        let scale = scale(&text);
        // The clock was not known yet.
        pair.kills.at.fill(scale.start);
        (pair.clock, pair.life) = (Clock::scaled(scale), Life::of(seed, scale.start, DAYS));
        pair.begin(Side::Run);
        pair
    }

    /// What `weir simulate` wrote, with small batches; and the same without what goes on for ever, for the rest that flows.
    fn configure(&self, text: &str) {
        let limits = format!("limits: {{records_max: {BATCH_RECORDS}}}\nadmin: {{listen: off}}\n");
        let (before, rest) = text.split_once("sources:\n").unwrap();
        let (_, after) = rest.split_once("sinks:\n").unwrap();
        let nothing = self.folder.join("nothing.json");
        fs::write(&nothing, "[]").unwrap();
        let nothing = format!("sources: [{{name: nothing, kind: files, paths: [{}]}}]\n", nothing.display());
        fs::write(self.config("run.yaml"), format!("{text}{limits}")).unwrap();
        fs::write(self.config("rest.yaml"), format!("{before}{nothing}sinks:\n{after}{limits}")).unwrap();
    }

    fn config(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn begin(&mut self, side: Side) {
        match side {
            Side::Run => self.run = Some(self.process("run.log", &["run", "-c", &self.config("run.yaml")])),
            Side::Simulator => {
                let folder = self.folder.display().to_string();
                let (rate, days) = (RATE.to_string(), DAYS.to_string());
                let mut words = vec!["simulate", "--folder", &folder, "--listen", &self.listen];
                words.extend(["--seed", &self.seed, "--rate", &rate, "--days", &days]);
                self.simulator = Some(self.process("simulate.log", &words));
            }
        }
    }

    fn process(&self, log: &str, words: &[&str]) -> Process {
        Process::start(&self.program, words, &self.folder.join(log))
    }

    /// Kills one of them, which must be there to be killed.
    fn kill(&mut self, side: Side) {
        let (process, count) = match side {
            Side::Run => (self.run.take(), &mut self.kills.run),
            Side::Simulator => (self.simulator.take(), &mut self.kills.simulator),
        };
        *count += 1;
        self.kills.at.push(self.clock.now());
        let killed = process.unwrap().kill();
        assert!(killed, "the {side:?} had ended: {}", self.logs());
    }

    /// Lets time pass. Neither may end by itself meanwhile.
    fn passes(&mut self, mut time: Duration) {
        let mut ended = None;
        for process in [&mut self.run, &mut self.simulator].into_iter().flatten() {
            ended = ended.or(process.ends_within(time));
            // The first one has waited for both.
            time = Duration::ZERO;
        }
        if let Some(ended) = ended {
            panic!("{} after {:?}: {}", ended.status, ended.stdout, self.logs());
        }
    }

    /// Waits for what must come.
    fn comes(&mut self, what: &str, mut has_come: impl FnMut(&mut Self) -> bool) {
        for _ in 0..LOOKS_MAX {
            if has_come(self) {
                return;
            }
            self.passes(LOOK);
        }
        panic!("{what} does not come: {}", self.logs());
    }

    /// Kills one after the other at random moments and starts it again, until everything has been read. Half of the kills
    /// wait until the first finding has been delivered, and most of those for another delivery.
    pub(crate) fn disturb(&mut self, random: &mut Random, kills: usize) {
        let mut side = Side::Run;
        while self.kills.all() < kills && !self.is_all_read() {
            let quiet = receivers::bytes(&self.folder) == 0;
            if quiet && self.kills.all() * 2 >= kills {
                self.passes(LOOK * 5);
                continue;
            }
            match random.below(8) {
                // The one that was started last.
                0 | 1 => {
                    self.passes(random.time(EARLY));
                    self.kills.early += 1;
                }
                2..=6 if !quiet => {
                    side = any(random);
                    self.kills.delivering += usize::from(self.delivers());
                    // Often at once: most of what can be half done is over in a moment.
                    self.passes(random.time(DELIVERED * 2).saturating_sub(DELIVERED));
                }
                _ => {
                    side = any(random);
                    self.passes(random.time(ANYWHERE));
                }
            }
            self.kill(side);
            self.passes(random.time(AWAY));
            self.begin(side);
        }
    }

    /// Waits a while until a receiver has taken something; whether one has.
    fn delivers(&mut self) -> bool {
        let before = receivers::bytes(&self.folder);
        for _ in 0..DELIVERY_LOOKS {
            if receivers::bytes(&self.folder) > before {
                return true;
            }
            self.passes(Duration::from_millis(1));
        }
        false
    }

    /// Lets both live until everything has been read, ends the run, and lets what is on its log flow to the receivers.
    /// What has been found, and what the receivers hold.
    pub(crate) fn finish(mut self) -> (Found, Kills) {
        self.comes("the end", Self::is_all_read);
        let stopped = self.run.take().unwrap().stop();
        assert!(stopped.status.success(), "{}: {}", stopped.status, self.logs());
        let rest = self.process("run.log", &["run", "-c", &self.config("rest.yaml")]).end();
        assert!(rest.status.success(), "{}: {}", rest.status, self.logs());
        let stopped = self.simulator.take().unwrap().stop();
        assert!(stopped.status.success(), "{}: {}", stopped.status, self.logs());
        let revisions = self.flowed.as_mut().unwrap().revisions(&self.life);
        (Found { revisions, held: receivers::held(&self.folder) }, self.kills)
    }

    /// Whether the log holds everything that happened; there may be no log yet.
    fn is_all_read(&mut self) -> bool {
        if self.flowed.is_none() {
            self.flowed = Flowed::open(&self.folder.join("weir.db"));
        }
        self.flowed.as_mut().is_some_and(|flowed| flowed.is_all(&self.life))
    }

    /// The last of what both logged.
    fn logs(&self) -> String {
        let last = |name: &str| {
            let text = fs::read_to_string(self.folder.join(name)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().rev().take(20).collect();
            lines.into_iter().rev().collect::<Vec<_>>().join("\n")
        };
        format!("run:\n{}\nsimulate:\n{}", last("run.log"), last("simulate.log"))
    }
}

fn any(random: &mut Random) -> Side {
    if random.below(2) == 0 { Side::Run } else { Side::Simulator }
}

/// The section `clock`, as `weir simulate` writes it.
fn scale(text: &str) -> Scale {
    let line = text.lines().find_map(|line| line.strip_prefix("clock: {start: ")).unwrap();
    let (start, rest) = line.split_once(", since: ").unwrap();
    let (since, rate) = rest.split_once(", rate: ").unwrap();
    Scale {
        start: Micros::parse(start).unwrap(),
        since: Micros::parse(since).unwrap(),
        rate: rate.trim_end_matches('}').parse().unwrap(),
    }
}

/// A port that the simulator gets back after each kill: below those that systems give to whoever asks for any, so that no
/// connection takes it meanwhile.
fn free_port() -> u16 {
    let first = 21_000 + u16::try_from(std::process::id() % 8_000).unwrap();
    (first..32_000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}
