//! The requests of the service and what its answers hold.
//!
//! Every call carries the token and `PublisherIdentifier`, also to addresses that an answer named; those are followed as
//! they are, on the configured host only. A token that is refused is thrown away and the call made once more. What came
//! instead of an answer is counted by its code. Answers tell what time it is there.
//!
//! Limits: 32 MiB of a listing's page; `http.total_timeout` for every exchange, but for a blob's content, which has a least
//! rate. Reading is tolerant: fields in any order, unknown ones, numbers for texts.

use std::sync::Arc;
use std::time::Duration;

use pipeline::Clock;
use runtime::entra::{Token, Tokens};
use runtime::http::{Answer, Base, Client, HttpError, Request, Streaming, Url};
use schemas::Micros;
use serde::{Deserialize, Deserializer};
use tokio::time::timeout;

use super::failed::Failed;
use super::table::{self, Does};
use super::there::There;
use super::windows::{self, Window};
use crate::progress::Progress;

/// A page of a listing; the service names no limit, and 32 MiB hold 80,000 blobs.
const PAGE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// An answer that says what is wrong is short.
const TROUBLE_BYTES_MAX: usize = 64 * 1024;

const PUBLISHER: &str = "PublisherIdentifier";

/// The service, for one tenant; clones share everything.
#[derive(Debug, Clone)]
pub(super) struct Api(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    tokens: Tokens,
    base: Base,
    tenant: String,
    publisher: String,
    patience: Duration,
    clock: Clock,
    progress: Arc<Progress>,
    there: There,
}

/// Whom to ask.
#[derive(Debug)]
pub(super) struct Whom {
    pub(super) client: Client,
    pub(super) tokens: Tokens,
    pub(super) base: Base,
    pub(super) tenant: String,
    pub(super) publisher: String,
    /// How long an exchange may take.
    pub(super) patience: Duration,
}

/// A subscription as the service lists it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Subscription {
    #[serde(default, deserialize_with = "text")]
    pub(super) content_type: Option<String>,
    /// Some entries have none: they are enabled.
    #[serde(default, deserialize_with = "text")]
    pub(super) status: Option<String>,
}

/// A blob as a listing names it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    #[serde(default, deserialize_with = "text")]
    pub(super) content_id: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(super) content_uri: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(super) content_created: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(super) content_expiration: Option<String>,
}

/// A page of a listing.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) items: Vec<Item>,
    pub(super) next: Option<Url>,
}

impl Api {
    pub(super) fn new(whom: Whom, clock: Clock, progress: Arc<Progress>) -> Self {
        let Whom { client, tokens, base, tenant, publisher, patience } = whom;
        Self(Arc::new(Inner {
            client,
            tokens,
            base,
            tenant,
            publisher,
            patience,
            clock,
            progress,
            there: There::default(),
        }))
    }

    /// What time it is there.
    pub(super) fn now(&self) -> Micros {
        self.0.there.now(&self.0.clock)
    }

    /// How long an exchange may take.
    pub(super) fn patience(&self) -> Duration {
        self.0.patience
    }

    /// The subscriptions there are.
    pub(super) async fn subscriptions(&self) -> Result<Vec<Subscription>, Failed> {
        let url = self.operation("subscriptions/list", &[]);
        self.list_of(&self.ask(&|| Request::get(url.clone())).await?)
    }

    /// Starts one.
    pub(super) async fn start(&self, content_type: &str) -> Result<(), Failed> {
        let url = self.operation("subscriptions/start", &[("contentType", content_type)]);
        match self.ask(&|| Request::post(url.clone())).await {
            Err(Failed::Answer { row, .. }) if row.does == Does::Nothing => Ok(()),
            asked => asked.map(drop),
        }
    }

    /// The address of a window's first page.
    pub(super) fn content(&self, content_type: &str, window: Window) -> Url {
        let (from, to) = (windows::text(window.from), windows::text(window.to));
        let query = [("contentType", content_type), ("startTime", &from), ("endTime", &to)];
        self.operation("subscriptions/content", &query)
    }

    /// A page of a listing.
    pub(super) async fn page(&self, url: &Url) -> Result<Page, Failed> {
        let answer = self.ask(&|| Request::get(url.clone()).answer_bytes_max(PAGE_BYTES_MAX)).await?;
        let next = ["nextpageuri", "nextpageurl"].into_iter().find_map(|name| answer.header(name));
        let next = next.filter(|address| !address.trim().is_empty());
        let next = next.map(|address| self.follow(address)).transpose()?;
        let items: Vec<Item> = self.list_of(&answer)?;
        if items.iter().any(|item| item.content_id.is_none() && item.content_uri.is_none()) {
            return Err(self.malformed("a listing with an entry that names no blob"));
        }
        Ok(Page { items, next })
    }

    /// A blob's content, from its first byte.
    pub(super) async fn blob(&self, url: &Url) -> Result<Streaming, Failed> {
        let mut again = true;
        loop {
            let token = self.token().await?;
            let sent_at = self.0.clock.now();
            let opening = self.0.client.open(Request::get(url.clone()).bearer(&token));
            let answer = self.in_time(opening).await?;
            if (200..300).contains(&answer.status()) {
                return Ok(answer);
            }
            let answer = self.in_time(answer.read_all(TROUBLE_BYTES_MAX)).await?;
            self.0.there.note(answer.date(), sent_at, &self.0.clock);
            match self.judged(&answer, &token, again).await {
                Some(failed) => return Err(failed),
                None => again = false,
            }
        }
    }

    /// The address that an answer names, if it is of this service.
    pub(super) fn follow(&self, address: &str) -> Result<Url, Failed> {
        let mut url = self.0.base.follow(address).map_err(|_| self.count(Failed::Foreign))?;
        if !url.query_pairs().any(|(name, _)| name.eq_ignore_ascii_case(PUBLISHER)) {
            // What is there stays as it is, to the letter.
            url.query_pairs_mut().append_pair(PUBLISHER, &self.0.publisher);
        }
        Ok(url)
    }

    /// Counts records that were found.
    pub(super) fn found(&self, records: u64) {
        self.0.progress.found_more(records);
    }

    /// Counts trouble with what came after an answer's head.
    pub(super) fn count(&self, failed: Failed) -> Failed {
        self.0.progress.answered(failed.code());
        failed
    }

    fn operation(&self, path: &str, query: &[(&str, &str)]) -> Url {
        let mut url = self.0.base.join(&format!("api/v1.0/{}/activity/feed/{path}", self.0.tenant));
        url.query_pairs_mut().extend_pairs(query).append_pair(PUBLISHER, &self.0.publisher);
        url
    }

    async fn ask(&self, request: &(dyn Fn() -> Request + Send + Sync)) -> Result<Answer, Failed> {
        let mut again = true;
        loop {
            let token = self.token().await?;
            let sent_at = self.0.clock.now();
            let sent = self.0.client.send(request().bearer(&token)).await;
            let answer = sent.map_err(|error| self.count(error.into()))?;
            self.0.there.note(answer.date(), sent_at, &self.0.clock);
            if answer.is_success() {
                return Ok(answer);
            }
            match self.judged(&answer, &token, again).await {
                Some(failed) => return Err(failed),
                None => again = false,
            }
        }
    }

    /// What is no whole exchange of its own has the same bound.
    async fn in_time<T>(&self, part: impl Future<Output = Result<T, HttpError>>) -> Result<T, Failed> {
        let ended = timeout(self.0.patience, part).await.unwrap_or(Err(HttpError::Timeout));
        ended.map_err(|error| self.count(error.into()))
    }

    async fn token(&self) -> Result<Token, Failed> {
        self.0.tokens.get().await.map_err(|error| self.count(error.into()))
    }

    /// What an answer says; none where the same shall be asked again with another token.
    async fn judged(&self, answer: &Answer, token: &Token, again: bool) -> Option<Failed> {
        let row = table::of(answer.status(), answer.body());
        let failed = self.count(Failed::Answer { row, wait: answer.retry_after(&self.0.clock) });
        if row.does == Does::Refresh {
            self.0.tokens.reject(token).await;
            return (!again).then_some(failed);
        }
        Some(failed)
    }

    fn list_of<T: serde::de::DeserializeOwned>(&self, answer: &Answer) -> Result<Vec<T>, Failed> {
        if !answer.body().trim_ascii_start().starts_with(b"[") {
            return Err(self.malformed("no list"));
        }
        serde_json::from_slice(answer.body()).map_err(|_| self.malformed("a list that cannot be read"))
    }

    fn malformed(&self, what: &'static str) -> Failed {
        self.count(Failed::Malformed(what))
    }
}

/// A text, or a number or flag in its place; none for anything else.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    use serde_json::Value;
    let value = Value::deserialize(from)?;
    Ok(match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    })
}
