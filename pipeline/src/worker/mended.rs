//! The loop over a log that lost something, and over one that takes no large records.

use std::collections::VecDeque;

use bytes::Bytes;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, ready},
};
use schemas::{Offset, Partition, StageName, Topic, gap::Gap};

use super::*;
use crate::log::Assignment;

const LEASE: Lease = Lease { generation: 1 };

fn at(partition: u32) -> TopicPartition {
    TopicPartition::new(Topic::Event, Partition(partition))
}

/// A record of which so many bytes will be made.
fn record(offset: u64, makes: &[usize]) -> Incoming {
    let value = makes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    Incoming {
        at: at(0),
        offset: Offset(offset),
        key: Bytes::new(),
        value: Some(Bytes::from(value)),
        headers: Vec::new(),
    }
}

/// Takes records of up to so many bytes; letters are larger than that only where they hold much.
struct Narrow {
    says: VecDeque<Next>,
    takes: usize,
    steps: Vec<Step>,
    refused: usize,
    gives_back: bool,
    back: Option<Step>,
}

impl Narrow {
    fn saying(next: Next, takes: usize) -> Self {
        Self { says: [next].into(), takes, steps: Vec::new(), refused: 0, gives_back: true, back: None }
    }
}

impl Log for Narrow {
    fn next(&mut self) -> BoxFuture<'_, Result<Next, LogError>> {
        ready(Ok(self.says.pop_front().unwrap_or(Next::Idle))).boxed()
    }

    fn commit(&mut self, step: Step) -> BoxFuture<'_, Result<(), LogError>> {
        let large = step.records.iter().enumerate().filter(|(_, record)| record.bytes() > self.takes);
        let large: Vec<usize> = large.map(|(place, _)| place).collect();
        if large.is_empty() {
            self.steps.push(step);
            return ready(Ok(())).boxed();
        }
        self.refused += 1;
        self.back = Some(step);
        ready(Err(LogError::TooLarge(large))).boxed()
    }

    fn take_back(&mut self) -> Option<Step> {
        self.back.take().filter(|_| self.gives_back)
    }

    fn leave(&mut self) -> BoxFuture<'_, Result<(), LogError>> {
        ready(Ok(())).boxed()
    }
}

/// Makes of each record as many as its text has numbers, of so many bytes each; and state.
struct Making {
    state: usize,
}

impl Stage for Making {
    fn name(&self) -> StageName {
        StageName::Enrich
    }

    fn assigned<'a>(&'a mut self, _: &'a Assignment) -> BoxFuture<'a, Result<(), Halt>> {
        ready(Ok(())).boxed()
    }

    fn dropped(&mut self, _: &[TopicPartition]) {}

    fn work<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<Work, Halt>> {
        let make = |bytes: usize| Outgoing::keyed(Topic::Enriched, Vec::new(), vec![b'x'; bytes]);
        let outcome = |record: &Incoming| {
            let text = String::from_utf8(record.value.as_deref().unwrap().to_vec()).unwrap();
            Outcome::Emit(text.split(' ').map(|bytes| make(bytes.parse().unwrap())).collect())
        };
        let outcomes = batch.records.iter().map(outcome).collect();
        ready(Ok(Work { outcomes, also: vec![make(self.state)] })).boxed()
    }
}

fn driven(log: &mut Narrow, stage: &mut Making) -> (Result<(), WorkerError>, Tally) {
    let drain = CancellationToken::new();
    drain.cancel();
    let control = Control { stop: CancellationToken::new(), drain, clock: Clock::manual(schemas::Micros(7)) };
    let counters = Counters::default();
    let ended = run(log, stage, &control, &counters).now_or_never().expect("nothing waits");
    (ended, counters.read())
}

/// Law: of a batch, exactly the records that made something too large are dead-lettered, and the partition goes on.
#[test]
fn a_record_that_makes_something_too_large_is_set_aside_and_the_rest_goes_on() {
    let records = vec![record(0, &[10]), record(1, &[10, 2000, 20]), record(2, &[3000]), record(3, &[30])];
    let mut log = Narrow::saying(Next::Batch(Batch { lease: LEASE, records }), 1000);
    let (ended, tally) = driven(&mut log, &mut Making { state: 5 });
    ended.unwrap();
    assert_eq!((log.steps.len(), log.refused), (1, 1));
    let step = &log.steps[0];
    assert_eq!(step.finished, Positions::from([(at(0), Offset(4))]));
    let sizes: Vec<usize> =
        step.records.iter().filter(|r| r.topic == Topic::Enriched).map(Outgoing::bytes).collect();
    assert_eq!(sizes, [10, 30, 5], "of a record that is set aside nothing goes on, and state does");
    let letters: Vec<&Outgoing> =
        step.records.iter().filter(|r| r.topic == Topic::DeadLetter(StageName::Enrich)).collect();
    let values: Vec<&[u8]> = letters.iter().map(|letter| letter.value.as_deref().unwrap()).collect();
    assert_eq!(values, [&b"10 2000 20"[..], b"3000"], "the bytes that were read");
    for letter in letters {
        let reason = letter.headers.iter().find(|(name, _)| name == schemas::dead_letter::REASON).unwrap();
        assert_eq!(reason.1, TOO_LARGE);
    }
    assert_eq!((tally.read, tally.emitted, tally.rejected[TOO_LARGE]), (4, 2, 2));
    assert!(tally.balance());
}

/// What cannot be set aside stops the worker: nothing is skipped.
#[test]
fn state_or_letters_that_are_too_large_stop_the_worker() {
    let state = Narrow::saying(Next::Batch(Batch { lease: LEASE, records: vec![record(0, &[10])] }), 1000);
    let letter = vec![record(0, &[10; 600]), record(1, &[2000])];
    let letter = Narrow::saying(Next::Batch(Batch { lease: LEASE, records: letter }), 3);
    for (mut log, state) in [(state, 2000), (letter, 1)] {
        let (ended, tally) = driven(&mut log, &mut Making { state });
        assert!(matches!(ended, Err(WorkerError::Log(LogError::Unusable(_)))), "{ended:?}");
        assert!(log.steps.is_empty());
        assert_eq!(tally, Tally::default());
    }
}

/// A log that keeps what it refused: without the records their positions must not move.
#[test]
fn a_step_that_does_not_come_back_stops_the_worker() {
    let records = vec![record(0, &[10]), record(1, &[2000])];
    let narrow = Narrow::saying(Next::Batch(Batch { lease: LEASE, records }), 1000);
    let mut log = Narrow { gives_back: false, ..narrow };
    let (ended, _) = driven(&mut log, &mut Making { state: 0 });
    assert!(matches!(ended, Err(WorkerError::Log(LogError::Unusable(_)))), "{ended:?}");
    assert!(log.steps.is_empty());
}

/// A hole in the log is a gap record in the step that goes past it, and nothing that was read counts for it.
#[test]
fn what_the_log_lost_is_told_in_the_step_that_goes_past_it() {
    let hole = |partition, from, to| Missed { at: at(partition), from: Offset(from), to: Offset(to) };
    let ranges = vec![hole(0, 5, 9), hole(1, 40, 0)];
    let mut log = Narrow::saying(Next::Missed { lease: LEASE, ranges }, 1000);
    let (ended, tally) = driven(&mut log, &mut Making { state: 0 });
    ended.unwrap();
    assert_eq!(log.steps.len(), 1);
    let step = &log.steps[0];
    assert_eq!(step.lease, LEASE);
    assert_eq!(step.finished, Positions::from([(at(0), Offset(9)), (at(1), Offset(0))]));
    let gaps: Vec<Gap> =
        step.records.iter().map(|gap| schemas::decode(gap.value.as_deref().unwrap()).unwrap()).collect();
    assert!(step.records.iter().all(|record| record.topic == Topic::Gap));
    assert!(gaps[0].unit.contains("from 5 to 9") && gaps[1].unit.contains("from 40 to 0"), "{gaps:?}");
    assert!(gaps.iter().all(|gap| gap.reason == "offset_out_of_range" && gap.noticed_at.0 == 7));
    assert_eq!((tally.read, tally.outputs, tally.steps), (0, 2, 1));
}
