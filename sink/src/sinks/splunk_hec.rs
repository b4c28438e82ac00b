//! The sink `splunk_hec`: OCSF findings to Splunk's HTTP Event Collector, a body of many at a time.
//!
//! Delivered means that HEC has answered success: parsed and queued, which is less than written on disk. It does not ask
//! for indexer acknowledgement; a token that demands it is refused with a text that says so. Splunk keeps what it is
//! sent twice: whoever searches folds by `finding_id` and keeps the highest `revision` (the macro `weir_findings` of the
//! add-on in `sink/content/splunk`).
//!
//! Limits: bodies of 1,000,000 bytes before compression unless configured; a finding that does not fit into one goes to
//! the dead letter as `too_large`. Follows "Format events for HTTP Event Collector" and
//! "HTTP Event Collector REST API endpoints".

use futures_util::future::{BoxFuture, FutureExt as _};
use pipeline::Clock;
use runtime::http::Base;
use schemas::finding::Finding;

use super::{ProbeError, Sink, Verdict, delivery::Delivery};
use crate::error::SinkError;

mod client;
mod codes;
pub(super) mod config;
mod encode;
mod judge;

use client::Collector;
use config::Metadata;
pub use config::SplunkHecConfig;

/// The sink.
#[derive(Debug)]
pub(super) struct SplunkHec {
    metadata: Metadata,
    delivery: Delivery<Collector>,
}

impl SplunkHec {
    /// The sink `name`; nothing is connected to.
    pub(super) fn open(name: &str, config: &SplunkHecConfig, clock: &Clock) -> Result<Self, SinkError> {
        // Https, or this machine.
        if Base::parse(&config.url.origin()).is_err() {
            tracing::warn!(sink = name, "the token and the findings travel without protection: http");
        }
        let collector = Collector::new(config, clock.clone())
            .map_err(|cause| SinkError::Client { sink: name.to_owned(), cause })?;
        Ok(Self {
            metadata: config.metadata.clone(),
            delivery: Delivery::new(name, collector, clock.clone(), config.body_bytes_max),
        })
    }
}

impl Sink for SplunkHec {
    fn deliver<'a>(&'a mut self, findings: &'a [Finding]) -> BoxFuture<'a, Vec<Verdict>> {
        async move {
            let pieces: Vec<_> =
                findings.iter().map(|finding| encode::encode(finding, &self.metadata)).collect();
            self.delivery.deliver(&pieces).await
        }
        .boxed()
    }

    fn probe(&mut self) -> BoxFuture<'_, Result<(), ProbeError>> {
        async move { Ok(self.delivery.receiver().probe().await?) }.boxed()
    }
}

/// What is sent of a finding with every setting at its default.
#[cfg(test)]
pub(super) fn sample_event(finding: &Finding) -> serde_json::Value {
    let metadata = Metadata {
        host: None,
        source: String::new(),
        sourcetype: config::SOURCETYPE.to_owned(),
        index: None,
    };
    serde_json::from_slice(&encode::encode(finding, &metadata).unwrap_or_default()).unwrap_or_default()
}
