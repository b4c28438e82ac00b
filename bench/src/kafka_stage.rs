//! A stage that decodes an event, encodes it again and passes it on: what a hop costs without anything to do.

use std::future;
use std::pin::Pin;

use pipeline::log::Assignment;
use pipeline::{Batch, Halt, Incoming, Outcome, Outgoing, Route, Stage, Work};
use schemas::{StageName, Topic, TopicPartition};

/// From events to enriched events, partition by partition, in name only.
#[derive(Debug)]
pub(crate) struct CodecStage;

impl Stage for CodecStage {
    fn name(&self) -> StageName {
        StageName::Enrich
    }

    fn assigned<'a>(
        &'a mut self,
        _gained: &'a Assignment,
    ) -> Pin<Box<dyn Future<Output = Result<(), Halt>> + Send + 'a>> {
        Box::pin(future::ready(Ok(())))
    }

    fn dropped(&mut self, _gone: &[TopicPartition]) {}

    fn work<'a>(
        &'a mut self,
        batch: &'a Batch,
    ) -> Pin<Box<dyn Future<Output = Result<Work, Halt>> + Send + 'a>> {
        let outcomes = batch.records.iter().map(take).collect();
        Box::pin(future::ready(Ok(Work { outcomes, also: Vec::new() })))
    }
}

fn take(record: &Incoming) -> Outcome {
    let recoded = record.value.as_deref().and_then(super::recoded);
    let Some(value) = recoded else { return Outcome::Stop("not an event".to_owned()) };
    let passed = Outgoing::keyed(Topic::Enriched, record.key.clone(), value);
    Outcome::Emit(vec![passed.to(Route::Exact(record.at.partition))])
}
