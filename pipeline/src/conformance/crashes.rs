//! Laws of the crash: what was acknowledged is there, what was open is not, what is unknown is found out.
#![expect(clippy::indexing_slicing, clippy::expect_used, reason = "a conformance case fails by panicking")]

use std::sync::Arc;

use schemas::{Offset, Topic};

use super::{
    Harness,
    hands::{Feeder, Hand, INPUT, OUTPUT, at, exact, finished, polled, position, seen, text, texts},
};
use crate::log::{Incoming, Outgoing, Step};

/// A step that was prepared, and never committed, is never seen: neither its records nor its positions.
pub(super) async fn open_step(harness: Arc<dyn Harness>) {
    let mut instance = harness.fresh(1).await;
    let logs = instance.logs();
    Feeder::open(logs.as_ref()).await.write(vec![exact(INPUT, 0, "a")]).await;
    let mut hand = Hand::assigned(logs.as_ref(), "open", "one", 1).await;
    let records = hand.records(1).await;
    let step = Step { lease: hand.lease, finished: finished(&records), records: copies(&records) };
    drop(hand.log.commit(step));
    assert_eq!(seen(logs.as_ref(), OUTPUT).await, Vec::<String>::new(), "while the handle lives");
    drop((hand, logs));
    instance.crash().await;
    let logs = instance.logs();
    assert_eq!(seen(logs.as_ref(), OUTPUT).await, Vec::<String>::new(), "after it died");
    let hand = Hand::assigned(logs.as_ref(), "open", "one", 1).await;
    assert_eq!(position(&hand, at(INPUT, 0)), Offset(0));
}

/// A copy of each to two topics, so that half a step would show.
fn copies(records: &[Incoming]) -> Vec<Outgoing> {
    let copy = |record: &Incoming| [exact(OUTPUT, 0, &text(record)), exact(Topic::Receipt, 0, &text(record))];
    records.iter().flat_map(copy).collect()
}

/// Once `commit` has said so, a step outlives any crash.
pub(super) async fn acknowledged(harness: Arc<dyn Harness>) {
    let mut instance = harness.fresh(1).await;
    let mut logs = instance.logs();
    Feeder::open(logs.as_ref()).await.write((0..4).map(|n| exact(INPUT, 0, &n.to_string())).collect()).await;
    for round in 0..4 {
        let mut hand = Hand::assigned(logs.as_ref(), "acknowledged", "one", 1).await;
        let records = hand.records(4 - round).await;
        hand.commit(finished(&records[..1]), copies(&records[..1])).await;
        drop((hand, logs));
        instance.crash().await;
        logs = instance.logs();
        let expected: Vec<String> = (0..=round).map(|n| n.to_string()).collect();
        assert_eq!(seen(logs.as_ref(), OUTPUT).await, expected);
        assert_eq!(seen(logs.as_ref(), Topic::Receipt).await, expected);
    }
}

/// A commit that was under way when everything died is there with its position, or neither is.
pub(super) async fn unknown_outcome(harness: Arc<dyn Harness>) {
    let mut instance = harness.fresh(1).await;
    let mut logs = instance.logs();
    let mut feeder = Feeder::open(logs.as_ref()).await;
    feeder.write((0..6).map(|n| exact(INPUT, 0, &n.to_string())).collect()).await;
    drop(feeder);
    for polls in 0..6 {
        let mut hand = Hand::assigned(logs.as_ref(), "unknown", "one", 1).await;
        let before = position(&hand, at(INPUT, 0));
        let done = seen(logs.as_ref(), OUTPUT).await;
        let record = hand.batch().await.records.swap_remove(0);
        let one = [record];
        let step = Step { lease: hand.lease, finished: finished(&one), records: copies(&one) };
        let known = polled(hand.log.commit(step), polls).await;
        drop((hand, logs));
        instance.crash().await;
        logs = instance.logs();

        let after = position(&Hand::assigned(logs.as_ref(), "unknown", "one", 1).await, at(INPUT, 0));
        let mut expected = done;
        if after == one[0].offset.next() {
            expected.push(text(&one[0]));
        } else {
            assert_eq!(after, before, "after {polls} polls");
            assert!(known.is_none(), "it had been acknowledged");
        }
        assert_eq!(seen(logs.as_ref(), OUTPUT).await, expected, "after {polls} polls");
        assert_eq!(seen(logs.as_ref(), Topic::Receipt).await, expected, "after {polls} polls");
    }
}

/// A stage that does a step again only where the committed position tells it to, does it once.
pub(super) async fn not_doubled(harness: Arc<dyn Harness>) {
    let mut instance = harness.fresh(1).await;
    let mut logs = instance.logs();
    let mut feeder = Feeder::open(logs.as_ref()).await;
    feeder.write((0..6).map(|n| exact(INPUT, 0, &n.to_string())).collect()).await;
    drop(feeder);
    for polls in 0..6 {
        let mut hand = Hand::assigned(logs.as_ref(), "once", "one", 1).await;
        let records = hand.records(6 - polls).await;
        let one = &records[..1];
        let step = Step { lease: hand.lease, finished: finished(one), records: copies(one) };
        drop(polled(hand.log.commit(step.clone()), polls).await);
        drop((hand, logs));
        instance.crash().await;
        logs = instance.logs();

        let mut hand = Hand::assigned(logs.as_ref(), "once", "one", 1).await;
        if position(&hand, at(INPUT, 0)) <= one[0].offset {
            let again = hand.batch().await.records.swap_remove(0);
            assert_eq!(again, one[0]);
            hand.log.commit(Step { lease: hand.lease, ..step }).await.expect("the step is committed");
        }
        drop(hand);
    }
    let expected: Vec<String> = (0..6).map(|n| n.to_string()).collect();
    assert_eq!(seen(logs.as_ref(), OUTPUT).await, expected);
    assert_eq!(seen(logs.as_ref(), Topic::Receipt).await, expected);
    let mut hand = Hand::assigned(logs.as_ref(), "once", "one", 1).await;
    assert_eq!(texts(&hand.records_until_idle().await), Vec::<String>::new(), "nothing is left to do");
}
