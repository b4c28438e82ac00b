//! The feed's error table (reference, "Errors"), with the statuses that clients report.
//!
//! The page gives codes and texts, not statuses: 400 for most of them, 404 for a blob that is gone, 401 for a missing role
//! (microsoft/coe-starter-kit#8300) and for a token that is not taken, which has no code at all (#3253).

use axum::http::Method;
use serde_json::json;

use crate::call::Answer;

/// An error with its code.
pub(crate) fn error(status: u16, code: &str, text: &str) -> Answer {
    Answer::json(status, &json!({ "error": { "code": code, "message": text } }))
}

/// A token that is missing, unknown, expired or for another resource.
pub(crate) fn denied() -> Answer {
    Answer::json(401, &json!({ "Message": "Authorization has been denied for this request." }))
}

/// Too many requests. The page's own table says 403.
pub(crate) fn throttled(status: u16, method: &Method, publisher: &str) -> Answer {
    error(status, "AF429", &format!("Too many requests. Method={method}, PublisherId={publisher}"))
}

pub(crate) fn no_role(held: &[String]) -> Answer {
    let held = held.join(" ");
    let text =
        format!("The permission set ({held}) sent in the request does not include the expected permission.");
    error(401, "AF10001", &text)
}

/// Unified auditing is off: the answer as its users quote it, whatever was asked (troubleshooting page).
pub(crate) fn no_auditing(tenant: &str) -> Answer {
    let text =
        format!("Microsoft.Office.Compliance.Audit.DataServiceException: Tenant {tenant} does not exist.");
    error(400, "StartSubscription [CorrelationId=00000000-0000-0000-0000-000000000000]", &text)
}

pub(crate) fn internal() -> Answer {
    error(500, "AF50000", "An internal error occurred. Retry the request.")
}
