//! The section `log.kafka.registry`.
//!
//! ```yaml
//! registry:
//!   url: https://registry:8081         # Apicurio: https://registry:8080/apis/ccompat/v7
//!   user: weir                         # where it asks for one; only over https, or on this machine
//!   password: {file: /run/secrets/weir/registry-password}
//!   ca_file: internal-ca.pem           # trust the certificates of this file, and no other
//!   connect_timeout: 10s
//!   read_timeout: 60s
//!   total_timeout: 10s
//! ```

use std::time::Duration;

use crate::{
    SecretSource,
    config::Section,
    http::{Base, HttpSettings},
};

/// A question is small, and a start should fail soon.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the registry is, and who we are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryConfig {
    /// What the paths of the API begin with.
    pub url: Base,
    /// A user's name and where the password is.
    pub credentials: Option<(String, SecretSource)>,
    /// How to connect.
    pub http: HttpSettings,
}

impl RegistryConfig {
    /// Reads the section; problems are noted there, and then there is none.
    #[must_use]
    pub fn read(section: &Section<'_>) -> Option<Self> {
        section.require("url");
        let (user, password) = (section.text("user"), section.secret_source("password"));
        let is_secret = section.has("password");
        // In a closed network many have no TLS, but a password does not go there.
        let url = section.text_as("url", if is_secret { Base::parse } else { Base::parse_any });
        match (section.has("user"), is_secret) {
            (true, false) => section.problem("user", "key \"password\" is missing"),
            (false, true) => section.problem("password", "key \"user\" is missing"),
            (true, true) | (false, false) => {}
        }
        if user.as_ref().is_some_and(|user| user.contains(':')) {
            section.problem("user", "\"user\" must not hold a colon");
        }
        let read = HttpSettings::read(section);
        let total_timeout = if section.has("total_timeout") { read.total_timeout } else { TOTAL_TIMEOUT };
        let http = HttpSettings { total_timeout, ..read };
        Some(Self { url: url?, credentials: user.zip(password), http })
    }
}
