//! Splunk's HTTP Event Collector: `/services/collector`, `/event`, `/event/1.0`, `/health`, `/ack`.
//!
//! Source: Splunk docs "Format events for HTTP Event Collector", "HTTP Event Collector REST API endpoints", "Troubleshoot
//! HTTP Event Collector" (the table of codes), "About HTTP Event Collector Indexer Acknowledgment". Where these are silent,
//! what was measured at Splunk 10.4.3 and Splunk Cloud 10.5: the files say so with "measured".
//!
//! - `codes` is the table; `envelope` takes a body apart.
//! - `deflate` is 415 with a page of HTML (measured). A body over the limit is 413; Splunk Cloud answers 400 code 6 naming
//!   event 0 instead (measured). The limit is on the bytes before compression.
//! - Not played: `/raw`, channels' idle clean-up. Acknowledgements are given at once.

use std::{collections::BTreeMap, fmt, io::Read as _};

use axum::http::Method;
use bytes::Bytes;
use schemas::Micros;
use serde_json::{Value, json};

use crate::{
    call::{Answer, Call, Route},
    ids,
    store::{Accepted, Store},
};

pub(crate) mod codes;
mod envelope;

use codes::{Code, reply};

/// The largest body of a Splunk Enterprise of today before compression (measured; `max_content_length` in limits.conf).
pub const CONTENT_BYTES_MAX: usize = 838_860_800;
/// The largest body of Splunk Cloud (measured: between 5,242,881 and 6,000,000).
pub const CLOUD_BYTES_MAX: usize = 5_500_000;
/// So many channels are remembered; a real server has a million.
const CHANNELS_MAX: usize = 10_000;
/// The index of an event that names none, unless the token has another.
pub const MAIN: &str = "main";

/// Splunk's tokens and limits.
#[derive(Debug, Clone)]
pub struct HecOptions {
    /// The tokens.
    pub tokens: Vec<HecToken>,
    /// Whether it is Splunk Cloud: its limit, its way to refuse a long body, its code for a missing channel.
    pub cloud: bool,
    /// The largest body before compression.
    pub content_bytes_max: usize,
    /// How it feels.
    pub state: HecState,
}

/// A token.
#[derive(Clone)]
pub struct HecToken {
    /// Its text, a GUID.
    pub text: String,
    /// Whether it is enabled.
    pub enabled: bool,
    /// The indexes it may write to; any where it is empty.
    pub indexes: Vec<String>,
    /// Whether indexer acknowledgement is on.
    pub use_ack: bool,
}

/// How the receiver feels: what an event and a health check are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HecState {
    /// Well: 0, 17.
    #[default]
    Well,
    /// Taking events, and close to its limit: 24, 17.
    QueueFilling,
    /// The same for acknowledgements: 25, 17.
    AckFilling,
    /// Not taking events, its queue is full: 26 (429), 18 (503).
    QueueFull,
    /// The same for acknowledgements: 27 (429), 19 (503).
    AckFull,
    /// Busy: 9 (503), 18 (503).
    Busy,
    /// Shutting down: 23 (503), 23 (503).
    Stopping,
}

impl fmt::Debug for HecToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HecToken").field("enabled", &self.enabled).finish_non_exhaustive()
    }
}

impl HecToken {
    /// An enabled token for every index, without acknowledgements.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned(), enabled: true, indexes: Vec::new(), use_ack: false }
    }
}

impl Default for HecOptions {
    /// Splunk Enterprise without tokens.
    fn default() -> Self {
        Self { tokens: Vec::new(), cloud: false, content_bytes_max: CONTENT_BYTES_MAX, state: HecState::Well }
    }
}

impl HecOptions {
    /// Splunk Enterprise with one token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self { tokens: vec![HecToken::new(token)], ..Self::default() }
    }

    /// Splunk Cloud with one token.
    #[must_use]
    pub fn cloud(token: &str) -> Self {
        Self { cloud: true, content_bytes_max: CLOUD_BYTES_MAX, ..Self::of(token) }
    }
}

/// The acknowledgements of one channel.
#[derive(Debug, Default)]
struct Channel {
    next: u64,
    /// The ids that were not asked for yet.
    ready: BTreeMap<u64, ()>,
}

/// The receiver's state.
#[derive(Debug)]
pub(crate) struct Hec {
    options: HecOptions,
    store: Store,
    channels: BTreeMap<String, Channel>,
}

impl Hec {
    pub(crate) fn new(options: HecOptions, store: Store) -> Self {
        Self { options, store, channels: BTreeMap::new() }
    }

    pub(crate) fn accepted(&self) -> &[Accepted] {
        self.store.accepted()
    }

    pub(crate) fn set(&mut self, options: HecOptions) {
        self.options = options;
    }

    pub(crate) fn options(&self) -> &HecOptions {
        &self.options
    }

    pub(crate) fn route(call: &Call) -> Route {
        match call.path.trim_end_matches('/') {
            "/services/collector" | "/services/collector/event" | "/services/collector/event/1.0" => {
                Route::Event
            }
            "/services/collector/health" | "/services/collector/health/1.0" => Route::Health,
            "/services/collector/ack" => Route::Ack,
            _ => Route::Other,
        }
    }

    pub(crate) fn answer(&mut self, call: &Call, now: Micros) -> Answer {
        let route = Self::route(call);
        if route == Route::Other {
            let text = "The requested URL was not found on this server.";
            return Answer::json(404, &json!({ "text": text, "code": 404 }));
        }
        if call.method == Method::OPTIONS {
            return Answer::empty(200).with("allow", "POST,OPTIONS");
        }
        match (route, &call.method) {
            (Route::Health, &Method::GET) => self.health(call),
            (Route::Event, &Method::POST) => self.take(call, now).unwrap_or_else(|answer| answer),
            (Route::Ack, &Method::POST) => self.acks(call).unwrap_or_else(|answer| answer),
            _ => {
                let text = "The requested URL was not found on this server.";
                Answer::json(405, &json!({ "text": text, "code": 405 }))
            }
        }
    }

    /// Health needs no token; a bad or disabled one is said where one is sent (codes 21 and 22).
    fn health(&self, call: &Call) -> Answer {
        if call.credential("Splunk").is_some() {
            match self.token(call) {
                Err(Code::TokenDisabled) => return reply(Code::HealthTokenDisabled, None),
                Err(_) => return reply(Code::HealthTokenBad, None),
                Ok(_) => {}
            }
        }
        reply(
            match self.options.state {
                HecState::Well | HecState::QueueFilling | HecState::AckFilling => Code::Healthy,
                HecState::QueueFull | HecState::Busy => Code::UnhealthyQueue,
                HecState::AckFull => Code::UnhealthyAck,
                HecState::Stopping => Code::Stopping,
            },
            None,
        )
    }

    /// The token of a request. `Authorization: Splunk <token>`, or Basic with the token as the password.
    fn token(&self, call: &Call) -> Result<&HecToken, Code> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let Some(header) = call.header("authorization") else {
            let in_query = call.parameter("token").is_some();
            return Err(if in_query { Code::QueryToken } else { Code::TokenRequired });
        };
        let basic = call.credential("Basic").and_then(|text| STANDARD.decode(text).ok());
        let basic = basic.and_then(|text| String::from_utf8(text).ok());
        let basic = basic.as_deref().and_then(|text| text.split_once(':')).map(|(_, token)| token);
        let text = call.credential("Splunk").or(basic).filter(|text| !text.is_empty());
        let text = match text {
            Some(text) => text,
            None if header.trim().is_empty() => return Err(Code::TokenRequired),
            None => return Err(Code::Malformed),
        };
        let token = self.options.tokens.iter().find(|token| token.text.eq_ignore_ascii_case(text));
        let token = token.ok_or(Code::TokenInvalid)?;
        if token.enabled { Ok(token) } else { Err(Code::TokenDisabled) }
    }

    /// The channel of a request: a header or a parameter, a GUID.
    fn channel(&self, call: &Call) -> Result<String, Code> {
        let named = call.header("x-splunk-request-channel").or(call.parameter("channel"));
        let missing = if self.options.cloud { Code::CloudChannelMissing } else { Code::ChannelMissing };
        let named = named.ok_or(missing)?;
        if ids::is_guid(named) { Ok(named.to_ascii_lowercase()) } else { Err(Code::ChannelInvalid) }
    }

    fn take(&mut self, call: &Call, now: Micros) -> Result<Answer, Answer> {
        let refused = |code: Code| reply(code, None);
        let token = self.token(call).map_err(refused)?.clone();
        let channel = if token.use_ack { Some(self.channel(call).map_err(refused)?) } else { None };
        match self.options.state {
            HecState::QueueFull => return Err(reply(Code::QueueFull, None)),
            HecState::AckFull => return Err(reply(Code::AckFull, None)),
            HecState::Busy => return Err(reply(Code::Busy, None)),
            HecState::Stopping => return Err(reply(Code::Stopping, None)),
            HecState::Well | HecState::QueueFilling | HecState::AckFilling => {}
        }
        let body = self.body(call)?;
        let taken = envelope::take(&body, &token);
        let some = !taken.events.is_empty();
        if self.store.accept(now, taken.events).is_err() {
            return Err(reply(Code::Internal, None));
        }
        // Measured: a refusal that indexed the events before the bad one carries the prefix's ackId as well.
        let ack = channel.filter(|_| some).map(|channel| self.acknowledge(channel));
        Ok(match taken.refused {
            Some((code, number)) => codes::answer(code, number, ack),
            None => codes::answer(self.success(), None, ack),
        })
    }

    fn success(&self) -> Code {
        match self.options.state {
            HecState::QueueFilling => Code::QueueFilling,
            HecState::AckFilling => Code::AckFilling,
            HecState::Well
            | HecState::QueueFull
            | HecState::AckFull
            | HecState::Busy
            | HecState::Stopping => Code::Success,
        }
    }

    /// The body before compression, within the limit.
    fn body(&self, call: &Call) -> Result<Bytes, Answer> {
        let limit = self.options.content_bytes_max;
        let too_long = || {
            if self.options.cloud {
                return reply(Code::InvalidData, Some(0));
            }
            let page = "<!doctype html><html><head><title>413 Content-Length Too Large</title></head></html>";
            Answer::text(413, "text/html; charset=UTF-8", page)
        };
        let body = match call.header("content-encoding").map(str::trim) {
            None | Some("" | "identity") => call.body.clone(),
            Some("gzip") => {
                let mut body = Vec::new();
                let mut reader = flate2::read::MultiGzDecoder::new(call.body.as_ref())
                    .take(u64::try_from(limit.saturating_add(1)).unwrap_or(u64::MAX));
                let read = reader.read_to_end(&mut body);
                read.map_err(|_| reply(Code::InvalidData, Some(0)))?;
                body.into()
            }
            Some(_) => {
                let page =
                    "<!doctype html><html><head><title>415 Unsupported Media Type</title></head></html>";
                return Err(Answer::text(415, "text/html; charset=UTF-8", page));
            }
        };
        if call.too_long || body.len() > limit { Err(too_long()) } else { Ok(body) }
    }

    /// Ids count from 0 in each channel (measured).
    fn acknowledge(&mut self, channel: String) -> u64 {
        if self.channels.len() >= CHANNELS_MAX && !self.channels.contains_key(&channel) {
            let _first = self.channels.pop_first();
        }
        let channel = self.channels.entry(channel).or_default();
        let id = channel.next;
        channel.next += 1;
        let _new = channel.ready.insert(id, ());
        id
    }

    /// Each id is answered `true` once and `false` ever after; another channel's is `false` (measured).
    fn acks(&mut self, call: &Call) -> Result<Answer, Answer> {
        let refused = |code: Code| reply(code, None);
        let token = self.token(call).map_err(refused)?;
        if !token.use_ack {
            return Err(reply(Code::AckDisabled, None));
        }
        let channel = self.channel(call).map_err(refused)?;
        let asked: Value = serde_json::from_slice(&call.body).map_err(|_| reply(Code::InvalidData, None))?;
        let asked = asked.get("acks").and_then(Value::as_array);
        let asked = asked.ok_or_else(|| reply(Code::InvalidData, None))?;
        let mut known = self.channels.get_mut(&channel);
        let mut ready =
            |id: u64| known.as_deref_mut().is_some_and(|channel| channel.ready.remove(&id).is_some());
        let answers: serde_json::Map<String, Value> =
            asked.iter().filter_map(Value::as_u64).map(|id| (id.to_string(), ready(id).into())).collect();
        Ok(Answer::json(200, &json!({ "acks": answers })))
    }
}
