//! How to reach a data collection rule (DCR); the same keys for both sinks.
//!
//! ```yaml
//!   endpoint: https://weir-abcd.westeurope-1.ingest.monitor.azure.com   # logsIngestion of the DCR, or of its DCE
//!   dcr: dcr-0123456789abcdef0123456789abcdef                           # its immutable id
//!   scope: https://monitor.azure.com/.default                           # other clouds have others
//!   entra: {tenant: …, client_id: …, client_secret: {file: …}}          # or certificate: {file: …}
//!   http: {…}
//! ```

use runtime::{
    config::Section,
    entra::EntraConfig,
    http::{Base, HttpSettings},
};

const SCOPE: &str = "https://monitor.azure.com/.default";
/// `dcr-` and 32 digits; room for what a later version may make of it.
const DCR_CHARS_MAX: usize = 100;
/// The service allows 64 or so.
const STREAM_CHARS_MAX: usize = 100;
const SCOPE_CHARS_MAX: usize = 256;

/// A data collection rule and who may write to it.
#[derive(Debug, Clone)]
pub(in crate::sinks) struct DcrConfig {
    pub(super) endpoint: Base,
    pub(super) dcr: String,
    pub(super) scope: String,
    pub(super) entra: EntraConfig,
    pub(super) http: HttpSettings,
}

impl DcrConfig {
    /// Reads its keys out of the section of a sink; problems are noted there.
    pub(in crate::sinks) fn read(section: &Section<'_>) -> Option<Self> {
        for key in ["endpoint", "dcr", "entra"] {
            section.require(key);
        }
        let endpoint = section.text_as("endpoint", Base::parse);
        let dcr = section.text_as("dcr", check_dcr);
        let scope = section.text_as("scope", check_scope).unwrap_or_else(|| SCOPE.to_owned());
        let entra = section.optional_section("entra").and_then(|entra| EntraConfig::read(&entra, None));
        let http = HttpSettings::read(&section.section("http"));
        Some(Self { endpoint: endpoint?, dcr: dcr?, scope, entra: entra?, http })
    }
}

/// A stream's name under `key`, as the DCR declares it.
pub(in crate::sinks) fn read_stream(section: &Section<'_>, key: &'static str, default: &str) -> String {
    section.text_as(key, check_stream).unwrap_or_else(|| default.to_owned())
}

/// The immutable id becomes part of an address.
fn check_dcr(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !text.starts_with("dcr-") || text.len() > DCR_CHARS_MAX || !text.bytes().all(fits) {
        return Err("must be the rule's immutable id: dcr- and 32 digits and letters".to_owned());
    }
    Ok(text.to_owned())
}

/// So does the stream's name.
fn check_stream(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let begins = text.starts_with("Custom-") || text.starts_with("Microsoft-");
    if !begins || text.len() > STREAM_CHARS_MAX || !text.bytes().all(fits) {
        return Err("must be a stream of the rule: Custom- and its name".to_owned());
    }
    Ok(text.to_owned())
}

fn check_scope(text: &str) -> Result<String, String> {
    let fits = text.bytes().all(|byte| byte.is_ascii_graphic());
    if !text.ends_with("/.default") || text.len() > SCOPE_CHARS_MAX || !fits {
        return Err("must be the service's address and /.default".to_owned());
    }
    Ok(text.to_owned())
}
