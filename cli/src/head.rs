//! Worker 1 as the head of a flow: every source on a handle of its own, side by side, each to its end.

use std::sync::Arc;

use anyhow::Context as _;
use ingest::{AllRead, FilesConfig, IngestError, Progress, Summary};
use schemas::ledger::Counts;
use tokio::task::JoinSet;

use crate::flow::{Head, Surroundings};

/// A source with the counters of its progress bar.
pub type Source = (FilesConfig, Arc<Progress>);

/// What the sources came to together.
#[derive(Debug, Default)]
pub struct Read {
    /// This run and those before it.
    pub ledger: Counts,
    /// This run alone.
    pub now: Counts,
    /// Ids that are remembered, and the bytes they take.
    pub seen: (usize, usize),
}

impl Read {
    fn add(&mut self, summary: &Summary) {
        self.ledger.add(&summary.ledger);
        self.now.add(&summary.counts);
        self.seen.0 += summary.seen.0;
        self.seen.1 += summary.seen.1;
    }
}

/// The head over `sources`.
#[must_use]
pub fn ingest(around: &Surroundings, sources: Vec<Source>) -> Head<Read> {
    let around = around.clone();
    Box::new(move |control| {
        Box::pin(async move {
            let names = sources.iter().map(|(source, _)| source.name.as_str());
            let all_read = Arc::new(AllRead::of(names));
            let mut tasks = JoinSet::new();
            for (source, progress) in sources {
                let (around, control, all_read) = (around.clone(), control.clone(), Arc::clone(&all_read));
                let context = ingest::Context { control, progress, all_read };
                tasks.spawn(async move { read(&around, &source, context).await });
            }
            let mut all = Read::default();
            // The first failure ends the others with it: they may be waiting for the one that failed.
            while let Some(ended) = tasks.join_next().await {
                all.add(&ended.context("a source panicked")??);
            }
            Ok(all)
        })
    })
}

async fn read(
    around: &Surroundings,
    source: &FilesConfig,
    context: ingest::Context,
) -> Result<Summary, IngestError> {
    let member = around.member(&ingest::group(&source.name), ingest::worker::TOPICS.to_vec());
    // A log that is away may be waited for as long as it takes; a stop must not wait for that.
    let opening = around.stop.run_until_cancelled(around.logs.open(member));
    let Some(log) = opening.await else { return Ok(Summary::default()) };
    let mut log = log?;
    ingest::run(log.as_mut(), around.logs.as_ref(), source, context).await
}
