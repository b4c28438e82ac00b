//! What was asked and what was answered, so that a test can hold it against what a client claims.
//!
//! It counts every request, and for the Management Activity API it keeps which windows were listed to their last page and
//! which blobs went out whole. It holds no body and no token.

use std::collections::{BTreeMap, BTreeSet};

use schemas::Micros;

use crate::call::{Part, Route};

/// The status that is counted for a connection that ended without an answer.
pub const NO_ANSWER: u16 = 0;

/// A tenant's GUID in lower case, and a content type as the API spells it.
pub type FeedKey = (String, String);

/// What an answer served, noted only if it goes out whole.
#[derive(Debug, Clone)]
pub(crate) enum Served {
    /// The last page of a listing.
    Window(FeedKey, Micros, Micros),
    /// A blob.
    Blob(FeedKey, String),
    /// A blob that was listed once and is gone.
    Gone(FeedKey, String),
}

/// The counts and the lists.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Requests by part, route and status ([`NO_ANSWER`] for none).
    pub requests: BTreeMap<(Part, Route, u16), u64>,
    /// Requests that a fault was applied to.
    pub faults: u64,
    /// Per tenant and content type: the half-open windows whose last page went out.
    pub windows: BTreeMap<FeedKey, Vec<(Micros, Micros)>>,
    /// Per tenant and content type: how often each blob went out whole.
    pub blobs: BTreeMap<FeedKey, BTreeMap<String, u64>>,
    /// Per tenant and content type: blobs that were asked for and answered as expired.
    pub gone: BTreeMap<FeedKey, BTreeSet<String>>,
}

impl Ledger {
    pub(crate) fn count(&mut self, part: Part, route: Route, status: u16) {
        *self.requests.entry((part, route, status)).or_default() += 1;
    }

    pub(crate) fn note(&mut self, served: Served) {
        match served {
            Served::Window(feed, from, until) => self.windows.entry(feed).or_default().push((from, until)),
            Served::Blob(feed, id) => *self.blobs.entry(feed).or_default().entry(id).or_default() += 1,
            Served::Gone(feed, id) => {
                self.gone.entry(feed).or_default().insert(id);
            }
        }
    }

    /// How many requests of a part and route got this status.
    #[must_use]
    pub fn answered(&self, part: Part, route: Route, status: u16) -> u64 {
        self.requests.get(&(part, route, status)).copied().unwrap_or_default()
    }

    /// How many requests a part got.
    #[must_use]
    pub fn asked(&self, part: Part) -> u64 {
        self.requests.iter().filter(|((of, _, _), _)| *of == part).map(|(_, count)| count).sum()
    }

    /// The parts of `[from, until)` that no finished listing of this feed covers, in order.
    #[must_use]
    pub fn unlisted(
        &self,
        tenant: &str,
        content_type: &str,
        from: Micros,
        until: Micros,
    ) -> Vec<(Micros, Micros)> {
        let key = (tenant.to_ascii_lowercase(), content_type.to_owned());
        let mut windows = self.windows.get(&key).cloned().unwrap_or_default();
        windows.sort_unstable();
        let mut holes = Vec::new();
        let mut at = from;
        for (start, end) in windows {
            if start > at && at < until {
                holes.push((at, start.min(until)));
            }
            at = at.max(end);
        }
        if at < until {
            holes.push((at, until));
        }
        holes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unlisted_time_is_what_no_window_covers() {
        let feed = ("t".to_owned(), "Audit.General".to_owned());
        let mut ledger = Ledger::default();
        for (from, until) in [(30, 40), (0, 10), (5, 12)] {
            ledger.note(Served::Window(feed.clone(), Micros(from), Micros(until)));
        }
        let holes = |from, until| ledger.unlisted("t", "Audit.General", Micros(from), Micros(until));
        assert_eq!(holes(0, 50), [(Micros(12), Micros(30)), (Micros(40), Micros(50))]);
        assert_eq!(holes(2, 12), []);
        assert_eq!(holes(2, 20), [(Micros(12), Micros(20))]);
        assert_eq!(ledger.unlisted("u", "Audit.General", Micros(0), Micros(1)), [(Micros(0), Micros(1))]);
    }
}
