//! The loop over a log and a stage that do what a script says. Nothing here waits: what is not ready at once never is.

use std::{
    collections::VecDeque,
    future::{pending, ready},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use schemas::{Offset, Partition, StageName, Topic};

use super::*;
use crate::log::{Assignment, Lease};

const LEASE: Lease = Lease { generation: 1 };
const A: u32 = 0;
const B: u32 = 1;
const C: u32 = 2;

fn at(partition: u32) -> TopicPartition {
    TopicPartition::new(Topic::Event, Partition(partition))
}

fn record(partition: u32, offset: u64) -> Incoming {
    Incoming {
        at: at(partition),
        offset: Offset(offset),
        key: Bytes::new(),
        value: None,
        headers: Vec::new(),
    }
}

fn batch(records: &[(u32, u64)]) -> Next {
    let records = records.iter().map(|(partition, offset)| record(*partition, *offset)).collect();
    Next::Batch(Batch { lease: LEASE, records })
}

fn positions(of: &[(u32, u64)]) -> Positions {
    of.iter().map(|(partition, next)| (at(*partition), Offset(*next))).collect()
}

fn control() -> Control {
    let clock = Clock::manual(schemas::Micros(0));
    let (stop, drain) = (CancellationToken::new(), CancellationToken::new());
    drain.cancel();
    Control { stop, drain, clock }
}

/// What becomes of a commit.
enum Answer {
    Fails(LogError),
    /// It stops the worker, and is done a little later.
    Late,
    /// It stops the worker, and is never done.
    Never,
}

/// Says what it was told to, and is idle afterwards.
#[derive(Default)]
struct Script {
    says: VecDeque<Next>,
    /// What becomes of each commit; whole once there is nothing more.
    answers: VecDeque<Answer>,
    stop: CancellationToken,
    leaves: Option<LogError>,
    finished: Arc<Mutex<Vec<Positions>>>,
}

impl Log for Script {
    fn next(&mut self) -> BoxFuture<'_, Result<Next, LogError>> {
        ready(Ok(self.says.pop_front().unwrap_or(Next::Idle))).boxed()
    }

    fn commit(&mut self, step: Step) -> BoxFuture<'_, Result<(), LogError>> {
        match self.answers.pop_front() {
            Some(Answer::Fails(error)) => ready(Err(error)).boxed(),
            Some(Answer::Never) => {
                self.stop.cancel();
                pending().boxed()
            }
            Some(Answer::Late) => {
                self.stop.cancel();
                async move {
                    tokio::task::yield_now().await;
                    self.finished.lock().unwrap().push(step.finished);
                    Ok(())
                }
                .boxed()
            }
            None => {
                self.finished.lock().unwrap().push(step.finished);
                ready(Ok(())).boxed()
            }
        }
    }

    fn leave(&mut self) -> BoxFuture<'_, Result<(), LogError>> {
        ready(self.leaves.take().map_or(Ok(()), Err)).boxed()
    }
}

/// Skips every record; but one must be tried again at first.
#[derive(Default)]
struct Skipping {
    later: Option<TopicPartition>,
    worked: Vec<(TopicPartition, Offset)>,
    dropped: Vec<TopicPartition>,
    /// Where it stops the worker, and is never done.
    stops_in: Option<(&'static str, CancellationToken)>,
}

impl Skipping {
    fn stops(&self, call: &str) -> bool {
        let Some((here, stop)) = &self.stops_in else { return false };
        if *here == call {
            stop.cancel();
        }
        *here == call
    }
}

impl Stage for Skipping {
    fn name(&self) -> StageName {
        StageName::Enrich
    }

    fn assigned<'a>(&'a mut self, _: &'a Assignment) -> BoxFuture<'a, Result<(), Halt>> {
        if self.stops("assigned") { pending().boxed() } else { ready(Ok(())).boxed() }
    }

    fn dropped(&mut self, gone: &[TopicPartition]) {
        self.dropped.extend(gone);
    }

    fn work<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<Work, Halt>> {
        if self.stops("work") {
            return pending().boxed();
        }
        self.worked.extend(batch.records.iter().map(|record| (record.at, record.offset)));
        let later = self.later.take();
        let outcome = |record: &Incoming| match later {
            Some(later) if later == record.at => Outcome::Retry { after: None, cause: "not yet".to_owned() },
            _ => Outcome::Skip("not needed"),
        };
        let outcomes = batch.records.iter().map(outcome).collect();
        ready(Ok(Work { outcomes, also: Vec::new() })).boxed()
    }
}

/// Partition A is lost while B must be tried again. C goes with A, since it was in the same step; B stays ours, and the
/// log will not hand its record out again: whoever forgot it would commit past it with the next one.
#[test]
fn what_a_lost_step_did_not_touch_is_worked_on() {
    let mut log = Script {
        says: [batch(&[(A, 0), (C, 0), (B, 0), (A, 1), (C, 1), (B, 1)]), batch(&[(B, 2)])].into(),
        answers: [Answer::Fails(LogError::Lost(vec![at(A)]))].into(),
        ..Script::default()
    };
    let mut stage = Skipping { later: Some(at(B)), ..Skipping::default() };
    let counters = Counters::default();
    run(&mut log, &mut stage, &control(), &counters).now_or_never().unwrap().unwrap();
    assert_eq!(*log.finished.lock().unwrap(), [positions(&[(B, 2)]), positions(&[(B, 3)])]);
    assert_eq!(stage.dropped, [at(A), at(C)]);
    assert_eq!(stage.worked[6..], [(at(B), Offset(0)), (at(B), Offset(1)), (at(B), Offset(2))]);
    let tally = counters.read();
    assert!(tally.balance());
    assert_eq!((tally.read, tally.steps), (3, 2), "what was lost does not count");
}

/// Days of a virtual clock must not cost days: who holds a position waits by the worker's clock, and by no other.
#[tokio::test]
async fn what_must_be_tried_again_waits_by_the_workers_clock() {
    let mut log = Script { says: [batch(&[(A, 0)])].into(), ..Script::default() };
    let finished = Arc::clone(&log.finished);
    let mut stage = Skipping { later: Some(at(A)), ..Skipping::default() };
    let (control, counters) = (control(), Counters::default());
    let mut running = std::pin::pin!(run(&mut log, &mut stage, &control, &counters));
    assert!(futures_util::poll!(&mut running).is_pending());
    assert!(finished.lock().unwrap().is_empty());
    let wakes = control.clock.next_wake().expect("it waits");
    control.clock.set(wakes);
    assert!(futures_util::poll!(&mut running).is_ready());
    assert_eq!(*finished.lock().unwrap(), [positions(&[(A, 1)])]);
}

/// Whoever looks from outside sees what the worker does, how much it has in hand, and for how long.
#[tokio::test]
async fn a_worker_that_holds_its_position_says_so_from_outside() {
    let mut log = Script { says: [batch(&[(A, 0), (B, 0)])].into(), ..Script::default() };
    let mut stage = Skipping { later: Some(at(B)), ..Skipping::default() };
    let (control, counters) = (control(), Counters::default());
    let mut running = std::pin::pin!(run(&mut log, &mut stage, &control, &counters));
    assert!(!counters.pulse().started);
    assert!(futures_util::poll!(&mut running).is_pending());
    let held = counters.pulse();
    assert_eq!((held.phase, held.in_flight, held.started), (Phase::Holding, 1, true));
    let wakes = control.clock.next_wake().expect("it waits");
    assert_eq!(counters.pulse().oldest(wakes), counters.pulse().blocked_until(wakes));
    control.clock.set(wakes);
    assert!(futures_util::poll!(&mut running).is_ready());
    let done = counters.pulse();
    assert_eq!((done.in_flight, done.taken_at), (0, None));
    assert_eq!((done.processing.count, done.committing.count), (2, 2), "two tries, a step each");
    assert!(done.blocked > Duration::ZERO);
}

/// What is kept may take long to read back: until then the worker has not started.
#[tokio::test]
async fn a_worker_has_started_once_what_it_keeps_is_restored() {
    let assigned = || Next::Assigned(Assignment { lease: LEASE, gained: vec![(at(A), Offset(0))] });
    for (hangs, phase) in [(true, Phase::Restoring), (false, Phase::Waiting)] {
        let mut log = Script { says: [assigned()].into(), ..Script::default() };
        let control = control();
        let never = hangs.then(|| ("assigned", CancellationToken::new()));
        let mut stage = Skipping { stops_in: never, ..Skipping::default() };
        let counters = Counters::default();
        let mut running = std::pin::pin!(run(&mut log, &mut stage, &control, &counters));
        assert_eq!(futures_util::poll!(&mut running).is_pending(), hangs);
        let pulse = counters.pulse();
        assert_eq!((pulse.phase, pulse.started), (phase, !hangs));
    }
}

/// Runs what needs a timer.
fn timed<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

#[test]
fn a_stop_does_not_wait_for_ever_for_a_step_to_be_committed() {
    for (answer, finished, read) in
        [(Answer::Never, vec![], 0), (Answer::Late, vec![positions(&[(A, 1)])], 1)]
    {
        let control = control();
        let mut log = Script {
            says: [batch(&[(A, 0)]), batch(&[(A, 1)])].into(),
            answers: [answer].into(),
            stop: control.stop.clone(),
            ..Script::default()
        };
        let (mut stage, counters) = (Skipping::default(), Counters::default());
        timed(run(&mut log, &mut stage, &control, &counters)).unwrap();
        assert_eq!(*log.finished.lock().unwrap(), finished, "what ends soon enough is not given up");
        assert_eq!(counters.read().read, read);
        assert_eq!(stage.worked.len(), 1, "nothing more is begun");
    }
}

#[test]
fn a_stop_is_heard_while_the_stage_works() {
    for call in ["assigned", "work"] {
        let control = control();
        let assigned = Assignment { lease: LEASE, gained: vec![(at(A), Offset(0))] };
        let mut log =
            Script { says: [Next::Assigned(assigned), batch(&[(A, 0)])].into(), ..Script::default() };
        let mut stage = Skipping { stops_in: Some((call, control.stop.clone())), ..Skipping::default() };
        let counters = Counters::default();
        timed(run(&mut log, &mut stage, &control, &counters)).expect(call);
        assert!(log.finished.lock().unwrap().is_empty());
        assert_eq!(counters.read(), Tally::default());
    }
}

#[test]
fn whoever_cannot_say_goodbye_has_finished_all_the_same() {
    let leaves = Some(LogError::Unusable("the broker is away".to_owned()));
    let mut log = Script { says: [batch(&[(A, 0)])].into(), leaves, ..Script::default() };
    let (mut stage, counters) = (Skipping::default(), Counters::default());
    run(&mut log, &mut stage, &control(), &counters).now_or_never().unwrap().unwrap();
    assert_eq!(*log.finished.lock().unwrap(), [positions(&[(A, 1)])]);
    assert!(log.leaves.is_none(), "it tried");
}

/// A record that a bad world held back and that is refused in the end says how often it was tried; whatever else is
/// refused was tried once.
#[test]
fn a_dead_letter_says_how_often_its_record_was_tried() {
    let retry = || Outcome::Retry { after: None, cause: "not yet".to_owned() };
    let reject = || Outcome::Reject("not_ours", "of another schema".to_owned());
    // Of the batch's records: what became of each, and the letters' offsets and attempts.
    let turns = [
        (0, vec![reject(), reject(), retry(), reject()], vec![("0", "1"), ("1", "1")]),
        (2, vec![retry(), reject()], vec![]),
        (2, vec![reject(), reject()], vec![("2", "3"), ("3", "1")]),
    ];
    let (mut log, mut stage) = (Script::default(), Skipping::default());
    let (control, counters) = (control(), Counters::default());
    let turn = Turn { log: &mut log, stage: &mut stage, control: &control, counters: &counters };
    let mut attempts = 1;
    for (first, outcomes, expected) in turns {
        let records = (first..4).map(|offset| record(A, offset)).collect();
        let batch = Batch { lease: LEASE, records };
        let settled = turn.settle(&batch, Work { outcomes, also: Vec::new() }, &mut attempts).unwrap();
        let said: Vec<(String, String)> = settled
            .records
            .iter()
            .map(|letter| {
                let header = |wanted| {
                    let found = letter.headers.iter().find(|(name, _)| name == wanted).unwrap();
                    String::from_utf8(found.1.to_vec()).unwrap()
                };
                (header(schemas::dead_letter::OFFSET), header(schemas::dead_letter::ATTEMPTS))
            })
            .collect();
        let said: Vec<(&str, &str)> = said.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(said, expected, "from offset {first}");
    }
    assert_eq!(attempts, 1, "the next batch begins anew");
}
