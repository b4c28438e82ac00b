//! What the service's answers mean: the table, one row for a status and a code.
//!
//! Sources: "Logs Ingestion API in Azure Monitor" and "Troubleshooting" in its tutorial, for 403, 413, 429 and 503; the
//! other rows are what the service was observed to answer. `{"error":{"code":…}}`; the header `x-ms-error-code` says the
//! same where the body does not. Nothing of an answer's text goes into a message: it may quote what was sent.

use std::time::Duration;

use serde::Deserialize;

use crate::sinks::delivery::{Answer, Held, Refusal};

/// A status, and a code where the status alone does not say enough.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) status: u16,
    pub(super) code: Option<&'static str>,
    pub(super) class: Class,
}

/// What a client does about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// All records are accepted.
    Taken,
    /// One of the records is bad: halve until it stands alone.
    BadRecord,
    /// The records lie too far apart in time: fewer may do.
    TooFarApart,
    /// The body is too large.
    TooLarge,
    /// The token does not hold: another one, once.
    Token,
    /// Somebody must change a setting or grant a permission: which one.
    Fault(&'static str),
    /// Not now.
    Busy,
}

/// The table. The first row that fits decides.
pub(super) const ROWS: [Row; 16] = [
    row(204, None, Class::Taken),
    row(400, Some("InvalidPayload"), Class::BadRecord),
    row(400, Some("RecordsTimeRangeIsMoreThan30Minutes"), Class::TooFarApart),
    row(
        400,
        Some("InvalidStream"),
        Class::Fault("the rule has no such stream: look at `stream` and the rule's streamDeclarations"),
    ),
    row(
        400,
        Some("InvalidApiVersion"),
        Class::Fault("it does not know our version of its API: is `endpoint` a logs ingestion endpoint?"),
    ),
    row(401, None, Class::Token),
    row(
        403,
        None,
        Class::Fault(
            "the app needs the role Monitoring Metrics Publisher on the data collection rule (a new assignment takes up to \
         30 minutes)",
        ),
    ),
    row(
        404,
        None,
        Class::Fault("`endpoint` or `dcr` is wrong: it wants the rule's immutable id and its own endpoint"),
    ),
    row(408, None, Class::Busy),
    row(413, None, Class::TooLarge),
    row(415, None, Class::Fault("it takes no JSON or no gzip: is `endpoint` a logs ingestion endpoint?")),
    row(429, None, Class::Busy),
    row(500, None, Class::Busy),
    row(502, None, Class::Busy),
    row(503, None, Class::Busy),
    row(504, None, Class::Busy),
];

/// An answer, as far as it matters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reply<'a> {
    pub(super) status: u16,
    /// `x-ms-error-code`.
    pub(super) code: Option<&'a str>,
    pub(super) body: &'a [u8],
    pub(super) retry_after: Option<Duration>,
}

#[derive(Deserialize)]
struct Body {
    error: Error,
}

#[derive(Deserialize)]
struct Error {
    code: String,
}

/// What `reply` means. A token that does not hold is for whoever sends to renew, once; here it is a fault.
pub(super) fn judge(reply: Reply<'_>) -> Answer {
    let said = serde_json::from_slice::<Body>(reply.body).ok().map(|body| body.error.code);
    let code = said.as_deref().or(reply.code);
    let cause = format!("status {} ({})", reply.status, shown(code));
    let busy = |cause: String| Answer::Held(0, Held::busy(reply.retry_after, cause));
    let fault = |what: &str| Answer::Held(0, Held::fault(reply.retry_after, format!("{cause}: {what}")));
    let fits = |row: &&Row| row.status == reply.status && (row.code.is_none() || row.code == code);
    match (ROWS.iter().find(fits).map(|row| row.class), reply.status) {
        (Some(Class::Taken), _) => Answer::Taken { pause: None },
        (Some(Class::BadRecord), _) => bad_record(),
        (Some(Class::TooFarApart), _) => Answer::TooMany(Held::fault(
            None,
            format!("{cause}: the table takes no record that old; its plan should be Analytics"),
        )),
        (Some(Class::TooLarge), _) => Answer::TooLarge,
        (Some(Class::Token), _) => fault("the token is refused, a new one too: look at `scope` and `entra`"),
        (Some(Class::Fault(what)), _) => fault(what),
        (Some(Class::Busy), _) | (None, 425 | 500..) => busy(cause),
        // A code that is not in the table is the service's own word about the body; no code at all is somebody else's.
        (None, 400) if code.is_some() => bad_record(),
        (None, 200..=299) => busy(format!("{cause}: not delivered, since only 204 says so")),
        (None, 300..=399) => fault("it leads elsewhere: `endpoint` must be the service's own address"),
        (None, _) => fault("is there something before the service that answers for it?"),
    }
}

/// Whether another token may help.
pub(super) fn refuses_token(status: u16) -> bool {
    ROWS.iter().any(|row| row.status == status && row.class == Class::Token)
}

/// A 400 can be the fault of the whole body; that is told apart by what else the service takes.
fn bad_record() -> Answer {
    Answer::OneRefused(Refusal { reason: "invalid_payload", doubtful: false })
}

/// A code of the table's, and no other text.
fn shown(code: Option<&str>) -> &'static str {
    let Some(code) = code else { return "no code" };
    ROWS.iter().filter_map(|row| row.code).find(|known| *known == code).unwrap_or("a code unknown here")
}

const fn row(status: u16, code: Option<&'static str>, class: Class) -> Row {
    Row { status, code, class }
}

#[cfg(test)]
mod tests;
