//! The sink `sentinel`: each finding to two streams of one data collection rule: as an alert in ASIM's own table
//! `ASimAlertEventLogs`, where Sentinel's content looks, and as a row of `WeirFindings_CL`, where nothing is left out.
//!
//! A finding is delivered when both streams have taken it. Where the second cannot take it now, the first is not asked
//! again for what it has, until a restart: then it may come twice. Refused by either, it goes to the dead letter.
//!
//! ASIM's table is not folded either: `EventUid` is the finding's id, and `AdditionalFields.Revision` its revision.
//! Limits as those of `log_analytics`.

use std::collections::HashSet;

use futures_util::future::{BoxFuture, FutureExt as _};
use pipeline::Clock;
use schemas::{FindingId, finding::Finding};

use super::{
    ProbeError, Sink, Verdict,
    delivery::{Delivery, Piece},
    log_analytics::encode::row,
    logs_ingestion::{BODY_BYTES_MAX, Connection, Stream, piece},
};
use crate::error::SinkError;

pub(super) mod config;
pub(super) mod encode;

pub use config::SentinelConfig;

/// The sink.
#[derive(Debug)]
pub(super) struct Sentinel {
    alerts: Delivery<Stream>,
    findings: Delivery<Stream>,
    /// What the stream of alerts has of the batch that is held, and the other has not: at most one batch.
    half: HashSet<(FindingId, i32)>,
}

impl Sentinel {
    /// The sink `name`; nothing is connected to.
    pub(super) fn open(name: &str, config: &SentinelConfig, clock: &Clock) -> Result<Self, SinkError> {
        let connection = Connection::new(name, &config.dcr, clock)?;
        let delivery = |stream: &str| {
            Delivery::new(name, Stream::new(&connection, &config.dcr, stream), clock.clone(), BODY_BYTES_MAX)
        };
        let (alerts, findings) = (delivery(&config.alerts_stream), delivery(&config.findings_stream));
        Ok(Self { alerts, findings, half: HashSet::new() })
    }

    async fn deliver_both(&mut self, findings: &[Finding]) -> Vec<Verdict> {
        // The batch that comes again after a hold begins where it was held, and nothing else of it is known.
        let had = std::mem::take(&mut self.half);
        let is_new = |finding: &&Finding| !had.contains(&key(finding));
        let alerts: Vec<Piece> =
            findings.iter().filter(is_new).map(|finding| piece(&encode::alert(finding))).collect();
        let mut answered = self.alerts.deliver(&alerts).await.into_iter();
        let mut verdicts: Vec<Verdict> = findings
            .iter()
            .map(
                |finding| {
                    if had.contains(&key(finding)) { Some(Verdict::Delivered) } else { answered.next() }
                },
            )
            .map(|verdict| verdict.unwrap_or(Verdict::TryAgain { after: None, cause: String::new() }))
            .collect();
        let rows: Vec<Piece> = findings
            .iter()
            .zip(&verdicts)
            .take_while(|(_, verdict)| !matches!(verdict, Verdict::TryAgain { .. }))
            .filter(|(_, verdict)| **verdict == Verdict::Delivered)
            .map(|(finding, _)| piece(&row(finding)))
            .collect();
        let mut answered = self.findings.deliver(&rows).await.into_iter();
        for (finding, verdict) in findings.iter().zip(&mut verdicts) {
            if *verdict != Verdict::Delivered {
                continue;
            }
            // Behind the first alert that is held, rows were not sent.
            *verdict = answered.next().unwrap_or(Verdict::TryAgain { after: None, cause: String::new() });
            if matches!(verdict, Verdict::TryAgain { .. }) {
                self.half.insert(key(finding));
            }
        }
        verdicts
    }
}

impl Sink for Sentinel {
    fn deliver<'a>(&'a mut self, findings: &'a [Finding]) -> BoxFuture<'a, Vec<Verdict>> {
        self.deliver_both(findings).boxed()
    }

    fn probe(&mut self) -> BoxFuture<'_, Result<(), ProbeError>> {
        async move {
            self.alerts.receiver().probe().await?;
            Ok(self.findings.receiver().probe().await?)
        }
        .boxed()
    }
}

fn key(finding: &Finding) -> (FindingId, i32) {
    (finding.id, finding.revision)
}
