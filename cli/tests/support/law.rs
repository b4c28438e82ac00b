//! The law of the whole flow, and what a case of it draws.
//!
//! **The same records give the same findings.** However they are ordered, repeated and split over files, on whichever log,
//! with however many partitions, in batches of any size, by one member of each stage or by two, stopped or killed in
//! between: once everything is frozen, the ids, severities and evidence of the findings that stand are the same, and so is
//! the number of events. What it does not say: how many revisions there were on the way.
//!
//! The seed of a failed run is printed; `PROPTEST_RNG_SEED` draws the same cases again.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use detect::RuleSet;
use futures_util::future::BoxFuture;
use pipeline::Clock;
use pipeline::conformance::Instance;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use schemas::EventId;
use schemas::finding::{Finding, Severity};
use schemas::ledger::Counts;

use crate::flows::{self, Came, Plan};
use crate::logs::InMemory;
use crate::records;

/// How many partitions a topic has.
const PARTITIONS: [u32; 3] = [1, 2, 8];

/// A kind of log.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// Makes one of so many partitions.
    pub(crate) make: fn(u32) -> BoxFuture<'static, Box<dyn Instance>>,
    /// How long a stage waits for more at the end.
    pub(crate) idle_after: Duration,
}

/// The memory log.
pub(crate) const MEMORY: Kind = Kind {
    make: |partitions| Box::pin(async move { Box::new(InMemory::new(partitions)) as Box<dyn Instance> }),
    idle_after: Duration::from_millis(2),
};

/// One way through.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// Of every topic.
    pub(crate) partitions: u32,
    /// At most so many records in a batch, and in a step of worker 1.
    pub(crate) records_max: usize,
    /// None: as they stand in the corpus.
    pub(crate) shuffle: Option<u64>,
    /// None: each record once; otherwise two of five twice.
    pub(crate) double: Option<u64>,
    /// Over so many files.
    pub(crate) files: u64,
    /// So many members of every stage.
    pub(crate) replicas: u32,
    /// The second members of the later stages join after so many steps of correlate.
    pub(crate) join: usize,
    /// Where the flow is broken off and begun anew.
    pub(crate) breaks: Vec<Break>,
}

/// How a flow ends before its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Break {
    /// After so many steps.
    pub(crate) steps: usize,
    /// In which way.
    pub(crate) how: How,
}

/// In which way a flow ends before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// It is told to stop.
    Told,
    /// All handles are gone before the step is written.
    KilledBefore,
    /// All handles are gone once the step is written, and the stage does not hear of it.
    KilledAfter,
}

/// What may be drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// How many cases of each number of partitions.
    pub(crate) cases: u32,
    /// The smallest batch.
    pub(crate) records_max_from: usize,
    /// Members of every stage.
    pub(crate) replicas: u32,
    /// Whether flows are broken off, and killed.
    pub(crate) breaks: Breaks,
}

/// Whether flows are broken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breaks {
    /// Not at all.
    None,
    /// Once to three times, in any way.
    Any,
}

/// What is compared.
pub(crate) type Standing = BTreeSet<(String, Severity, BTreeSet<EventId>)>;

/// The findings that stand, by what must not change.
pub(crate) fn standing(findings: &[Finding]) -> Standing {
    findings
        .iter()
        .map(|finding| {
            (finding.id.to_string(), finding.severity, finding.event_ids.iter().copied().collect())
        })
        .collect()
}

/// Tries the law over that kind of log.
///
/// # Errors
/// The smallest case that fails, and the seed.
pub(crate) fn holds(kind: Kind, bounds: Bounds) -> Result<(), String> {
    let rules = Arc::new(RuleSet::load(None).map_err(|problems| format!("{problems:?}"))?);
    let corpus = records::corpus()?;
    let expected = reference(&rules, &corpus)?;
    let mut config = Config {
        cases: bounds.cases,
        failure_persistence: None,
        max_shrink_time: 30_000,
        ..Config::default()
    };
    let seed = match config.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => Clock::machine().now().0.unsigned_abs(),
    };
    config.rng_seed = RngSeed::Fixed(seed);
    let broken = Cell::new(0);
    for partitions in PARTITIONS {
        let outcome = TestRunner::new(config.clone()).run(&cases(partitions, bounds), |case| {
            let came = run(kind, &rules, &corpus, &case)
                .map_err(|error| TestCaseError::fail(format!("{error:#}")))?;
            broken.set(broken.get() + came.broken);
            check(&case, &expected, &came)
        });
        outcome.map_err(|error| match error {
            TestError::Fail(why, case) => format!("{why}\nseed: {seed}\nsmallest case: {case:?}"),
            TestError::Abort(why) => format!("{why}\nseed: {seed}"),
        })?;
    }
    if bounds.breaks == Breaks::Any && broken.get() == 0 {
        return Err("no flow was broken off".to_owned());
    }
    Ok(())
}

fn check(case: &Case, expected: &Came, came: &Came) -> Result<(), TestCaseError> {
    let (due, found) = (standing(&expected.findings), standing(&came.findings));
    let missing: Vec<_> = due.difference(&found).collect();
    let surplus: Vec<_> = found.difference(&due).collect();
    prop_assert!(missing.is_empty() && surplus.is_empty(), "missing: {missing:#?}\nsurplus: {surplus:#?}");
    for ledger in &came.ledgers {
        let Counts { read, emitted, deduplicated, skipped, rejected, .. } = *ledger;
        prop_assert_eq!(read, emitted + deduplicated + skipped + rejected, "{:?}", ledger);
        prop_assert_eq!(emitted, expected.ledgers[0].emitted, "{:?}", ledger);
        let repeats = read - expected.ledgers[0].read;
        let due = if case.double.is_some() { expected.ledgers[0].read * 2 / 5 } else { 0 };
        prop_assert_eq!(repeats, due, "{:?}", ledger);
    }
    Ok(())
}

/// The corpus as it stands, in one file, over one partition of the memory log: what all else is compared with.
fn reference(rules: &Arc<RuleSet>, corpus: &[String]) -> Result<Came, String> {
    let case = Case {
        partitions: 1,
        records_max: 4096,
        shuffle: None,
        double: None,
        files: 1,
        replicas: 1,
        join: 0,
        breaks: Vec::new(),
    };
    let came = run(MEMORY, rules, corpus, &case).map_err(|error| format!("{error:#}"))?;
    // Guards against comparing nothing with nothing: there must be correlated findings among many.
    let correlated = came.findings.iter().filter(|finding| finding.event_ids.len() >= 5).count();
    if came.findings.len() < 40 || correlated < 2 {
        return Err(format!(
            "the corpus raised {} findings, {correlated} of five events",
            came.findings.len()
        ));
    }
    Ok(came)
}

fn run(kind: Kind, rules: &Arc<RuleSet>, corpus: &[String], case: &Case) -> anyhow::Result<Came> {
    let folder = tempfile::tempdir()?;
    let files = records::arrange(corpus, case, folder.path())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let came = runtime.block_on(async {
        let mut instance = (kind.make)(case.partitions).await;
        let plan = Plan { rules, case, files: &files, idle_after: kind.idle_after };
        flows::run(instance.as_mut(), plan).await
    });
    // Threads that still wait for a broker are not waited for.
    runtime.shutdown_background();
    came
}

fn cases(partitions: u32, bounds: Bounds) -> impl Strategy<Value = Case> {
    let from = bounds.records_max_from;
    let records_max = prop_oneof![Just(from), from..=from.max(40), from.max(41)..=4096];
    let how = prop_oneof![Just(How::Told), Just(How::KilledBefore), Just(How::KilledAfter)];
    let breaks = match bounds.breaks {
        Breaks::None => 0..=0,
        Breaks::Any => 1..=3_usize,
    };
    let breaks = proptest::collection::vec((any::<prop::sample::Index>(), how), breaks);
    let seed = || proptest::option::of(any::<u64>());
    let join = any::<prop::sample::Index>();
    (records_max, seed(), seed(), 1..=3_u64, join, breaks).prop_map(
        move |(records_max, shuffle, double, files, join, breaks)| {
            // About as many steps as there will be, so that a flow is broken off anywhere in it.
            let steps = 12 + 500 / records_max;
            let breaks = breaks.into_iter().map(|(at, how)| Break { steps: at.index(steps), how }).collect();
            let (replicas, join) = (bounds.replicas, join.index(2 + 80 / records_max));
            Case { partitions, records_max, shuffle, double, files, replicas, join, breaks }
        },
    )
}
