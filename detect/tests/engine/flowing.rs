//! Both stages as workers over the memory log: how many partitions there are, how records are batched and in which order
//! they come changes nothing about the findings that stand at the end.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use detect::{CorrelateStage, MatchStage, testfile::standing};
use pipeline::{
    Clock, Logs, MemoryLog, MemoryOptions, Next, Outgoing, Route, Stage, Step,
    log::{From, Limits, Member, Positions},
    worker::{self, Control, Counters, Tally},
};
use schemas::{
    EventId, FindingId, Micros, Topic,
    finding::{Finding, Severity},
    time::DAY,
};
use tokio_util::sync::CancellationToken;

use crate::support::{event, failure, rules, watermark};

const SETTLED: Micros = Micros(9 * DAY);

/// What two runs must agree on.
type Stands = BTreeSet<(FindingId, Severity, Vec<EventId>)>;

fn limits(records_max: usize) -> Limits {
    Limits { records_max, bytes_max: 1 << 20, idle_after: Duration::from_millis(5) }
}

fn member(group: &str, topics: &[Topic], records_max: usize) -> Member {
    let (group, name) = (group.to_owned(), "only".to_owned());
    Member { group, name, topics: topics.to_vec(), limits: limits(records_max) }
}

/// Events of several keys: some reach the threshold across the borders of buckets, some never do.
fn events() -> Vec<Outgoing> {
    let mut events = Vec::new();
    for address in 0..6_u8 {
        for n in 0..9 - i64::from(address) {
            let mut event = failure(&format!("u{}@x", n % 5), n * (1 + i64::from(address)));
            event.event.activity.address.as_mut().unwrap().ip = format!("198.51.100.{address}");
            event.event.id = EventId(schemas::Hash128::of(&[&[address], &n.to_be_bytes()]));
            events.push(event);
        }
    }
    for (operation, minute) in [("First", 3), ("Second", 40), ("First", 50)] {
        let mut event = event(&format!(r#"{{"Operation":"{operation}"}}"#), minute);
        event.event.activity.resource.id = "r".to_owned();
        events.push(event);
    }
    let record = |event: &schemas::enriched::EnrichedEvent| {
        Outgoing::keyed(
            Topic::Enriched,
            event.event.id.0.to_bytes().to_vec(),
            schemas::encode(event).unwrap(),
        )
    };
    events.iter().map(record).collect()
}

/// Puts records on the log, and then the end of the feed on every partition.
async fn publish(logs: &dyn Logs, records: Vec<Outgoing>) {
    let mut log = logs.open(member("feed", &[Topic::Ledger], 1)).await.unwrap();
    let lease = loop {
        if let Next::Assigned(assignment) = log.next().await.unwrap() {
            break assignment.lease;
        }
    };
    let mark = schemas::encode(&watermark(SETTLED, None, None)).unwrap();
    let mark = Outgoing::keyed(Topic::Enriched, Vec::new(), mark).to(Route::Every);
    let records = records.into_iter().chain([mark]).collect();
    log.commit(Step { lease, finished: Positions::new(), records }).await.unwrap();
}

/// Runs a stage until nothing is left for it.
async fn drain(logs: &dyn Logs, topic: Topic, stage: &mut dyn Stage, records_max: usize) -> Tally {
    let mut log = logs.open(member(stage.name().name(), &[topic], records_max)).await.unwrap();
    let control = Control { stop: CancellationToken::new(), drain: CancellationToken::new(), clock: clock() };
    control.drain.cancel();
    let counters = Counters::default();
    worker::run(&mut *log, stage, &control, &counters).await.unwrap();
    let tally = counters.read();
    assert!(tally.balance(), "{tally:?}");
    tally
}

fn clock() -> Clock {
    Clock::manual(Micros(0))
}

/// Feeds the records through both workers; what stands at the end.
fn run(partitions: u32, records_max: usize, records: Vec<Outgoing>) -> Stands {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let read = |group: &str, topic| (group.to_owned(), vec![topic]);
        let readers = vec![read("match", Topic::Enriched), read("correlate", Topic::Signal)];
        let keep = Topic::findings();
        let logs: Arc<dyn Logs> =
            Arc::new(MemoryLog::new(MemoryOptions { partitions, keep, readers, ..MemoryOptions::default() }));
        let read = records.len() as u64 + u64::from(partitions);
        publish(&*logs, records).await;
        let mut matching = MatchStage::new(rules(), partitions, clock());
        let tally = drain(&*logs, Topic::Enriched, &mut matching, records_max).await;
        assert_eq!(tally.read, read);
        let mut correlate = CorrelateStage::new(rules(), logs.clone(), clock());
        let tally = drain(&*logs, Topic::Signal, &mut correlate, records_max).await;
        assert!(tally.skipped.is_empty(), "{tally:?}");
        assert_eq!(correlate.memory().keys, 0, "all is frozen");
        said(&*logs).await
    })
}

async fn said(logs: &dyn Logs) -> Stands {
    let mut findings: Vec<Finding> = Vec::new();
    for topic in Topic::findings() {
        let changes = logs.reader().await.unwrap().follow(topic, From::Start).await.unwrap();
        assert!(changes.caught_up);
        findings.extend(
            changes.records.iter().map(|r| schemas::decode::<Finding>(r.value.as_ref().unwrap()).unwrap()),
        );
    }
    standing(findings).into_iter().map(|finding| (finding.id, finding.severity, finding.event_ids)).collect()
}

#[test]
fn partitions_batches_and_order_change_nothing() {
    let expected = run(1, 4096, events());
    assert!(expected.len() > 8, "{} findings", expected.len());
    for (partitions, records_max) in [(1_u32, 1), (2, 7), (8, 3), (8, 4096)] {
        let mut records = events();
        records.sort_by_cached_key(|record| schemas::Hash128::of(&[&record.key, &partitions.to_be_bytes()]));
        assert_eq!(
            run(partitions, records_max, records),
            expected,
            "{partitions} partitions, {records_max} a batch"
        );
    }
}
