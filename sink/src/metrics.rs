//! What worker 4 tells of itself: the core set, the sinks' verdicts and how long deliveries take. Each for one sink.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pipeline::counters::{Counters, Spread};
use pipeline::metrics::{Core, Family, Kind, Measure, Samples};
use pipeline::{Clock, Reason};

use crate::sinks::Verdict;
use crate::worker::NOT_OURS;

/// The first part of every name, after `weir_`.
const WORKER: &str = "sink";
/// Why every sink rejects; each adds its receiver's own reasons when they occur.
const REJECTED: [Reason; 1] = [NOT_OURS];
const VERDICTS: &str = "verdicts_total";
const DELIVERY: &str = "delivery_seconds";

/// The core set of the sink that the configuration calls `sink`.
#[must_use]
pub fn core(sink: &str, counters: Arc<Counters>, clock: Clock) -> Core {
    let own = Some(("sink", sink.to_owned()));
    Core { worker: WORKER, own, skipped: &[], rejected: &REJECTED, counters, clock }
}

/// What became of findings at one sink.
#[derive(Debug)]
pub struct Metrics {
    sink: String,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    delivered: u64,
    refused: u64,
    held: u64,
    deliveries: Spread,
}

impl Metrics {
    /// Of the sink that the configuration calls `sink`.
    #[must_use]
    pub fn new(sink: &str) -> Self {
        Self { sink: sink.to_owned(), kept: Mutex::default() }
    }

    /// A batch was handed over, for so long, and this became of its findings.
    pub(crate) fn judged(&self, verdicts: &[Verdict], lasted: Duration) {
        let mut kept = self.kept();
        for verdict in verdicts {
            let count = match verdict {
                Verdict::Delivered => &mut kept.delivered,
                Verdict::Refused(_) => &mut kept.refused,
                Verdict::TryAgain { .. } => &mut kept.held,
            };
            *count += 1;
        }
        kept.deliveries.note(lasted);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Measure for Metrics {
    fn families(&self) -> Vec<Family> {
        let verdicts = "Findings by what the receiver said of them, each try: delivered, refused (to the dead letter), held \
                        (to be tried again).";
        vec![
            Family::of(WORKER, VERDICTS, Kind::Counter, &["sink", "outcome"], verdicts),
            Family::of(
                WORKER,
                DELIVERY,
                Kind::Histogram,
                &["sink"],
                "How long the findings of a batch took to be handed over.",
            ),
        ]
    }

    fn measure(&self, to: &mut Samples) {
        let kept = self.kept();
        for (outcome, count) in
            [("delivered", kept.delivered), ("refused", kept.refused), ("held", kept.held)]
        {
            to.count(WORKER, VERDICTS, &[&self.sink, outcome], count);
        }
        to.spread(WORKER, DELIVERY, &[&self.sink], kept.deliveries.clone());
    }
}

#[cfg(test)]
mod tests {
    use pipeline::metrics::Value;

    use super::*;

    #[test]
    fn every_outcome_stands_at_zero_and_then_counts_each_try() {
        let metrics = Metrics::new("siem");
        let counted = |outcome: &str| {
            let mut samples = Samples::default();
            metrics.measure(&mut samples);
            let labels = ["siem", outcome];
            samples.taken.into_iter().find(|sample| sample.labels == labels).map(|sample| sample.value)
        };
        for outcome in ["delivered", "refused", "held"] {
            assert_eq!(counted(outcome), Some(Value::Number(0.0)), "{outcome}");
        }
        let held = Verdict::TryAgain { after: None, cause: "busy".to_owned() };
        metrics.judged(
            &[Verdict::Delivered, Verdict::Refused("too_large"), held.clone()],
            Duration::from_secs(2),
        );
        metrics.judged(&[held], Duration::from_secs(1));
        for (outcome, count) in [("delivered", 1.0), ("refused", 1.0), ("held", 2.0)] {
            assert_eq!(counted(outcome), Some(Value::Number(count)), "{outcome}");
        }
        let deliveries = metrics.kept().deliveries.clone();
        assert_eq!((deliveries.count, deliveries.sum), (2, Duration::from_secs(3)));
    }
}
