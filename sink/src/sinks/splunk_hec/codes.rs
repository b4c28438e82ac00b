//! What HEC's answers mean: the table of codes, one row a code.
//!
//! Source: "Troubleshoot HTTP Event Collector" (possible error codes), and what Splunk 10 was observed to do: which
//! objects of a body are indexed before a bad one, and that code 7 names the object after it. Codes are matched by
//! number; the texts differ between versions. Statuses stand here to be read; only for success they must fit.

/// One code.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) code: i64,
    /// The HTTP status it comes with.
    pub(super) status: u16,
    pub(super) meaning: &'static str,
    pub(super) class: Class,
}

/// What a client does about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// All objects are there.
    Taken,
    /// All objects are there, and the receiver is nearly full.
    TakenSlowDown,
    /// Somebody must change a setting: which one, and how.
    Fault(&'static str),
    /// The object with that number is bad; those before it are indexed, those behind it are not.
    BadEvent,
    /// The object *before* that number is bad, or the setting that all objects share.
    BadIndex,
    /// Objects before that number are taken, the others not.
    Busy,
    /// Nobody knows what was taken.
    Unknown,
}

/// Every code, by its number.
pub(super) const ROWS: [Row; 29] = [
    row(0, 200, "success", Class::Taken),
    row(1, 403, "token disabled", Class::Fault("enable the token in Splunk, or give another one in `token`")),
    row(2, 401, "token is required", Class::Fault("does a proxy take the authorization header away?")),
    row(
        3,
        401,
        "invalid authorization",
        Class::Fault("`token` must hold the token's value and nothing else"),
    ),
    row(4, 403, "invalid token", Class::Fault("`token` must be the value of a token of this Splunk")),
    row(5, 400, "no data", Class::Fault("the body did not arrive: does a proxy take it away?")),
    row(6, 400, "invalid data format", Class::BadEvent),
    row(7, 400, "incorrect index", Class::BadIndex),
    row(8, 500, "internal server error", Class::Unknown),
    row(9, 503, "server is busy", Class::Busy),
    row(10, 400, "data channel is missing", Class::Fault(NO_ACKS)),
    row(11, 400, "invalid data channel", Class::Fault(NO_ACKS)),
    row(12, 400, "event field is required", Class::BadEvent),
    row(13, 400, "event field cannot be blank", Class::BadEvent),
    row(14, 400, "acknowledgement is disabled", Class::Fault("`url` must be the collector itself")),
    row(15, 400, "error in handling indexed fields", Class::BadEvent),
    row(
        16,
        400,
        "query string authorization is not enabled",
        Class::Fault("`url` must end with its port or path"),
    ),
    row(17, 200, "healthy", Class::Fault("`url` must be the collector itself, not its health page")),
    row(18, 503, "unhealthy: queues are full", Class::Busy),
    row(19, 503, "unhealthy: acknowledgement is not available", Class::Busy),
    row(20, 503, "unhealthy: queues are full, acknowledgement is not available", Class::Busy),
    row(21, 400, "invalid token", Class::Fault("`token` must be the value of a token of this Splunk")),
    row(
        22,
        400,
        "token disabled",
        Class::Fault("enable the token in Splunk, or give another one in `token`"),
    ),
    row(23, 503, "server is shutting down", Class::Busy),
    row(24, 200, "queue is nearly full", Class::TakenSlowDown),
    row(25, 200, "acknowledgement queue is nearly full", Class::TakenSlowDown),
    row(26, 429, "queue is full", Class::Busy),
    row(27, 429, "acknowledgement channel is full", Class::Busy),
    row(28, 400, "data channel is missing", Class::Fault(NO_ACKS)),
];

/// Weir sends no channel: it does not ask for acknowledgements.
const NO_ACKS: &str =
    "the token asks for indexer acknowledgement: switch that off for it, or give another one in `token`";

/// The row of that code.
pub(super) fn row_of(code: i64) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.code == code)
}

const fn row(code: i64, status: u16, meaning: &'static str, class: Class) -> Row {
    Row { code, status, meaning, class }
}
