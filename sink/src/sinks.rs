//! The sinks, and what every sink answers. The registry is [`open`]: one line a kind.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use pipeline::{Clock, Reason};
use schemas::finding::Finding;

use crate::{
    config::{SinkConfig, Target},
    error::SinkError,
};

pub mod collect;
#[cfg(test)]
pub(crate) mod declared;
mod delivery;
mod gzip;
mod jsonl;
mod log_analytics;
mod logs_ingestion;
mod sentinel;
mod splunk_hec;

pub use log_analytics::LogAnalyticsConfig;
pub use sentinel::SentinelConfig;
pub use splunk_hec::SplunkHecConfig;

/// A receiver of findings.
pub trait Sink: Send {
    /// Hands over `findings` and says what became of each, in their order. Delivered means that the receiver has it
    /// for good: it is never asked about again.
    fn deliver<'a>(&'a mut self, findings: &'a [Finding]) -> BoxFuture<'a, Vec<Verdict>>;

    /// Asks the receiver, without a finding, whether it would take one. Whoever has nobody to ask says yes.
    fn probe(&mut self) -> BoxFuture<'_, Result<(), ProbeError>> {
        async { Ok(()) }.boxed()
    }
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

/// Why a receiver would not take a finding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// Somebody must change a setting or grant a permission: this one.
    #[error("{0}")]
    Refused(String),
    /// It cannot be reached, or cannot answer now.
    #[error("{0}")]
    Away(String),
}

/// Opens the configured sink; `clock` is the one its stage waits by. Nothing is connected to.
///
/// # Errors
/// [`SinkError`] when it cannot be used at all.
pub fn open(config: &SinkConfig, clock: &Clock) -> Result<Box<dyn Sink>, SinkError> {
    let name = config.name.as_str();
    Ok(match &config.target {
        Target::Jsonl { path } => Box::new(jsonl::Jsonl::open(name, path)?),
        Target::SplunkHec(config) => Box::new(splunk_hec::SplunkHec::open(name, config, clock)?),
        Target::LogAnalytics(config) => Box::new(log_analytics::LogAnalytics::open(name, config, clock)?),
        Target::Sentinel(config) => Box::new(sentinel::Sentinel::open(name, config, clock)?),
    })
}

/// Opens the configured sink and asks its receiver whether it would take a finding.
///
/// # Errors
/// [`SinkError`] with what stands in the way.
pub async fn probe(config: &SinkConfig, clock: &Clock) -> Result<(), SinkError> {
    let sink = config.name.clone();
    match open(config, clock)?.probe().await {
        Ok(()) => Ok(()),
        Err(ProbeError::Refused(what)) => Err(SinkError::Refused { sink, what }),
        Err(ProbeError::Away(cause)) => Err(SinkError::Away { sink, cause }),
    }
}
