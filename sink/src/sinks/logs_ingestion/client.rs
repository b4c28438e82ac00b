//! The exchange with one stream of a data collection rule: a JSON array, gzip on the wire, at most one more try with
//! another token.

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use pipeline::Clock;
use runtime::{
    entra::{EntraError, Tokens},
    http::{Answer as HttpAnswer, Client, Request, Url},
};
use schemas::Hash128;

use super::{
    Connection, DcrConfig,
    answers::{Reply, judge, refuses_token},
};
use crate::sinks::{
    delivery::{Answer, Held, Receiver},
    gzip::gzip,
};

const API_VERSION: &str = "api-version=2023-01-01";
/// The service's answers have a few hundred bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// One stream.
#[derive(Debug)]
pub(in crate::sinks) struct Stream {
    client: Client,
    tokens: Tokens,
    clock: Clock,
    url: Url,
}

impl Stream {
    /// The stream `name` of the rule.
    pub(in crate::sinks) fn new(connection: &Connection, config: &DcrConfig, name: &str) -> Self {
        let mut url = config.endpoint.join(&format!("dataCollectionRules/{}/streams/{name}", config.dcr));
        url.set_query(Some(API_VERSION));
        Self {
            client: connection.client.clone(),
            tokens: connection.tokens.clone(),
            clock: connection.clock.clone(),
            url,
        }
    }

    /// Sends no record, to hear whether one would be taken.
    ///
    /// # Errors
    /// [`Held`] with what stands in the way.
    pub(in crate::sinks) async fn probe(&self) -> Result<(), Held> {
        self.exchange(&[]).await?.of_probe()
    }

    async fn exchange(&self, records: &[&[u8]]) -> Result<Answer, Held> {
        let body = array(records);
        // The same for the same records, so that the service's support can tell what was sent again.
        let id = guid(Hash128::of(&[self.url.as_str().as_bytes(), &body]));
        let body = gzip(&body)?;
        let token = self.tokens.get().await?;
        let mut answer = self.client.send(self.request(&body, &id).bearer(&token)).await?;
        if refuses_token(answer.status()) {
            self.tokens.reject(&token).await;
            let token = self.tokens.get().await?;
            answer = self.client.send(self.request(&body, &id).bearer(&token)).await?;
        }
        Ok(judge(self.reply(&answer)))
    }

    fn request(&self, body: &Bytes, id: &str) -> Request {
        Request::post(self.url.clone())
            .header("content-encoding", "gzip")
            .header("x-ms-client-request-id", id)
            .answer_bytes_max(ANSWER_BYTES_MAX)
            .json(body.clone())
    }

    fn reply<'a>(&self, answer: &'a HttpAnswer) -> Reply<'a> {
        Reply {
            status: answer.status(),
            code: answer.header("x-ms-error-code"),
            body: answer.body(),
            retry_after: answer.retry_after(&self.clock),
        }
    }
}

impl Receiver for Stream {
    /// The brackets, and the comma.
    fn frame(&self) -> (usize, usize) {
        (2, 1)
    }

    fn send<'a>(&'a mut self, pieces: &'a [&'a [u8]]) -> BoxFuture<'a, Answer> {
        async move { self.exchange(pieces).await.unwrap_or_else(|held| Answer::Held(0, held)) }.boxed()
    }
}

impl From<EntraError> for Held {
    fn from(error: EntraError) -> Self {
        Self { fault: error.is_refusal(), after: None, cause: error.to_string() }
    }
}

fn array(records: &[&[u8]]) -> Vec<u8> {
    let mut body = Vec::with_capacity(2 + records.iter().map(|record| record.len() + 1).sum::<usize>());
    body.push(b'[');
    for (number, record) in records.iter().enumerate() {
        if number > 0 {
            body.push(b',');
        }
        body.extend_from_slice(record);
    }
    body.push(b']');
    body
}

/// Five groups, as a GUID is written.
fn guid(hash: Hash128) -> String {
    let mut text = hash.to_string();
    for at in [20, 16, 12, 8] {
        text.insert(at, '-');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_is_what_an_array_has_around_its_records() {
        for records in [&[][..], &[&b"{}"[..]], &[b"{}", b"{\"a\":1}"], &[b"1", b"2", b"3"]] {
            let body = array(records);
            let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(json.as_array().map(Vec::len), Some(records.len()));
            let bytes = 2
                + records.iter().map(|record| record.len()).sum::<usize>()
                + records.len().saturating_sub(1);
            assert_eq!(body.len(), bytes);
        }
    }

    #[test]
    fn a_request_is_named_by_a_guid() {
        assert_eq!(
            guid(Hash128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef)),
            "01234567-89ab-cdef-0123-456789abcdef"
        );
    }
}
