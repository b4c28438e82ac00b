//! What worker 3 tells of itself: the core set for each of its two stages, findings by rule, and how far event time is
//! behind.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pipeline::counters::Counters;
use pipeline::metrics::{Core, Family, Kind, Measure, Samples};
use pipeline::{Clock, Reason};
use schemas::finding::{Change, Finding, Severity};
use schemas::time::SECOND;
use schemas::{Micros, StageName};

use crate::rules::RuleSet;
use crate::{correlate, matching};

/// The first part of every name, after `weir_`.
const WORKER: &str = "detect";
const FINDINGS: &str = "findings_total";
const LAG: &str = "watermark_lag_seconds";

const MATCH_SKIPPED: [Reason; 2] = [matching::reason::HOUSEKEEPING, matching::reason::NO_MATCH];
const MATCH_REJECTED: [Reason; 1] = [matching::reason::NOT_OURS];
const CORRELATE_SKIPPED: [Reason; 3] =
    [correlate::reason::LATE, correlate::reason::REPLAYED, correlate::reason::NO_RULE];
const CORRELATE_REJECTED: [Reason; 1] = [correlate::reason::NOT_OURS];

/// The core set of *match*.
#[must_use]
pub fn of_match(counters: Arc<Counters>, clock: Clock) -> Core {
    core(StageName::Match, &MATCH_SKIPPED, &MATCH_REJECTED, (counters, clock))
}

/// The core set of *correlate*.
#[must_use]
pub fn of_correlate(counters: Arc<Counters>, clock: Clock) -> Core {
    core(StageName::Correlate, &CORRELATE_SKIPPED, &CORRELATE_REJECTED, (counters, clock))
}

fn core(
    stage: StageName,
    skipped: &'static [Reason],
    rejected: &'static [Reason],
    (counters, clock): (Arc<Counters>, Clock),
) -> Core {
    let own = Some(("stage", stage.name().to_owned()));
    Core { worker: WORKER, own, skipped, rejected, counters, clock }
}

/// What one stage found, and how far time has come for it. Every rule stands at 0 from the start.
#[derive(Debug)]
pub struct Metrics {
    clock: Clock,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    /// Rule and severity → findings.
    found: BTreeMap<(String, &'static str), u64>,
    /// The least watermark.
    low: Option<Micros>,
}

impl Metrics {
    /// For a stage that runs these rules.
    #[must_use]
    pub fn new(rules: &RuleSet, clock: Clock) -> Self {
        let found = rules.rules().map(|rule| ((rule.name.clone(), rule.level.name()), 0)).collect();
        Self { clock, kept: Mutex::new(Kept { found, low: None }) }
    }

    /// A batch led to these revisions.
    pub(crate) fn found<'a>(&self, findings: impl IntoIterator<Item = &'a Finding>) {
        self.said(findings.into_iter().map(|said| (said.rule_name.as_str(), said.severity, said.change)));
    }

    /// A finding counts when it is made, not when it changes.
    fn said<'a>(&self, revisions: impl Iterator<Item = (&'a str, Severity, Change)>) {
        let mut kept = self.kept();
        for (rule, severity, _) in revisions.filter(|(_, _, change)| *change == Change::Create) {
            *kept.found.entry((rule.to_owned(), severity.name())).or_default() += 1;
        }
    }

    /// A batch brought watermarks, and this is the least now.
    pub(crate) fn reached(&self, low: Option<Micros>) {
        self.kept().low = low;
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Measure for Metrics {
    fn families(&self) -> Vec<Family> {
        let found = "Findings made, by rule; revisions of one do not count, and a step that was lost makes its again.";
        let lag = "How far event time is behind the clock, for the feed that is farthest behind; absent before the first \
                   watermark.";
        vec![
            Family::of(WORKER, FINDINGS, Kind::Counter, &["rule", "severity"], found),
            Family::of(WORKER, LAG, Kind::Gauge, &[], lag),
        ]
    }

    fn measure(&self, to: &mut Samples) {
        let kept = self.kept();
        for ((rule, severity), count) in &kept.found {
            to.count(WORKER, FINDINGS, &[rule, severity], *count);
        }
        if let Some(low) = kept.low {
            to.number(WORKER, LAG, &[], seconds(self.clock.now().0.saturating_sub(low.0)));
        }
    }
}

/// Not below 0: a feed that has been read to its end is at the end of time.
#[expect(clippy::cast_precision_loss, reason = "microseconds of a lag; exact for 285 years")]
fn seconds(micros: i64) -> f64 {
    micros.max(0) as f64 / SECOND as f64
}

#[cfg(test)]
mod tests {
    use pipeline::metrics::Value;

    use super::*;

    fn samples(metrics: &Metrics) -> BTreeMap<(String, Vec<String>), Value> {
        let mut samples = Samples::default();
        metrics.measure(&mut samples);
        samples.taken.into_iter().map(|sample| ((sample.family, sample.labels), sample.value)).collect()
    }

    #[test]
    fn every_rule_stands_at_zero_and_only_new_findings_count() {
        let rules = RuleSet::load(None).unwrap();
        let metrics = Metrics::new(&rules, Clock::manual(Micros(0)));
        let zeros = samples(&metrics);
        assert_eq!(zeros.len(), rules.len());
        assert!(zeros.values().all(|value| *value == Value::Number(0.0)));
        let rule = rules.rules().next().unwrap();
        let changes = [Change::Create, Change::Update, Change::Create, Change::Close];
        metrics.said(changes.into_iter().map(|change| (rule.name.as_str(), rule.level, change)));
        let labels = vec![rule.name.clone(), rule.level.name().to_owned()];
        let found = samples(&metrics);
        assert_eq!(found[&("weir_detect_findings_total".to_owned(), labels)], Value::Number(2.0));
    }

    #[test]
    fn the_lag_is_absent_until_known_grows_with_the_clock_and_ends_with_the_feed() {
        let clock = Clock::manual(Micros(100 * SECOND));
        let metrics = Metrics::new(&RuleSet::load(None).unwrap(), clock.clone());
        let lag = || samples(&metrics).remove(&("weir_detect_watermark_lag_seconds".to_owned(), Vec::new()));
        assert_eq!(lag(), None);
        metrics.reached(Some(Micros(70 * SECOND)));
        assert_eq!(lag(), Some(Value::Number(30.0)));
        clock.set(Micros(101 * SECOND));
        assert_eq!(lag(), Some(Value::Number(31.0)));
        metrics.reached(Some(Micros::END));
        assert_eq!(lag(), Some(Value::Number(0.0)));
    }
}
