//! Restarts, crashes and partitions that go to another member: what is on the log in the end is the same.

use futures_util::future::BoxFuture;
use ingest::{IngestError, Summary};
use pipeline::log::{Assignment, Next};
use pipeline::{Log, LogError, Step};
use schemas::ledger::LedgerEntry;
use schemas::{Topic, decode};

use crate::support::Bench;

const RECORDS: usize = 5_000;

/// More records than one step holds; one in ten is a repeat, one in a hundred is broken.
fn write_many(bench: &Bench) {
    let line = |n: usize| match n {
        n if n % 100 == 99 => "{\"Id\":\n".to_owned(),
        n if n % 10 == 9 => line_of(n - 1),
        n => line_of(n),
    };
    let all: String = (0..RECORDS).map(line).collect();
    let middle = all.match_indices('\n').nth(RECORDS / 2).unwrap().0 + 1;
    let (first, second) = all.split_at(middle);
    bench.write("a.jsonl", first.as_bytes());
    bench.write("b.jsonl", second.as_bytes());
}

fn line_of(n: usize) -> String {
    let time = format!("2024-05-01T10:{:02}:{:02}", n / 60 % 60, n % 60);
    format!(
        "{{\"Id\":\"{n}\",\"CreationTime\":\"{time}\",\"Operation\":\"Op\",\"UserId\":\"u\",\"OrganizationId\":\"t\"}}\n"
    )
}

/// What happens at a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The process dies before the step is written.
    DiesBefore,
    /// It dies after the step is written and before it is told so.
    DiesAfter,
    /// The partitions are lost, and come back.
    Loses,
    /// The step is written, and then the partitions are assigned anew without having been lost.
    GainsAgain,
}

/// A handle that meets its fate at one commit.
struct Fated {
    inner: Box<dyn Log>,
    fate: Fate,
    at: usize,
    commits: usize,
    held: Option<Assignment>,
    again: bool,
}

impl Log for Fated {
    fn next(&mut self) -> BoxFuture<'_, Result<Next, LogError>> {
        Box::pin(async move {
            if self.again {
                self.again = false;
                return Ok(Next::Assigned(self.held.clone().unwrap()));
            }
            let next = self.inner.next().await?;
            if let Next::Assigned(assignment) = &next {
                self.held = Some(assignment.clone());
            }
            Ok(next)
        })
    }

    fn commit(&mut self, step: Step) -> BoxFuture<'_, Result<(), LogError>> {
        Box::pin(async move {
            self.commits += 1;
            if self.commits != self.at {
                return self.inner.commit(step).await;
            }
            match self.fate {
                Fate::GainsAgain => {
                    let finished = step.finished.clone();
                    self.inner.commit(step).await?;
                    let held = self.held.as_mut().unwrap();
                    held.gained.iter_mut().for_each(|(at, from)| *from = *finished.get(at).unwrap_or(from));
                    self.again = true;
                    return Ok(());
                }
                Fate::DiesBefore => {}
                Fate::DiesAfter => self.inner.commit(step).await?,
                Fate::Loses => {
                    self.again = true;
                    return Err(LogError::Lost(step.finished.keys().copied().collect()));
                }
            }
            Err(LogError::Fenced("died".to_owned()))
        })
    }

    fn leave(&mut self) -> BoxFuture<'_, Result<(), LogError>> {
        self.inner.leave()
    }
}

async fn run_fated(bench: &Bench, fate: Fate, at: usize) -> Result<Summary, IngestError> {
    let inner = bench.open("files", "one").await;
    let mut log = Fated { inner, fate, at, commits: 0, held: None, again: false };
    ingest::run(&mut log, &bench.log, &bench.source(), bench.context()).await
}

fn assert_complete(summary: &Summary) {
    let ledger = summary.ledger;
    assert!(ledger.balance() && summary.counts.balance() && summary.finished);
    let rejected = RECORDS as i64 / 100;
    let repeated = RECORDS as i64 / 10 - rejected;
    assert_eq!((ledger.read, ledger.rejected, ledger.deduplicated), (RECORDS as i64, rejected, repeated));
    assert_eq!(ledger.emitted, RECORDS as i64 - rejected - repeated);
}

#[tokio::test]
async fn a_crash_at_any_step_loses_nothing_and_doubles_nothing() {
    let undisturbed = Bench::new(2);
    write_many(&undisturbed);
    let summary = undisturbed.run(&undisturbed.source()).await.unwrap();
    assert_complete(&summary);
    let steps = usize::try_from(summary.steps).unwrap();
    assert!(steps >= 3, "two steps of records and the watermark: {steps}");
    let (expected, _) = undisturbed.events().await;

    for fate in [Fate::DiesBefore, Fate::DiesAfter, Fate::Loses, Fate::GainsAgain] {
        for at in 1..=steps {
            let mut bench = Bench::new(2);
            write_many(&bench);
            let fated = run_fated(&bench, fate, at).await;
            let summary = if matches!(fate, Fate::Loses | Fate::GainsAgain) {
                fated.unwrap()
            } else {
                assert!(matches!(fated, Err(IngestError::Log(LogError::Fenced(_)))), "{fate:?} {at}");
                bench.log = bench.log.crashed();
                bench.run(&bench.source()).await.unwrap()
            };
            assert_complete(&summary);
            // `events` fails where one comes twice.
            let (events, marks) = bench.events().await;
            assert!(events == expected, "{fate:?} at step {at}");
            assert_eq!(bench.dead_letters().await.len(), RECORDS / 100, "{fate:?} at step {at}");
            assert!(marks.len() >= 2);
        }
    }
}

#[tokio::test]
async fn a_restart_after_the_end_reads_nothing_and_sends_the_watermark_again() {
    let mut bench = Bench::new(1);
    write_many(&bench);
    bench.run(&bench.source()).await.unwrap();
    let (before, marks) = bench.events().await;
    bench.log = bench.log.crashed();
    let again = bench.run(&bench.source()).await.unwrap();
    assert_eq!(again.counts, schemas::ledger::Counts::default());
    assert_complete(&again);
    let (after, marks_again) = bench.events().await;
    assert!(after == before);
    assert_eq!(marks_again.len(), marks.len() + 1);
    assert_eq!(marks_again[1], marks[0]);
}

#[tokio::test]
async fn a_file_that_grew_is_read_on_and_a_changed_one_again() {
    let bench = Bench::new(1);
    let lines: Vec<String> = (0..50).map(line_of).collect();
    bench.write("a.jsonl", lines[..30].concat().as_bytes());
    assert_eq!(bench.run(&bench.source()).await.unwrap().counts.emitted, 30);
    bench.write("a.jsonl", lines.concat().as_bytes());
    let grown = bench.run(&bench.source()).await.unwrap();
    assert_eq!((grown.counts.read, grown.counts.emitted, grown.ledger.read), (20, 20, 50));
    let reversed: String = lines.iter().rev().cloned().collect();
    bench.write("a.jsonl", format!("{reversed}{}", line_of(99)).as_bytes());
    let changed = bench.run(&bench.source()).await.unwrap();
    assert_eq!((changed.counts.read, changed.counts.deduplicated, changed.counts.emitted), (51, 50, 1));
}

#[tokio::test]
async fn ids_are_forgotten_after_8_days() {
    let bench = Bench::new(1);
    bench.write("a.jsonl", line_of(1).as_bytes());
    bench.run(&bench.source()).await.unwrap();
    for (days, name, deduplicated) in [(7, "b.jsonl", 1), (9, "c.jsonl", 0)] {
        bench
            .clock
            .set(schemas::Micros::parse("2024-06-01T00:00:00Z").unwrap().plus(days * schemas::time::DAY));
        bench.write(name, line_of(1).as_bytes());
        let counts = bench.run(&bench.source()).await.unwrap().counts;
        assert_eq!((counts.read, counts.deduplicated), (1, deduplicated), "{days}");
    }
}

/// A handle that can do everything but leave.
struct Stuck(Box<dyn Log>);

impl Log for Stuck {
    fn next(&mut self) -> BoxFuture<'_, Result<Next, LogError>> {
        self.0.next()
    }

    fn commit(&mut self, step: Step) -> BoxFuture<'_, Result<(), LogError>> {
        self.0.commit(step)
    }

    fn leave(&mut self) -> BoxFuture<'_, Result<(), LogError>> {
        Box::pin(std::future::ready(Err(LogError::Unusable("the broker is away".to_owned()))))
    }
}

#[tokio::test]
async fn whoever_cannot_say_goodbye_has_finished_all_the_same() {
    let bench = Bench::new(1);
    write_many(&bench);
    let mut log = Stuck(bench.open("files", "one").await);
    assert_complete(&ingest::run(&mut log, &bench.log, &bench.source(), bench.context()).await.unwrap());
}

#[tokio::test]
async fn a_stop_leaves_what_is_committed_and_the_next_run_goes_on() {
    let bench = Bench::new(1);
    write_many(&bench);
    let context = bench.context();
    context.control.stop.cancel();
    let mut log = bench.open("files", "one").await;
    let stopped = ingest::run(log.as_mut(), &bench.log, &bench.source(), context).await.unwrap();
    assert!(!stopped.finished && stopped.counts.read == 0);
    assert_complete(&bench.run(&bench.source()).await.unwrap());
}

/// A member that does not hold the source's shard waits until it gets it.
#[tokio::test]
async fn another_member_takes_over_when_the_first_leaves() {
    let bench = Bench::new(1);
    write_many(&bench);
    let mut idle = bench.open("files", "a").await;
    while !matches!(idle.next().await.unwrap(), Next::Assigned(_)) {}
    let mut log = bench.open("files", "b").await;
    let (log, source, context) = (log.as_mut(), bench.source(), bench.context());
    let run = ingest::run(log, &bench.log, &source, context);
    let leave = async {
        for _ in 0..5 {
            idle.next().await.unwrap();
        }
        idle.leave().await.unwrap();
    };
    let (summary, ()) = futures_util::future::join(run, leave).await;
    assert_complete(&summary.unwrap());
}

#[tokio::test]
async fn a_record_on_the_ledger_that_is_not_ours_is_dead_lettered() {
    let bench = Bench::new(1);
    write_many(&bench);
    bench.put(Topic::Ledger, b"who", b"knows").await;
    assert_complete(&bench.run(&bench.source()).await.unwrap());
    let letters = bench.dead_letters().await;
    let foreign: Vec<_> =
        letters.iter().filter(|letter| letter.headers["x-dlq-reason"] == "not_ours").collect();
    assert_eq!(foreign.len(), 1);
    assert_eq!(foreign[0].value, b"knows");
    let entries = bench.on(Topic::Ledger).await;
    let ours = entries.iter().filter(|record| decode::<LedgerEntry>(record.value.as_ref().unwrap()).is_ok());
    assert_eq!(ours.count(), 2);
}
