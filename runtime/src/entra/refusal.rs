//! Why there is no token: what Entra's codes mean for an operator.
//!
//! Codes and texts: "Microsoft Entra authentication and authorization error codes". A text of Entra's is never passed on:
//! it may hold ids and addresses.

use serde::Deserialize;

use crate::http::HttpError;

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntraError {
    /// Entra refuses the app: somebody must change a setting. Asking again soon is useless.
    #[error("Entra refuses the app ({code}): {what}")]
    Refused {
        /// `AADSTS7000215`, or the OAuth error where there is no such code.
        code: String,
        /// Which setting or permission, and what to do.
        what: String,
    },
    /// Entra cannot be reached.
    #[error("Entra: {0}")]
    Away(#[from] HttpError),
    /// Entra answers, but with no token and no refusal.
    #[error("Entra answers {0}")]
    Answer(String),
    /// The app's own secret or certificate cannot be read.
    #[error("{0}")]
    Credential(String),
}

/// Code, and what to do about it.
const CODES: [(u32, &str); 14] = [
    (7_000_215, "client_secret is wrong; it must be the secret's value, not its id"),
    (7_000_222, "client_secret has expired; make a new one"),
    (700_016, "client_id names no app of this tenant; check both, and that an admin has consented"),
    (7_000_229, "the app has no service principal in this tenant; an admin must consent to it"),
    (90_002, "tenant names no tenant of this authority"),
    (900_023, "tenant is neither a tenant's id nor a domain of one"),
    (900_021, "tenant is neither a tenant's id nor a domain of one"),
    (700_027, "the certificate is not registered with the app, or has expired there"),
    (700_024, "the certificate's statement is not valid now; check this machine's clock"),
    (7_000_216, "the app must prove itself by client_secret or certificate"),
    (7_000_218, "the app must prove itself by client_secret or certificate"),
    (70_011, "the scope is unknown; check the service's address and the cloud"),
    (
        500_011,
        "the service is not known in this tenant; check its address, the cloud, and that the tenant has it",
    ),
    (53_003, "a Conditional Access policy blocks the app"),
];

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
    #[serde(default)]
    error_codes: Vec<u32>,
}

impl EntraError {
    /// What an answer that holds no token means.
    pub(super) fn of(status: u16, body: &[u8]) -> Self {
        let Ok(refusal) = serde_json::from_slice::<Refusal>(body) else {
            return Self::Answer(format!("status {status} without a token"));
        };
        let temporary = ["temporarily_unavailable", "server_error"].contains(&refusal.error.as_str());
        if !(400..500).contains(&status) || matches!(status, 408 | 429) || temporary {
            return Self::Answer(format!("status {status}, for now without a token"));
        }
        let number = refusal.error_codes.first().copied().or_else(|| code_in(&refusal.error_description));
        let code = match number {
            Some(number) => format!("AADSTS{number}"),
            None => oauth_error(&refusal.error).to_owned(),
        };
        let known = CODES.iter().find(|(known, _)| Some(*known) == number);
        let what = known.map_or("look the code up in Entra's list of error codes", |(_, what)| *what);
        Self::Refused { code, what: what.to_owned() }
    }

    /// Whether an operator must act: nothing changes by waiting.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Credential(_))
    }
}

/// `AADSTS7000215: Invalid client secret provided…`
fn code_in(description: &str) -> Option<u32> {
    let digits = description.strip_prefix("AADSTS")?;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits.get(..end)?.parse().ok()
}

/// The error of RFC 6749, if it is one: nothing else of an answer goes into a log.
fn oauth_error(text: &str) -> &str {
    let known = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "invalid_scope",
        "invalid_resource",
    ];
    known.into_iter().find(|known| *known == text).unwrap_or("no code")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, body: &str) -> (String, String) {
        let error = EntraError::of(status, body.as_bytes());
        let EntraError::Refused { code, what } = error else { panic!("{error:?}") };
        (code, what)
    }

    #[test]
    fn a_refusal_names_the_setting_and_quotes_nothing() {
        let body = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided for app 'secret-app'.","error_codes":[7000215]}"#;
        let (code, what) = refused(401, body);
        assert_eq!(code, "AADSTS7000215");
        assert!(what.contains("client_secret") && !what.contains("secret-app"), "{what}");
        // Without the list of codes, as some authorities answer.
        let body = r#"{"error":"unauthorized_client","error_description":"AADSTS700016: Application was not found"}"#;
        assert!(refused(400, body).1.contains("client_id"));
        assert_eq!(refused(400, r#"{"error":"invalid_scope"}"#).0, "invalid_scope");
        assert_eq!(refused(400, r#"{"error":"some secret text"}"#).0, "no code");
    }

    #[test]
    fn what_may_pass_by_itself_is_no_refusal() {
        for (status, body) in [
            (429, r#"{"error":"invalid_client","error_codes":[7000215]}"#),
            (503, r#"{"error":"server_error"}"#),
            (400, r#"{"error":"temporarily_unavailable","error_codes":[90033]}"#),
            (401, "<html>"),
            (200, "{"),
        ] {
            let error = EntraError::of(status, body.as_bytes());
            assert!(matches!(error, EntraError::Answer(_)), "{status} {body}: {error:?}");
            assert!(!error.is_refusal());
        }
    }
}
