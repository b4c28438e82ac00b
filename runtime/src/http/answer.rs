//! Answers: whole, or streamed in chunks. What is decoded from gzip is counted, not what travelled.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pipeline::Clock;
use reqwest::{Response, header::HeaderMap};
use schemas::Micros;

use super::HttpError;

/// Nobody may tell us to wait longer than this at a time.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// A whole answer.
#[derive(Clone)]
pub struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

/// An answer whose body is still coming.
pub struct Streaming {
    response: Response,
}

impl std::fmt::Debug for Answer {
    /// Without headers and body: they may hold what must not be printed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}

impl std::fmt::Debug for Streaming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Streaming({})", self.status())
    }
}

impl Answer {
    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the status is one of success (2xx).
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header, by its name in lower case; none where it is not ASCII text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// How long the other side says to wait: `retry-after` in seconds or as a date, or the milliseconds that Azure
    /// sends. An hour at most.
    #[must_use]
    pub fn retry_after(&self, clock: &Clock) -> Option<Duration> {
        retry_after(&self.headers, clock)
    }

    /// What time it is there.
    #[must_use]
    pub fn date(&self) -> Option<Micros> {
        date(header(&self.headers, "date")?)
    }
}

impl Streaming {
    pub(super) fn new(response: Response) -> Self {
        Self { response }
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// As [`Answer::header`].
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(self.response.headers(), name)
    }

    /// The next of the body; none at its end. One that ends too early is an error.
    ///
    /// # Errors
    /// [`HttpError`] when the rest does not come.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        self.response.chunk().await.map_err(HttpError::of)
    }

    /// The whole answer, where its body has `bytes_max` bytes at most.
    ///
    /// # Errors
    /// [`HttpError`] when the rest does not come, or is longer.
    pub async fn read_all(mut self, bytes_max: usize) -> Result<Answer, HttpError> {
        let mut body = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if body.len() + chunk.len() > bytes_max {
                return Err(HttpError::TooLong(bytes_max));
            }
            body.extend_from_slice(&chunk);
        }
        let status = self.status();
        Ok(Answer { status, headers: self.response.headers().clone(), body: body.freeze() })
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn retry_after(headers: &HeaderMap, clock: &Clock) -> Option<Duration> {
    let number = |name: &str| header(headers, name)?.trim().parse::<u64>().ok();
    let milliseconds = ["retry-after-ms", "x-ms-retry-after-ms"].into_iter().find_map(number);
    let told =
        match milliseconds.map(Duration::from_millis).or(number("retry-after").map(Duration::from_secs)) {
            Some(told) => told,
            None => {
                let until = date(header(headers, "retry-after")?)?;
                let micros = until.0.saturating_sub(clock.now().0);
                Duration::from_micros(u64::try_from(micros).unwrap_or(0))
            }
        };
    Some(told.min(WAIT_MAX))
}

/// RFC 9110's date, as servers write it: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn date(text: &str) -> Option<Micros> {
    let at = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
    Some(Micros(at.timestamp().as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(name: &'static str, value: &str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        let clock = Clock::manual(Micros::parse("1994-11-06T08:49:07Z").unwrap());
        retry_after(&headers, &clock).map(|wait| wait.as_secs())
    }

    #[test]
    fn a_wait_is_read_in_every_form_and_held_to_an_hour() {
        assert_eq!(waits("retry-after", "17"), Some(17));
        assert_eq!(waits("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), Some(30));
        assert_eq!(waits("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
        assert_eq!(waits("x-ms-retry-after-ms", "2000"), Some(2));
        assert_eq!(waits("retry-after", "99999999"), Some(3600));
        for none in ["", "-1", "soon", "1.5"] {
            assert_eq!(waits("retry-after", none), None, "{none}");
        }
    }
}
