//! What an operator says about an app registration.
//!
//! ```yaml
//! entra:
//!   authority: https://login.microsoftonline.com   # other clouds have others
//!   tenant: 0f1e…                                   # where nothing around it names one
//!   client_id: 9a8b…
//!   client_secret: {file: /etc/weir/secret}         # or
//!   certificate: {file: /etc/weir/app.pem}          # PEM: the certificate and its RSA key
//! ```

use std::path::PathBuf;

use crate::{SecretSource, config::Section, http::Base, secret::Secret};

const AUTHORITY: &str = "https://login.microsoftonline.com";

/// The longest id of a tenant or an app: a GUID has 36, a domain 253.
const ID_BYTES_MAX: usize = 253;

/// An app registration and how it proves itself.
#[derive(Debug, Clone)]
pub struct EntraConfig {
    /// Where tokens are given.
    pub authority: Base,
    /// The tenant's id, or a domain of it.
    pub tenant: String,
    /// The app's id.
    pub client_id: String,
    /// How it proves itself.
    pub credential: Credential,
}

/// How an app proves itself.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A client secret.
    Secret(Secret),
    /// A PEM file with the certificate and its RSA key (PKCS#8 or PKCS#1).
    Certificate(PathBuf),
}

impl EntraConfig {
    /// Reads a section `entra`; problems are noted there. `tenant` is that of what stands around it: where it is there,
    /// the section need not name one.
    #[must_use]
    pub fn read(section: &Section<'_>, tenant: Option<&str>) -> Option<Self> {
        let authority = section.text_as("authority", Base::parse);
        let authority = if section.has("authority") { authority } else { Base::parse(AUTHORITY).ok() };
        let own = section.text_as("tenant", check_id);
        if tenant.is_none() {
            section.require("tenant");
        }
        section.require("client_id");
        let client_id = section.text_as("client_id", check_id);
        let secret = section.secret("client_secret");
        let certificate = certificate(section);
        match (section.has("client_secret"), section.has("certificate")) {
            (true, true) => section
                .problem("certificate", "an app proves itself by client_secret or certificate, not both"),
            (false, false) => section.problem("client_secret", "an app needs client_secret or certificate"),
            (true, false) | (false, true) => {}
        }
        let credential = secret.map(Credential::Secret).or(certificate.map(Credential::Certificate))?;
        let tenant = own.or_else(|| tenant.map(str::to_owned))?;
        Some(Self { authority: authority?, tenant, client_id: client_id?, credential })
    }
}

/// The file is read for every token; that it can be is a question for the start.
fn certificate(section: &Section<'_>) -> Option<PathBuf> {
    match section.secret_source("certificate")? {
        SecretSource::File(path) => match super::assertion::check(&path) {
            Ok(()) => Some(path),
            Err(problem) => {
                section.problem("certificate", problem);
                None
            }
        },
        SecretSource::Env(_) => {
            section.problem("certificate", "a certificate is a file: {file: path}");
            None
        }
    }
}

/// Ids become part of an address.
fn check_id(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if text.is_empty() || text.len() > ID_BYTES_MAX || !text.bytes().all(fits) || text.contains("..") {
        return Err("must be an id (a GUID) or a domain".to_owned());
    }
    Ok(text.to_owned())
}
