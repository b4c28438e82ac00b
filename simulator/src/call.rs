//! A request as it was read, the answer to it, and which part of the simulator it belongs to.
//!
//! Nothing here knows a socket: a test can make a [`Call`] by hand. Limits: a body of [`BODY_BYTES_MAX`] bytes.

use axum::http::{HeaderMap, Method};
use bytes::Bytes;
use serde::Serialize;

/// The longest body that is read; what is longer is answered 413 by every part.
pub const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// One of the services that are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The token endpoint, `/{tenant}/oauth2/token` and `/{tenant}/oauth2/v2.0/token`.
    Entra,
    /// The Management Activity API, `/api/v1.0/{tenant}/activity/feed/…`.
    Feed,
    /// Splunk's HTTP Event Collector, `/services/collector…`.
    Hec,
    /// Azure Monitor Logs Ingestion, `/dataCollectionRules/{id}/streams/{stream}`.
    Ingestion,
}

/// What a request asks of its part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Route {
    /// Entra: a token.
    Token,
    /// Feed: start a subscription.
    Start,
    /// Feed: stop a subscription.
    Stop,
    /// Feed: list the subscriptions.
    Subscriptions,
    /// Feed: one page of a content listing.
    Content,
    /// Feed: one blob.
    Blob,
    /// HEC: events.
    Event,
    /// HEC: health.
    Health,
    /// HEC: acknowledgements.
    Ack,
    /// Ingestion: rows.
    Rows,
    /// Anything else that the part was asked.
    Other,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Entra, Self::Feed, Self::Hec, Self::Ingestion];

    /// The part that a path belongs to. What is nobody's goes to Entra, which answers 404.
    #[must_use]
    pub fn of(path: &str) -> Self {
        if path.starts_with("/services/") {
            return Self::Hec;
        }
        if path.starts_with("/dataCollectionRules/") {
            return Self::Ingestion;
        }
        if path.starts_with("/api/v1") { Self::Feed } else { Self::Entra }
    }
}

/// A request, read whole.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path as it was sent, still percent-encoded.
    pub path: String,
    /// The query's names and values, decoded, in order.
    pub query: Vec<(String, String)>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it was sent, still compressed.
    pub body: Bytes,
    /// Whether the body is longer than [`BODY_BYTES_MAX`]; it is empty here then.
    pub too_long: bool,
}

impl Call {
    /// A request without headers and body.
    #[must_use]
    pub fn new(method: Method, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            method,
            path: path.to_owned(),
            query: pairs(query.as_bytes()),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            too_long: false,
        }
    }

    /// A header's text; none where it is missing or no text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The token of `Authorization: <scheme> <token>`, the scheme in any case.
    #[must_use]
    pub fn credential(&self, scheme: &str) -> Option<&str> {
        let (found, token) = self.header("authorization")?.split_once(' ')?;
        found.eq_ignore_ascii_case(scheme).then(|| token.trim())
    }

    /// The value of a query parameter, its name in any case: the Management Activity API's own `NextPageUri` writes them
    /// in lower case.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The origin that the client asked, as it named it: `https://{Host}`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("https://{}", self.header("host").unwrap_or("localhost"))
    }

    /// The path's segments, decoded.
    #[must_use]
    pub fn segments(&self) -> Vec<String> {
        self.path
            .split('/')
            .filter(|part| !part.is_empty())
            .map(|part| decoded(part.as_bytes(), false))
            .collect()
    }
}

/// How an answer's body gets to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// As it should.
    Whole,
    /// In small chunks without a length.
    Dribble,
    /// The length is declared in full, half of the body is sent, and the connection ends.
    Cut,
    /// Half of the body is sent, then nothing more until the client or the server gives up.
    Stall,
    /// The connection ends without an answer.
    HangUp,
}

/// What a part answers.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
    /// How it is sent.
    pub delivery: Delivery,
    /// What the ledger notes once the answer is known to go out whole.
    pub(crate) served: Option<Box<crate::ledger::Served>>,
}

impl Answer {
    /// Without a body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new(), delivery: Delivery::Whole, served: None }
    }

    /// JSON.
    #[must_use]
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).unwrap_or_default();
        Self::text(status, "application/json; charset=utf-8", body)
    }

    /// A body of this type.
    #[must_use]
    pub fn text(status: u16, kind: &str, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..Self::empty(status) }.with("content-type", kind)
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// The names and values of a query or of a form, percent-decoded.
pub(crate) fn pairs(text: &[u8]) -> Vec<(String, String)> {
    let parts = text.split(|byte| *byte == b'&').filter(|part| !part.is_empty());
    let pair = |part: &[u8]| {
        let at = part.iter().position(|byte| *byte == b'=').unwrap_or(part.len());
        let (name, value) = part.split_at(at);
        (decoded(name, true), decoded(value.get(1..).unwrap_or_default(), true))
    };
    parts.map(pair).collect()
}

/// Percent-decoded; in a form `+` is a space. What is no UTF-8 becomes U+FFFD.
pub(crate) fn decoded(text: &[u8], form: bool) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, tail)) = rest.split_first() {
        let escaped = tail.get(..2).filter(|_| *byte == b'%').and_then(hex);
        out.push(match escaped {
            Some(value) => value,
            None if *byte == b'+' && form => b' ',
            None => *byte,
        });
        rest = if escaped.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex(digits: &[u8]) -> Option<u8> {
    let text =
        std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u8::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_and_its_names_have_no_case() {
        let call =
            Call::new(Method::GET, "/a%24b/c?contenttype=Audit.General&nextPage=1%2Ax+y&flag&bad=%zz%4");
        assert_eq!(call.parameter("contentType"), Some("Audit.General"));
        assert_eq!(call.parameter("NEXTPAGE"), Some("1*x y"));
        assert_eq!(call.parameter("flag"), Some(""));
        assert_eq!(call.parameter("bad"), Some("%zz%4"));
        assert_eq!(call.segments(), ["a$b", "c"]);
    }

    #[test]
    fn every_path_has_its_part() {
        assert_eq!(Part::of("/api/v1.0/x/activity/feed/subscriptions/list"), Part::Feed);
        assert_eq!(Part::of("/services/collector/event"), Part::Hec);
        assert_eq!(Part::of("/dataCollectionRules/dcr-1/streams/Custom-X"), Part::Ingestion);
        assert_eq!(Part::of("/x/oauth2/v2.0/token"), Part::Entra);
    }
}
