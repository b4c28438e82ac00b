//! ```yaml
//! - name: splunk
//!   kind: splunk_hec
//!   url: https://splunk.example:8088     # the collector, without /services/collector
//!   token: {file: /run/secrets/weir/hec-token}
//!   index: security                      # absent: the token's own
//!   source: weir
//!   sourcetype: weir:finding
//!   host: weir-1                         # absent: as Splunk names the sender
//!   body_bytes_max: 1000000              # before compression; older Splunks take no more
//!   gzip: true
//!   http: {ca_file: splunk-ca.pem}
//! ```

use runtime::{
    Secret,
    config::Section,
    http::{Base, HttpSettings},
};

/// The sourcetype that the add-on in `sink/content/splunk` knows.
pub(in crate::sinks) const SOURCETYPE: &str = "weir:finding";
const SOURCE: &str = "weir";
/// What every Splunk takes.
const BODY_BYTES_MAX: usize = 1_000_000;
/// Below this a body holds no finding; above it no Splunk takes one.
const BODY_BYTES: std::ops::RangeInclusive<usize> = 16_384..=800_000_000;
/// The longest name of an index, host, source or sourcetype.
const NAME_CHARS_MAX: usize = 255;

/// One sink of the kind `splunk_hec`.
#[derive(Debug, Clone)]
pub struct SplunkHecConfig {
    pub(super) url: Base,
    pub(super) token: Secret,
    pub(super) metadata: Metadata,
    pub(super) body_bytes_max: usize,
    pub(super) gzip: bool,
    pub(super) http: HttpSettings,
}

/// What every event carries beside itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) host: Option<String>,
    pub(super) source: String,
    pub(super) sourcetype: String,
    pub(super) index: Option<String>,
}

impl SplunkHecConfig {
    /// Reads the section of the sink; problems are noted there.
    pub(crate) fn read(section: &Section<'_>) -> Option<Self> {
        section.require("url");
        section.require("token");
        let url = section.text_as("url", Base::parse_any);
        let token = section.secret("token");
        if token.as_ref().is_some_and(|token| !token.reveal().bytes().all(|byte| byte.is_ascii_graphic())) {
            section
                .problem("token", "the token holds blanks or what is not ASCII: it must be its value alone");
        }
        let metadata = Metadata {
            host: section.text_as("host", check_name),
            source: section.text_as("source", check_name).unwrap_or_else(|| SOURCE.to_owned()),
            sourcetype: section.text_as("sourcetype", check_name).unwrap_or_else(|| SOURCETYPE.to_owned()),
            index: section.text_as("index", check_name),
        };
        let body_bytes_max = section.number("body_bytes_max", BODY_BYTES, BODY_BYTES_MAX);
        let gzip = section.flag("gzip", true);
        let http = HttpSettings::read(&section.section("http"));
        Some(Self { url: url?, token: token?, metadata, body_bytes_max, gzip, http })
    }
}

fn check_name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.chars().count() > NAME_CHARS_MAX || text.chars().any(char::is_control) {
        return Err(format!("must be 1 to {NAME_CHARS_MAX} characters"));
    }
    Ok(text.to_owned())
}
