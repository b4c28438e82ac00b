//! Azure Monitor's Logs Ingestion API:
//! `POST /dataCollectionRules/{immutable id}/streams/{stream}?api-version=2023-01-01`.
//!
//! Source: "Logs Ingestion API in Azure Monitor", "Azure Monitor service limits: Logs Ingestion API", "Standard columns in
//! Azure Monitor Logs" (for `TimeGenerated`), and the troubleshooting guides of Microsoft's clients for the errors. What is
//! known from threads only: the 1 MB check is on `Content-Length` and a second one, of 50 MiB, is on what comes out of gzip
//! (open-telemetry/otel-arrow#2535); rows of an auxiliary table may not be further apart than 30 minutes
//! (Azure/Azure-Sentinel#12130).
//!
//! 204 means accepted, not stored: what `rows` drops or rewrites shows only in [`Losses`], as it shows only in the
//! workspace's own metrics.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io::Read as _,
};

use axum::http::Method;
use schemas::{Micros, time::MINUTE};
use serde_json::json;

use crate::{
    call::{Answer, Call, Route},
    entra::{Grant, MONITOR},
    ids,
    store::{Accepted, Store},
};

mod rows;

pub use rows::{FIELD_BYTES_MAX, Losses};

/// The largest `Content-Length`.
pub const CONTENT_BYTES_MAX: usize = 1_048_576;
/// The largest body before compression.
pub const INFLATED_BYTES_MAX: usize = 50 * 1024 * 1024;
/// The versions of the API that are taken.
const VERSIONS: [&str; 2] = ["2023-01-01", "2021-11-01-preview"];

/// The data collection rules and the limits.
#[derive(Debug, Clone)]
pub struct IngestionOptions {
    /// The rules.
    pub rules: Vec<CollectionRule>,
    /// The audiences that a token may have; the server's own origin is one always.
    pub audiences: Vec<String>,
    /// The largest body before compression: [`INFLATED_BYTES_MAX`].
    pub inflated_bytes_max: usize,
    /// Requests for one rule in a minute: 12,000 by the limits page. None: any number.
    pub requests_per_minute: Option<u32>,
    /// What a refusal for too many requests says in `Retry-After`, in seconds.
    pub retry_after_s: u32,
}

/// A data collection rule.
#[derive(Debug, Clone, Default)]
pub struct CollectionRule {
    /// Its immutable id, `dcr-` and 32 digits.
    pub id: String,
    /// Its streams by name, `Custom-…` or `Microsoft-…`.
    pub streams: BTreeMap<String, Stream>,
    /// The client ids that have the role Monitoring Metrics Publisher on it, and from when on: a new role takes up to 30
    /// minutes to arrive. Every client has it where this is empty.
    pub publishers: BTreeMap<String, Micros>,
}

/// A stream.
#[derive(Debug, Clone, Default)]
pub struct Stream {
    /// The declared columns; what is not declared is dropped without a word. Every column is where this is empty.
    pub columns: BTreeSet<String>,
    /// Whether it leads to an auxiliary table.
    pub auxiliary: bool,
}

impl Default for IngestionOptions {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            audiences: vec![MONITOR.to_owned()],
            inflated_bytes_max: INFLATED_BYTES_MAX,
            requests_per_minute: Some(12_000),
            retry_after_s: 10,
        }
    }
}

impl CollectionRule {
    /// A rule that everybody may write to, with these streams and any column.
    #[must_use]
    pub fn of(id: &str, streams: &[&str]) -> Self {
        let streams = streams.iter().map(|name| ((*name).to_owned(), Stream::default())).collect();
        Self { id: id.to_owned(), streams, publishers: BTreeMap::new() }
    }
}

/// The receiver's state.
#[derive(Debug)]
pub(crate) struct Ingestion {
    seed: u64,
    options: IngestionOptions,
    store: Store,
    losses: BTreeMap<String, Losses>,
    quotas: BTreeMap<String, VecDeque<Micros>>,
    asked: u64,
}

impl Ingestion {
    pub(crate) fn new(seed: u64, options: IngestionOptions, store: Store) -> Self {
        Self { seed, options, store, losses: BTreeMap::new(), quotas: BTreeMap::new(), asked: 0 }
    }

    pub(crate) fn accepted(&self) -> &[Accepted] {
        self.store.accepted()
    }

    pub(crate) fn losses(&self) -> BTreeMap<String, Losses> {
        self.losses.clone()
    }

    pub(crate) fn set(&mut self, options: IngestionOptions) {
        self.options = options;
    }

    pub(crate) fn route(call: &Call) -> Route {
        match call.segments().as_slice() {
            [rules, _, streams, _] if rules == "dataCollectionRules" && streams == "streams" => Route::Rows,
            _ => Route::Other,
        }
    }

    pub(crate) fn answer(&mut self, call: &Call, grant: Option<&Grant>, now: Micros) -> Answer {
        self.asked += 1;
        let answer = self.take(call, grant, now).unwrap_or_else(|answer| answer);
        self.numbered(answer)
    }

    /// Every answer has an id that Microsoft's support would ask for.
    pub(crate) fn numbered(&self, answer: Answer) -> Answer {
        let id = ids::guid(self.seed, &format!("ingestion {}", self.asked));
        answer.with("x-ms-request-id", id)
    }

    fn take(&mut self, call: &Call, grant: Option<&Grant>, now: Micros) -> Result<Answer, Answer> {
        let segments = call.segments();
        let [_, rule, _, stream] = segments.as_slice() else {
            return Err(error(
                404,
                "NotFound",
                "The requested URI does not represent any resource on the server.",
            ));
        };
        if Self::route(call) != Route::Rows {
            return Err(error(
                404,
                "NotFound",
                "The requested URI does not represent any resource on the server.",
            ));
        }
        if call.method != Method::POST {
            return Err(error(405, "MethodNotAllowed", "The requested method is not allowed."));
        }
        let version = call.parameter("api-version").unwrap_or_default();
        if !VERSIONS.contains(&version) {
            return Err(error(
                400,
                "InvalidApiVersion",
                "The api-version query parameter is missing or not supported.",
            ));
        }
        let length =
            call.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(call.body.len());
        if call.too_long || length > CONTENT_BYTES_MAX {
            let text = format!(
                "Maximum allowed content length: {CONTENT_BYTES_MAX} bytes (1 MB). Provided content length: {length} bytes."
            );
            return Err(error(413, "ContentLengthLimitExceeded", &text));
        }
        self.admit(rule, grant, call, now)?;
        let body = inflated(call, self.options.inflated_bytes_max)?;
        let known = self.options.rules.iter().find(|known| known.id == *rule);
        let target = known.and_then(|rule| rule.streams.get(stream)).ok_or_else(|| {
            let text = format!("The stream {stream} was not configured in the data collection rule {rule}.");
            error(400, "InvalidStream", &text)
        })?;
        let mut losses = Losses::default();
        let rows = rows::take(&body, target, now, &mut losses)?;
        let objects = rows.into_iter().map(|row| (stream.clone(), row)).collect();
        if self.store.accept(now, objects).is_err() {
            return Err(error(500, "InternalServerError", "The server encountered an internal error."));
        }
        self.losses.entry(stream.clone()).or_default().add(losses);
        Ok(Answer::empty(204))
    }

    /// Token, rule, role, quota.
    fn admit(&mut self, rule: &str, grant: Option<&Grant>, call: &Call, now: Micros) -> Result<(), Answer> {
        let audience = |grant: &&Grant| {
            self.options.audiences.contains(&grant.audience) || grant.audience == call.origin()
        };
        let grant = match grant {
            None => return Err(unauthorized()),
            Some(grant) => Some(grant).filter(audience).ok_or_else(|| {
                error(401, "InvalidAudience", "The authentication token's audience is not this service.")
            })?,
        };
        let known = self.options.rules.iter().find(|known| known.id == rule).ok_or_else(|| {
            error(404, "NotFound", &format!("Data collection rule with immutable Id '{rule}' not found."))
        })?;
        let from = known.publishers.get(&grant.client_id);
        if !known.publishers.is_empty() && from.is_none_or(|from| now < *from) {
            let text = format!(
                "The authentication token provided does not have access to ingest data for the data collection rule with \
                 immutable Id '{rule}'."
            );
            return Err(error(403, "OperationFailed", &text));
        }
        let Some(limit) = self.options.requests_per_minute else { return Ok(()) };
        let recent = self.quotas.entry(rule.to_owned()).or_default();
        while recent.front().is_some_and(|at| at.plus(MINUTE) <= now) {
            let _old = recent.pop_front();
        }
        if recent.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            return Err(self.throttled());
        }
        recent.push_back(now);
        Ok(())
    }

    pub(crate) fn throttled(&self) -> Answer {
        let answer =
            error(429, "TooManyRequests", "The rate of requests for the data collection rule is too high.");
        answer.with("retry-after", self.options.retry_after_s.to_string())
    }
}

/// An error with its code, in the body and in the header.
pub(crate) fn error(status: u16, code: &str, text: &str) -> Answer {
    let answer = Answer::json(status, &json!({ "error": { "code": code, "message": text } }));
    answer.with("x-ms-error-code", code)
}

/// A token that is missing, unknown or expired.
pub(crate) fn unauthorized() -> Answer {
    error(401, "TokenExpired", "The authentication token is invalid or has expired.")
}

/// The body before compression.
fn inflated(call: &Call, limit: usize) -> Result<Vec<u8>, Answer> {
    match call.header("content-encoding").map(str::trim) {
        None | Some("" | "identity") => Ok(call.body.to_vec()),
        Some("gzip") => {
            let mut body = Vec::new();
            let mut reader = flate2::read::MultiGzDecoder::new(call.body.as_ref())
                .take(u64::try_from(limit.saturating_add(1)).unwrap_or(u64::MAX));
            let read = reader.read_to_end(&mut body);
            read.map_err(|_| error(400, "InvalidPayload", "The request body could not be decompressed."))?;
            if body.len() > limit {
                let text = "The decompressed request body is longer than is allowed.";
                return Err(error(413, "ContentLengthLimitExceeded", text));
            }
            Ok(body)
        }
        Some(_) => Err(error(415, "UnsupportedContentEncoding", "The content encoding is not supported.")),
    }
}
