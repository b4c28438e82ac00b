//! What each probe means, by a clock that is moved.

use schemas::time::SECOND;

use super::*;

struct Process {
    clock: Clock,
    stop: CancellationToken,
    probes: Probes,
    stages: Vec<Arc<Counters>>,
}

const SOURCE: usize = 0;
const ENRICH: usize = 1;
const SINK: usize = 2;

impl Process {
    /// A source, a stage and a sink that have just been started.
    fn new() -> Self {
        let (clock, stop) = (Clock::manual(Micros(0)), CancellationToken::new());
        let probes = Probes::watched_by(clock.clone(), clock.clone(), stop.clone());
        Self { clock, stop, probes, stages: vec![Arc::default(), Arc::default(), Arc::default()] }
    }

    fn known(self) -> Self {
        let named = [("ingest exports", Role::Source), ("enrich", Role::Stage), ("sink a", Role::Sink)];
        let watched = named.into_iter().zip(&self.stages).map(|((title, role), counters)| Watched {
            title: title.to_owned(),
            role,
            counters: Arc::clone(counters),
        });
        self.probes.watch(watched.collect());
        self
    }

    /// One in which every stage has started and waits for records.
    fn running() -> Self {
        let process = Self::new().known();
        for stage in 0..process.stages.len() {
            process.stages[stage].started();
            process.enter(stage, Phase::Waiting);
        }
        process
    }

    fn enter(&self, stage: usize, phase: Phase) {
        self.stages[stage].enter(phase, self.clock.now());
    }

    /// So many seconds pass; the watchdog ticks.
    fn pass(&self, seconds: i64) {
        self.clock.set(self.clock.now().plus(seconds * SECOND));
        self.probes.tick();
    }

    /// Startup, live, ready.
    fn all(&self) -> (bool, bool, bool) {
        (self.probes.startup().good, self.probes.live().good, self.probes.ready().good)
    }
}

#[test]
fn before_the_log_is_open_it_lives_and_has_not_started() {
    let process = Process::new();
    assert_eq!(process.all(), (false, true, false));
    assert_eq!(process.probes.startup().text, "no: the log is being opened\n");
}

#[test]
fn it_has_started_once_every_stage_has_what_it_keeps_and_says_what_it_waits_for() {
    let process = Process::new().known();
    process.stages[SOURCE].started();
    process.stages[SINK].started();
    for stage in [SOURCE, SINK] {
        process.enter(stage, Phase::Waiting);
    }
    process.enter(ENRICH, Phase::Restoring);
    process.pass(12);
    let verdict = process.probes.startup();
    let expected = "no: not started\nok: ingest exports: waits for records, for 12 s\n\
                    no: enrich: reads back what it keeps, for 12 s\nok: sink a: waits for records, for 12 s\n";
    assert_eq!((verdict.good, verdict.text.as_str()), (false, expected));
    assert_eq!(process.all(), (false, true, false));
    process.stages[ENRICH].started();
    process.enter(ENRICH, Phase::Waiting);
    assert_eq!(process.all(), (true, true, true));
    // Partitions may move later: what has started stays started.
    process.enter(ENRICH, Phase::Restoring);
    process.pass(3600);
    assert_eq!(process.all(), (true, true, true));
}

#[test]
fn a_world_that_is_bad_for_days_never_kills_the_process() {
    let bad = [
        (SOURCE, Phase::Waiting, "a feed that says nothing, or nobody who answers"),
        (ENRICH, Phase::Waiting, "a broker that is away"),
        (ENRICH, Phase::Committing, "a step that does not get through"),
        (ENRICH, Phase::Holding, "a world to be tried again"),
        (ENRICH, Phase::Restoring, "a broker that is away while partitions move"),
        (ENRICH, Phase::Opening, "a broker that was never there"),
        (SINK, Phase::Working, "a receiver that is slow"),
        (SINK, Phase::Holding, "a receiver that is away, or says 401"),
    ];
    for (stage, phase, why) in bad {
        let process = Process::running();
        process.enter(stage, phase);
        process.pass(3 * 86_400);
        assert!(process.probes.live().good, "{why}");
        assert!(process.probes.startup().good, "{why}");
    }
}

#[test]
fn a_stage_that_is_stuck_in_one_batch_is_started_again() {
    let process = Process::running();
    process.enter(ENRICH, Phase::Working);
    process.pass(300);
    assert!(process.probes.live().good, "long, but it may still end");
    process.pass(1);
    let verdict = process.probes.live();
    assert!(
        !verdict.good && verdict.text.contains("no: enrich: works on a batch, for 301 s\n"),
        "{verdict:?}"
    );
    // The next batch is a new one.
    process.enter(ENRICH, Phase::Working);
    assert!(process.probes.live().good);
}

#[test]
fn a_runtime_that_runs_no_task_is_started_again() {
    let process = Process::running();
    process.clock.set(Micros(30 * SECOND));
    assert!(process.probes.live().good);
    process.clock.set(Micros(31 * SECOND));
    assert!(!process.probes.live().good);
    process.probes.tick();
    assert!(process.probes.live().good);
}

#[test]
fn a_failure_that_does_not_end_the_process_ends_it_in_the_end() {
    let process = Process::running();
    process.enter(ENRICH, Phase::Failed);
    assert_eq!(process.all(), (true, true, false));
    process.pass(301);
    assert_eq!(process.all(), (true, false, false));
}

#[test]
fn a_receiver_that_is_away_leaves_it_ready_and_a_log_that_takes_no_step_does_not() {
    let process = Process::running();
    process.enter(SINK, Phase::Holding);
    process.pass(3600);
    assert!(process.probes.ready().good);
    process.enter(SINK, Phase::Committing);
    process.pass(60);
    assert!(process.probes.ready().good);
    process.pass(1);
    assert_eq!(process.all(), (true, true, false));
    process.enter(SINK, Phase::Waiting);
    assert!(process.probes.ready().good, "the step got through");
}

#[test]
fn it_is_not_ready_while_it_stops_drains_or_has_lost_a_stage() {
    let process = Process::running();
    process.enter(ENRICH, Phase::Ended);
    assert_eq!(process.all(), (true, true, false));

    let process = Process::running();
    process.enter(SOURCE, Phase::Ended);
    assert_eq!(process.all(), (true, true, false));
    assert!(process.probes.ready().text.contains("every source is read"));

    let process = Process::running();
    process.stop.cancel();
    assert_eq!(process.all(), (true, true, false));
}

#[test]
fn one_source_that_is_read_to_its_end_says_nothing_against_the_others() {
    let (first, second): (Arc<Counters>, Arc<Counters>) = (Arc::default(), Arc::default());
    let process = Process::new();
    let source = |title: &str, counters: &Arc<Counters>| Watched {
        title: title.to_owned(),
        role: Role::Source,
        counters: Arc::clone(counters),
    };
    process.probes.watch(vec![source("files", &first), source("feed", &second)]);
    second.started();
    second.enter(Phase::Waiting, Micros(0));
    first.enter(Phase::Ended, Micros(0));
    assert_eq!(process.all(), (true, true, true));
}
