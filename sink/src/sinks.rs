//! The sinks, and what every sink answers. The registry is [`open`]: one line a kind.

use std::time::Duration;

use futures_util::future::BoxFuture;
use pipeline::Reason;
use schemas::finding::Finding;

use crate::{
    config::{SinkConfig, Target},
    error::SinkError,
};

pub mod collect;
mod jsonl;

/// A receiver of findings.
pub trait Sink: Send {
    /// Hands over `findings` and says what became of each, in their order. Delivered means that the receiver has it
    /// for good: it is never asked about again.
    fn deliver<'a>(&'a mut self, findings: &'a [Finding]) -> BoxFuture<'a, Vec<Verdict>>;
}

/// What became of one finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has it.
    Delivered,
    /// The receiver will never take it.
    Refused(Reason),
    /// The receiver cannot take it now.
    TryAgain {
        /// How long to wait at least, where the receiver said so.
        after: Option<Duration>,
        /// What is wrong; no part of the finding.
        cause: String,
    },
}

/// Opens the configured sink.
///
/// # Errors
/// [`SinkError`] when it cannot be used at all.
pub fn open(config: &SinkConfig) -> Result<Box<dyn Sink>, SinkError> {
    match &config.target {
        Target::Jsonl { path } => Ok(Box::new(jsonl::Jsonl::open(&config.name, path)?)),
    }
}
