//! ```yaml
//! - name: azure
//!   kind: log_analytics
//!   endpoint: https://weir-abcd.westeurope-1.ingest.monitor.azure.com
//!   dcr: dcr-0123456789abcdef0123456789abcdef
//!   stream: Custom-WeirFindings
//!   entra: {tenant: …, client_id: …, client_secret: {file: /run/secrets/weir/entra}}
//! ```

use runtime::config::Section;

use crate::sinks::logs_ingestion::{DcrConfig, read_stream};

/// As the template in `sink/content/sentinel` declares it.
pub(in crate::sinks) const STREAM: &str = "Custom-WeirFindings";

/// One sink of the kind `log_analytics`.
#[derive(Debug, Clone)]
pub struct LogAnalyticsConfig {
    pub(super) dcr: DcrConfig,
    pub(super) stream: String,
}

impl LogAnalyticsConfig {
    /// Reads the section of the sink; problems are noted there.
    pub(crate) fn read(section: &Section<'_>) -> Option<Self> {
        let dcr = DcrConfig::read(section);
        let stream = read_stream(section, "stream", STREAM);
        Some(Self { dcr: dcr?, stream })
    }
}
