//! Crashes at every step, of the worker and of the service: in the end there is the same on the log.

use futures_util::future::BoxFuture;
use ingest::IngestError;
use pipeline::log::{Assignment, Next};
use pipeline::{Log, LogError, Step};
use schemas::time::{DAY, HOUR, MINUTE};

use simulator::{Fault, FaultRule, Part, Route, When};

use crate::support::{GENERAL, TENANT, World, assert_sums, start};

/// What happens at a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The process dies before the step is written.
    DiesBefore,
    /// It dies after the step is written and before it is told so.
    DiesAfter,
    /// The partitions are lost, and come back.
    Loses,
}

/// A handle that meets its fate at one commit.
struct Fated {
    inner: Box<dyn Log>,
    fate: Fate,
    at: u64,
    commits: u64,
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

/// Nine blobs after the start, one of them in several steps.
async fn world() -> World {
    let world = World::new().await;
    world.sim.subscribe_all(TENANT, start().plus(-DAY));
    for n in 1..9 {
        world.publish(n as i64 * MINUTE, n * 10..n * 10 + 10);
    }
    world.publish(2 * MINUTE, 100..450);
    world
}

/// Law: a crash at any step changes neither the events nor the ledger's sums.
#[tokio::test]
async fn a_crash_at_any_step_changes_nothing() {
    let undisturbed = world().await;
    let summary = undisturbed.run(&undisturbed.source(""), 15 * MINUTE).await;
    assert_sums(&summary, 430, 430);
    let expected = undisturbed.events().await;
    let steps = summary.steps.min(18);
    assert!(steps > 10, "{steps}");
    for fate in [Fate::DiesBefore, Fate::DiesAfter, Fate::Loses] {
        for at in 1..=steps {
            let mut world = world().await;
            let source = world.source("");
            let inner = world.open().await;
            let mut log = Fated { inner, fate, at, commits: 0, held: None, again: false };
            let fated = world.run_on(&mut log, &source, 15 * MINUTE).await;
            let summary = if fate == Fate::Loses {
                fated.unwrap()
            } else {
                assert!(matches!(fated, Err(IngestError::Log(LogError::Fenced(_)))), "{fate:?} {at}");
                world.log = world.log.crashed();
                world.run(&source, 15 * MINUTE).await
            };
            assert_sums(&summary, 430, 430);
            assert!(world.events().await == expected, "{fate:?} at step {at}");
            assert_eq!(summary.gaps, 0);
            world.assert_listed(start().plus(MINUTE), start().plus(9 * MINUTE));
        }
    }
}

/// Law: a crash before, while or after a subscription is started leaves it started, and no start comes too soon.
#[tokio::test]
async fn a_crash_around_a_start_is_made_good() {
    for fate in [Fate::DiesBefore, Fate::DiesAfter, Fate::Loses] {
        for at in 1..=4 {
            let mut world = World::new().await;
            world.publish(20 * MINUTE, 0..10);
            let source = world.source("");
            let inner = world.open().await;
            let mut log = Fated { inner, fate, at, commits: 0, held: None, again: false };
            let fated = world.run_on(&mut log, &source, HOUR).await;
            let summary = if fate == Fate::Loses {
                fated.unwrap()
            } else {
                world.log = world.log.crashed();
                world.run(&source, HOUR).await
            };
            assert_sums(&summary, 10, 10);
            assert_eq!((world.starts(), summary.gaps), (1, 0), "{fate:?} at step {at}");
        }
    }
}

/// Law: the cursor and the watermark stay before a blob that is not in the log, over restarts too, while what comes after
/// it is read.
#[tokio::test]
async fn a_blob_in_trouble_holds_time_and_is_not_forgotten() {
    let world = World::new().await;
    world.sim.subscribe_all(TENANT, start().plus(-DAY));
    world.publish(MINUTE, 0..10);
    world.publish(10 * MINUTE, 10..20);
    let trouble = When::Between(start(), start().plus(5 * MINUTE));
    world.faults(vec![FaultRule::route(Part::Feed, Route::Blob, trouble, Fault::Busy)]);
    // Nothing is listed a second time but what the cursor says.
    let source = world.source("overlap_hours: 0");
    let summary = world.run(&source, 3 * MINUTE).await;
    assert_eq!(summary.ledger.read, 0);
    assert_eq!(summary.blobs.map(|blobs| (blobs.listed, blobs.fetched)), Some((1, 0)));
    let held = *world.marks(GENERAL).await.last().unwrap();
    assert!(held <= start().plus(MINUTE), "{held}");
    world.go(10 * MINUTE);
    assert_sums(&world.run(&source, HOUR).await, 20, 20);
    assert!(*world.marks(GENERAL).await.last().unwrap() > start().plus(HOUR));
}

/// Law: what comes after a restart goes on where the log ends, however often it is stopped.
#[tokio::test]
async fn many_short_runs_are_one_long_one() {
    let world = World::new().await;
    world.sim.subscribe_all(TENANT, start().plus(-DAY));
    for n in 0..60 {
        world.publish(n as i64 * MINUTE, n * 10..n * 10 + 10);
    }
    let source = world.source("");
    let mut last = world.run(&source, MINUTE).await;
    for minutes in [1, 2, 3, 5, 8, 13, 21, 34] {
        last = world.run(&source, minutes * MINUTE).await;
    }
    assert_sums(&last, 600, 600);
    world.assert_listed(start().plus(-DAY + MINUTE), start().plus(80 * MINUTE));
}
