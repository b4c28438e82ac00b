//! Entra's refusals: code, HTTP status and OAuth error of each (page "Microsoft Entra authentication and authorization
//! error codes"; statuses as its clients report them). The texts are short forms of the real ones; a client goes by the
//! code.

use schemas::Micros;
use serde_json::json;

use crate::{call::Answer, times};

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: u16,
    error: &'static str,
    code: u32,
    text: String,
}

fn refusal(status: u16, error: &'static str, code: u32, text: impl Into<String>) -> Refusal {
    Refusal { status, error, code, text: text.into() }
}

impl Refusal {
    pub(crate) fn not_a_post() -> Self {
        refusal(
            400,
            "invalid_request",
            900_561,
            "The endpoint only accepts POST requests. Received a GET request.",
        )
    }

    pub(crate) fn missing(name: &str) -> Self {
        let text = format!("The request body must contain the following parameter: '{name}'.");
        refusal(400, "invalid_request", 900_144, text)
    }

    pub(crate) fn grant_type(found: &str) -> Self {
        let text = format!("The app requested an unsupported grant type '{found}'.");
        refusal(400, "unsupported_grant_type", 70_003, text)
    }

    pub(crate) fn no_tenant(tenant: &str) -> Self {
        let text = format!("Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID.");
        refusal(400, "invalid_request", 90_002, text)
    }

    pub(crate) fn no_app(client: &str, tenant: &str) -> Self {
        let text =
            format!("Application with identifier '{client}' was not found in the directory '{tenant}'.");
        refusal(400, "unauthorized_client", 700_016, text)
    }

    pub(crate) fn wrong_secret(client: &str) -> Self {
        let text = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not \
             the client secret ID, for a secret added to app '{client}'."
        );
        refusal(401, "invalid_client", 7_000_215, text)
    }

    pub(crate) fn expired_secret(client: &str) -> Self {
        let text = format!("The provided client secret keys for app '{client}' are expired.");
        refusal(401, "invalid_client", 7_000_222, text)
    }

    pub(crate) fn no_credential() -> Self {
        let text =
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
        refusal(401, "invalid_client", 7_000_218, text)
    }

    pub(crate) fn no_resource(resource: &str) -> Self {
        let text = format!("The resource principal named {resource} was not found in the tenant.");
        refusal(400, "invalid_resource", 500_011, text)
    }

    pub(crate) fn scope(scope: &str) -> Self {
        let text = format!(
            "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with \
             /.default suffixed to the resource identifier (application ID URI)."
        );
        refusal(400, "invalid_scope", 1_002_012, text)
    }

    /// A signature that does not fit, a certificate that is not the app's, an assertion that was used before.
    pub(crate) fn signature(reason: &str) -> Self {
        let text = format!("Client assertion failed signature validation. [Reason - {reason}]");
        refusal(401, "invalid_client", 700_027, text)
    }

    pub(crate) fn malformed() -> Self {
        refusal(400, "invalid_request", 50_027, "JWT token is invalid or malformed.")
    }

    pub(crate) fn assertion_type() -> Self {
        refusal(
            400,
            "invalid_request",
            70_002,
            "Error validating credentials: 'client_assertion_type' is not valid.",
        )
    }

    pub(crate) fn assertion_audience() -> Self {
        refusal(
            401,
            "invalid_client",
            700_023,
            "Client assertion audience claim does not match Realm issuer.",
        )
    }

    pub(crate) fn assertion_client() -> Self {
        let text = "Client assertion application identifier doesn't match 'client_id' parameter.";
        refusal(401, "invalid_client", 700_021, text)
    }

    pub(crate) fn assertion_time() -> Self {
        refusal(401, "invalid_client", 700_024, "Client assertion is not within its valid time range.")
    }

    pub(crate) fn internal() -> Self {
        refusal(500, "server_error", 90_033, "A transient error has occurred. Please try again.")
    }

    pub(crate) fn throttled() -> Self {
        refusal(
            429,
            "temporarily_unavailable",
            90_055,
            "The request was throttled because there are too many requests.",
        )
    }

    pub(crate) fn unavailable() -> Self {
        refusal(503, "temporarily_unavailable", 90_033, "A transient error has occurred. Please try again.")
    }

    /// In Entra's shape.
    pub(crate) fn answer(&self, trace: &str, correlation: &str, now: Micros) -> Answer {
        let (code, at) = (self.code, times::entra(now));
        let text = &self.text;
        let description =
            format!("AADSTS{code}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {at}");
        let body = json!({
            "error": self.error,
            "error_description": description,
            "error_codes": [code],
            "timestamp": at,
            "trace_id": trace,
            "correlation_id": correlation,
        });
        Answer::json(self.status, &body)
    }
}
