//! The core set: what every worker tells of itself, under its own name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Family, Kind, Measure, Samples};
use crate::clock::Clock;
use crate::counters::{Counters, Pulse, Tally};
use crate::outcome::Reason;

/// The core set of one stage.
#[derive(Debug, Clone)]
pub struct Core {
    /// The worker: `ingest`, `enrich`, `detect` or `sink`.
    pub worker: &'static str,
    /// What tells it from others of the worker, as the name and value of a label: `("sink", "archive")`.
    pub own: Option<(&'static str, String)>,
    /// The reasons for which it skips; those that are not here show when they occur.
    pub skipped: &'static [Reason],
    /// The reasons for which it rejects; the same.
    pub rejected: &'static [Reason],
    /// What it did and does.
    pub counters: Arc<Counters>,
    /// The clock that it works by.
    pub clock: Clock,
}

/// Families without a reason: thing, kind, meaning.
const PLAIN: [(&str, Kind, &str); 10] = [
    (
        "records_read_total",
        Kind::Counter,
        "Records taken from before and settled: emitted, skipped or rejected.",
    ),
    ("records_emitted_total", Kind::Counter, "Of the records read: worked into something."),
    (
        "records_retried_total",
        Kind::Counter,
        "Times a record had to be tried again, because the world was bad.",
    ),
    ("outputs_total", Kind::Counter, "Records written to the log."),
    ("steps_total", Kind::Counter, "Steps committed."),
    ("in_flight_records", Kind::Gauge, "Records taken and not settled yet."),
    (
        "oldest_unfinished_age_seconds",
        Kind::Gauge,
        "How long ago the batch in hand was taken; 0 with none in hand.",
    ),
    (
        "backpressure_seconds_total",
        Kind::Counter,
        "Time in which nothing was taken from before, because the world or the log did not take what was made.",
    ),
    ("process_seconds", Kind::Histogram, "How long a batch was worked on, each try."),
    ("commit_seconds", Kind::Histogram, "How long a step took until its outcome was known."),
];

/// Families by reason.
const BY_REASON: [(&str, &str); 2] = [
    ("records_skipped_total", "Of the records read: left out on purpose, by reason."),
    ("records_rejected_total", "Of the records read: in the dead letter, by reason."),
];

impl Measure for Core {
    fn families(&self) -> Vec<Family> {
        let own: Vec<&'static str> = self.own.iter().map(|(name, _)| *name).collect();
        let with_reason = [own.as_slice(), &["reason"]].concat();
        let plain =
            PLAIN.iter().map(|(thing, kind, meaning)| Family::of(self.worker, thing, *kind, &own, meaning));
        let by_reason = BY_REASON
            .iter()
            .map(|(thing, meaning)| Family::of(self.worker, thing, Kind::Counter, &with_reason, meaning));
        plain.chain(by_reason).collect()
    }

    fn measure(&self, to: &mut Samples) {
        let (tally, pulse, now) = (self.counters.read(), self.counters.pulse(), self.clock.now());
        let own: Vec<&str> = self.own.iter().map(|(_, value)| value.as_str()).collect();
        self.counts(&tally, &pulse, &own, to);
        let seconds = [
            ("oldest_unfinished_age_seconds", pulse.oldest(now)),
            ("backpressure_seconds_total", pulse.blocked_until(now)),
        ];
        for (thing, lasted) in seconds {
            to.number(self.worker, thing, &own, lasted.as_secs_f64());
        }
        to.spread(self.worker, "process_seconds", &own, pulse.processing);
        to.spread(self.worker, "commit_seconds", &own, pulse.committing);
    }
}

impl Core {
    fn counts(&self, tally: &Tally, pulse: &Pulse, own: &[&str], to: &mut Samples) {
        for (thing, count) in [
            ("records_read_total", tally.read),
            ("records_emitted_total", tally.emitted),
            ("records_retried_total", tally.retries),
            ("outputs_total", tally.outputs),
            ("steps_total", tally.steps),
            ("in_flight_records", pulse.in_flight),
        ] {
            to.count(self.worker, thing, own, count);
        }
        self.reasons("records_skipped_total", self.skipped, &tally.skipped, own, to);
        self.reasons("records_rejected_total", self.rejected, &tally.rejected, own, to);
    }

    fn reasons(
        &self,
        thing: &str,
        known: &[Reason],
        counted: &BTreeMap<Reason, u64>,
        own: &[&str],
        to: &mut Samples,
    ) {
        let all: BTreeSet<Reason> = known.iter().chain(counted.keys()).copied().collect();
        for reason in all {
            let count = counted.get(reason).copied().unwrap_or_default();
            to.count(self.worker, thing, &[own, &[reason]].concat(), count);
        }
    }
}

#[cfg(test)]
mod tests {
    use schemas::Micros;

    use super::*;
    use crate::counters::Phase;
    use crate::metrics::Value;

    fn core(counters: &Arc<Counters>) -> Core {
        Core {
            worker: "sink",
            own: Some(("sink", "a".to_owned())),
            skipped: &[],
            rejected: &["not_ours"],
            counters: Arc::clone(counters),
            clock: Clock::manual(Micros(7_000_000)),
        }
    }

    fn samples(core: &Core) -> BTreeMap<(String, Vec<String>), Value> {
        let mut samples = Samples::default();
        core.measure(&mut samples);
        let count = samples.taken.len();
        let by_name: BTreeMap<_, _> =
            samples.taken.into_iter().map(|sample| ((sample.family, sample.labels), sample.value)).collect();
        assert_eq!(by_name.len(), count, "one name and set of labels has one value");
        by_name
    }

    #[test]
    fn every_sample_belongs_to_a_family_and_has_its_labels() {
        let core = core(&Arc::default());
        let families: BTreeMap<String, Family> =
            core.families().into_iter().map(|family| (family.name.clone(), family)).collect();
        for (name, labels) in samples(&core).keys() {
            assert_eq!(families[name].labels.len(), labels.len(), "{name}");
            let total = name.ends_with("_total");
            assert_eq!(families[name].kind == Kind::Counter, total, "{name}: only counters are totals");
        }
    }

    #[test]
    fn zeros_show_from_the_start_and_what_happened_is_told() {
        let counters = Arc::new(Counters::default());
        let number = |thing: &str, labels: &[&str]| {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            samples(&core(&counters)).remove(&(format!("weir_sink_{thing}"), labels))
        };
        assert_eq!(number("records_read_total", &["a"]), Some(Value::Number(0.0)));
        assert_eq!(number("records_rejected_total", &["a", "not_ours"]), Some(Value::Number(0.0)));
        assert_eq!(number("records_rejected_total", &["a", "too_large"]), None);
        counters.add(Tally { read: 2, rejected: [("too_large", 2)].into(), ..Tally::default() });
        counters.hold(5, Micros(1_000_000));
        counters.enter(Phase::Holding, Micros(3_000_000));
        assert_eq!(number("records_read_total", &["a"]), Some(Value::Number(2.0)));
        assert_eq!(number("records_rejected_total", &["a", "too_large"]), Some(Value::Number(2.0)));
        assert_eq!(number("in_flight_records", &["a"]), Some(Value::Number(5.0)));
        assert_eq!(number("oldest_unfinished_age_seconds", &["a"]), Some(Value::Number(6.0)));
        assert_eq!(number("backpressure_seconds_total", &["a"]), Some(Value::Number(4.0)));
    }
}
