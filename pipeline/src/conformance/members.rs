//! Laws of the group: members share the partitions, hand them over, and no record is lost or doubled by it.
#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a conformance case fails by panicking"
)]

use std::{collections::BTreeSet, sync::Arc};

use schemas::{Offset, TopicPartition};

use super::{
    Harness,
    hands::{
        Crew, Feeder, Hand, INPUT, OUTPUT, at, exact, finished, keyed, limits, position, seen_sorted, text,
        texts,
    },
};
use crate::log::{Batch, Limits, LogError, Logs, Next, Positions};

pub(super) async fn alone(harness: Arc<dyn Harness>) {
    let instance = harness.fresh(4).await;
    let logs = instance.logs();
    let hand = Hand::assigned(logs.as_ref(), "alone", "one", 4).await;
    let expected: Positions = (0..4).map(|n| (at(INPUT, n), Offset(0))).collect();
    assert_eq!(hand.held, expected);
}

/// A second member joins: the first is told what to give up, may still commit it, and its next call releases it; the
/// second begins where the first ended.
pub(super) async fn share(harness: Arc<dyn Harness>) {
    let instance = harness.fresh(4).await;
    let logs = instance.logs();
    Feeder::open(logs.as_ref())
        .await
        .write((0..40).map(|n| exact(INPUT, n % 4, &format!("{n:02}"))).collect())
        .await;
    let mut first = Hand::assigned(logs.as_ref(), "share", "a", 4).await;
    let records = first.records(40).await;
    let (done, open): (Vec<_>, Vec<_>) = records.into_iter().partition(|record| text(record).as_str() < "20");
    let second = Hand::open(logs.as_ref(), "share", "b", &[INPUT]).await;
    let mut crew = Crew::new(vec![first, second]);

    let given_up = revoked(&mut crew).await;
    assert_eq!(given_up.len(), 2, "half of four");
    let lease = crew.hands[0].lease;
    let answer = crew.hands[0]
        .try_commit(finished(&done), done.iter().map(|r| keyed(OUTPUT, &text(r))).collect())
        .await;
    assert_eq!(answer, Ok(()), "what is in flight may still be committed, under {lease:?}");
    crew.until("the second has what the first gave up", |hands| hands[1].held.len() == 2).await;
    let taken: BTreeSet<TopicPartition> = crew.hands[1].held.keys().copied().collect();
    assert_eq!(taken, given_up);
    for partition in &taken {
        let reached = done.iter().filter(|r| r.at == *partition).map(|r| r.offset.next()).max();
        assert_eq!(Some(position(&crew.hands[1], *partition)), reached, "{partition}");
    }
    let mut rest: Vec<String> = texts(&crew.hands[1].records(10).await);
    rest.sort_unstable();
    let mut expected: Vec<String> = open.iter().filter(|r| taken.contains(&r.at)).map(text).collect();
    expected.sort_unstable();
    assert_eq!(rest, expected);
    assert_eq!(
        seen_sorted(logs.as_ref(), OUTPUT).await,
        (0..20).map(|n| format!("{n:02}")).collect::<Vec<_>>()
    );
}

/// Goes on until the first of the crew is told to give something up.
async fn revoked(crew: &mut Crew) -> BTreeSet<TopicPartition> {
    for _ in Crew::turns() {
        match crew.next().await {
            (0, Next::Revoking { partitions, .. }) => return partitions.into_iter().collect(),
            (_, Next::Batch(_)) => panic!("every record has been handed out"),
            _ => {}
        }
    }
    panic!("nothing was revoked");
}

pub(super) async fn leave(harness: Arc<dyn Harness>) {
    let instance = harness.fresh(4).await;
    let logs = instance.logs();
    let hands = vec![
        Hand::open(logs.as_ref(), "leave", "a", &[INPUT]).await,
        Hand::open(logs.as_ref(), "leave", "b", &[INPUT]).await,
    ];
    let mut crew = Crew::new(hands);
    crew.until("each holds half", |hands| hands.iter().all(|hand| hand.held.len() == 2)).await;
    let mut feeder = Feeder::open(logs.as_ref()).await;
    let mut gone = crew.hands.remove(0);
    gone.log.leave().await.expect("it leaves");
    crew.until("the other holds all", |hands| hands[0].held.len() == 4).await;
    feeder.write((0..4).map(|n| exact(INPUT, n, "x")).collect()).await;
    crew.hands[0].records(4).await;
    assert!(
        gone.try_commit(Positions::from([(at(INPUT, 0), Offset(1))]), Vec::new()).await.is_err(),
        "it has left"
    );
}

/// Members join and leave while records flow, each copying its input to the output, some of them too late: every
/// record is there once.
pub(super) async fn churn(harness: Arc<dyn Harness>) {
    const RECORDS: usize = 400;
    let instance = harness.fresh(4).await;
    let logs = instance.logs();
    let mut feeder = Feeder::open(logs.as_ref()).await;
    let mut crew = Crew::new(vec![Hand::open_with(logs.as_ref(), "churn", "m0", &[INPUT], few()).await]);
    let mut open: Vec<(String, Batch)> = Vec::new();
    let (mut copied, mut written, mut answered, mut names) = (0, 0, 0, 0);
    for turn in Crew::turns() {
        if written < RECORDS && turn % 3 == 0 {
            feeder.write((written..written + 20).map(|n| keyed(INPUT, &format!("{n:03}"))).collect()).await;
            written += 20;
        }
        let (who, next) = crew.next().await;
        let due = match next {
            Next::Batch(batch) => {
                open.push((crew.hands[who].name.clone(), batch));
                open.len() >= 3
            }
            // Half of what is revoked is answered in time, the other half is lost.
            Next::Revoking { .. } => turn % 2 == 0,
            Next::Assigned(_) | Next::Missed { .. } => false,
            Next::Idle => true,
        };
        if due {
            for (name, batch) in open.drain(..) {
                copied += copy(&mut crew, &name, &batch).await;
                answered += 1;
            }
            if answered >= 4 {
                answered = 0;
                names += 1;
                come_or_go(logs.as_ref(), &mut crew, names).await;
            }
        }
        if copied == RECORDS {
            break;
        }
    }
    let expected: Vec<String> = (0..RECORDS).map(|n| format!("{n:03}")).collect();
    assert_eq!(seen_sorted(logs.as_ref(), OUTPUT).await, expected);
}

fn few() -> Limits {
    Limits { records_max: 8, ..limits() }
}

/// Copies the batch to the output, if its member is still there and still holds it; returns how many were copied.
async fn copy(crew: &mut Crew, name: &str, batch: &Batch) -> usize {
    let Some(hand) = crew.hands.iter_mut().find(|hand| hand.name == name) else { return 0 };
    let copies = batch.records.iter().map(|record| keyed(OUTPUT, &text(record))).collect();
    match hand.answer(batch, copies).await {
        Ok(()) => batch.records.len(),
        Err(LogError::Lost(partitions)) => {
            assert!(!partitions.is_empty(), "it says what was lost");
            0
        }
        Err(error) => panic!("{error}"),
    }
}

/// Two join, then one leaves: the oldest, with what it has not committed; never more than four.
async fn come_or_go(logs: &dyn Logs, crew: &mut Crew, change: usize) {
    if !change.is_multiple_of(3) && crew.hands.len() < 4 {
        crew.hands.push(Hand::open_with(logs, "churn", &format!("m{change}"), &[INPUT], few()).await);
    } else if crew.hands.len() > 1 {
        let mut gone = crew.hands.remove(0);
        gone.log.leave().await.expect("it leaves");
    }
}

/// A member without partitions is idle, and is given them once others leave.
pub(super) async fn idle_member(harness: Arc<dyn Harness>) {
    let instance = harness.fresh(2).await;
    let logs = instance.logs();
    let mut hands = Vec::new();
    for name in ["a", "b", "c", "d"] {
        hands.push(Hand::open(logs.as_ref(), "many", name, &[INPUT]).await);
    }
    let mut crew = Crew::new(hands);
    crew.until("two of four hold one each", |hands| {
        hands.iter().filter(|hand| hand.held.len() == 1).count() == 2
            && hands.iter().filter(|hand| hand.held.is_empty()).count() == 2
    })
    .await;
    let mut idle = BTreeSet::new();
    for _ in Crew::turns() {
        if let (who, Next::Idle) = crew.next().await {
            idle.insert(who);
        }
        if idle.len() == 4 {
            break;
        }
    }
    assert_eq!(idle.len(), 4, "all are idle, with or without partitions");
    for _ in 0..2 {
        let busy =
            crew.hands.iter().position(|hand| !hand.held.is_empty()).expect("somebody holds a partition");
        let mut gone = crew.hands.remove(busy);
        gone.log.leave().await.expect("it leaves");
        crew.until("the rest hold all", |hands| hands.iter().map(|hand| hand.held.len()).sum::<usize>() == 2)
            .await;
    }
    Feeder::open(logs.as_ref()).await.write(vec![exact(INPUT, 0, "0"), exact(INPUT, 1, "1")]).await;
    let mut got = BTreeSet::new();
    for _ in Crew::turns() {
        if let (_, Next::Batch(batch)) = crew.next().await {
            got.extend(texts(&batch.records));
        }
        if got.len() == 2 {
            return;
        }
    }
    panic!("the idle members did not take over");
}
