//! A request in the making.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{
    Method, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};

use crate::entra::Token;

/// An answer that is not streamed may have so many bytes, decoded, unless its caller says otherwise.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One request. What cannot be sent (a header with a line break) is an error of the exchange, not of the making.
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
    pub(super) answer_bytes_max: usize,
    pub(super) total_timeout: Option<Duration>,
    /// The first header that cannot be sent.
    pub(super) bad_header: Option<&'static str>,
}

impl Request {
    /// `GET`.
    #[must_use]
    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    /// `POST`, without a body so far.
    #[must_use]
    pub fn post(url: Url) -> Self {
        Self { body: Some(Bytes::new()), ..Self::new(Method::POST, url) }
    }

    /// `PUT`, without a body so far.
    #[must_use]
    pub fn put(url: Url) -> Self {
        Self { body: Some(Bytes::new()), ..Self::new(Method::PUT, url) }
    }

    fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: None,
            answer_bytes_max: ANSWER_BYTES_MAX,
            total_timeout: None,
            bad_header: None,
        }
    }

    /// With a header; its name is lower case.
    #[must_use]
    pub fn header(self, name: &'static str, value: impl AsRef<str>) -> Self {
        self.with(name, value.as_ref(), false)
    }

    /// With a header that no log may show.
    #[must_use]
    pub fn secret_header(self, name: &'static str, value: impl AsRef<str>) -> Self {
        self.with(name, value.as_ref(), true)
    }

    /// With an Entra token.
    #[must_use]
    pub fn bearer(self, token: &Token) -> Self {
        self.secret_header(AUTHORIZATION.as_str(), format!("Bearer {}", token.reveal()))
    }

    /// With a body of that type.
    #[must_use]
    pub fn body(mut self, content_type: &'static str, body: Bytes) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.body = Some(body);
        self
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, body: Bytes) -> Self {
        self.body("application/json", body)
    }

    /// With a form as its body.
    #[must_use]
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        // The same encoding as that of a query.
        let mut encoder = self.url.clone();
        encoder.query_pairs_mut().clear().extend_pairs(fields);
        let form = encoder.query().unwrap_or_default().to_owned();
        self.body("application/x-www-form-urlencoded", form.into())
    }

    /// With another bound on the answer, counted after decoding.
    #[must_use]
    pub fn answer_bytes_max(mut self, bytes: usize) -> Self {
        self.answer_bytes_max = bytes;
        self
    }

    /// With another bound on the whole exchange.
    #[must_use]
    pub fn total_timeout(mut self, bound: Duration) -> Self {
        self.total_timeout = Some(bound);
        self
    }

    fn with(mut self, name: &'static str, value: &str, secret: bool) -> Self {
        match HeaderValue::from_str(value) {
            Ok(mut value) => {
                value.set_sensitive(secret);
                self.headers.insert(HeaderName::from_static(name), value);
            }
            Err(_) => self.bad_header = self.bad_header.or(Some(name)),
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_in_no_debug_text_and_a_form_is_encoded() {
        let url = Url::parse("https://host/x?kept=1").unwrap();
        let request = Request::post(url)
            .secret_header("authorization", "Splunk 1234-secret")
            .form(&[("a b", "c&d=é"), ("e", "+")]);
        assert!(!format!("{:?}", request.headers).contains("1234"));
        assert_eq!(request.body.as_deref(), Some(&b"a+b=c%26d%3D%C3%A9&e=%2B"[..]));
        assert_eq!(request.url.query(), Some("kept=1"));
        assert!(request.bad_header.is_none());
        assert_eq!(request.header("x-bad", "a\nb").bad_header, Some("x-bad"));
    }
}
