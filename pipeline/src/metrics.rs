//! What is measured, by name: each worker crate lists its families in its `metrics.rs` and gives their values when it is
//! asked; `runtime` writes them down for Prometheus.
//!
//! A family's name is `weir_<worker>_<thing>_<unit>[_total]`, in base units. A label's values come from a closed set:
//! configured sources and sinks, stages, outcomes, reasons, rules. No label ever holds a user, an address, a URL, an id or
//! the text of an error. The core set, which every worker has, is written down once, in [`Core`].

mod core_set;

pub use core_set::Core;

use crate::counters::Spread;

/// What kind of numbers a family has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Only rises, from 0 at the start of the process.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts by bounds, with their sum.
    Histogram,
}

impl Kind {
    /// Its name in Prometheus.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One family of numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Family {
    /// Its whole name.
    pub name: String,
    /// What kind of numbers.
    pub kind: Kind,
    /// The names of its labels, in the order in which [`Sample::labels`] has their values.
    pub labels: Vec<&'static str>,
    /// What it says, in one sentence.
    pub meaning: &'static str,
}

impl Family {
    /// The family of `worker` that is about `thing`.
    #[must_use]
    pub fn of(worker: &str, thing: &str, kind: Kind, labels: &[&'static str], meaning: &'static str) -> Self {
        Self { name: format!("weir_{worker}_{thing}"), kind, labels: labels.to_vec(), meaning }
    }
}

/// One number, or one spread, of a family.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The family's name.
    pub family: String,
    /// The values of its labels.
    pub labels: Vec<String>,
    /// How much.
    pub value: Value,
}

/// How much.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Of a counter or a gauge.
    Number(f64),
    /// Of a histogram.
    Spread(Spread),
}

/// Something that can be measured at any time, without waiting and without work that grows with the records.
pub trait Measure: Send + Sync {
    /// Its families; always the same.
    fn families(&self) -> Vec<Family>;

    /// Their values now. What can be known before it happens is there from the start, so that zeros show.
    fn measure(&self, to: &mut Samples);
}

/// Takes values in.
#[derive(Debug, Default)]
pub struct Samples {
    /// What was measured.
    pub taken: Vec<Sample>,
}

impl Samples {
    /// A counter or a gauge of `worker`.
    pub fn number(&mut self, worker: &str, thing: &str, labels: &[&str], value: f64) {
        self.push(worker, thing, labels, Value::Number(value));
    }

    /// A counter or a gauge that counts whole things.
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53; the format knows no other number")]
    pub fn count(&mut self, worker: &str, thing: &str, labels: &[&str], count: u64) {
        self.push(worker, thing, labels, Value::Number(count as f64));
    }

    /// A histogram.
    pub fn spread(&mut self, worker: &str, thing: &str, labels: &[&str], spread: Spread) {
        self.push(worker, thing, labels, Value::Spread(spread));
    }

    fn push(&mut self, worker: &str, thing: &str, labels: &[&str], value: Value) {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        self.taken.push(Sample { family: format!("weir_{worker}_{thing}"), labels, value });
    }
}
