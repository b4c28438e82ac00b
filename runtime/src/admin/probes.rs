//! What a running process answers when it is asked how it is: three questions with three meanings.
//!
//! | probe | green means | never red because |
//! |---|---|---|
//! | startup | the configuration is valid, every handle is open, what is kept has been restored | a receiver is away |
//! | live | every stage turns or has a reason to wait | log or receiver away, refused, partitions moving |
//! | ready | started, not stopping, nothing has ended, commits go through | a receiver is away |
//!
//! A process that is not live is killed and started again, so only what a new start mends makes it red: a stage that
//! works on one batch for longer than 5 minutes, one that failed without taking the process with it, a runtime that runs no
//! task. A sink's work is to wait for its receiver, however slow; its client bounds each wait. A process that is not ready
//! holds up a rollout. The times are those of the clock that the workers live by. A body names stages and times, nothing of the records.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pipeline::Clock;
use pipeline::counters::{Counters, Phase, Pulse};
use schemas::Micros;
use tokio_util::sync::CancellationToken;

/// A batch is in memory, and what a stage makes of it is too: seconds are long.
const WORK_MAX: Duration = Duration::from_secs(300);
/// The watchdog ticks every second.
const TICK_MAX: Duration = Duration::from_secs(30);
/// A step takes milliseconds; longer than a broker needs to move a partition, and something is wrong.
const COMMIT_MAX: Duration = Duration::from_secs(60);

/// What a stage is, as far as its health goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It may come to its end by itself.
    Source,
    /// It works on what is in memory.
    Stage,
    /// It works as long as its receiver takes.
    Sink,
}

/// One stage that is looked at.
#[derive(Debug, Clone)]
pub struct Watched {
    /// What it is called in answers: `enrich`, `sink archive`.
    pub title: String,
    /// What it is.
    pub role: Role,
    /// What it does.
    pub counters: Arc<Counters>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Green or red.
    pub good: bool,
    /// A line that sums up, and one for each stage.
    pub text: String,
}

/// Who is looked at, and by which clock.
#[derive(Debug)]
pub struct Probes {
    clock: Clock,
    /// The machine's: whether tasks are run has nothing to do with the time that the workers live in.
    watchdog: Clock,
    stop: CancellationToken,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Nothing before the stages are known.
    watched: Option<Vec<Watched>>,
    ticked: Micros,
}

impl Probes {
    /// The probes of a process that has read its configuration, works by `clock` and ends with `stop`.
    #[must_use]
    pub fn new(clock: Clock, stop: CancellationToken) -> Self {
        Self::watched_by(Clock::machine(), clock, stop)
    }

    fn watched_by(watchdog: Clock, clock: Clock, stop: CancellationToken) -> Self {
        let ticked = watchdog.now();
        Self { clock, watchdog, stop, state: Mutex::new(State { watched: None, ticked }) }
    }

    /// These are all the stages there are.
    pub fn watch(&self, watched: Vec<Watched>) {
        self.state().watched = Some(watched);
    }

    /// The watchdog says that tasks are run.
    pub fn tick(&self) {
        self.state().ticked = self.watchdog.now();
    }

    /// Whether it has started.
    #[must_use]
    pub fn startup(&self) -> Verdict {
        let Some(stages) = self.stages() else {
            return red("the log is being opened");
        };
        sum_up("started", &stages, |stage| {
            let open = stage.pulse.started || stage.pulse.phase == Phase::Ended;
            if open { Ok(stage.does()) } else { Err(stage.does()) }
        })
    }

    /// Whether a new start would mend nothing.
    #[must_use]
    pub fn live(&self) -> Verdict {
        let ticked = self.state().ticked;
        let silent = u64::try_from(self.watchdog.now().0.saturating_sub(ticked.0)).unwrap_or(0);
        if Duration::from_micros(silent) > TICK_MAX {
            return red("the runtime has run no task for long");
        }
        sum_up("live", &self.stages().unwrap_or_default(), |stage| {
            let stuck = match stage.pulse.phase {
                Phase::Working => stage.role != Role::Sink && stage.lasts > WORK_MAX,
                Phase::Failed => stage.lasts > WORK_MAX,
                Phase::Opening
                | Phase::Waiting
                | Phase::Restoring
                | Phase::Holding
                | Phase::Committing
                | Phase::Ended => false,
            };
            if stuck { Err(stage.does()) } else { Ok(stage.does()) }
        })
    }

    /// Whether it works, and goes on to.
    #[must_use]
    pub fn ready(&self) -> Verdict {
        if self.stop.is_cancelled() {
            return red("it was told to stop");
        }
        let Some(stages) = self.stages() else {
            return red("the log is being opened");
        };
        let mut sources = stages.iter().filter(|stage| stage.role == Role::Source).peekable();
        if sources.peek().is_some() && sources.all(|stage| stage.pulse.phase == Phase::Ended) {
            return red("every source is read; what is left is being worked off");
        }
        sum_up("ready", &stages, |stage| {
            let good = match stage.pulse.phase {
                Phase::Ended => stage.role == Role::Source,
                Phase::Failed => false,
                Phase::Committing => stage.pulse.started && stage.lasts <= COMMIT_MAX,
                Phase::Opening | Phase::Waiting | Phase::Restoring | Phase::Working | Phase::Holding => {
                    stage.pulse.started
                }
            };
            if good { Ok(stage.does()) } else { Err(stage.does()) }
        })
    }

    pub(super) fn watchdog(&self) -> &Clock {
        &self.watchdog
    }

    fn stages(&self) -> Option<Vec<Looked>> {
        let now = self.clock.now();
        let state = self.state();
        let looked = |stage: &Watched| {
            let pulse = stage.counters.pulse();
            Looked { title: stage.title.clone(), role: stage.role, lasts: pulse.lasts(now), pulse }
        };
        Some(state.watched.as_ref()?.iter().map(looked).collect())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stage at one moment.
struct Looked {
    title: String,
    role: Role,
    pulse: Pulse,
    lasts: Duration,
}

impl Looked {
    /// What it does, and for how long it has.
    fn does(&self) -> String {
        let what = match self.pulse.phase {
            Phase::Opening => "its handle on the log is being opened",
            Phase::Waiting if !self.pulse.started => "waits for the log's first word",
            Phase::Waiting => "waits for records",
            Phase::Restoring => "reads back what it keeps",
            Phase::Working => "works on a batch",
            Phase::Holding => "holds its position until the world is better",
            Phase::Committing => "waits for a step to be committed",
            Phase::Ended => "has ended",
            Phase::Failed => "has failed",
        };
        format!("{what}, for {} s", self.lasts.as_secs())
    }
}

fn red(why: &str) -> Verdict {
    Verdict { good: false, text: format!("no: {why}\n") }
}

/// Green when every stage is: a line for each, the red ones marked.
fn sum_up(word: &str, stages: &[Looked], judge: impl Fn(&Looked) -> Result<String, String>) -> Verdict {
    let (mut good, mut lines) = (true, String::new());
    for stage in stages {
        let (mark, does) = match judge(stage) {
            Ok(does) => ("ok", does),
            Err(does) => ("no", does),
        };
        good &= mark == "ok";
        lines.push_str(&format!("{mark}: {}: {does}\n", stage.title));
    }
    let first = if good { format!("ok: {word}\n") } else { format!("no: not {word}\n") };
    Verdict { good, text: first + &lines }
}

#[cfg(test)]
mod tests;
