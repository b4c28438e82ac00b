use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use pipeline::{
    Logs as _, MemoryLog, MemoryOptions, Next, Step,
    log::{From, Lease, Limits, Member},
    metrics::{Measure as _, Samples, Value},
    worker::{Control, Counters, Tally, run},
};
use schemas::{FindingGroup, Message as _, Offset, Partition, finding::Change, gap::Gap};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    sample::{START, finding},
    sinks::collect::{Collect, Collected},
};

/// Answers what it was told to answer, delivered where it was told nothing.
struct Scripted {
    answers: VecDeque<Vec<Verdict>>,
    seen: Arc<Mutex<Vec<(String, i32)>>>,
}

impl Sink for Scripted {
    fn deliver<'a>(&'a mut self, findings: &'a [Finding]) -> BoxFuture<'a, Vec<Verdict>> {
        let mut seen = self.seen.lock().unwrap();
        seen.extend(findings.iter().map(|finding| (finding.id.to_string(), finding.revision)));
        let answer = self.answers.pop_front().unwrap_or_else(|| vec![Verdict::Delivered; findings.len()]);
        async { answer }.boxed()
    }
}

fn stage(answers: impl IntoIterator<Item = Vec<Verdict>>) -> SinkStage {
    let sink = Scripted { answers: answers.into_iter().collect(), seen: Arc::default() };
    SinkStage::new("siem", Box::new(sink), Clock::manual(START))
}

fn record(offset: u64, value: Option<Vec<u8>>) -> Incoming {
    let at = TopicPartition::new(Topic::Finding(FindingGroup::Sharing), Partition(0));
    Incoming { at, offset: Offset(offset), key: Bytes::new(), value: value.map(Bytes::from), headers: vec![] }
}

fn batch(ids: impl IntoIterator<Item = u128>) -> Batch {
    let records =
        ids.into_iter().zip(0..).map(|(id, offset)| record(offset, Some(encode(&finding(id)).unwrap())));
    Batch { lease: Lease { generation: 1 }, records: records.collect() }
}

fn work(stage: &mut SinkStage, batch: &Batch) -> Result<Work, Halt> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(stage.work(batch))
}

fn receipt(record: &Outgoing) -> Receipt {
    assert_eq!(record.topic, Topic::Receipt);
    let receipt: Receipt = decode(record.value.as_ref().unwrap()).unwrap();
    assert_eq!(record.key, receipt.finding.to_string().into_bytes());
    receipt
}

#[test]
fn a_delivered_finding_leaves_one_receipt() {
    let done = work(&mut stage([]), &batch([5])).unwrap();
    let [Outcome::Emit(records)] = &done.outcomes[..] else { panic!("{done:?}") };
    let expected = Receipt {
        finding: finding(5).id,
        revision: 1,
        sink: "siem".to_owned(),
        outcome: "delivered".to_owned(),
        at: START,
        reason: String::new(),
    };
    assert_eq!(records.iter().map(receipt).collect::<Vec<_>>(), [expected]);
    assert!(done.also.is_empty());
}

#[test]
fn a_refused_finding_goes_to_the_dead_letter_with_a_receipt_that_says_so() {
    let done =
        work(&mut stage([vec![Verdict::Refused("too_long"), Verdict::Delivered]]), &batch([5, 6])).unwrap();
    assert!(matches!(&done.outcomes[..], [Outcome::Reject("too_long", _), Outcome::Emit(_)]), "{done:?}");
    let receipts: Vec<Receipt> = done.also.iter().map(receipt).collect();
    assert_eq!(receipts.len(), 1);
    assert_eq!((receipts[0].outcome.as_str(), receipts[0].reason.as_str()), ("dead_lettered", "too_long"));
    assert_eq!(receipts[0].finding, finding(5).id);
}

/// From the first finding that is held on, nothing of the batch may be settled: neither outcome nor receipt.
#[test]
fn what_stands_behind_a_held_finding_leaves_no_receipt() {
    let held = Verdict::TryAgain { after: Some(Duration::from_secs(7)), cause: "busy".to_owned() };
    let answer = vec![Verdict::Delivered, held, Verdict::Refused("too_long"), Verdict::Delivered];
    let done = work(&mut stage([answer]), &batch([1, 2, 3, 4])).unwrap();
    assert_eq!(done.outcomes.len(), 4);
    assert!(matches!(&done.outcomes[0], Outcome::Emit(records) if records.len() == 1));
    let Outcome::Retry { after, cause } = &done.outcomes[1] else { panic!("{done:?}") };
    assert_eq!((after, cause.as_str()), (&Some(Duration::from_secs(7)), "sink siem: busy"));
    assert!(done.outcomes[2..].iter().all(|outcome| matches!(outcome, Outcome::Retry { .. })), "{done:?}");
    assert!(done.also.is_empty(), "{done:?}");
}

/// What the metrics say of a stage is what its sink said, how long it took included.
#[test]
fn a_stage_counts_the_verdicts_of_its_sink() {
    let mut stage = stage([vec![Verdict::Refused("too_long"), Verdict::Delivered]]);
    work(&mut stage, &batch([5, 6])).unwrap();
    let mut samples = Samples::default();
    stage.metrics.measure(&mut samples);
    let found: Vec<(&str, &Value)> =
        samples.taken.iter().map(|sample| (sample.labels.last().unwrap().as_str(), &sample.value)).collect();
    let number = Value::Number;
    assert_eq!(found[..3], [("delivered", &number(1.0)), ("refused", &number(1.0)), ("held", &number(0.0))]);
    assert!(matches!(found[3].1, Value::Spread(spread) if spread.count == 1));
}

#[test]
fn a_sink_that_forgets_a_verdict_stops_the_stage() {
    assert!(work(&mut stage([vec![Verdict::Delivered]]), &batch([1, 2])).is_err());
}

#[test]
fn what_is_not_ours_is_rejected_without_quoting_it_and_the_rest_is_delivered() {
    let ours = encode(&finding(1)).unwrap();
    let mut forged = ours.clone();
    forged.truncate(ours.len() / 2);
    let gap = [&[0, 0, 0, 0, 6][..], b"secret"].concat();
    let longer = [ours.clone(), vec![0]].concat();
    let foreign = [Some(b"secret".to_vec()), Some(vec![]), Some(gap), Some(forged), Some(longer), None];
    let mut records: Vec<Incoming> =
        foreign.into_iter().zip(0..).map(|(value, at)| record(at, value)).collect();
    records.push(record(6, Some(ours)));
    let done = work(&mut stage([]), &Batch { lease: Lease { generation: 1 }, records }).unwrap();
    for outcome in &done.outcomes[..6] {
        let Outcome::Reject("not_ours", message) = outcome else { panic!("{outcome:?}") };
        assert!(
            !message.contains("secret") && !message.contains("alice") && !message.is_empty(),
            "{message}"
        );
    }
    assert!(matches!(&done.outcomes[6], Outcome::Emit(records) if records.len() == 1));
    assert_eq!(Gap::SCHEMA_ID, 6);
}

/// Over a log: everything on the finding topics is delivered or in the dead letter, each with a receipt, and counted.
#[test]
fn the_ledger_balances_over_a_log() {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
        let topics = Topic::findings();
        let log = MemoryLog::new(MemoryOptions {
            keep: vec![Topic::Receipt, Topic::DeadLetter(StageName::Sink)],
            readers: vec![("weir.sink.scan".to_owned(), topics.clone())],
            ..MemoryOptions::default()
        });
        fill(&log).await;
        let limits = Limits { records_max: 2, idle_after: Duration::from_millis(1), ..Limits::default() };
        let (group, name) = ("weir.sink.scan".to_owned(), "0".to_owned());
        let mut handle = log.open(Member { group, name, topics, limits }).await.unwrap();
        let collected = Collected::default();
        let mut stage =
            SinkStage::new("scan", Box::new(Collect::new(collected.clone())), Clock::manual(START));
        let control = Control {
            stop: CancellationToken::new(),
            drain: CancellationToken::new(),
            clock: Clock::manual(START),
        };
        control.drain.cancel();
        let counters = Counters::default();
        run(&mut *handle, &mut stage, &control, &counters).await.unwrap();
        let tally = counters.read();
        let rejected = [("not_ours", 1)].into();
        let expected =
            Tally { read: 5, emitted: 4, rejected, outputs: 5, steps: tally.steps, ..Tally::default() };
        assert_eq!(tally, expected);
        assert!(tally.balance());
        let ids: Vec<_> = collected.take().iter().map(|finding| (finding.id, finding.revision)).collect();
        assert_eq!(ids, [(finding(1).id, 2)], "finding 2 was closed");
        let mut reader = log.reader().await.unwrap();
        let receipts = reader.follow(Topic::Receipt, From::Start).await.unwrap().records;
        assert_eq!(receipts.len(), 4);
        assert_eq!(log.records(Topic::DeadLetter(StageName::Sink)), 1);
    });
}

/// Finding 1 created and updated, finding 2 created and closed, and a record that is not ours; in two topics.
async fn fill(log: &MemoryLog) {
    let member =
        |topics| Member { group: "fill".to_owned(), name: "0".to_owned(), topics, limits: Limits::default() };
    let mut handle = log.open(member(vec![Topic::Event])).await.unwrap();
    let Next::Assigned(assignment) = handle.next().await.unwrap() else { panic!("nothing was assigned") };
    let lease = assignment.lease;
    let of = |group, value: Vec<u8>| Outgoing::keyed(Topic::Finding(group), b"k".to_vec(), value);
    let finding = |id, revision, change| encode(&Finding { revision, change, ..finding(id) }).unwrap();
    let records = vec![
        of(FindingGroup::Sharing, finding(1, 1, Change::Create)),
        of(FindingGroup::Sharing, finding(1, 2, Change::Update)),
        of(FindingGroup::Sharing, b"{}".to_vec()),
        of(FindingGroup::Policy, finding(2, 1, Change::Create)),
        of(FindingGroup::Policy, finding(2, 2, Change::Close)),
    ];
    handle.commit(Step { lease, finished: [].into(), records }).await.unwrap();
    handle.leave().await.unwrap();
}
