//! The stage: findings in, receipts out.
//!
//! Positions move only past findings that the sink has for good, or that are in the dead letter. Every revision that
//! is settled leaves one receipt, in the same step. From the first finding that the sink cannot take now, the batch is
//! held and handed over again: a receiver may then see the findings behind it twice, with the same id and revision.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use pipeline::{
    Batch, Clock, Halt, Incoming, Outcome, Outgoing, Reason, Stage, Work, counters::Counters,
    log::Assignment, metrics::Measure,
};
use schemas::{Micros, StageName, Topic, TopicPartition, decode, encode, finding::Finding, receipt::Receipt};

use crate::metrics::{self, Metrics};
use crate::sinks::{Sink, Verdict};

/// A record on a finding topic that is no finding of ours.
pub(crate) const NOT_OURS: Reason = "not_ours";

/// The stage of one configured sink.
pub struct SinkStage {
    name: String,
    sink: Box<dyn Sink>,
    clock: Clock,
    metrics: Arc<Metrics>,
}

impl std::fmt::Debug for SinkStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SinkStage").field("name", &self.name).finish_non_exhaustive()
    }
}

impl SinkStage {
    /// The stage that hands findings to `sink`, which the configuration calls `name`; receipts are dated by `clock`.
    #[must_use]
    pub fn new(name: impl Into<String>, sink: Box<dyn Sink>, clock: Clock) -> Self {
        let name = name.into();
        let metrics = Arc::new(Metrics::new(&name));
        Self { name, sink, clock, metrics }
    }

    /// Hands the findings over and counts what became of them.
    async fn hand_over(&mut self, findings: &[Finding]) -> Vec<Verdict> {
        let began = self.clock.now();
        let verdicts = self.sink.deliver(findings).await;
        let lasted = u64::try_from(self.clock.now().0.saturating_sub(began.0)).unwrap_or(0);
        self.metrics.judged(&verdicts, Duration::from_micros(lasted));
        verdicts
    }

    async fn deliver(&mut self, batch: &Batch) -> Result<Work, Halt> {
        let mut findings = Vec::with_capacity(batch.records.len());
        let ours: Vec<Result<(), String>> =
            batch.records.iter().map(|record| read(record).map(|finding| findings.push(finding))).collect();
        let verdicts = if findings.is_empty() { Vec::new() } else { self.hand_over(&findings).await };
        if verdicts.len() != findings.len() {
            return Err(Halt::Cause("a sink must give one verdict for each finding".to_owned()));
        }
        let mut settled = findings.iter().zip(verdicts);
        let mut work = Work { outcomes: Vec::with_capacity(ours.len()), also: Vec::new() };
        for ours in ours {
            let outcome = match ours {
                Err(message) => Outcome::Reject(NOT_OURS, message),
                Ok(()) => match settled.next() {
                    Some((finding, verdict)) => self.settle(finding, verdict, &mut work.also)?,
                    None => return Err(Halt::Cause("a finding without a verdict".to_owned())),
                },
            };
            let held = matches!(outcome, Outcome::Retry { .. });
            work.outcomes.push(outcome);
            if held {
                break;
            }
        }
        // The loop goes no further than the first retry, so what stands behind it leaves no receipt either.
        work.outcomes
            .resize_with(batch.records.len(), || Outcome::Retry { after: None, cause: String::new() });
        Ok(work)
    }

    /// One finding's outcome. A refused one's dead letter is the loop's business, its receipt is ours.
    fn settle(&self, finding: &Finding, verdict: Verdict, also: &mut Vec<Outgoing>) -> Result<Outcome, Halt> {
        match verdict {
            Verdict::Delivered => Ok(Outcome::Emit(vec![self.receipt(finding, "delivered", "")?])),
            Verdict::Refused(reason) => {
                also.push(self.receipt(finding, "dead_lettered", reason)?);
                Ok(Outcome::Reject(reason, format!("refused by the sink {}", self.name)))
            }
            Verdict::TryAgain { after, cause } => {
                Ok(Outcome::Retry { after, cause: format!("sink {}: {cause}", self.name) })
            }
        }
    }

    fn receipt(&self, finding: &Finding, outcome: &str, reason: &str) -> Result<Outgoing, Halt> {
        let at: Micros = self.clock.now();
        let receipt = Receipt {
            finding: finding.id,
            revision: finding.revision,
            sink: self.name.clone(),
            outcome: outcome.to_owned(),
            at,
            reason: reason.to_owned(),
        };
        let value =
            encode(&receipt).map_err(|error| Halt::Cause(format!("cannot encode a receipt: {error}")))?;
        Ok(Outgoing::keyed(Topic::Receipt, finding.id.to_string().into_bytes(), value))
    }
}

impl Stage for SinkStage {
    fn name(&self) -> StageName {
        StageName::Sink
    }

    fn assigned<'a>(&'a mut self, _gained: &'a Assignment) -> BoxFuture<'a, Result<(), Halt>> {
        async { Ok(()) }.boxed()
    }

    fn dropped(&mut self, _gone: &[TopicPartition]) {}

    fn work<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<Work, Halt>> {
        self.deliver(batch).boxed()
    }

    fn measures(&self, counters: &Arc<Counters>, clock: &Clock) -> Vec<Arc<dyn Measure>> {
        let core = metrics::core(&self.name, Arc::clone(counters), clock.clone());
        vec![Arc::new(core), Arc::<Metrics>::clone(&self.metrics)]
    }
}

/// The finding in a record, or why there is none, without quoting it.
fn read(record: &Incoming) -> Result<Finding, String> {
    let Some(value) = &record.value else { return Err("a record without a value".to_owned()) };
    decode(value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
