//! The stages as they sit on the log: one table for `scan`, `run` and the single workers.

use std::sync::Arc;

use anyhow::Context as _;
use detect::{CorrelateStage, MatchStage, RuleSet};
use enrich::{EnrichStage, Lookups};
use schemas::Topic;
use sink::{SinkConfig, SinkStage, sinks::Sink};

use crate::flow::{Seat, Surroundings};

const ENRICH_GROUP: &str = "weir.enrich";
const MATCH_GROUP: &str = "weir.match";
const CORRELATE_GROUP: &str = "weir.correlate";

/// Every group between worker 1 and the sinks, with what it reads.
#[must_use]
pub fn groups() -> Vec<(String, Vec<Topic>)> {
    vec![
        (ENRICH_GROUP.to_owned(), vec![Topic::Event]),
        (MATCH_GROUP.to_owned(), vec![Topic::Enriched]),
        (CORRELATE_GROUP.to_owned(), vec![Topic::Signal]),
    ]
}

/// Worker 2.
#[must_use]
pub fn enrich(lookups: Arc<Lookups>) -> Seat {
    Seat {
        title: "enrich".to_owned(),
        group: ENRICH_GROUP.to_owned(),
        replica: 0,
        topics: vec![Topic::Event],
        stage: Box::new(EnrichStage::new(lookups)),
    }
}

/// The first stage of worker 3; none when it is told to stop before the log answers.
///
/// # Errors
/// When the log cannot say how many partitions there are.
pub async fn matching(around: &Surroundings, rules: Arc<RuleSet>) -> anyhow::Result<Option<Seat>> {
    let counting = around.stop.run_until_cancelled(around.logs.partitions(Topic::Enriched));
    let Some(partitions) = counting.await else { return Ok(None) };
    let partitions = partitions.context("match")?;
    Ok(Some(Seat {
        title: "match".to_owned(),
        group: MATCH_GROUP.to_owned(),
        replica: 0,
        topics: vec![Topic::Enriched],
        stage: Box::new(MatchStage::new(rules, partitions, around.clock.clone())),
    }))
}

/// The second stage of worker 3.
#[must_use]
pub fn correlate(around: &Surroundings, rules: Arc<RuleSet>) -> Seat {
    let stage = CorrelateStage::new(rules, Arc::clone(&around.logs), around.clock.clone());
    Seat {
        title: "correlate".to_owned(),
        group: CORRELATE_GROUP.to_owned(),
        replica: 0,
        topics: vec![Topic::Signal],
        stage: Box::new(stage),
    }
}

/// One sink of worker 4.
#[must_use]
pub fn sink(around: &Surroundings, name: &str, group: String, sink: Box<dyn Sink>) -> Seat {
    Seat {
        title: format!("sink {name}"),
        group,
        replica: 0,
        topics: Topic::findings(),
        stage: Box::new(SinkStage::new(name, sink, around.clock.clone())),
    }
}

/// All configured sinks of worker 4.
///
/// # Errors
/// When one cannot be opened.
pub fn sinks(around: &Surroundings, configs: &[SinkConfig]) -> anyhow::Result<Vec<Seat>> {
    let mut seats = Vec::new();
    for config in configs {
        let opened = sink::sinks::open(config, &around.clock)?;
        seats.push(sink(around, &config.name, config.group(), opened));
    }
    Ok(seats)
}
