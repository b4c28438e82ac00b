//! A blob that was listed and is not yet read: where it is, how far it was read, when it is tried again.

use std::time::Duration;

use pipeline::retry::RetryPolicy;
use runtime::http::Url;
use schemas::Micros;
use schemas::time::{DAY, HOUR};

use super::api::{Api, Item};
use super::windows::{self, Window};

/// The first wait after trouble with a blob, and the longest: a blob is kept for 7 days.
const WAITS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(900));

/// So many whole transfers must hold something that is no JSON before that is believed.
pub(super) const TRANSFERS: u32 = 3;

/// So often an answer without a code must say that there is nothing, before that is believed.
const MISSING: u32 = 3;

/// Answers count that are so far apart: a proxy without its service says the same, for minutes.
const MISSING_APART: i64 = HOUR;

/// One blob.
#[derive(Debug)]
pub(super) struct Pending {
    /// The address the last listing named, if it is of this service.
    pub(super) address: Option<Url>,
    pub(super) created: Micros,
    pub(super) expires: Micros,
    /// The watermark stays at this moment, where the window begins in which it was found first. One that was shown late
    /// holds nothing: the watermark has passed it.
    pub(super) holds: Option<Micros>,
    /// So many of its records are counted.
    pub(super) read: u64,
    /// Not to be asked for before, by this worker's clock.
    pub(super) due: Micros,
    /// Its address has to be listed again first.
    pub(super) stale: bool,
    /// Whole transfers that held something that is no JSON.
    pub(super) no_json: u32,
    /// Answers that there is nothing, and when the last one that counts came.
    missing: (u32, Micros),
    tried: bool,
    waits: RetryPolicy,
}

impl Pending {
    /// As a listing of a window names it, at `now`. Moments that cannot be are those that should be.
    pub(super) fn new(item: &Item, window: Window, api: &Api, now: Micros) -> Self {
        let moment = |text: &Option<String>| text.as_deref().and_then(|text| Micros::parse(text).ok());
        let in_window = |at: &Micros| (window.from..window.to).contains(at);
        let created = moment(&item.content_created).filter(in_window).unwrap_or(window.from);
        let kept = created..created.plus(windows::KEPT + DAY);
        let expires = moment(&item.content_expiration).filter(|at| kept.contains(at));
        let expires = expires.unwrap_or(created.plus(windows::KEPT));
        let mut pending = Self::kept(created, 0, now);
        pending.expires = expires;
        pending.found(item, api);
        pending
    }

    /// As the ledger knows it, partly read.
    pub(super) fn kept(created: Micros, read: u64, now: Micros) -> Self {
        Self {
            address: None,
            created,
            expires: created.plus(windows::KEPT),
            holds: None,
            read,
            due: now,
            stale: true,
            no_json: 0,
            missing: (0, Micros::START),
            tried: false,
            waits: RetryPolicy::new(WAITS.0, WAITS.1),
        }
    }

    /// A listing names it again. An address of another host is not taken, and is counted.
    pub(super) fn found(&mut self, item: &Item, api: &Api) {
        self.address = item.content_uri.as_deref().and_then(|address| api.follow(address).ok());
        self.stale = self.address.is_none();
    }

    /// It has been tried in vain: the next time comes later.
    pub(super) fn wait(&mut self, now: Micros, told: Option<Duration>) {
        self.tried = true;
        self.due = after(now, self.waits.next_wait(told));
    }

    /// An answer without a code says that there is nothing; whether that is believed by now.
    pub(super) fn is_missing(&mut self, now: Micros) -> bool {
        let (times, last) = self.missing;
        if times == 0 || now >= last.plus(MISSING_APART) {
            self.missing = (times + 1, now);
        }
        self.missing.0 >= MISSING
    }

    /// Whether it can be had no more, at that time of the service. One that was never tried may still be there.
    pub(super) fn is_over(&self, now: Micros) -> bool {
        now >= self.expires.plus(if self.tried { 0 } else { HOUR })
    }
}

/// So long after `now`.
pub(super) fn after(now: Micros, wait: Duration) -> Micros {
    now.plus(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX))
}
