//! What the embedded log says to a full disk, a damaged file, another process, another version; and what it deletes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

use std::{path::Path, time::Duration};

use pipeline::{
    Clock, Incoming, Log, LogError, Logs as _, Next, Outgoing, Route, Step,
    log::{From, Lease, Limits, Member, Positions, Table},
};
use runtime::embedded::{EmbeddedLog, EmbeddedOptions};
use schemas::{Micros, Partition, Topic};

const EVENT: Topic = Topic::Event;

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

fn member(group: &str, topic: Topic) -> Member {
    let limits = Limits { idle_after: Duration::from_millis(1), ..Limits::default() };
    Member { group: group.to_owned(), name: "one".to_owned(), topics: vec![topic], limits }
}

/// A handle of a group that reads what nobody writes.
async fn feeder(log: &EmbeddedLog) -> Box<dyn Log> {
    log.open(member("feeder", Topic::Seen)).await.unwrap()
}

fn step(records: Vec<Outgoing>) -> Step {
    Step { lease: Lease { generation: 1 }, finished: Positions::new(), records }
}

fn sized(topic: Topic, size: usize) -> Outgoing {
    Outgoing::keyed(topic, b"key".to_vec(), vec![b'x'; size]).to(Route::Exact(Partition(0)))
}

async fn follow(log: &EmbeddedLog, topic: Topic) -> Result<Vec<Incoming>, LogError> {
    let mut reader = log.reader().await?;
    let mut all = Vec::new();
    let mut from = From::Start;
    loop {
        let changes = reader.follow(topic, from).await?;
        all.extend(changes.records);
        if changes.caught_up {
            return Ok(all);
        }
        from = From::At(changes.next);
    }
}

async fn count(log: &EmbeddedLog, topic: Topic) -> usize {
    follow(log, topic).await.unwrap().len()
}

/// Reads and commits what there is.
async fn finish(log: &EmbeddedLog, group: &str) {
    let mut handle = log.open(member(group, EVENT)).await.unwrap();
    loop {
        match handle.next().await.unwrap() {
            Next::Batch(batch) => {
                let finished = batch.records.iter().map(|record| (record.at, record.offset.next())).collect();
                handle.commit(Step { lease: batch.lease, finished, records: Vec::new() }).await.unwrap();
            }
            Next::Assigned(_) | Next::Revoking { .. } | Next::Missed { .. } => {}
            Next::Idle => return,
        }
    }
}

fn unusable(options: &EmbeddedOptions) -> String {
    match EmbeddedLog::open(options) {
        Err(LogError::Unusable(why)) => why,
        other => panic!("it opened, or failed otherwise: {other:?}"),
    }
}

#[test]
fn a_full_disk_is_told_leaves_no_trace_and_the_same_step_commits_once_there_is_space() {
    let folder = tempfile::tempdir().unwrap();
    let small =
        EmbeddedOptions { bytes_max: Some(2_000_000), ..EmbeddedOptions::new(folder.path().join("log.db")) };
    run(async {
        let log = EmbeddedLog::open(&small).unwrap();
        let mut handle = feeder(&log).await;
        let big = || step(vec![sized(EVENT, 300_000), sized(Topic::Receipt, 300_000)]);
        let mut steps = 0;
        let full = loop {
            match handle.commit(big()).await {
                Ok(()) => steps += 1,
                Err(error) => break error,
            }
            assert!(steps < 10, "the limit does not hold");
        };
        assert!(matches!(full, LogError::Full(_)), "{full:?}");
        assert!(steps > 1);
        assert_eq!((count(&log, EVENT).await, count(&log, Topic::Receipt).await), (steps, steps));
        assert!(matches!(handle.commit(big()).await, Err(LogError::Full(_))), "still full");
        handle
            .commit(step(vec![sized(EVENT, 1)]))
            .await
            .expect("a small step still fits: the handle goes on");
        drop((handle, log));

        let log = EmbeddedLog::open(&EmbeddedOptions { bytes_max: None, ..small.clone() }).unwrap();
        feeder(&log).await.commit(big()).await.unwrap();
        assert_eq!((count(&log, EVENT).await, count(&log, Topic::Receipt).await), (steps + 2, steps + 1));
    });
}

#[test]
fn one_step_that_does_not_fit_takes_no_other_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        EmbeddedOptions { bytes_max: Some(1_000_000), ..EmbeddedOptions::new(folder.path().join("log.db")) };
    run(async {
        let log = EmbeddedLog::open(&options).unwrap();
        let mut handles = Vec::new();
        for n in 0..8 {
            handles.push(log.open(member(&format!("feeder {n}"), Topic::Seen)).await.unwrap());
        }
        // All at once, so that they wait together; the fourth is too large for the file.
        let commits = handles.iter_mut().enumerate().map(|(n, handle)| {
            handle.commit(step(vec![sized(EVENT, if n == 3 { 2_000_000 } else { 1000 })]))
        });
        let answers = futures_util::future::join_all(commits).await;
        for (n, answer) in answers.iter().enumerate() {
            assert_eq!(answer.is_ok(), n != 3, "step {n}: {answer:?}");
        }
        assert!(matches!(answers[3], Err(LogError::Full(_))));
        assert_eq!(count(&log, EVENT).await, 7);
    });
}

#[test]
fn a_second_holder_is_refused_until_the_first_has_closed() {
    let folder = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions::new(folder.path().join("log.db"));
    run(async {
        let log = EmbeddedLog::open(&options).unwrap();
        assert!(unusable(&options).contains("held by another process"));
        let mut handle = feeder(&log).await;
        drop(log);
        assert!(unusable(&options).contains("held by another process"), "a handle still works on it");
        handle.commit(step(vec![sized(EVENT, 1)])).await.unwrap();
        drop(handle);
        let log = EmbeddedLog::open(&options).unwrap();
        assert_eq!(count(&log, EVENT).await, 1);
        let mut handle = feeder(&log).await;
        log.close().await;
        assert!(handle.commit(step(vec![sized(EVENT, 1)])).await.is_err(), "closed");
        assert!(log.open(member("late", EVENT)).await.is_err(), "closed");
        EmbeddedLog::open(&options).unwrap();
    });
}

/// Events name people: what is made is for its owner only, what is there keeps the rights it was given.
#[cfg(unix)]
#[test]
fn others_cannot_read_the_log() {
    use std::{fs, os::unix::fs::PermissionsExt as _};
    let folder = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions::new(folder.path().join("weir.db"));
    let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    let modes = || ["weir.db", "weir.db-wal", "weir.db-shm", "weir.db.lock"].map(mode);
    run(async {
        let log = EmbeddedLog::open(&options).unwrap();
        feeder(&log).await.commit(step(vec![sized(EVENT, 10)])).await.unwrap();
        assert_eq!(modes(), [0o600; 4]);
        log.close().await;
        fs::set_permissions(&options.path, fs::Permissions::from_mode(0o640)).unwrap();
        let log = EmbeddedLog::open(&options).unwrap();
        feeder(&log).await.commit(step(vec![sized(EVENT, 10)])).await.unwrap();
        assert_eq!(modes(), [0o640, 0o640, 0o640, 0o600]);
        log.close().await;
    });
}

#[test]
fn the_number_of_partitions_is_settled_when_the_file_is_created() {
    let folder = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions { partitions: 4, ..EmbeddedOptions::new(folder.path().join("log.db")) };
    drop(EmbeddedLog::open(&options).unwrap());
    let why = unusable(&EmbeddedOptions { partitions: 5, ..options.clone() });
    assert!(why.contains("has 4 partitions") && why.contains("5 were asked for"), "{why}");
    for partitions in [0, 1025] {
        assert!(unusable(&EmbeddedOptions { partitions, ..options.clone() }).contains("1 to 1024"));
    }
    run(async { assert_eq!(EmbeddedLog::open(&options).unwrap().partitions(Topic::Gap).await, Ok(4)) });
}

#[test]
fn a_newer_version_another_database_and_no_database_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let options = |name: &str| EmbeddedOptions::new(folder.path().join(name));
    let sql = |name: &str, sql: &str| {
        rusqlite::Connection::open(folder.path().join(name)).unwrap().execute_batch(sql).unwrap();
    };
    drop(EmbeddedLog::open(&options("newer.db")).unwrap());
    sql("newer.db", "PRAGMA user_version = 2");
    assert!(unusable(&options("newer.db")).contains("version 2"));
    sql("other.db", "CREATE TABLE note (text TEXT)");
    assert!(unusable(&options("other.db")).contains("not a log of Weir"));
    std::fs::write(folder.path().join("text.db"), "these are notes\n".repeat(1000)).unwrap();
    assert!(unusable(&options("text.db")).contains("no SQLite database"));
    assert!(unusable(&options("nowhere/log.db")).contains("cannot open"));
    sql("other.db", "INSERT INTO note VALUES ('still mine')");
}

/// Whatever single page is damaged, or wherever the file is cut: an answer, never a panic, and never a hang.
#[test]
fn a_damaged_file_is_told_or_read_and_never_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.db");
    run(async {
        let log = EmbeddedLog::open(&EmbeddedOptions::new(&whole)).unwrap();
        let mut handle = feeder(&log).await;
        let record =
            |n: u8| Outgoing { headers: vec![("n".to_owned(), vec![n].into())], ..sized(EVENT, 500) };
        let state = |n: u8| Outgoing::keyed(Topic::DetectState, vec![n], b"state".to_vec());
        handle.commit(step((0..40).flat_map(|n| [record(n), state(n)]).collect())).await.unwrap();
    });
    let bytes = std::fs::read(&whole).unwrap();
    let pages = bytes.len() / 4096;
    assert!(pages > 10 && bytes.len().is_multiple_of(4096));
    let mut told = 0;
    for page in 0..pages {
        let mut zeroed = bytes.clone();
        zeroed[page * 4096..(page + 1) * 4096].fill(0);
        let mut flipped = bytes.clone();
        flipped[page * 4096..].iter_mut().take(4096).step_by(7).for_each(|byte| *byte ^= 0xa5);
        for damaged in [zeroed, flipped, bytes[..page * 4096 + 100].to_vec()] {
            let file = folder.path().join("damaged.db");
            std::fs::write(&file, damaged).unwrap();
            told += usize::from(run(use_it(&file)).is_err());
            for beside in ["damaged.db-wal", "damaged.db-shm"] {
                std::fs::remove_file(folder.path().join(beside)).unwrap_or_default();
            }
        }
    }
    assert!(told > pages, "{told} of {} were told", pages * 3);
}

async fn use_it(file: &Path) -> Result<(), LogError> {
    let log = EmbeddedLog::open(&EmbeddedOptions::new(file))?;
    follow(&log, EVENT).await?;
    log.reader().await?.restore(Topic::DetectState, Partition(0)).await?;
    let state = Outgoing::keyed(Topic::DetectState, vec![1], b"newer".to_vec());
    let answer = feeder_or(&log).await?.commit(step(vec![sized(EVENT, 9000), state])).await;
    answer
        .inspect_err(|error| assert!(matches!(error, LogError::Unusable(_) | LogError::Full(_)), "{error:?}"))
}

async fn feeder_or(log: &EmbeddedLog) -> Result<Box<dyn Log>, LogError> {
    log.open(member("feeder", Topic::Seen)).await
}

#[test]
fn what_every_group_has_finished_goes_after_the_retention_and_not_before() {
    const HOUR: i64 = 3_600_000_000;
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(Micros(0));
    let retention = Duration::from_secs(3600);
    let options = EmbeddedOptions {
        clock: clock.clone(),
        retention,
        ..EmbeddedOptions::new(folder.path().join("log.db"))
    };
    // The file is cleaned when it is opened, and that is done before the first commit is.
    let left = |at: i64| {
        clock.set(Micros(at));
        run(async {
            let log = EmbeddedLog::open(&options).unwrap();
            feeder(&log).await.commit(step(Vec::new())).await.unwrap();
            (count(&log, EVENT).await, count(&log, Topic::DetectState).await)
        })
    };
    run(async {
        let log = EmbeddedLog::open(&options).unwrap();
        let state = |key: u8, value: Option<&'static [u8]>| Outgoing {
            value: value.map(Into::into),
            ..Outgoing::keyed(Topic::DetectState, vec![key], Vec::new())
        };
        let mut handle = feeder(&log).await;
        handle
            .commit(step(vec![sized(EVENT, 10), sized(EVENT, 10), state(1, Some(b"a")), state(2, None)]))
            .await
            .unwrap();
        finish(&log, "early").await;
        log.open(member("late", EVENT)).await.unwrap();
        clock.set(Micros(HOUR));
        handle.commit(step(vec![sized(EVENT, 10), state(1, Some(b"b"))])).await.unwrap();
        assert_eq!(count(&log, Topic::DetectState).await, 2, "the older value is superseded at once");
    });
    assert_eq!(left(HOUR / 2), (3, 2), "too young");
    assert_eq!(
        left(3 * HOUR),
        (3, 1),
        "old, but the late group has not finished them; the deletion is forgotten"
    );
    run(async { finish(&EmbeddedLog::open(&options).unwrap(), "late").await });
    run(async { finish(&EmbeddedLog::open(&options).unwrap(), "early").await });
    assert_eq!(left(HOUR * 3 / 2), (1, 1), "the first two are old and finished");
    assert_eq!(left(3 * HOUR), (0, 1), "state stays");
    run(async {
        let log = EmbeddedLog::open(&options).unwrap();
        let mut reader = log.reader().await.unwrap();
        let table =
            reader.restore(Topic::DetectState, schemas::partition::partition_of(&[1], 1)).await.unwrap();
        assert_eq!(table, Table::from([(vec![1].into(), b"b".to_vec().into())]));
        feeder(&log).await.commit(step(vec![sized(EVENT, 10)])).await.unwrap();
        let records = follow(&log, EVENT).await.unwrap();
        assert_eq!(records[0].offset.0, 3, "offsets go on");
    });
}
