//! Looking at a log file while somebody else works on it.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::{path::Path, time::Duration};

use pipeline::{
    LogError, Logs as _, Outgoing, Reader as _, Route, Step,
    log::{From, Lease, Limits, Member, Positions},
};
use runtime::embedded::{EmbeddedLog, EmbeddedOptions, Watched};
use schemas::{Partition, Topic};

fn record(topic: Topic, key: &str, value: Option<&str>, partition: u32) -> Outgoing {
    let mut record = Outgoing::keyed(topic, key.to_owned(), value.unwrap_or_default().to_owned());
    record.value = value.map(|value| value.to_owned().into());
    record.to(Route::Exact(Partition(partition)))
}

/// Commits each list as a step of its own.
async fn write(log: &EmbeddedLog, steps: Vec<Vec<Outgoing>>) {
    let limits = Limits { idle_after: Duration::from_millis(1), ..Limits::default() };
    let member =
        Member { group: "feeder".to_owned(), name: "one".to_owned(), topics: vec![Topic::Seen], limits };
    let mut handle = log.open(member).await.unwrap();
    for records in steps {
        let step = Step { lease: Lease { generation: 1 }, finished: Positions::new(), records };
        handle.commit(step).await.unwrap();
    }
}

fn values(records: &[pipeline::Incoming]) -> Vec<&[u8]> {
    records.iter().map(|record| record.value.as_deref().unwrap()).collect()
}

#[tokio::test]
async fn whoever_looks_sees_what_was_committed_before_and_what_comes_after() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weir.db");
    let options = EmbeddedOptions { partitions: 2, ..EmbeddedOptions::new(&path) };
    let log = EmbeddedLog::open(&options).unwrap();
    let event = |value| record(Topic::Event, "k", Some(value), 1);
    write(&log, vec![vec![event("a"), event("b")]]).await;

    let mut watched = Watched::open(&path).unwrap();
    let first = watched.follow(Topic::Event, From::Start).await.unwrap();
    assert_eq!((values(&first.records), first.caught_up), (vec![&b"a"[..], b"b"], true));
    let entry = |value| record(Topic::Ledger, "unit", value, 0);
    write(&log, vec![vec![event("c")], vec![entry(Some("1"))], vec![entry(Some("2"))]]).await;
    let then = watched.follow(Topic::Event, From::At(first.next)).await.unwrap();
    assert_eq!((values(&then.records), then.caught_up), (vec![&b"c"[..]], true));
    let table = watched.restore(Topic::Ledger, Partition(0)).await.unwrap();
    assert_eq!(table.into_iter().collect::<Vec<_>>(), [("unit".into(), "2".into())]);
    let nothing = watched.follow(Topic::Event, From::At(then.next)).await.unwrap();
    assert!(nothing.records.is_empty() && nothing.caught_up);

    // Nobody holds it, and nobody is kept from it.
    drop(log);
    EmbeddedLog::open(&options).unwrap();
}

#[test]
fn what_is_no_log_is_said_and_not_created() {
    let folder = tempfile::tempdir().unwrap();
    let why = |path: &Path| match Watched::open(path) {
        Err(LogError::Unusable(why)) => why,
        other => panic!("{other:?}"),
    };
    let missing = folder.path().join("none.db");
    assert!(why(&missing).contains("there is no log yet"));
    assert!(!missing.exists());
    let other = folder.path().join("text");
    std::fs::write(&other, "not a database, but long enough to be taken for one by somebody".repeat(20))
        .unwrap();
    assert!(!why(&other).is_empty());
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    assert!(why(&empty).contains("is no log of Weir"));
}
