//! The loop over a log and a stage that do what a script says. Nothing here waits: what is not ready at once never is.

use std::{
    collections::VecDeque,
    future::{pending, ready},
    sync::Arc,
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

/// Says what it was told to, and is idle afterwards.
#[derive(Default)]
struct Script {
    says: VecDeque<Next>,
    /// What becomes of each commit; whole once there is nothing more. `None` stops the worker and answers never.
    answers: VecDeque<Option<LogError>>,
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
            Some(Some(error)) => ready(Err(error)).boxed(),
            Some(None) => {
                self.stop.cancel();
                pending().boxed()
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
        answers: [Some(LogError::Lost(vec![at(A)]))].into(),
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

#[test]
fn a_stop_is_heard_while_a_step_is_being_committed() {
    let control = control();
    let mut log = Script {
        says: [batch(&[(A, 0)]), batch(&[(A, 1)])].into(),
        answers: [None].into(),
        stop: control.stop.clone(),
        ..Script::default()
    };
    let (mut stage, counters) = (Skipping::default(), Counters::default());
    run(&mut log, &mut stage, &control, &counters).now_or_never().unwrap().unwrap();
    assert_eq!(counters.read(), Tally::default());
    assert_eq!(stage.worked.len(), 1, "nothing more is begun");
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
        run(&mut log, &mut stage, &control, &counters).now_or_never().expect(call).unwrap();
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
