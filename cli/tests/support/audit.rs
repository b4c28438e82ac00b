//! What a store holds after a run, read through the log itself, and the laws that it must keep.

use std::collections::{BTreeMap, BTreeSet};

use super::folded::Standing;
use pipeline::log::From;
use pipeline::{Incoming, Logs};
use schemas::enriched::EnrichedEvent;
use schemas::finding::{Change, Finding};
use schemas::ledger::{Counts, LedgerEntry};
use schemas::receipt::Receipt;
use schemas::signal::Signal;
use schemas::watermark::Watermark;
use schemas::{CodecError, Event, Message, Partition, StageName, Topic, decode};

/// What two runs over the same records must agree on.
#[derive(Debug, PartialEq)]
pub(crate) struct Audit {
    /// The sum of the ledger.
    pub(crate) ledger: Counts,
    /// The events' ids.
    pub(crate) events: BTreeSet<String>,
    /// The findings that stand.
    pub(crate) findings: Standing,
}

/// Reads the whole log. Every law that a single log must keep is asserted on the way.
pub(crate) async fn audit(logs: &dyn Logs) -> Audit {
    let ledger = ledger(logs).await;
    let events: Vec<String> =
        messages(logs, Topic::Event).await.iter().map(|it: &Event| it.id.to_string()).collect();
    let events = each_once("event", events);
    assert_eq!(i64::try_from(events.len()).unwrap(), ledger.emitted, "the ledger counts the events");
    let enriched = messages(logs, Topic::Enriched).await;
    let enriched: Vec<String> = enriched.iter().map(|it: &EnrichedEvent| it.event.id.to_string()).collect();
    assert_eq!(each_once("enriched event", enriched), events, "every event is enriched");
    let signals: Vec<Signal> = messages(logs, Topic::Signal).await;
    each_once("signal", signals.iter().map(|signal| signal.origin).collect());
    let refused = follow(logs, Topic::DeadLetter(StageName::Ingest)).await.len();
    assert_eq!(i64::try_from(refused).unwrap(), ledger.rejected, "what was rejected is in the dead letter");
    for stage in [StageName::Enrich, StageName::Match, StageName::Correlate, StageName::Sink] {
        assert_eq!(follow(logs, Topic::DeadLetter(stage)).await, [], "{} rejects nothing", stage.name());
    }
    Audit { ledger, events, findings: findings(logs).await }
}

async fn ledger(logs: &dyn Logs) -> Counts {
    let mut sum = Counts::default();
    let mut reader = logs.reader().await.unwrap();
    for partition in 0..logs.partitions(Topic::Ledger).await.unwrap() {
        for value in reader.restore(Topic::Ledger, Partition(partition)).await.unwrap().values() {
            if let Some(entry) = read::<LedgerEntry>(value) {
                assert!(entry.counts.balance() && entry.done, "{entry:?}");
                sum.add(&entry.counts);
            }
        }
    }
    sum
}

/// Every revision is there once and was delivered once; what stands is the highest of each id, unless it is closed.
async fn findings(logs: &dyn Logs) -> Standing {
    let mut all: Vec<Finding> = Vec::new();
    for topic in Topic::findings() {
        all.extend(messages(logs, topic).await);
    }
    let revisions = all.iter().map(|finding| (finding.id.to_string(), finding.revision)).collect();
    let revisions = each_once("revision of a finding", revisions);
    let receipts: Vec<Receipt> = messages(logs, Topic::Receipt).await;
    assert!(receipts.iter().all(|receipt| receipt.outcome == "delivered"));
    let receipts = receipts.iter().map(|receipt| (receipt.finding.to_string(), receipt.revision)).collect();
    assert_eq!(each_once("receipt", receipts), revisions, "every revision has a receipt");
    let mut newest: BTreeMap<String, Finding> = BTreeMap::new();
    for finding in all {
        let id = finding.id.to_string();
        if newest.get(&id).is_none_or(|known| known.revision < finding.revision) {
            newest.insert(id, finding);
        }
    }
    newest.retain(|_, finding| finding.change != Change::Close);
    let evidence = |it: &Finding| it.event_ids.iter().map(ToString::to_string).collect();
    newest.into_iter().map(|(id, finding)| (id, finding.severity, evidence(&finding))).collect()
}

fn each_once<T: Ord + std::fmt::Debug>(what: &str, all: Vec<T>) -> BTreeSet<T> {
    let mut once = BTreeSet::new();
    for one in all {
        if let Some(twice) = once.replace(one) {
            panic!("a {what} is there twice: {twice:?}");
        }
    }
    once
}

/// The messages of a type on a topic. Only watermarks may lie between them.
async fn messages<T: Message>(logs: &dyn Logs, topic: Topic) -> Vec<T> {
    let records = follow(logs, topic).await;
    records.iter().filter_map(|record| read(record.value.as_deref().unwrap())).collect()
}

fn read<T: Message>(value: &[u8]) -> Option<T> {
    match decode(value) {
        Ok(message) => Some(message),
        Err(CodecError::OtherSchema { .. }) if decode::<Watermark>(value).is_ok() => None,
        Err(error) => panic!("a record that is not ours: {error}"),
    }
}

async fn follow(logs: &dyn Logs, topic: Topic) -> Vec<Incoming> {
    let mut reader = logs.reader().await.unwrap();
    let (mut all, mut from) = (Vec::new(), From::Start);
    loop {
        let changes = reader.follow(topic, from).await.unwrap();
        all.extend(changes.records);
        if changes.caught_up {
            return all;
        }
        from = From::At(changes.next);
    }
}
