//! Laws of fencing: whoever no longer holds a partition cannot commit it, and nothing of what it tried appears.
#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a conformance case fails by panicking"
)]

use std::{collections::BTreeSet, sync::Arc};

use schemas::{Offset, Topic, TopicPartition};

use super::{
    Harness,
    hands::{Crew, Feeder, Hand, INPUT, OUTPUT, at, exact, finished, position, seen, texts},
};
use crate::log::{Incoming, Lease, LogError, Logs, Next, Positions, Step};

fn is_dead<T>(answer: &Result<T, LogError>) -> bool {
    matches!(answer, Err(LogError::Fenced(_) | LogError::Lost(_)))
}

/// The second handle of a group and name ends the first: it can neither commit nor go on.
pub(super) async fn same_name(harness: Arc<dyn Harness>) {
    let instance = harness.fresh(2).await;
    let logs = instance.logs();
    Feeder::open(logs.as_ref()).await.write(vec![exact(INPUT, 0, "a"), exact(INPUT, 1, "b")]).await;
    let mut first = Hand::assigned(logs.as_ref(), "name", "one", 2).await;
    let records = first.records(2).await;
    let mut second = Hand::open(logs.as_ref(), "name", "one", &[INPUT]).await;
    let late = first.try_commit(finished(&records), vec![exact(OUTPUT, 0, "from the first")]).await;
    assert!(is_dead(&late), "the first is fenced: {late:?}");
    second.hold(2).await;
    assert_eq!(position(&second, at(INPUT, 0)), Offset(0), "nothing was committed");
    let again = second.records(2).await;
    second.commit(finished(&again), vec![exact(OUTPUT, 0, "from the second")]).await;
    fenced(&mut first).await;
    let late = first.try_commit(Positions::new(), vec![exact(OUTPUT, 0, "without positions")]).await;
    assert!(is_dead(&late), "not even records alone: {late:?}");
    assert_eq!(seen(logs.as_ref(), OUTPUT).await, ["from the second"]);
}

/// Calls `next` until it says that the handle is fenced; what it was told before may still come, records may not.
async fn fenced(hand: &mut Hand) {
    for _ in Crew::turns() {
        match hand.log.next().await {
            Err(LogError::Fenced(_)) => return,
            Err(error) => panic!("not fenced, but {error}"),
            Ok(Next::Batch(_)) => panic!("a fenced handle is handed records"),
            Ok(Next::Assigned(_) | Next::Revoking { .. } | Next::Missed { .. } | Next::Idle) => {}
        }
    }
    panic!("the handle was never fenced");
}

/// A handle that outlived a crash of its process cannot add to what its successor does, before or after.
pub(super) async fn zombie(harness: Arc<dyn Harness>) {
    let mut instance = harness.fresh(1).await;
    let logs = instance.logs();
    Feeder::open(logs.as_ref()).await.write(vec![exact(INPUT, 0, "a"), exact(INPUT, 0, "b")]).await;
    let mut old = Hand::assigned(logs.as_ref(), "zombie", "one", 1).await;
    let records = old.records(2).await;
    drop(logs);
    instance.crash().await;
    let logs = instance.logs();
    let mut new = Hand::assigned(logs.as_ref(), "zombie", "one", 1).await;
    let late = old.try_commit(finished(&records), vec![exact(OUTPUT, 0, "zombie")]).await;
    assert!(late.is_err(), "a zombie commits");
    let again = new.records(2).await;
    assert_eq!(texts(&again), ["a", "b"]);
    new.commit(finished(&again[..1]), vec![exact(OUTPUT, 0, "living")]).await;
    let late = old.try_commit(finished(&records), vec![exact(OUTPUT, 0, "zombie")]).await;
    assert!(late.is_err(), "a zombie commits");
    new.commit(finished(&again), vec![exact(OUTPUT, 0, "still living")]).await;
    assert_eq!(seen(logs.as_ref(), OUTPUT).await, ["living", "still living"]);
}

/// Both of a group's members, the first of which has been handed everything and has given up half of it since.
struct Handed {
    crew: Crew,
    records: Vec<Incoming>,
    /// The lease under which the records were handed out.
    lease: Lease,
    given_up: BTreeSet<TopicPartition>,
}

async fn handed(logs: &dyn Logs) -> Handed {
    Feeder::open(logs).await.write((0..12).map(|n| exact(INPUT, n % 4, &format!("{n:02}"))).collect()).await;
    let mut first = Hand::assigned(logs, "lost", "a", 4).await;
    let records = first.records(12).await;
    let lease = first.lease;
    let second = Hand::open(logs, "lost", "b", &[INPUT]).await;
    let all: BTreeSet<TopicPartition> = first.held.keys().copied().collect();
    let mut crew = Crew::new(vec![first, second]);
    crew.until("the second holds half", |hands| hands[1].held.len() == 2).await;
    let given_up = all.into_iter().filter(|partition| !crew.hands[0].held.contains_key(partition)).collect();
    Handed { crew, records, lease, given_up }
}

/// A step over partitions of which some are gone leaves no trace; those still held are assigned anew, from their
/// committed positions, and their records come again.
pub(super) async fn lost(harness: Arc<dyn Harness>) {
    let instance = harness.fresh(4).await;
    let logs = instance.logs();
    let Handed { mut crew, records, lease, given_up } = handed(logs.as_ref()).await;
    let step = Step { lease, finished: finished(&records), records: vec![exact(OUTPUT, 0, "lost")] };
    let Err(LogError::Lost(partitions)) = crew.hands[0].log.commit(step).await else {
        panic!("the step touches partitions that were given up")
    };
    assert!(
        given_up.is_subset(&partitions.iter().copied().collect()),
        "{partitions:?} lacks one of {given_up:?}"
    );
    let mut first = crew.hands.remove(0);
    first.held.clear();
    first.hold(2).await;
    assert!(
        first.held.keys().all(|partition| !given_up.contains(partition)),
        "what is still held comes again"
    );
    assert!(first.held.values().all(|position| *position == Offset(0)), "from the committed positions");
    let again = first.records(6).await;
    let mut expected: Vec<Incoming> = records.iter().filter(|r| !given_up.contains(&r.at)).cloned().collect();
    let key = |record: &Incoming| (record.at, record.offset);
    expected.sort_by_key(key);
    let mut sorted = again.clone();
    sorted.sort_by_key(key);
    assert_eq!(sorted, expected);
    let moved = crew.hands[0].records(6).await;
    assert!(moved.iter().all(|record| given_up.contains(&record.at)));
    first.commit(finished(&again), vec![exact(OUTPUT, 0, "first")]).await;
    crew.hands[0].commit(finished(&moved), vec![exact(OUTPUT, 0, "second")]).await;
    assert_eq!(seen(logs.as_ref(), OUTPUT).await, ["first", "second"]);
}

/// The lease of an earlier assignment does not cover a later one of the same partition.
pub(super) async fn old_lease(harness: Arc<dyn Harness>) {
    let instance = harness.fresh(4).await;
    let logs = instance.logs();
    let Handed { mut crew, records, lease, given_up } = handed(logs.as_ref()).await;
    // The second leaves: the first holds all again, half of it under a newer lease.
    let mut second = crew.hands.remove(1);
    second.log.leave().await.expect("it leaves");
    let mut first = crew.hands.remove(0);
    for _ in Crew::turns() {
        if first.held.len() == 4 {
            break;
        }
        first.next().await;
    }
    assert!(first.lease > lease);
    let old: Vec<Incoming> = records.into_iter().filter(|record| given_up.contains(&record.at)).collect();
    let step = Step { lease, finished: finished(&old), records: vec![exact(OUTPUT, 0, "old")] };
    let answer = first.log.commit(step).await;
    assert!(matches!(answer, Err(LogError::Lost(_))), "an old lease: {answer:?}");
    assert_eq!(seen(logs.as_ref(), OUTPUT).await, Vec::<String>::new());
    // Since the step was lost, what it touched comes once more, under a lease that holds.
    for partition in &given_up {
        first.held.remove(partition);
    }
    first.hold_again(&given_up).await;
    let batch = first.records(6).await;
    first.commit(finished(&batch), vec![exact(OUTPUT, 0, "new")]).await;
    assert_eq!(seen(logs.as_ref(), OUTPUT).await, ["new"]);
}

/// Positions of partitions, or of topics, that the handle was never given are not its to move.
pub(super) async fn never_assigned(harness: Arc<dyn Harness>) {
    let instance = harness.fresh(2).await;
    let logs = instance.logs();
    let mut feeder = Feeder::open(logs.as_ref()).await;
    feeder.write(vec![exact(INPUT, 0, "a"), exact(INPUT, 1, "b"), exact(Topic::Signal, 0, "c")]).await;
    let hands = vec![
        Hand::open(logs.as_ref(), "never", "a", &[INPUT]).await,
        Hand::open(logs.as_ref(), "never", "b", &[INPUT]).await,
    ];
    let mut crew = Crew::new(hands);
    let mut batches = 0;
    for _ in Crew::turns() {
        if let (_, Next::Batch(batch)) = crew.next().await {
            batches += batch.records.len();
        }
        if batches >= 2 && crew.hands.iter().all(|hand| hand.held.len() == 1) {
            break;
        }
    }
    let others = *crew.hands[1].held.keys().next().expect("the second holds one");
    for foreign in [others, at(Topic::Signal, 0)] {
        let finished = Positions::from([(foreign, Offset(1))]);
        let answer = crew.hands[0].try_commit(finished, vec![exact(OUTPUT, 0, "foreign")]).await;
        assert_eq!(answer, Err(LogError::Lost(vec![foreign])));
    }
    assert_eq!(seen(logs.as_ref(), OUTPUT).await, Vec::<String>::new());
}
