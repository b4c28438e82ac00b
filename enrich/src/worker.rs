//! The stage: one record of `weir.event.v1` in, one of `weir.enriched.v1` out, in the same partition.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{self, BoxFuture};
use pipeline::{
    Batch, Clock, Halt, Incoming, Outcome, Outgoing, Route, Stage, Work, counters::Counters, log::Assignment,
    metrics::Measure, outcome::Reason,
};
use schemas::{
    CodecError, Event, Message as _, StageName, Topic, TopicPartition, codec, watermark::Watermark,
};

use crate::{Lookups, metrics};

/// The record is neither an event nor a watermark, or it is damaged.
pub const NOT_OURS: Reason = "not_ours";

/// Enriches events. Keeps nothing between records, so partitions come and go freely.
#[derive(Debug)]
pub struct EnrichStage {
    lookups: Arc<Lookups>,
}

impl EnrichStage {
    /// A stage over `lookups`, which several may share.
    #[must_use]
    pub fn new(lookups: Arc<Lookups>) -> Self {
        Self { lookups }
    }

    fn take(&self, record: &Incoming) -> Outcome {
        let Some(value) = &record.value else {
            return Outcome::Reject(NOT_OURS, "the record has no value".to_owned());
        };
        match codec::schema_id(value) {
            Ok(Event::SCHEMA_ID) => self.enrich(record, value),
            Ok(Watermark::SCHEMA_ID) => match codec::decode::<Watermark>(value) {
                Ok(_) => pass(record, value.clone(), record.headers.clone()),
                Err(error) => refuse(&error),
            },
            Ok(found) => refuse(&CodecError::OtherSchema { expected: Event::SCHEMA_ID, found }),
            Err(error) => refuse(&error),
        }
    }

    fn enrich(&self, record: &Incoming, value: &[u8]) -> Outcome {
        let event: Event = match codec::decode(value) {
            Ok(event) => event,
            Err(error) => return refuse(&error),
        };
        match codec::encode(&self.lookups.enrich(event)) {
            Ok(enriched) => pass(record, enriched.into(), Vec::new()),
            Err(_) => Outcome::Stop("an enriched event does not fit its schema".to_owned()),
        }
    }
}

impl Stage for EnrichStage {
    fn name(&self) -> StageName {
        StageName::Enrich
    }

    fn assigned<'a>(&'a mut self, _gained: &'a Assignment) -> BoxFuture<'a, Result<(), Halt>> {
        Box::pin(future::ready(Ok(())))
    }

    fn dropped(&mut self, _gone: &[TopicPartition]) {}

    fn work<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<Work, Halt>> {
        let outcomes = batch.records.iter().map(|record| self.take(record)).collect();
        Box::pin(future::ready(Ok(Work { outcomes, also: Vec::new() })))
    }

    fn measures(&self, counters: &Arc<Counters>, clock: &Clock) -> Vec<Arc<dyn Measure>> {
        vec![Arc::new(metrics::core(Arc::clone(counters), clock.clone()))]
    }
}

fn pass(record: &Incoming, value: Bytes, headers: Vec<(String, Bytes)>) -> Outcome {
    Outcome::Emit(vec![Outgoing {
        topic: Topic::Enriched,
        route: Route::Exact(record.at.partition),
        key: record.key.clone(),
        value: Some(value),
        headers,
    }])
}

fn refuse(error: &CodecError) -> Outcome {
    Outcome::Reject(NOT_OURS, error.to_string())
}
