//! What the content for SIEMs must say, gathered for its tests.

use schemas::finding::Finding;
use serde_json::Value;

use super::{log_analytics, sentinel, splunk_hec};

pub(crate) const SOURCETYPE: &str = splunk_hec::config::SOURCETYPE;

/// A stream and its columns with their types.
type Declared = (&'static str, &'static [(&'static str, &'static str)]);

pub(crate) const FINDINGS: Declared = (sentinel::config::FINDINGS_STREAM, &log_analytics::encode::COLUMNS);
pub(crate) const ALERTS: Declared = (sentinel::config::ALERTS_STREAM, &sentinel::encode::COLUMNS);

/// What Splunk is sent, with every setting at its default.
pub(crate) fn event_of(finding: &Finding) -> Value {
    splunk_hec::sample_event(finding)
}

#[test]
fn both_sinks_write_findings_to_the_same_stream() {
    assert_eq!(log_analytics::config::STREAM, sentinel::config::FINDINGS_STREAM);
}
