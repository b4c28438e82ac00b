//! How a client proves who it is and knows whom it talks to: which settings belong together.
//!
//! ```yaml
//! settings: {security.protocol: sasl_ssl, sasl.mechanism: OAUTHBEARER, ssl.ca.location: /run/secrets/weir/ca.pem}
//! oauth:
//!   token_url: https://login.example.org/oauth2/token   # grant client_credentials
//!   client_id: weir-ingest
//!   client_secret: {file: /run/secrets/weir/client-secret}
//!   scope: kafka                                        # where the authority wants one
//!   ca_file: /run/secrets/weir/login-ca.pem             # where the platform does not trust the authority's certificate
//! ```
//! A password, a certificate or a token that would not be used is a problem: whoever wrote it believes to be protected by it.

use std::path::PathBuf;

use super::settings::KafkaConfig;
use crate::{SecretSource, config::Section, http::Base};

/// Where the tokens of SASL OAUTHBEARER come from (RFC 6749, 4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthConfig {
    /// The token endpoint.
    pub token_url: Base,
    /// Who asks.
    pub client_id: String,
    /// How it proves itself; read anew for each token.
    pub client_secret: SecretSource,
    /// What for, where the endpoint wants to know.
    pub scope: Option<String>,
    /// PEM; trusted for the token endpoint in place of the platform's certificates.
    pub ca_file: Option<PathBuf>,
}

impl OAuthConfig {
    /// Reads the section `oauth`; problems are noted there.
    #[must_use]
    pub fn read(section: &Section<'_>) -> Option<Self> {
        for key in ["token_url", "client_id", "client_secret"] {
            section.require(key);
        }
        let token_url = section.text_as("token_url", Base::parse);
        let client_id = section.text_as("client_id", plain);
        let client_secret = section.secret_source("client_secret");
        let scope = section.text_as("scope", plain);
        let ca_file = section.path("ca_file");
        Some(Self {
            token_url: token_url?,
            client_id: client_id?,
            client_secret: client_secret?,
            scope,
            ca_file,
        })
    }
}

fn plain(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 1000 || text.chars().any(char::is_control) {
        return Err("must be a text of at most 1000 characters".to_owned());
    }
    Ok(text.to_owned())
}

/// How brokers may be spoken to.
pub(super) const PROTOCOLS: [&str; 4] = ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"];
/// How a client may log in.
pub(super) const MECHANISMS: [&str; 4] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];

/// What does not belong together.
pub(super) fn problems(config: &KafkaConfig) -> Vec<String> {
    let mut problems = Vec::new();
    let has = |key: &str| config.extra.contains_key(key);
    let mut note = |key: &str, message: &str| problems.push(format!("{key}: {message}"));
    let given = [
        ("sasl.mechanism", has("sasl.mechanism")),
        ("sasl.username", has("sasl.username")),
        ("password", config.password.is_some()),
        ("oauth", config.oauth.is_some()),
    ];
    if !config.has_login() {
        for (key, _) in given.iter().filter(|(_, given)| *given) {
            note(key, "nobody logs in unless security.protocol is sasl_ssl");
        }
    } else if config.mechanism() == "OAUTHBEARER" {
        if config.oauth.is_none() {
            note("oauth", "is missing: OAUTHBEARER needs token_url, client_id and client_secret");
        }
        for (key, _) in
            given.iter().filter(|(key, given)| *given && ["sasl.username", "password"].contains(key))
        {
            note(key, "not used with OAUTHBEARER");
        }
    } else if config.mechanism().is_empty() {
        note("sasl.mechanism", "is missing: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER");
    } else {
        for (key, _) in
            given.iter().filter(|(key, given)| !given && ["sasl.username", "password"].contains(key))
        {
            note(key, "is missing: whoever logs in has both a user and a password");
        }
        if config.oauth.is_some() {
            note("oauth", "is for OAUTHBEARER only");
        }
    }
    if config.has_login() && !config.has_tls() && !config.is_local() {
        note("security.protocol", "sasl_plaintext shows passwords and tokens to the network: use sasl_ssl");
    }
    let (certificate, key) = (has("ssl.certificate.location"), has("ssl.key.location"));
    if !config.has_tls() {
        for (name, _) in config.extra.iter().filter(|(name, _)| name.starts_with("ssl.")) {
            note(name, "nothing is encrypted unless security.protocol is ssl or sasl_ssl");
        }
    } else if certificate != key {
        note("ssl.certificate.location", "a certificate and its key (ssl.key.location) go together");
    }
    if config.key_password.is_some() && !key {
        note("key_password", "is of a key that is not named: see ssl.key.location");
    }
    problems
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn config(settings: &[(&str, &str)], password: bool) -> KafkaConfig {
        let extra: BTreeMap<String, String> =
            settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let password = password.then(|| SecretSource::Env("PASSWORD".to_owned()));
        KafkaConfig { extra, password, ..KafkaConfig::new("kafka-1.example.org:9093") }
    }

    fn keys(config: &KafkaConfig) -> Vec<String> {
        let key = |problem: &String| problem.split(": ").next().unwrap_or_default().to_owned();
        config.problems().iter().map(key).collect()
    }

    #[test]
    fn what_belongs_together_has_no_problem() {
        let ca = ("ssl.ca.location", "/run/secrets/weir/ca.pem");
        let scram = [
            ("security.protocol", "sasl_ssl"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.username", "w"),
            ca,
        ];
        assert_eq!(keys(&config(&scram, true)), Vec::<String>::new());
        let mutual = [
            ("security.protocol", "ssl"),
            ("ssl.certificate.location", "/run/secrets/weir/c.pem"),
            ("ssl.key.location", "/run/secrets/weir/c.key"),
            ca,
        ];
        assert_eq!(keys(&config(&mutual, false)), Vec::<String>::new());
    }

    /// Whoever gives a password or an authority and forgets the protocol would talk to anybody, openly.
    #[test]
    fn protection_that_would_not_be_used_is_a_problem() {
        let settings = [("sasl.username", "w"), ("ssl.ca.location", "/run/secrets/weir/ca.pem")];
        assert_eq!(keys(&config(&settings, true)), ["sasl.username", "password", "ssl.ca.location"]);
        let open =
            [("security.protocol", "sasl_plaintext"), ("sasl.mechanism", "PLAIN"), ("sasl.username", "w")];
        assert_eq!(keys(&config(&open, true)), ["security.protocol"]);
        let here = KafkaConfig { bootstrap: "127.0.0.1:9092,localhost:1".to_owned(), ..config(&open, true) };
        assert_eq!(keys(&here), Vec::<String>::new());
    }

    /// Like every other file of the client's.
    #[test]
    fn the_token_endpoints_authority_lies_in_the_secrets_folder() {
        let settings = [("security.protocol", "sasl_ssl"), ("sasl.mechanism", "OAUTHBEARER")];
        for (file, expected) in [
            ("/run/secrets/weir/login-ca.pem", Vec::new()),
            ("/etc/login-ca.pem", vec!["oauth"]),
            ("/run/secrets/weir/../../x.pem", vec!["oauth"]),
        ] {
            let oauth = OAuthConfig {
                token_url: Base::parse("https://login.example.org/token").unwrap(),
                client_id: "weir".to_owned(),
                client_secret: SecretSource::Env("SECRET".to_owned()),
                scope: None,
                ca_file: Some(PathBuf::from(file)),
            };
            let config = KafkaConfig { oauth: Some(Box::new(oauth)), ..config(&settings, false) };
            assert_eq!(keys(&config), expected, "{file}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let bare = [("security.protocol", "sasl_ssl")];
        assert_eq!(keys(&config(&bare, false)), ["sasl.mechanism"]);
        let plain = [("security.protocol", "sasl_ssl"), ("sasl.mechanism", "PLAIN")];
        assert_eq!(keys(&config(&plain, false)), ["sasl.username", "password"]);
        let token = [("security.protocol", "sasl_ssl"), ("sasl.mechanism", "OAUTHBEARER")];
        assert_eq!(keys(&config(&token, true)), ["oauth", "password"]);
        let half = [("security.protocol", "ssl"), ("ssl.key.location", "/run/secrets/weir/c.key")];
        assert_eq!(keys(&config(&half, false)), ["ssl.certificate.location"]);
    }
}
