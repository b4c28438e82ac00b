//! Worker 1 as the head of a flow: every source on a handle of its own, side by side, each to its end, or until it is told
//! to stop.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use ingest::portion::Blobs;
use ingest::{AllRead, IngestError, Progress, Summary};
use pipeline::Clock;
use pipeline::counters::Phase;
use runtime::admin::Role;
use schemas::ledger::Counts;
use tokio::task::JoinSet;

use crate::flow::{Head, Seen, Surroundings};

/// A source with the counters of its progress bar.
pub type Source = (Arc<dyn ingest::Source>, Arc<Progress>);

/// What the sources came to together.
#[derive(Debug, Default)]
pub struct Read {
    /// This run and those before it.
    pub ledger: Counts,
    /// This run alone.
    pub now: Counts,
    /// Ids that are remembered, and the bytes they take.
    pub seen: (usize, usize),
    /// Losses that sources inflicted, in this run.
    pub gaps: u64,
    /// Of each source that has blobs: what happened to them, in this run and those before it.
    pub blobs: Vec<(String, Blobs)>,
    /// What services answered instead of what was asked for: each code, and how often.
    pub answers: BTreeMap<&'static str, u64>,
}

impl Read {
    fn add(&mut self, source: String, summary: &Summary, progress: &Progress) {
        self.ledger.add(&summary.ledger);
        self.now.add(&summary.counts);
        self.seen.0 += summary.seen.0;
        self.seen.1 += summary.seen.1;
        self.gaps += summary.gaps;
        self.blobs.extend(summary.blobs.map(|blobs| (source, blobs)));
        for (code, count) in progress.answers() {
            *self.answers.entry(code).or_default() += count;
        }
    }
}

/// The sources as they are seen from outside while they are read by `clock`.
#[must_use]
pub fn seen(sources: &[Source], clock: &Clock) -> Vec<Seen> {
    let seen = |(source, progress): &Source| {
        let (name, metrics) = (source.name(), progress.metrics());
        Seen {
            title: format!("ingest {name}"),
            role: Role::Source,
            counters: metrics.counters(),
            measures: ingest::metrics::measures(name, metrics, progress, clock.clone()),
        }
    };
    sources.iter().map(seen).collect()
}

/// The head over `sources`.
#[must_use]
pub fn ingest(around: &Surroundings, sources: Vec<Source>) -> Head<Read> {
    let around = around.clone();
    Box::new(move |control| {
        Box::pin(async move {
            // One without an end holds nobody back.
            let ending = sources.iter().filter(|(source, _)| source.ends());
            let names = ending.map(|(source, _)| source.name());
            let all_read = Arc::new(AllRead::of(names));
            let mut tasks = JoinSet::new();
            for (source, progress) in sources {
                let (around, control, all_read) = (around.clone(), control.clone(), Arc::clone(&all_read));
                let context = ingest::Context { control, progress: Arc::clone(&progress), all_read };
                tasks.spawn(async move {
                    let enter = |phase| progress.metrics().enter(phase, around.clock.now());
                    enter(Phase::Opening);
                    let read = read(&around, source.as_ref(), context).await;
                    enter(if read.is_ok() { Phase::Ended } else { Phase::Failed });
                    let summary = read?;
                    Ok::<_, IngestError>((source.name().to_owned(), summary, progress))
                });
            }
            let mut all = Read::default();
            // The first failure ends the others with it: they may be waiting for the one that failed.
            while let Some(ended) = tasks.join_next().await {
                let (source, summary, progress) = ended.context("a source panicked")??;
                all.add(source, &summary, &progress);
            }
            all.blobs.sort();
            Ok(all)
        })
    })
}

async fn read(
    around: &Surroundings,
    source: &dyn ingest::Source,
    context: ingest::Context,
) -> Result<Summary, IngestError> {
    let member = around.member(&ingest::group(source.name()), ingest::worker::TOPICS.to_vec());
    // A log that is away may be waited for as long as it takes; a stop must not wait for that.
    let opening = around.stop.run_until_cancelled(around.logs.open(member));
    let Some(log) = opening.await else { return Ok(Summary::default()) };
    let mut log = log?;
    ingest::run(log.as_mut(), around.logs.as_ref(), source, context).await
}
