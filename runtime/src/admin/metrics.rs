//! The numbers of a process as Prometheus reads them: the only file that names that crate.
//!
//! The registry is our own, never the crate's global one, so that a test or a second flow in one process has its own
//! numbers. Nothing is counted here: when somebody asks, each [`Measure`] says what it has. Where two say the same series
//! (replicas of a stage in one process), their numbers are added up.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use pipeline::counters::{BOUNDS, Spread};
use pipeline::metrics::{Family, Kind, Measure, Sample, Samples, Value};
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Registry, TextEncoder};

/// The text format that is written.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Numbers that cannot be shown: a defect.
#[derive(Debug, thiserror::Error)]
#[error("metrics: {0}")]
pub struct MetricsError(String);

impl From<prometheus::Error> for MetricsError {
    fn from(error: prometheus::Error) -> Self {
        Self(error.to_string())
    }
}

/// What can be scraped. Clones share it.
#[derive(Debug, Clone)]
pub struct Metrics(Registry);

impl Metrics {
    /// Nothing yet but `weir_build_info`.
    ///
    /// # Errors
    /// [`MetricsError`], never in a program that works.
    pub fn new() -> Result<Self, MetricsError> {
        let metrics = Self(Registry::new());
        metrics.register(vec![Arc::new(BuildInfo)])?;
        Ok(metrics)
    }

    /// Adds what these measure. All of a family must come in one call.
    ///
    /// # Errors
    /// [`MetricsError`] for a name or label that is none, and for families that are there already.
    pub fn register(&self, measures: Vec<Arc<dyn Measure>>) -> Result<(), MetricsError> {
        let mut families = BTreeMap::new();
        for family in measures.iter().flat_map(|measure| measure.families()) {
            let known = families.entry(family.name.clone()).or_insert_with(|| family.clone());
            if *known != family {
                return Err(MetricsError(format!("{} is said in two ways", family.name)));
            }
        }
        let descriptions = families.values().map(describe).collect::<Result<_, _>>()?;
        Ok(self.0.register(Box::new(Measured { measures, families, descriptions }))?)
    }

    /// All of it, in the text format.
    ///
    /// # Errors
    /// [`MetricsError`], never in a program that works.
    pub fn text(&self) -> Result<String, MetricsError> {
        Ok(TextEncoder::new().encode_to_string(&self.0.gather())?)
    }
}

/// Which program this is; every process says it.
#[derive(Debug)]
pub struct BuildInfo;

impl Measure for BuildInfo {
    fn families(&self) -> Vec<Family> {
        vec![Family::of("build", "info", Kind::Gauge, &["version"], "1; the label says which version runs.")]
    }

    fn measure(&self, to: &mut Samples) {
        to.number("build", "info", &[env!("CARGO_PKG_VERSION")], 1.0);
    }
}

/// Several measures as one collector, since they may share families.
struct Measured {
    measures: Vec<Arc<dyn Measure>>,
    families: BTreeMap<String, Family>,
    descriptions: Vec<Desc>,
}

impl Collector for Measured {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut samples = Samples::default();
        for measure in &self.measures {
            measure.measure(&mut samples);
        }
        let mut series: BTreeMap<String, BTreeMap<Vec<String>, Value>> = BTreeMap::new();
        for Sample { family, labels, value } in samples.taken {
            let known = series.entry(family).or_default();
            match known.get_mut(&labels) {
                Some(sum) => add(sum, value),
                None => drop(known.insert(labels, value)),
            }
        }
        let families = self.families.values();
        families.filter_map(|family| Some(written(family, series.remove(&family.name)?))).collect()
    }
}

fn describe(family: &Family) -> Result<Desc, MetricsError> {
    let labels = family.labels.iter().map(|label| (*label).to_owned()).collect();
    Ok(Desc::new(family.name.clone(), family.meaning.to_owned(), labels, HashMap::new())?)
}

fn add(sum: &mut Value, value: Value) {
    match (sum, value) {
        (Value::Number(sum), Value::Number(value)) => *sum += value,
        (Value::Spread(sum), Value::Spread(value)) => sum.add(&value),
        (sum, value) => *sum = value,
    }
}

fn written(family: &Family, series: BTreeMap<Vec<String>, Value>) -> MetricFamily {
    let metrics = series.into_iter().map(|(labels, value)| {
        let pairs = family.labels.iter().zip(labels).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value(value);
            pair
        });
        let mut metric = Metric::from_label(pairs.collect());
        fill(&mut metric, family.kind, value);
        metric
    });
    let mut written = MetricFamily::default();
    written.set_metric(metrics.collect());
    written.set_name(family.name.clone());
    written.set_help(family.meaning.to_owned());
    written.set_field_type(match family.kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge => MetricType::GAUGE,
        Kind::Histogram => MetricType::HISTOGRAM,
    });
    written
}

fn fill(metric: &mut Metric, kind: Kind, value: Value) {
    match (kind, value) {
        (Kind::Counter, Value::Number(number)) => {
            let mut counter = Counter::default();
            counter.set_value(number);
            metric.set_counter(counter);
        }
        (Kind::Gauge, Value::Number(number)) => {
            let mut gauge = Gauge::default();
            gauge.set_value(number);
            metric.set_gauge(gauge);
        }
        (Kind::Histogram, Value::Spread(spread)) => metric.set_histogram(histogram(&spread)),
        // A family and its value that do not fit show as zero.
        (Kind::Counter | Kind::Gauge, Value::Spread(_)) | (Kind::Histogram, Value::Number(_)) => {}
    }
}

fn histogram(spread: &Spread) -> Histogram {
    let mut reached = 0;
    let buckets = BOUNDS.iter().zip(spread.within).map(|(bound, count)| {
        reached += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound);
        bucket.set_cumulative_count(reached);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(spread.count);
    histogram.set_sample_sum(spread.sum.as_secs_f64());
    histogram
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Some(&'static str, Spread);

    impl Measure for Some {
        fn families(&self) -> Vec<Family> {
            vec![
                Family::of(
                    "x",
                    "records_total",
                    Kind::Counter,
                    &["stage", "reason"],
                    "How \"many\"\nthere are.",
                ),
                Family::of("x", "work_seconds", Kind::Histogram, &["stage"], "How long."),
            ]
        }

        fn measure(&self, to: &mut Samples) {
            to.count("x", "records_total", &[self.0, "a\"b\\c\nd"], 3);
            to.spread("x", "work_seconds", &[self.0], self.1.clone());
        }
    }

    #[test]
    fn numbers_are_written_as_the_text_format_wants_them() {
        let mut spread = Spread::default();
        for millis in [20, 480, 1_000_000] {
            spread.note(Duration::from_millis(millis));
        }
        let metrics = Metrics(Registry::new());
        metrics.register(vec![Arc::new(Some("m", spread))]).unwrap();
        let text = metrics.text().unwrap();
        let expected = "\
# HELP weir_x_records_total How \"many\"\\nthere are.
# TYPE weir_x_records_total counter
weir_x_records_total{stage=\"m\",reason=\"a\\\"b\\\\c\\nd\"} 3
# HELP weir_x_work_seconds How long.
# TYPE weir_x_work_seconds histogram
weir_x_work_seconds_bucket{stage=\"m\",le=\"0.001\"} 0
";
        assert!(text.starts_with(expected), "{text}");
        for line in [
            "weir_x_work_seconds_bucket{stage=\"m\",le=\"0.025\"} 1",
            "weir_x_work_seconds_bucket{stage=\"m\",le=\"0.5\"} 2",
            "weir_x_work_seconds_bucket{stage=\"m\",le=\"300\"} 2",
            "weir_x_work_seconds_bucket{stage=\"m\",le=\"+Inf\"} 3",
            "weir_x_work_seconds_sum{stage=\"m\"} 1000.5",
            "weir_x_work_seconds_count{stage=\"m\"} 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn stages_share_families_and_replicas_add_up() {
        let metrics = Metrics::new().unwrap();
        let stage = |name| -> Arc<dyn Measure> { Arc::new(Some(name, Spread::default())) };
        metrics.register(vec![stage("a"), stage("b"), stage("b")]).unwrap();
        let text = metrics.text().unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("weir_x_records_total")).collect();
        assert!(lines.len() == 2 && lines[0].ends_with(" 3") && lines[1].ends_with(" 6"), "{text}");
        assert!(text.contains(concat!("weir_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1")));
        assert!(metrics.register(vec![stage("c")]).is_err(), "a family comes in one call");
    }
}
