//! Several sources of one process, each on a handle of its own, side by side.

use std::sync::Arc;

use futures_util::future::join;
use ingest::{AllRead, Context, FilesConfig, IngestError, Summary};
use pipeline::Next;
use schemas::watermark::Watermark;
use schemas::{Topic, decode};

use crate::support::Bench;

fn line(source: &str, n: usize) -> String {
    let time = format!("2024-05-01T10:{:02}:{:02}", n / 60 % 60, n % 60);
    format!("{{\"Id\":\"{source}{n}\",\"CreationTime\":\"{time}\",\"Operation\":\"Op\"}}\n")
}

/// A source of so many records.
fn source(bench: &Bench, name: &str, records: usize) -> FilesConfig {
    let lines: String = (0..records).map(|n| line(name, n)).collect();
    let path = bench.write(&format!("{name}.jsonl"), lines.as_bytes());
    let mut source = FilesConfig::new(name, vec![path]);
    source.step_records_max = 10;
    source
}

fn context(bench: &Bench, all_read: &Arc<AllRead>) -> Context {
    Context { all_read: Arc::clone(all_read), ..bench.context() }
}

async fn run(bench: &Bench, source: &FilesConfig, context: Context) -> Result<Summary, IngestError> {
    let mut log = bench.open(&source.name, "one").await;
    ingest::run(log.as_mut(), &bench.log, source, context).await
}

/// The sources of the watermarks among the events, each with the number of events before it.
async fn watermarks(bench: &Bench) -> Vec<(String, usize)> {
    let (mut events, mut marks) = (0, Vec::new());
    for record in bench.on(Topic::Event).await {
        match decode::<Watermark>(record.value.as_ref().unwrap()) {
            Ok(watermark) => marks.push((watermark.marks[0].source.clone(), events)),
            Err(_) => events += 1,
        }
    }
    marks.sort();
    marks
}

fn both(events: usize) -> Vec<(String, usize)> {
    vec![("long".to_owned(), events), ("short".to_owned(), events)]
}

/// Whoever reads on needs the time to stand still: its records may belong to what a watermark would close.
#[tokio::test]
async fn no_watermark_comes_before_the_last_record_of_any_source() {
    let bench = Bench::new(1);
    let (short, long) = (source(&bench, "short", 1), source(&bench, "long", 500));
    let all_read = Arc::new(AllRead::of(["short", "long"]));
    let (first, second) =
        join(run(&bench, &short, context(&bench, &all_read)), run(&bench, &long, context(&bench, &all_read)))
            .await;
    assert!(first.unwrap().finished && second.unwrap().finished);
    assert_eq!(watermarks(&bench).await, both(501));
}

#[tokio::test]
async fn a_source_that_waits_for_another_hears_a_stop() {
    let bench = Bench::new(1);
    let short = source(&bench, "short", 1);
    let context = context(&bench, &Arc::new(AllRead::of(["short", "long"])));
    let stop = context.control.stop.clone();
    let told = async {
        while bench.on(Topic::Event).await.is_empty() {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let (summary, ()) = join(run(&bench, &short, context), told).await;
    let summary = summary.unwrap();
    assert!(!summary.finished);
    assert_eq!(summary.counts.emitted, 1);
    assert_eq!(watermarks(&bench).await, [], "the next run writes it");
}

/// Two processes share the sources, each holds one: neither waits for the one that the other reads.
#[tokio::test]
async fn processes_that_share_the_sources_do_not_wait_for_each_other() {
    let bench = Bench::new(1);
    let (short, long) = (source(&bench, "short", 1), source(&bench, "long", 50));
    let mut elsewhere = bench.open("long", "another").await;
    while !matches!(elsewhere.next().await.unwrap(), Next::Assigned(_)) {}
    let all_read = Arc::new(AllRead::of(["short", "long"]));
    let context = || context(&bench, &all_read);
    let mut waiting = bench.open("long", "one").await;
    let here = async {
        let short = run(&bench, &short, context()).await.unwrap();
        assert!(short.finished);
        elsewhere.leave().await.unwrap();
    };
    let other = ingest::run(waiting.as_mut(), &bench.log, &long, context());
    let (summary, ()) = join(other, here).await;
    assert_eq!(summary.unwrap().counts.emitted, 50);
}
