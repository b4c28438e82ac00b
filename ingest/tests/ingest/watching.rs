//! A folder that is watched: files that come, grow, come late, are torn, and go.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use ingest::{FilesConfig, Summary, Watch};
use pipeline::Logs;
use schemas::ledger::LedgerEntry;
use schemas::time::{DAY, HOUR, MINUTE, SECOND};
use schemas::{Micros, Partition, Topic, decode};

use crate::support::Bench;

const EVERY: i64 = 30 * SECOND;

fn source(bench: &Bench) -> FilesConfig {
    let watch = Watch { every: Duration::from_secs(30), late: Duration::from_secs(24 * 3600) };
    FilesConfig { watch: Some(watch), step_records_max: 10, ..bench.source() }
}

/// A line of the export that the second tells of.
fn line(second: usize) -> String {
    let at = Micros::parse("2024-05-31T20:00:00Z").unwrap().plus(second as i64 * SECOND);
    let time = at.to_string();
    let time = time.trim_end_matches('Z');
    format!(
        "{{\"Id\":\"{second}\",\"CreationTime\":\"{time}\",\"Operation\":\"Op\",\"OrganizationId\":\"t\"}}\n"
    )
}

fn lines(seconds: std::ops::Range<usize>) -> String {
    seconds.map(line).collect()
}

fn second(second: usize) -> Micros {
    Micros::parse("2024-05-31T20:00:00Z").unwrap().plus(second as i64 * SECOND)
}

/// A file of the export, with its folders: `y=/m=/d=/h=/m=`.
fn export(bench: &Bench, hour: u32, name: &str) -> PathBuf {
    let folder = format!("WorkspaceResourceId=/subscriptions/s/y=2024/m=05/d=31/h={hour:02}/m=00");
    let folder = bench.folder.path().join(folder);
    fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

fn append(path: &PathBuf, text: impl AsRef<[u8]>) {
    OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(text.as_ref()).unwrap();
}

/// Watches for so long by the bench's clock.
async fn watch(bench: &Bench, source: &FilesConfig, time: i64) -> Summary {
    watch_halves(bench, source, (time, 0), async || {}).await
}

/// The same, for so long before and after what happens in between.
async fn watch_halves(
    bench: &Bench,
    source: &FilesConfig,
    (before, after): (i64, i64),
    between: impl AsyncFnOnce(),
) -> Summary {
    let mut log = bench.open(&source.name, "one").await;
    let context = bench.context();
    let stop = context.control.stop.clone();
    let running = ingest::run(log.as_mut(), &bench.log, source, context);
    let driving = async {
        pass(bench, before).await;
        between().await;
        pass(bench, after).await;
        stop.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        ended = running => ended.unwrap(),
        () = driving => unreachable!("it waits"),
    }
}

/// Lets so much time pass.
async fn pass(bench: &Bench, time: i64) {
    let until = bench.clock.now().plus(time);
    while bench.clock.now() < until {
        let wake = waits(bench).await;
        bench.clock.set(wake.min(until));
    }
    waits(bench).await;
}

/// Until the source waits for the clock.
async fn waits(bench: &Bench) -> Micros {
    for _ in 0..5_000_000 {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        if let Some(wake) = bench.clock.next_wake().filter(|wake| *wake > bench.clock.now()) {
            return wake;
        }
    }
    panic!("nobody waits for the clock");
}

/// The watermarks so far.
async fn marks(bench: &Bench) -> Vec<Micros> {
    let (_, marks) = bench.events().await;
    marks.into_iter().flat_map(|(_, watermark)| watermark.marks).map(|mark| mark.time).collect()
}

/// Laws: what is new, has grown or comes late to an old file is read, once; time comes after a quiet pass, and stays a day
/// behind the newest event.
#[tokio::test]
async fn files_that_come_and_grow_are_read_once() {
    let bench = Bench::new(1);
    let source = source(&bench);
    let (first, second_file) = (export(&bench, 20, "PT05M.json"), export(&bench, 21, "PT05M.json"));
    append(&first, lines(0..25));
    let summary = watch(&bench, &source, MINUTE).await;
    assert_eq!((summary.counts.emitted, summary.finished), (25, false));
    assert_eq!(marks(&bench).await, [second(24).plus(-DAY)]);

    append(&first, lines(25..30));
    append(&second_file, lines(3600..3605));
    append(&export(&bench, 21, "PT05M_1.json"), lines(3605..3610));
    let summary = watch(&bench, &source, 5 * MINUTE).await;
    assert_eq!((summary.counts.emitted, summary.counts.read), (15, 15));
    // Late, to the oldest file.
    append(&first, lines(30..31));
    let summary = watch(&bench, &source, 5 * MINUTE).await;
    assert_eq!((summary.counts.emitted, summary.counts.read, summary.ledger.read), (1, 1, 41));
    assert!(summary.ledger.balance());
    let marks = marks(&bench).await;
    assert!(marks.is_sorted());
    assert_eq!(*marks.last().unwrap(), second(3609).plus(-DAY));
    assert_eq!(marks.len(), 3, "once after what was new, once after each start: {marks:?}");
}

/// Law: a torn line is not rejected before it is whole, wherever it is torn, while it is looked at.
#[tokio::test]
async fn a_torn_line_waits_for_its_rest() {
    let whole = lines(0..12);
    for torn in [1, 40, 200, whole.len() - 20, whole.len() - 1, whole.len()] {
        let bench = Bench::new(1);
        let source = source(&bench);
        let file = export(&bench, 20, "PT05M.json");
        append(&file, &whole.as_bytes()[..torn]);
        let before = watch(&bench, &source, 10 * MINUTE).await;
        assert_eq!(before.ledger.rejected, 0, "torn at {torn}");
        append(&file, &whole.as_bytes()[torn..]);
        append(&file, lines(12..15));
        let after = watch(&bench, &source, 10 * MINUTE).await;
        assert_eq!((after.ledger.emitted, after.ledger.read), (15, 15), "torn at {torn}: {after:?}");
        assert!(bench.dead_letters().await.is_empty());
    }
}

/// Law: a line that has no end is taken as it is once nobody has written for as long as a record may be late.
#[tokio::test]
async fn a_line_without_end_is_taken_when_it_is_quiet() {
    let bench = Bench::new(1);
    let source = source(&bench);
    let whole = lines(0..12);
    append(&export(&bench, 20, "PT05M.json"), &whole.as_bytes()[..whole.len() - 20]);
    assert_eq!(watch(&bench, &source, 23 * HOUR).await.ledger.read, 11);
    let summary = watch(&bench, &source, 25 * HOUR).await;
    assert_eq!((summary.ledger.read, summary.ledger.emitted, summary.ledger.rejected), (12, 11, 1));
    assert_eq!(bench.dead_letters().await.len(), 1);
}

/// Law: what was taken torn, because nobody wrote on for long, is a record once its rest is there; in any form.
#[tokio::test]
async fn what_was_taken_torn_is_a_record_once_it_is_whole() {
    let whole = lines(0..12);
    let rows: String = whole.lines().map(|line| format!("\"{}\"\n", line.replace('"', "\"\""))).collect();
    let csv = format!("AuditData\n{rows}").into_bytes();
    let packed = crate::support::gzip(whole.as_bytes());
    let list = format!("[{}]", whole.trim_end().replace('\n', ",\n")).into_bytes();
    let noise = [b"oops\n", whole.as_bytes()].concat();
    let short = 5 * MINUTE;
    for (name, whole, pause, rejected) in [
        ("packed.gz", &packed, short, 0),
        ("rows.csv", &csv, short, 0),
        ("noise.jsonl", &noise, short, 1),
        ("lines.jsonl", &whole.into_bytes(), 25 * HOUR, 0),
        ("list.json", &list, 25 * HOUR, 0),
    ] {
        let bench = Bench::new(1);
        let source = source(&bench);
        let file = bench.folder.path().join(name);
        append(&file, &whole[..whole.len() - 20]);
        let torn = watch(&bench, &source, pause).await.ledger;
        assert_eq!(torn.rejected, rejected + 1, "{name}: {torn:?}");
        append(&file, &whole[whole.len() - 20..]);
        let summary = watch(&bench, &source, pause).await;
        assert_eq!(bench.events().await.0.len(), 12, "{name}: {summary:?}");
        let ledger = summary.ledger;
        assert_eq!((ledger.read, ledger.rejected), (12 + rejected, rejected), "{name}: {ledger:?}");
        assert!(ledger.balance(), "{name}");
        assert_eq!(watch(&bench, &source, MINUTE).await.counts.read, 0, "{name}: nothing new");
    }
}

/// Law: a line that has its end and is no record is told once, however the file grows.
#[tokio::test]
async fn a_line_that_is_no_record_is_not_read_again_when_the_file_grows() {
    let bench = Bench::new(1);
    let source = source(&bench);
    let file = export(&bench, 20, "PT05M.json");
    append(&file, format!("{}oops\n", lines(0..5)));
    assert_eq!(watch(&bench, &source, 25 * HOUR).await.ledger.read, 6);
    append(&file, lines(5..8));
    let summary = watch(&bench, &source, 5 * MINUTE).await;
    assert_eq!((summary.counts.read, summary.ledger.read, summary.ledger.rejected), (3, 9, 1));
    assert_eq!(bench.dead_letters().await.len(), 1);
}

/// A list that is being copied is read when it is whole.
#[tokio::test]
async fn a_list_that_is_being_written_is_read_when_it_is_whole() {
    let bench = Bench::new(1);
    let source = source(&bench);
    let file = bench.folder.path().join("list.json");
    append(&file, format!("[{}", lines(0..5).trim_end().replace('\n', ",\n")));
    assert_eq!(watch(&bench, &source, 5 * MINUTE).await.ledger.read, 0);
    append(&file, "]");
    assert_eq!(watch(&bench, &source, 5 * MINUTE).await.ledger.emitted, 5);
    let packed = crate::support::gzip(lines(5..10).as_bytes());
    bench.write("packed.gz", &packed);
    let summary = watch(&bench, &source, 5 * MINUTE).await;
    assert_eq!((summary.ledger.emitted, summary.ledger.rejected), (10, 0));
}

/// Law: what is gone from the disk and was quiet for 8 days leaves the ledger, and the sums stay.
#[tokio::test]
async fn files_that_are_gone_are_forgotten_and_the_sums_stay() {
    let bench = Bench::new(1);
    let mut source = source(&bench);
    source.watch = Some(Watch { every: Duration::from_secs(3600), late: Duration::from_secs(24 * 3600) });
    let (first, second) = (export(&bench, 20, "PT05M.json"), export(&bench, 21, "PT05M.json"));
    append(&first, format!("{}oops\n", lines(0..5)));
    append(&second, lines(5..10));
    let before = watch(&bench, &source, 2 * HOUR).await;
    assert_eq!((before.ledger.read, before.ledger.rejected), (11, 1));
    fs::remove_file(&first).unwrap();
    let after = watch(&bench, &source, 7 * DAY).await;
    assert_eq!((after.ledger, units(&bench).await.len()), (before.ledger, 2));
    let after = watch(&bench, &source, 9 * DAY).await;
    assert_eq!(after.ledger, before.ledger);
    assert_eq!(units(&bench).await, [second.display().to_string(), "forgotten/".to_owned()]);
    let restarted = watch(&bench, &source, HOUR).await;
    assert_eq!((restarted.ledger, restarted.counts.read), (before.ledger, 0));
}

async fn units(bench: &Bench) -> Vec<String> {
    let table = bench.log.reader().await.unwrap().restore(Topic::Ledger, Partition(0)).await.unwrap();
    table.values().filter_map(|value| decode::<LedgerEntry>(value).ok()).map(|entry| entry.unit).collect()
}

/// Law: however often it is stopped in between, the sums are those of one long run.
#[tokio::test]
async fn many_short_runs_are_one_long_one() {
    let bench = Bench::new(1);
    let source = source(&bench);
    let file = export(&bench, 20, "PT05M.json");
    let whole = lines(0..60);
    let mut written = 0;
    let mut last = Summary::default();
    for step in 1..20 {
        let upto = (whole.len() * step / 19).max(written);
        append(&file, &whole.as_bytes()[written..upto]);
        written = upto;
        last = watch(&bench, &source, EVERY * (1 + step as i64 % 3)).await;
    }
    assert_eq!((last.ledger.read, last.ledger.emitted, last.ledger.rejected), (60, 60, 0));
}

/// A path that names nothing yet is waited for, and ends nothing.
#[tokio::test]
async fn what_is_not_there_yet_is_waited_for() {
    let bench = Bench::new(1);
    let mut source = source(&bench);
    source.paths = vec![bench.folder.path().join("later/**/PT05M*.json"), bench.folder.path().join("never")];
    assert_eq!(watch(&bench, &source, MINUTE).await.ledger.read, 0);
    fs::create_dir_all(bench.folder.path().join("later/y=2024/m=05")).unwrap();
    append(&bench.folder.path().join("later/y=2024/m=05/PT05M_1.json"), lines(0..5));
    append(&bench.folder.path().join("later/y=2024/m=05/other.json"), lines(5..9));
    assert_eq!(watch(&bench, &source, MINUTE).await.ledger.emitted, 5);
}

/// Law: a folder that cannot be walked hides nothing but itself, and time does not pass over what may be in it.
#[tokio::test]
async fn a_folder_that_cannot_be_walked_holds_back_time_and_nothing_else() {
    for pattern in ["", "**/PT05M.json"] {
        let bench = Bench::new(1);
        let mut source = source(&bench);
        source.paths = vec![bench.folder.path().join(pattern)];
        fs::create_dir_all(bench.folder.path().join("deep/".repeat(70))).unwrap();
        for hour in 0..20 {
            let of = hour as usize;
            append(&export(&bench, hour, "PT05M.json"), lines(of..of + 1));
        }
        let times = (5 * MINUTE, 5 * MINUTE);
        let summary = watch_halves(&bench, &source, times, async || {
            assert_eq!((bench.events().await.0.len(), marks(&bench).await), (20, vec![]), "{pattern}");
            fs::remove_dir_all(bench.folder.path().join("deep")).unwrap();
        });
        assert_eq!(summary.await.ledger.emitted, 20, "{pattern}");
        assert_eq!(marks(&bench).await, [second(19).plus(-DAY)], "{pattern}");
    }
}

/// A path that names nothing hides nothing: it may never come, and time goes on.
#[tokio::test]
async fn a_path_that_names_nothing_does_not_hold_back_time() {
    let bench = Bench::new(1);
    let mut source = source(&bench);
    let missing = ["never", "never/*.json", "*.never"].map(|name| bench.folder.path().join(name));
    source.paths.extend(missing);
    append(&export(&bench, 20, "PT05M.json"), lines(0..5));
    assert_eq!(watch(&bench, &source, 5 * MINUTE).await.ledger.emitted, 5);
    assert_eq!(marks(&bench).await, [second(4).plus(-DAY)]);
}
