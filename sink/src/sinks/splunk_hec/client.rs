//! The exchange with HEC: concatenated objects to `/services/collector/event`, one body at a time.

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use pipeline::Clock;
use runtime::{
    Secret,
    http::{Answer as HttpAnswer, Client, HttpError, Request, Url},
};

use super::{
    config::SplunkHecConfig,
    judge::{Reply, Sent, judge, proves_token},
};
use crate::sinks::{
    delivery::{Answer, Held, Receiver},
    gzip::gzip,
};

const PATH: &str = "services/collector/event";
/// HEC's answers have a few hundred bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// One collector, and the token that opens it.
#[derive(Debug)]
pub(super) struct Collector {
    client: Client,
    url: Url,
    token: Secret,
    /// The last answer was about a setting: the token may have been changed since.
    reread: bool,
    gzip: bool,
    clock: Clock,
}

impl Collector {
    /// The collector of `config`. It connects to nothing.
    ///
    /// # Errors
    /// [`HttpError`] when no client can be made with these settings.
    pub(super) fn new(config: &SplunkHecConfig, clock: Clock) -> Result<Self, HttpError> {
        Ok(Self {
            client: Client::new(&config.http)?,
            url: config.url.join(PATH),
            token: config.token.clone(),
            reread: false,
            gzip: config.gzip,
            clock,
        })
    }

    /// Sends nothing, to hear what the collector thinks of the token: that there is no data.
    ///
    /// # Errors
    /// [`Held`] with what stands in the way.
    pub(super) async fn probe(&mut self) -> Result<(), Held> {
        let answer = self.post(Bytes::new(), false).await?;
        let reply = self.reply(&answer);
        if proves_token(reply) {
            return Ok(());
        }
        judge(reply, Sent { events: 0, bytes: 0 }).of_probe()
    }

    async fn post(&mut self, body: Bytes, gzipped: bool) -> Result<HttpAnswer, Held> {
        if std::mem::take(&mut self.reread)
            && let Ok(token) = self.token.reread()
        {
            self.token = token;
        }
        let request = Request::post(self.url.clone())
            .secret_header("authorization", format!("Splunk {}", self.token.reveal()))
            .answer_bytes_max(ANSWER_BYTES_MAX)
            .json(body);
        let request = if gzipped { request.header("content-encoding", "gzip") } else { request };
        self.client.send(request).await.map_err(Held::from)
    }

    fn reply<'a>(&self, answer: &'a HttpAnswer) -> Reply<'a> {
        Reply { status: answer.status(), body: answer.body(), retry_after: answer.retry_after(&self.clock) }
    }

    async fn exchange(&mut self, pieces: &[&[u8]]) -> Result<Answer, Held> {
        let body = pieces.concat();
        let sent = Sent { events: pieces.len(), bytes: body.len() };
        let body = if self.gzip { gzip(&body)? } else { Bytes::from(body) };
        let answer = self.post(body, self.gzip).await?;
        let judged = judge(self.reply(&answer), sent);
        self.reread = matches!(&judged, Answer::Held(_, held) if held.fault);
        Ok(judged)
    }
}

impl Receiver for Collector {
    fn frame(&self) -> (usize, usize) {
        (0, 0)
    }

    fn send<'a>(&'a mut self, pieces: &'a [&'a [u8]]) -> BoxFuture<'a, Answer> {
        async move { self.exchange(pieces).await.unwrap_or_else(|held| Answer::Held(0, held)) }.boxed()
    }
}
