//! An answer of HEC, judged by the table of codes; one without a code, by its status.
//!
//! Nothing of an answer's text goes into a message: it may quote what was sent.

use std::time::Duration;

use serde_json::Value;

use super::codes::{Class, Row, row_of};
use crate::sinks::delivery::{Answer, Held, Refusal};

/// Splunk Cloud says "invalid data format" of object 0 where the body is too large: seen above 5 MiB.
const CLOUD_BODY_BYTES: usize = 5 * 1024 * 1024;
/// How long a receiver that is nearly full is left alone, where it does not say so.
const PAUSE: Duration = Duration::from_secs(1);

/// What was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    /// How many objects.
    pub(super) events: usize,
    /// How many bytes, before compression.
    pub(super) bytes: usize,
}

/// An answer, as far as it matters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reply<'a> {
    pub(super) status: u16,
    pub(super) body: &'a [u8],
    pub(super) retry_after: Option<Duration>,
}

/// What `reply` means for what was sent.
pub(super) fn judge(reply: Reply<'_>, sent: Sent) -> Answer {
    if reply.status == 413 {
        return Answer::TooLarge;
    }
    match number(reply.body, "code").and_then(row_of) {
        Some(row) => by_code(row, number(reply.body, "invalid-event-number"), reply, sent),
        None => Answer::Held(0, by_status(reply)),
    }
}

/// Whether an answer to an empty body shows that the token is good: the collector misses nothing but data.
pub(super) fn proves_token(reply: Reply<'_>) -> bool {
    number(reply.body, "code") == Some(5)
}

fn number(body: &[u8], key: &str) -> Option<i64> {
    serde_json::from_slice::<Value>(body).ok()?.get(key)?.as_i64()
}

fn by_code(row: &Row, number: Option<i64>, reply: Reply<'_>, sent: Sent) -> Answer {
    let at = number.and_then(|number| usize::try_from(number).ok()).filter(|at| *at < sent.events);
    let cause = format!("HEC says {} ({})", row.code, row.meaning);
    // A proxy may put its own status over Splunk's; success is believed only where both say so.
    let is_success = reply.status / 100 == row.status / 100;
    match row.class {
        Class::Taken if is_success => Answer::Taken { pause: None },
        Class::TakenSlowDown if is_success => {
            Answer::Taken { pause: Some(reply.retry_after.unwrap_or(PAUSE)) }
        }
        Class::Taken | Class::TakenSlowDown => {
            let cause = format!("{cause} with status {}", reply.status);
            Answer::Held(0, Held::busy(reply.retry_after, cause))
        }
        Class::Fault(what) => Answer::Held(0, Held::fault(reply.retry_after, format!("{cause}: {what}"))),
        Class::BadEvent if row.code == 6 && at.is_none_or(|at| at == 0) && sent.bytes > CLOUD_BODY_BYTES => {
            Answer::TooLarge
        }
        Class::BadEvent => refused(at, Refusal { reason: reason(row.code), doubtful: false }),
        Class::BadIndex => {
            let before = match number.and_then(|number| usize::try_from(number).ok()) {
                Some(after) if after <= sent.events => after.checked_sub(1),
                _ => None,
            };
            refused(before, Refusal { reason: "incorrect_index", doubtful: true })
        }
        Class::Busy => Answer::Held(at.unwrap_or(0), Held::busy(reply.retry_after, cause)),
        Class::Unknown => Answer::Held(0, Held::busy(reply.retry_after, cause)),
    }
}

fn refused(at: Option<usize>, why: Refusal) -> Answer {
    at.map_or(Answer::OneRefused(why), |bad| Answer::Refused { bad, why })
}

fn reason(code: i64) -> &'static str {
    match code {
        12 => "event_missing",
        13 => "event_blank",
        15 => "bad_indexed_fields",
        _ => "invalid_data_format",
    }
}

/// No code of HEC: something between us and it answers, or it is no HEC.
fn by_status(reply: Reply<'_>) -> Held {
    let status = reply.status;
    let fault =
        |what: &str| Held::fault(reply.retry_after, format!("status {status} without a code of HEC: {what}"));
    match status {
        200..=299 => {
            Held::busy(reply.retry_after, format!("status {status} without a code of HEC: not delivered"))
        }
        300..=399 => fault("it leads elsewhere: `url` must be the collector's own address"),
        401 | 403 | 407 => {
            fault("it does not let us in: look at `token`, and at proxies before the collector")
        }
        404 | 405 => fault("`url` leads to no event collector"),
        415 => fault("it does not take gzip: set `gzip: false`"),
        408 | 425 | 429 | 500.. => {
            Held::busy(reply.retry_after, format!("status {status} without a code of HEC"))
        }
        _ => fault("is there something before the collector that answers for it?"),
    }
}

#[cfg(test)]
mod tests;
