//! The sink `log_analytics`: findings as rows of the custom table `WeirFindings_CL`, one row a revision.
//!
//! The service keeps what it is sent twice and does not fold: the function `WeirFindings()` of `sink/content/sentinel`
//! keeps, for each `FindingId`, the row with the highest `Revision`, and leaves out what is closed. Query by the columns
//! `EventStartTime` and `CreatedTime`: the service writes the time of receipt over a `TimeGenerated` that is older than
//! two days.
//!
//! Limits: bodies of 1,000,000 bytes before compression; a field above 64,000 bytes is cut and named in `Truncated`; a
//! finding that is still larger than a body goes to the dead letter as `too_large`.

use futures_util::future::{BoxFuture, FutureExt as _};
use pipeline::Clock;
use schemas::finding::Finding;

use super::{
    ProbeError, Sink, Verdict,
    delivery::Delivery,
    logs_ingestion::{BODY_BYTES_MAX, Connection, Stream, piece},
};
use crate::error::SinkError;

pub(super) mod config;
pub(super) mod encode;

pub use config::LogAnalyticsConfig;

/// The sink.
#[derive(Debug)]
pub(super) struct LogAnalytics(Delivery<Stream>);

impl LogAnalytics {
    /// The sink `name`; nothing is connected to.
    pub(super) fn open(name: &str, config: &LogAnalyticsConfig, clock: &Clock) -> Result<Self, SinkError> {
        let connection = Connection::new(name, &config.dcr, clock)?;
        let stream = Stream::new(&connection, &config.dcr, &config.stream);
        Ok(Self(Delivery::new(name, stream, clock.clone(), BODY_BYTES_MAX)))
    }
}

impl Sink for LogAnalytics {
    fn deliver<'a>(&'a mut self, findings: &'a [Finding]) -> BoxFuture<'a, Vec<Verdict>> {
        async move {
            let pieces: Vec<_> = findings.iter().map(|finding| piece(&encode::row(finding))).collect();
            self.0.deliver(&pieces).await
        }
        .boxed()
    }

    fn probe(&mut self) -> BoxFuture<'_, Result<(), ProbeError>> {
        async move { Ok(self.0.receiver().probe().await?) }.boxed()
    }
}
