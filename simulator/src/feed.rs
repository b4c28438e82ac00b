//! The Office 365 Management Activity API: subscriptions, content listings and blobs of one or more tenants.
//!
//! Source: "Office 365 Management Activity API reference" and "Troubleshooting the Office 365 Management Activity API".
//! What these pages leave open follows what clients of the real API report; the file of each operation says where.
//!
//! Not played: webhooks (a start that names one is refused as a webhook that does not answer), notifications (an empty
//! list), the friendly names of sensitive types, the up to 12 hours before the first content.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::File,
    io,
    path::Path,
};

use axum::http::Method;
use schemas::{Micros, time::MINUTE};
use serde_json::json;

use crate::{
    call::{Answer, Call, Route},
    entra::{Grant, MANAGE, READ, READ_DLP},
    faults::ContentFaults,
    ids, times,
};

mod blobs;
mod content;
mod errors;
mod subscriptions;

pub use blobs::Publication;
use blobs::Shelf;
pub(crate) use blobs::content_id;
use errors::error;
pub(crate) use errors::{denied, internal, throttled};
use subscriptions::Subscription;

/// The content types that there are (reference, "Working with the API").
pub const CONTENT_TYPES: [&str; 5] =
    ["Audit.AzureActiveDirectory", "Audit.Exchange", "Audit.SharePoint", "Audit.General", "DLP.All"];

/// Beyond so many publishers, those that have been quiet for a minute are forgotten.
const PUBLISHERS_MAX: usize = 10_000;

/// The feed's tenants and habits.
#[derive(Debug, Clone)]
pub struct FeedOptions {
    /// Its tenants.
    pub tenants: Vec<FeedTenant>,
    /// The audiences that a token may have; the server's own origin is one always.
    pub audiences: Vec<String>,
    /// Entries on one page of a listing. The real size is not published.
    pub page_entries: usize,
    /// Requests that one publisher may send for a tenant in a minute: 2,000 (reference, "API throttling"). None: any number.
    pub requests_per_minute: Option<u32>,
    /// The status of `AF429`: 403 in the reference's table; clients also saw 429.
    pub throttled_status: u16,
    /// Whether a client that accepts gzip gets it. The reference does not speak of it.
    pub gzip: bool,
    /// By how much the header `Date` is off, in microseconds.
    pub date_off: i64,
}

/// A tenant of the feed.
#[derive(Debug, Clone)]
pub struct FeedTenant {
    /// Its GUID.
    pub id: String,
    /// Whether unified auditing is on; without it the API does not know the tenant.
    pub auditing: bool,
}

impl Default for FeedOptions {
    /// No tenant; pages of 100, 2,000 requests a minute, 403, gzip.
    fn default() -> Self {
        Self {
            tenants: Vec::new(),
            audiences: vec![MANAGE.to_owned()],
            page_entries: 100,
            requests_per_minute: Some(2_000),
            throttled_status: 403,
            gzip: true,
            date_off: 0,
        }
    }
}

impl FeedOptions {
    /// The defaults with one tenant, its auditing on.
    #[must_use]
    pub fn of(tenant: &str) -> Self {
        Self { tenants: vec![FeedTenant { id: tenant.to_owned(), auditing: true }], ..Self::default() }
    }
}

/// What one tenant has of one content type.
#[derive(Debug, Default)]
struct Line {
    subscription: Subscription,
    shelf: Shelf,
}

/// The feed's state.
#[derive(Debug)]
pub(crate) struct Feed {
    seed: u64,
    options: FeedOptions,
    /// By tenant (lower case) and content type.
    lines: BTreeMap<(String, &'static str), Line>,
    /// The moments of the last minute's requests, by tenant and publisher.
    quotas: BTreeMap<(String, String), VecDeque<Micros>>,
    /// Where changes of the subscriptions are kept.
    journal: Option<File>,
    /// A change could not be written: from then on every request is an internal error.
    broken: bool,
}

impl Feed {
    /// The feed; with a file, its subscriptions as they were when that was last written.
    pub(crate) fn open(seed: u64, options: FeedOptions, file: Option<&Path>) -> io::Result<Self> {
        let mut feed = Self {
            seed,
            options,
            lines: BTreeMap::new(),
            quotas: BTreeMap::new(),
            journal: None,
            broken: false,
        };
        if let Some(path) = file {
            let (journal, changes) = crate::store::read_back::<subscriptions::Change>(path)?;
            for change in &changes {
                feed.apply(change);
            }
            feed.journal = Some(journal);
        }
        Ok(feed)
    }

    pub(crate) fn date_off(&self) -> i64 {
        self.options.date_off
    }

    fn line(&mut self, tenant: &str, content_type: &'static str) -> &mut Line {
        self.lines.entry((tenant.to_ascii_lowercase(), content_type)).or_default()
    }

    pub(crate) fn route(call: &Call) -> Route {
        let segments = call.segments();
        let names: Vec<&str> = segments.iter().skip(5).map(String::as_str).collect();
        match names.as_slice() {
            ["subscriptions", "start"] => Route::Start,
            ["subscriptions", "stop"] => Route::Stop,
            ["subscriptions", "list"] => Route::Subscriptions,
            ["subscriptions", "content"] => Route::Content,
            ["audit", _] => Route::Blob,
            _ => Route::Other,
        }
    }

    /// What the request is answered; `grant` is what its token stands for, if that still lives.
    pub(crate) fn answer(&mut self, call: &Call, grant: Option<&Grant>, now: Micros) -> Answer {
        let segments = call.segments();
        let names: Vec<&str> = segments.iter().map(String::as_str).collect();
        let ["api", "v1.0" | "v1", tenant, "activity", "feed", ..] = names.as_slice() else {
            return Answer::text(
                404,
                "text/html",
                "<html><body>404 - File or directory not found.</body></html>",
            );
        };
        let mut answer = match self.admit(call, tenant, grant, now) {
            Ok(()) => self.serve(call, tenant, names.get(5..).unwrap_or_default(), now),
            Err(answer) => answer,
        };
        if self.broken {
            answer = internal();
        }
        self.packed(call, answer)
    }

    /// Token, tenant, role, quota: in this order, each with its own refusal.
    fn admit(&mut self, call: &Call, tenant: &str, grant: Option<&Grant>, now: Micros) -> Result<(), Answer> {
        let audience = |grant: &&Grant| {
            self.options.audiences.contains(&grant.audience) || grant.audience == call.origin()
        };
        let grant = grant.filter(audience).ok_or_else(denied)?;
        if !ids::is_guid(tenant) {
            let text = format!("The tenant ID passed in the URL ({tenant}) is not a valid GUID.");
            return Err(error(400, "AF20013", &text));
        }
        let Some(known) = self.options.tenants.iter().find(|known| known.id.eq_ignore_ascii_case(tenant))
        else {
            let text =
                format!("Specified tenant ID ({tenant}) does not exist in the system or has been deleted.");
            return Err(error(400, "AF20011", &text));
        };
        if !grant.tenant.eq_ignore_ascii_case(tenant) {
            let text = format!(
                "The tenant ID passed in the URL ({tenant}) does not match the tenant ID passed in the access token ({}).",
                grant.tenant
            );
            return Err(error(400, "AF20010", &text));
        }
        if !known.auditing {
            return Err(errors::no_auditing(tenant));
        }
        let has = |role: &str| grant.roles.iter().any(|held| held == role);
        let dlp = call.parameter("contentType").is_some_and(|asked| asked.eq_ignore_ascii_case("DLP.All"));
        if !has(READ) || (dlp && !has(READ_DLP)) {
            return Err(errors::no_role(&grant.roles));
        }
        self.quota(call, tenant, now)
    }

    fn quota(&mut self, call: &Call, tenant: &str, now: Micros) -> Result<(), Answer> {
        let Some(limit) = self.options.requests_per_minute else { return Ok(()) };
        // Requests that name no publisher share one pool, and errors show it as zeros (troubleshooting page).
        let publisher =
            call.parameter("PublisherIdentifier").unwrap_or("00000000-0000-0000-0000-000000000000");
        if self.quotas.len() >= PUBLISHERS_MAX {
            self.quotas.retain(|_, recent| recent.back().is_some_and(|at| at.plus(MINUTE) > now));
        }
        let recent =
            self.quotas.entry((tenant.to_ascii_lowercase(), publisher.to_ascii_lowercase())).or_default();
        while recent.front().is_some_and(|at| at.plus(MINUTE) <= now) {
            let _old = recent.pop_front();
        }
        if recent.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            return Err(throttled(self.options.throttled_status, &call.method, publisher));
        }
        recent.push_back(now);
        Ok(())
    }

    fn serve(&mut self, call: &Call, tenant: &str, names: &[&str], now: Micros) -> Answer {
        let (get, post) = (call.method == Method::GET, call.method == Method::POST);
        match names {
            ["subscriptions", "start"] if post => self.start(call, tenant, now),
            ["subscriptions", "stop"] if post => self.stop(call, tenant, now),
            ["subscriptions", "list"] if get => self.list(tenant),
            ["subscriptions", "content"] if get => self.content(call, tenant, now),
            ["subscriptions", "notifications"] if get => Answer::json(200, &json!([])),
            ["audit", id] if get => self.blob(tenant, id, now),
            ["subscriptions", "start" | "stop" | "list" | "content" | "notifications"] | ["audit", _] => {
                let text = format!("The requested resource does not support http method '{}'.", call.method);
                Answer::json(405, &json!({ "Message": text }))
            }
            _ => Answer::json(
                404,
                &json!({ "Message": "No HTTP resource was found that matches the request URI." }),
            ),
        }
    }

    /// The content type of a request, as the API spells it.
    fn content_type(call: &Call) -> Result<&'static str, Answer> {
        let missing = || error(400, "AF20001", "Missing parameter: contentType.");
        let asked = call.parameter("contentType").ok_or_else(missing)?;
        let known = CONTENT_TYPES.into_iter().find(|known| known.eq_ignore_ascii_case(asked));
        known.ok_or_else(|| error(400, "AF20020", "The specified content type is not valid."))
    }

    /// With the headers of the real server, and in gzip where both want it.
    fn packed(&self, call: &Call, mut answer: Answer) -> Answer {
        let headers = [
            ("cache-control", "no-cache"),
            ("pragma", "no-cache"),
            ("expires", "-1"),
            ("server", "Microsoft-IIS/10.0"),
            ("x-aspnet-version", "4.0.30319"),
        ];
        answer.headers.extend(headers.map(|(name, value)| (name, value.to_owned())));
        let wanted = call.header("accept-encoding").is_some_and(|text| {
            text.split(',').any(|coding| coding.split(';').next().unwrap_or_default().trim() == "gzip")
        });
        if !wanted || !self.options.gzip || answer.body.is_empty() {
            return answer;
        }
        match gzip(&answer.body) {
            Ok(packed) => {
                answer.body = packed.into();
                answer.with("content-encoding", "gzip")
            }
            Err(_) => answer,
        }
    }

    /// Puts a blob where listings find it, twice or late where the plan says so.
    ///
    /// Returns the ids it is listed under; none for a content type that there is not.
    pub(crate) fn publish(
        &mut self,
        tenant: &str,
        publication: Publication<'_>,
        (faults, fault_seed): (ContentFaults, u64),
    ) -> Vec<String> {
        let known = CONTENT_TYPES.into_iter().find(|known| *known == publication.content_type);
        let Some(content_type) = known else { return Vec::new() };
        let shelf = &mut self.line(tenant, content_type).shelf;
        shelf.publish(content_type, publication, faults, fault_seed)
    }

    /// How many blobs each tenant and content type was given, by id, with the number of records of each.
    pub(crate) fn published(&self, tenant: &str, content_type: &str) -> BTreeMap<String, u64> {
        let key =
            self.lines.keys().find(|(of, kind)| of.eq_ignore_ascii_case(tenant) && *kind == content_type);
        key.and_then(|key| self.lines.get(key)).map(|line| line.shelf.records()).unwrap_or_default()
    }
}

fn gzip(body: &[u8]) -> io::Result<Vec<u8>> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

/// The header `Date` that the feed writes.
pub(crate) fn date(now: Micros, off: i64) -> String {
    times::http_date(now.plus(off))
}
