//! The whole flow over a log, as `weir run` composes it, with a sink that collects.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use detect::RuleSet;
use enrich::{EnrichConfig, Lookups};
use ingest::{AtEnd, FilesConfig};
use pipeline::Clock;
use pipeline::conformance::Instance;
use pipeline::log::Limits;
use schemas::finding::Finding;
use schemas::ledger::Counts;
use schemas::{Micros, Topic};
use sink::sinks::collect::{Collect, Collected};
use weir::flow::{self, Head, Seat, Surroundings};
use weir::head::{self, Read};
use weir::stages;

use crate::law::{Case, How};
use crate::logs::{Meddling, Trap};

const SOURCE: &str = "files";
const SINK: &str = "weir.sink.law";
const NOW: Micros = Micros(1_700_000_000_000_000);

/// What a flow came to.
pub(crate) struct Came {
    /// What was delivered and stands.
    pub(crate) findings: Vec<Finding>,
    /// The ledger, as each member of worker 1 read it at the end.
    pub(crate) ledgers: Vec<Counts>,
    /// How often it was broken off.
    pub(crate) broken: usize,
}

/// Every group of the flow, with what it reads.
pub(crate) fn readers() -> Vec<(String, Vec<Topic>)> {
    let mut readers = stages::groups();
    readers.push((ingest::group(SOURCE), ingest::worker::TOPICS.to_vec()));
    readers.push((SINK.to_owned(), Topic::findings()));
    readers
}

/// What to run.
#[derive(Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) rules: &'a Arc<RuleSet>,
    pub(crate) case: &'a Case,
    pub(crate) files: &'a [PathBuf],
    pub(crate) idle_after: Duration,
}

/// Runs the flow over the log as often as the case breaks it off, and then to its end.
pub(crate) async fn run(log: &mut dyn Instance, plan: Plan<'_>) -> anyhow::Result<Came> {
    let case = plan.case;
    let collected = Collected::default();
    let mut source = FilesConfig::new(SOURCE, plan.files.to_vec());
    source.at_end = AtEnd::EndOfTime;
    source.step_records_max = case.records_max;
    let mut broken = 0;
    for at in &case.breaks {
        let trap = Trap::new(Some(*at), case.join);
        let flow = Flow::new(log, plan, &trap, (&source, &collected));
        tokio::select! {
            biased;
            () = trap.killed.cancelled() => {}
            done = flow.run(case.replicas) => drop(done?),
        }
        broken += usize::from(trap.snapped());
        if at.how != How::Told {
            log.crash().await;
        }
    }
    let flow = Flow::new(log, plan, &Trap::new(None, case.join), (&source, &collected));
    let ledgers = flow.run(case.replicas).await?.into_iter().map(|read| read.ledger).collect();
    Ok(Came { findings: collected.take(), ledgers, broken })
}

struct Flow<'a> {
    around: Surroundings,
    trap: Arc<Trap>,
    rules: &'a Arc<RuleSet>,
    source: &'a FilesConfig,
    collected: &'a Collected,
}

impl<'a> Flow<'a> {
    fn new(
        log: &dyn Instance,
        plan: Plan<'a>,
        trap: &Arc<Trap>,
        (source, collected): (&'a FilesConfig, &'a Collected),
    ) -> Self {
        let Plan { rules, case, idle_after, .. } = plan;
        let around = Surroundings {
            logs: Arc::new(Meddling::new(log.logs(), Arc::clone(trap))),
            member: "law".to_owned(),
            limits: Limits { records_max: case.records_max, idle_after, ..Limits::default() },
            clock: Clock::manual(NOW),
            stop: trap.told.clone(),
        };
        Self { around, trap: Arc::clone(trap), rules, source, collected }
    }

    async fn run(&self, replicas: u32) -> anyhow::Result<Vec<Read>> {
        let mut levels: Vec<Vec<Seat>> = vec![Vec::new(), Vec::new(), Vec::new(), Vec::new()];
        for replica in 0..replicas {
            let lookups = Arc::new(Lookups::new(EnrichConfig::default()));
            let collect = Box::new(Collect::new(self.collected.clone()));
            let seats = [
                stages::enrich(lookups),
                stages::matching(&self.around, Arc::clone(self.rules)).await?.context("stopped")?,
                stages::correlate(&self.around, Arc::clone(self.rules)),
                stages::sink(&self.around, "law", SINK.to_owned(), collect),
            ];
            for (level, seat) in levels.iter_mut().zip(seats) {
                level.push(Seat { replica, ..seat });
            }
        }
        Ok(flow::run(&self.around, self.head(replicas), levels).await?.head)
    }

    /// So many members of worker 1 over the same source.
    fn head(&self, replicas: u32) -> Head<Vec<Read>> {
        let heads: Vec<Head<Read>> = (0..replicas)
            .map(|replica| {
                let around = self.around.of_replica(replica);
                head::ingest(&around, vec![(Arc::new(self.source.clone()), Arc::default())])
            })
            .collect();
        let trap = Arc::clone(&self.trap);
        Box::new(move |control| {
            let reads = heads.into_iter().map(move |head| head(control.clone()));
            Box::pin(async move {
                let reads = futures_util::future::try_join_all(reads).await;
                // Whoever has not joined by now joins for the rest.
                trap.joined.cancel();
                reads
            })
        })
    }
}
