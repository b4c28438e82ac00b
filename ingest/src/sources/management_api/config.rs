//! The settings of a source of kind `management-api`.
//!
//! ```yaml
//!   - name: contoso
//!     kind: management-api
//!     tenant: 0f1e…                       # its GUID
//!     api: https://manage.office.com      # other clouds have others
//!     entra: {client_id: 9a8b…, client_secret: {file: /etc/weir/secret}}   # or certificate: {file: …}
//!     content_types: [Audit.General]      # all but DLP.All where none is named
//!     publisher: 0f1e…                    # whose quota is used; the tenant's own where none is named
//!     start: 24h                          # how far back a new source begins; 7d at most
//!     poll_interval_s: 60                 # how often it looks for new content
//!     end_margin_s: 30                    # what is younger is not looked for yet
//!     overlap_hours: 6                    # how far back it looks again for content that was shown late
//!     overlap_interval_s: 600             # how often
//!     subscription_interval_s: 300        # how often it looks whether its subscriptions are enabled
//!     http: {ca_file: internal-ca.pem}
//! ```

use std::sync::Arc;
use std::time::Duration;

use runtime::config::Section;
use runtime::entra::EntraConfig;
use runtime::http::{Base, HttpSettings};

use crate::decode::Origin;
use crate::sources::{Common, Here, Source};

/// Where the commercial cloud answers.
const API: &str = "https://manage.office.com";

/// What the service knows. The first four need one permission, the last another one, so that it has to be named.
pub const CONTENT_TYPES: [&str; 5] =
    ["Audit.AzureActiveDirectory", "Audit.Exchange", "Audit.SharePoint", "Audit.General", "DLP.All"];

/// A content type's name may be so long: they become keys.
const NAME_BYTES_MAX: usize = 64;

/// One tenant's audit feeds.
#[derive(Debug, Clone)]
pub struct ManagementConfig {
    /// What every source has.
    pub common: Common,
    /// The tenant's GUID, lower case.
    pub tenant: String,
    /// Where the service answers.
    pub api: Base,
    /// The app that reads.
    pub entra: EntraConfig,
    /// What is read.
    pub content_types: Vec<String>,
    /// Sent with every call as `PublisherIdentifier`.
    pub publisher: String,
    /// How far back it begins.
    pub start: Duration,
    /// How often new content is listed.
    pub poll_interval: Duration,
    /// A window ends so long before now.
    pub end_margin: Duration,
    /// How much is listed again.
    pub overlap: Duration,
    /// How often.
    pub overlap_interval: Duration,
    /// How often subscriptions are looked at.
    pub subscription_interval: Duration,
    /// How to connect.
    pub http: HttpSettings,
}

impl ManagementConfig {
    /// Reads the section of one source; problems are noted there. Nothing is asked of anybody.
    pub(in crate::sources) fn read(
        section: &Section<'_>,
        _here: Here,
        common: &Common,
    ) -> Option<Arc<dyn Source>> {
        section.require("tenant");
        let tenant = section.text_as("tenant", guid);
        let api = section.text_as("api", Base::parse);
        let api = if section.has("api") { api } else { Base::parse(API).ok() };
        section.require("entra");
        let entra = EntraConfig::read(&section.section("entra"), Some(tenant.as_deref().unwrap_or_default()));
        let publisher = section.text_as("publisher", guid);
        let content_types = read_content_types(section);
        let seconds = |key, range: std::ops::RangeInclusive<u64>, standard| {
            Duration::from_secs(section.number(key, range, standard))
        };
        let hour = Duration::from_secs(3600);
        let start = section.duration("start", Duration::from_secs(1)..=hour * 168, hour * 24);
        let poll_interval = seconds("poll_interval_s", 1..=86_400, 60);
        let end_margin = seconds("end_margin_s", 0..=3600, 30);
        let overlap = hour * section.number("overlap_hours", 0..=168, 6);
        let overlap_interval = seconds("overlap_interval_s", 1..=86_400, 600);
        let subscription_interval = seconds("subscription_interval_s", 1..=86_400, 300);
        let http = HttpSettings::read(&section.section("http"));
        let tenant = tenant?;
        Some(Arc::new(Self {
            publisher: publisher.unwrap_or_else(|| tenant.clone()),
            tenant,
            api: api?,
            entra: entra?,
            content_types,
            start,
            poll_interval,
            end_margin,
            overlap,
            overlap_interval,
            subscription_interval,
            http,
            common: common.clone(),
        }))
    }

    /// What the decoder needs to know of it.
    pub(super) fn origin(&self) -> Origin {
        Origin { source: self.common.name.clone(), tenant: Some(self.tenant.clone()), environment: None }
    }
}

fn read_content_types(section: &Section<'_>) -> Vec<String> {
    let mut types = section.texts_as("content_types", |text| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
        if text.is_empty() || text.len() > NAME_BYTES_MAX || !text.bytes().all(fits) {
            return Err(format!("is no content type; the service has {}", CONTENT_TYPES.join(", ")));
        }
        // Whatever the service adds is taken as it is written.
        let known = CONTENT_TYPES.iter().find(|known| known.eq_ignore_ascii_case(text));
        Ok(known.map_or_else(|| text.to_owned(), |known| (*known).to_owned()))
    });
    if !section.has("content_types") {
        types =
            CONTENT_TYPES.iter().filter(|name| **name != "DLP.All").map(|name| (*name).to_owned()).collect();
    } else if types.is_empty() {
        section.problem("content_types", "\"content_types\" must name at least one");
    }
    let mut once = Vec::new();
    for name in types {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    once
}

/// In lower case, as events name their tenant.
fn guid(text: &str) -> Result<String, String> {
    let shape = |(index, byte): (usize, u8)| match index {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    if text.len() != 36 || !text.bytes().enumerate().all(shape) {
        return Err("must be a GUID: 8-4-4-4-12 hexadecimal digits".to_owned());
    }
    Ok(text.to_lowercase())
}
