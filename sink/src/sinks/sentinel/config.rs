//! ```yaml
//! - name: sentinel
//!   kind: sentinel
//!   endpoint: https://weir-abcd.westeurope-1.ingest.monitor.azure.com
//!   dcr: dcr-0123456789abcdef0123456789abcdef
//!   streams: {alerts: Custom-WeirAlerts, findings: Custom-WeirFindings}
//!   entra: {tenant: …, client_id: …, certificate: {file: /run/secrets/weir/app.pem}}
//! ```

use runtime::config::Section;

use crate::sinks::logs_ingestion::{DcrConfig, read_stream};

/// As the template in `sink/content/sentinel` declares it: what the rule writes to `ASimAlertEventLogs`.
pub(in crate::sinks) const ALERTS_STREAM: &str = "Custom-WeirAlerts";
/// As the template declares it: what the rule writes to `WeirFindings_CL`.
pub(in crate::sinks) const FINDINGS_STREAM: &str = "Custom-WeirFindings";

/// One sink of the kind `sentinel`.
#[derive(Debug, Clone)]
pub struct SentinelConfig {
    pub(super) dcr: DcrConfig,
    pub(super) alerts_stream: String,
    pub(super) findings_stream: String,
}

impl SentinelConfig {
    /// Reads the section of the sink; problems are noted there.
    pub(crate) fn read(section: &Section<'_>) -> Option<Self> {
        let dcr = DcrConfig::read(section);
        let streams = section.section("streams");
        let alerts_stream = read_stream(&streams, "alerts", ALERTS_STREAM);
        let findings_stream = read_stream(&streams, "findings", FINDINGS_STREAM);
        if alerts_stream == findings_stream {
            section
                .problem("streams", "alerts and findings have different columns: each needs its own stream");
        }
        Some(Self { dcr: dcr?, alerts_stream, findings_stream })
    }
}
