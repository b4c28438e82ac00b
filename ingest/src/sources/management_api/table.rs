//! What an answer of the service that is no success means, and what is done about it: the one table.
//!
//! The code in the body decides, where there is one (`{"error":{"code","message"}}`), then the status. A code that is not
//! in the table is waited out like any other trouble, and counted. Texts of the service go into no log: they name tenants.
//!
//! Follows the error list of "Office 365 Management Activity API reference"; `AF20024`, `AF50005` and `AF50006` are in no
//! list and were seen in the field, as were the statuses.

use std::borrow::Cow;

use serde::Deserialize;

/// What is done about an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    /// Nothing: what was asked for is so already.
    Nothing,
    /// A new token, once; then as [`Does::Wait`].
    Refresh,
    /// Somebody must change something: said, and asked again after minutes.
    Park,
    /// The subscription is started, and what it missed is a gap.
    Start,
    /// The window moves to where the service allows it; what lies before is a gap.
    Clamp,
    /// The window is listed again from its first page.
    FromFirstPage,
    /// The blob is lost: a gap.
    Lost,
    /// The blob may be lost: a gap once it was said three times, an hour or more apart.
    MaybeLost,
    /// The blob's address is taken from a new listing.
    ListAgain,
    /// The same again later, later each time, and not before the time that the service names.
    Wait,
}

/// One kind of answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The service's code, or our word for an answer without one. Counters go by it.
    pub(super) code: &'static str,
    /// What is done.
    pub(super) does: Does,
    /// What is said.
    pub(super) means: &'static str,
}

const fn row(code: &'static str, does: Does, means: &'static str) -> Row {
    Row { code, does, means }
}

/// Every code.
pub(super) const CODES: [Row; 27] = [
    row("AF10001", Does::Park, "a permission is missing: ActivityFeed.Read (DLP.All: ActivityFeed.ReadDlp)"),
    row("AF20001", Does::Park, "a parameter is missing: a defect of this source"),
    row("AF20002", Does::Park, "a parameter has the wrong type: a defect of this source"),
    row("AF20003", Does::Park, "the expiration lies in the past: a defect of this source"),
    row("AF20010", Does::Park, "\"tenant\" is not the tenant of the token"),
    row("AF20011", Does::Park, "the tenant does not exist in this cloud: check \"tenant\" and \"api\""),
    row("AF20012", Does::Park, "the tenant is not set up for this service: turn auditing on"),
    row("AF20013", Does::Park, "\"tenant\" is no GUID"),
    row("AF20020", Does::Park, "the service has no such content type: check \"content_types\""),
    row("AF20021", Does::Wait, "the webhook was not validated"),
    row("AF20022", Does::Start, "there is no subscription"),
    row("AF20023", Does::Start, "the subscription was disabled"),
    row("AF20024", Does::Nothing, "the subscription is enabled already"),
    row("AF20030", Does::Clamp, "the window is not allowed: too long, or too old"),
    row("AF20031", Does::FromFirstPage, "the next page is not known any more"),
    row("AF20050", Does::Lost, "there is no such blob"),
    row("AF20051", Does::Lost, "the blob has expired"),
    row("AF20052", Does::ListAgain, "the blob's address is not taken"),
    row("AF20053", Does::Park, "the language is not known: a defect of this source"),
    row("AF20054", Does::Park, "more than one language: a defect of this source"),
    row("AF20055", Does::Clamp, "the window is not allowed: check this machine's clock"),
    row("AF429", Does::Wait, "too many requests"),
    row("AF50000", Does::Wait, "the service has an internal error"),
    row("AF50005", Does::Wait, "the service has an internal error"),
    row("AF50006", Does::Wait, "the service has an internal error"),
    row("no_tenant", Does::Park, "the tenant is not known: turn auditing on, then wait an hour"),
    row("other_code", Does::Wait, "an answer with a code that is not known"),
];

/// By status, where the body has no code: from, to, and what it means.
pub(super) const STATUSES: [(u16, u16, Row); 8] = [
    (401, 401, row("status_401", Does::Refresh, "the token is not accepted: check \"api\" and \"tenant\"")),
    (403, 403, row("status_403", Does::Wait, "forbidden, and no code says why")),
    (404, 404, row("status_404", Does::MaybeLost, "there is nothing at this address")),
    (408, 408, row("status_408", Does::Wait, "the service took too long")),
    (410, 410, row("status_410", Does::Lost, "the blob is gone")),
    (429, 429, row("status_429", Does::Wait, "too many requests")),
    (500, 599, row("status_5xx", Does::Wait, "the service has trouble")),
    (0, u16::MAX, row("status_other", Does::Wait, "an answer that is not known")),
];

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    error: Error<'a>,
}

#[derive(Deserialize)]
struct Error<'a> {
    #[serde(borrow, alias = "Code")]
    code: Cow<'a, str>,
}

/// A body that is no JSON is looked through so far.
const LOOKED_AT_BYTES: usize = 4096;

/// What the answer means.
pub(super) fn of(status: u16, body: &[u8]) -> &'static Row {
    if let Some(code) = code(body) {
        let known = CODES.iter().find(|row| row.code.eq_ignore_ascii_case(&code));
        if let Some(known) = known.or_else(|| named("other_code").filter(|_| code.starts_with("AF"))) {
            return known;
        }
    }
    let text = body.get(..body.len().min(LOOKED_AT_BYTES)).unwrap_or_default();
    let says = |part: &[u8]| memchr::memmem::find(&text.to_ascii_lowercase(), part).is_some();
    if says(b"tenant") && says(b"does not exist") {
        return named("no_tenant").unwrap_or(&UNKNOWN);
    }
    let by_status = STATUSES.iter().find(|(first, last, _)| (*first..=*last).contains(&status));
    by_status.map_or(&UNKNOWN, |(_, _, row)| row)
}

static UNKNOWN: Row = row("status_other", Does::Wait, "an answer that is not known");

fn named(code: &str) -> Option<&'static Row> {
    CODES.iter().find(|row| row.code == code)
}

/// The code in the body: where it belongs, or the first word that looks like one.
fn code(body: &[u8]) -> Option<String> {
    if let Ok(body) = serde_json::from_slice::<Body<'_>>(body) {
        return Some(body.error.code.into_owned());
    }
    let text = match serde_json::from_slice::<String>(body) {
        // Some stacks send the JSON as a JSON string.
        Ok(inner) => inner,
        Err(_) => String::from_utf8_lossy(body.get(..body.len().min(LOOKED_AT_BYTES)).unwrap_or_default())
            .into_owned(),
    };
    let looks_like_one = |word: &&str| {
        word.strip_prefix("AF").is_some_and(|digits| {
            (3..=5).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    text.split(|char: char| !char.is_ascii_alphanumeric()).find(looks_like_one).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(code: &str) -> Vec<u8> {
        format!("{{\"error\":{{\"code\":\"{code}\",\"message\":\"some text about a tenant\"}}}}").into_bytes()
    }

    /// Every row as the field has it: the code, a status that it comes with, and what must be done.
    #[test]
    fn every_code_is_told_by_its_body_whatever_the_status() {
        for (code, status, does) in [
            ("AF10001", 401, Does::Park),
            ("AF20001", 400, Does::Park),
            ("AF20002", 400, Does::Park),
            ("AF20003", 400, Does::Park),
            ("AF20010", 400, Does::Park),
            ("AF20011", 400, Does::Park),
            ("AF20012", 400, Does::Park),
            ("AF20013", 400, Does::Park),
            ("AF20020", 400, Does::Park),
            ("AF20021", 400, Does::Wait),
            ("AF20022", 400, Does::Start),
            ("AF20023", 400, Does::Start),
            ("AF20024", 400, Does::Nothing),
            ("AF20030", 400, Does::Clamp),
            ("AF20031", 400, Does::FromFirstPage),
            ("AF20050", 404, Does::Lost),
            ("AF20051", 404, Does::Lost),
            ("AF20052", 400, Does::ListAgain),
            ("AF20053", 400, Does::Park),
            ("AF20054", 400, Does::Park),
            ("AF20055", 400, Does::Clamp),
            ("AF429", 403, Does::Wait),
            ("AF429", 429, Does::Wait),
            ("AF50000", 500, Does::Wait),
            ("AF50005", 500, Does::Wait),
            ("AF50006", 500, Does::Wait),
        ] {
            for status in [status, 400, 500] {
                let row = of(status, &body(code));
                assert_eq!((row.code, row.does), (code, does), "{status}");
            }
        }
    }

    #[test]
    fn without_a_code_the_status_tells() {
        for (status, text, code, does) in [
            (401, "Authorization has been denied for this request.", "status_401", Does::Refresh),
            (404, "<html>", "status_404", Does::MaybeLost),
            (408, "", "status_408", Does::Wait),
            (429, "{}", "status_429", Does::Wait),
            (403, "<html>Forbidden", "status_403", Does::Wait),
            (500, "", "status_5xx", Does::Wait),
            (503, "<html><body>Service Unavailable", "status_5xx", Does::Wait),
            (418, "{\"error\":{\"code\":\"Teapot\"}}", "status_other", Does::Wait),
            (302, "", "status_other", Does::Wait),
            (400, "{\"error\":{\"code\":\"AF99999\"}}", "other_code", Does::Wait),
            (400, "DataServiceException: Tenant 1234 does not exist.", "no_tenant", Does::Park),
        ] {
            let row = of(status, text.as_bytes());
            assert_eq!((row.code, row.does), (code, does), "{status} {text}");
        }
    }

    #[test]
    fn a_code_is_found_in_other_wrappings_too() {
        for text in [
            "{\"error\":{\"code\":\"AF20023\"}}",
            "{\"error\":{\"Code\":\"AF20023\",\"message\":null}}",
            "\"{\\\"error\\\":{\\\"code\\\":\\\"AF20023\\\"}}\"",
            "<html>AF20023: The subscription was disabled</html>",
            "{\"Message\":\"AF20023\"}",
        ] {
            assert_eq!(of(400, text.as_bytes()).code, "AF20023", "{text}");
        }
        assert_eq!(of(400, b"AFTER AF1 AF123456").code, "status_other");
    }

    #[test]
    fn no_code_stands_twice() {
        let mut codes: Vec<&str> = CODES.iter().map(|row| row.code).collect();
        codes.extend(STATUSES.iter().map(|(_, _, row)| row.code));
        let all = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), all);
    }
}
