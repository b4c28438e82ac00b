//! Which requests go wrong, and how: a plan that a test or `weir simulate` sets.
//!
//! A plan is a function of the seed, of the number of requests that a rule has seen, and of the clock: the same requests in
//! the same order meet the same faults. Rules are asked in order and the first that matches decides; each counts the
//! requests of its part and route, whether another rule took them or not.
//!
//! What a fault answers is the part's own answer of that kind ([`Fault::Throttled`] is `AF429` for the feed, code 26 for
//! HEC, a 429 with `Retry-After` for ingestion). A fault that only damages an answer ([`Fault::Cut`] and the like) lets the
//! request have its effect first, as a connection that breaks after the commit does.

use schemas::Micros;

use crate::{
    call::{Part, Route},
    ids,
};

/// A plan.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Decides what "one in" means.
    pub seed: u64,
    /// For requests; the first that matches decides.
    pub rules: Vec<FaultRule>,
    /// For the content of the feed; it decides when a blob is published, so it is set before.
    pub content: ContentFaults,
}

/// Which requests, when, and what happens to them.
#[derive(Debug, Clone)]
pub struct FaultRule {
    /// The part.
    pub part: Part,
    /// The route; every route of the part where it is none.
    pub route: Option<Route>,
    /// When.
    pub when: When,
    /// What.
    pub fault: Fault,
}

/// When a rule applies.
#[derive(Debug, Clone, Copy)]
pub enum When {
    /// To every request.
    Always,
    /// To the first so many requests.
    First(u64),
    /// To the request of this number, from 1.
    Nth(u64),
    /// To every n-th request: numbers n, 2n, 3n…
    Every(u64),
    /// To one in n, chosen by the seed.
    OneIn(u64),
    /// From the one moment (with it) to the other (without it).
    Between(Micros, Micros),
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The token is refused: 401 without a code (feed), `invalid_client` (Entra), 403 code 4 (HEC), 401 `TokenExpired`
    /// (ingestion).
    Unauthorized,
    /// Too many requests. The status matters to the feed, whose page says 403 and whose clients also saw 429.
    Throttled(u16),
    /// An internal error: 500 (`AF50000`, code 8).
    Internal,
    /// Not now: 503 (code 9 for HEC).
    Busy,
    /// 503 with a page of HTML, as a proxy in front answers.
    Html,
    /// The real answer's JSON, cut in the middle; the length says so.
    CutJson,
    /// The real answer with its length declared in full, and the connection ends half way.
    Cut,
    /// The real answer in small chunks without a length.
    Dribble,
    /// Half of the real answer, then nothing more.
    Stall,
    /// The request has its effect, and the connection ends without an answer.
    HangUp,
    /// The connection ends without an answer, and the request has no effect.
    Refuse,
    /// The listing names another host in its first `contentUri`.
    ForeignContent,
    /// The listing names another host in `NextPageUri`, whether it has a next page or not.
    ForeignPage,
    /// This status and this body, with no effect.
    Answer(u16, String),
    /// The request has its effect, and then is answered as this fault says.
    After(Box<Fault>),
}

/// What is odd in the content of the feed. Each is chosen by the seed and the blob's id, so that a tenant that is built
/// again from its seed is odd in the same way. 0 = none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContentFaults {
    /// One blob in so many is listed a second time under a new id.
    pub duplicate_one_in: u64,
    /// By how much later the second one is created, in microseconds.
    pub duplicate_after: i64,
    /// One blob in so many is listed late, although it was created in time.
    pub late_one_in: u64,
    /// By how much, in microseconds.
    pub late_by: i64,
    /// One blob in so many is listed and answered as expired.
    pub expired_one_in: u64,
    /// Whether a second copy's records have their keys in another order.
    pub permute: bool,
}

/// The host that a foreign URL names; RFC 2606 keeps it from existing.
pub const FOREIGN_HOST: &str = "feed.example.invalid";

impl Fault {
    /// An error of the feed with any code of its table, with no effect.
    #[must_use]
    pub fn feed(status: u16, code: &str) -> Self {
        let body = serde_json::json!({ "error": { "code": code, "message": "The simulator was told to answer this." } });
        Self::Answer(status, body.to_string())
    }

    /// An answer of HEC with any number of its table, with no effect.
    #[must_use]
    pub fn hec(status: u16, code: u32) -> Self {
        let body = serde_json::json!({ "text": "The simulator was told to answer this.", "code": code });
        Self::Answer(status, body.to_string())
    }
}

impl FaultRule {
    /// A rule for every route of a part.
    #[must_use]
    pub fn part(part: Part, when: When, fault: Fault) -> Self {
        Self { part, route: None, when, fault }
    }

    /// A rule for one route.
    #[must_use]
    pub fn route(part: Part, route: Route, when: When, fault: Fault) -> Self {
        Self { part, route: Some(route), when, fault }
    }
}

impl Faults {
    /// A bad day: every kind of trouble that a client must outlive, at a rate that still lets it get on. For
    /// `weir simulate` and for soaks.
    #[must_use]
    pub fn storm(seed: u64) -> Self {
        use Fault as F;
        let one_in = |part, n, fault| FaultRule::part(part, When::OneIn(n), fault);
        let mut rules = vec![
            one_in(Part::Entra, 23, F::Html),
            one_in(Part::Entra, 29, F::HangUp),
            one_in(Part::Feed, 31, F::Unauthorized),
            one_in(Part::Feed, 37, F::Throttled(403)),
            one_in(Part::Feed, 41, F::Throttled(429)),
            one_in(Part::Feed, 43, F::Internal),
            one_in(Part::Feed, 47, F::Html),
            one_in(Part::Feed, 53, F::CutJson),
            one_in(Part::Feed, 59, F::Cut),
            one_in(Part::Feed, 61, F::Dribble),
            one_in(Part::Feed, 67, F::HangUp),
        ];
        rules.extend([
            one_in(Part::Hec, 17, F::Busy),
            one_in(Part::Hec, 19, F::Internal),
            one_in(Part::Hec, 23, F::Throttled(429)),
            one_in(Part::Hec, 29, F::HangUp),
            one_in(Part::Hec, 31, F::After(Box::new(F::Html))),
            one_in(Part::Ingestion, 17, F::Throttled(429)),
            one_in(Part::Ingestion, 19, F::Internal),
            one_in(Part::Ingestion, 23, F::Unauthorized),
            one_in(Part::Ingestion, 29, F::HangUp),
            one_in(Part::Ingestion, 31, F::Refuse),
        ]);
        let content = ContentFaults {
            duplicate_one_in: 11,
            duplicate_after: 7 * schemas::time::MINUTE,
            late_one_in: 13,
            late_by: 2 * schemas::time::HOUR,
            expired_one_in: 0,
            permute: true,
        };
        Self { seed, rules, content }
    }
}

impl ContentFaults {
    /// Whether this blob is the one in `n`.
    pub(crate) fn hits(n: u64, seed: u64, what: &str, id: &str) -> bool {
        n > 0 && ids::number(seed, &format!("{what} {id}")).is_multiple_of(n)
    }
}

/// A plan at work.
#[derive(Debug, Default)]
pub(crate) struct Running {
    plan: Faults,
    /// How many requests each rule has seen.
    seen: Vec<u64>,
}

impl Running {
    pub(crate) fn new(plan: Faults) -> Self {
        let seen = vec![0; plan.rules.len()];
        Self { plan, seen }
    }

    /// What is odd in the content, and the seed that decides it.
    pub(crate) fn content(&self) -> (ContentFaults, u64) {
        (self.plan.content, self.plan.seed)
    }

    /// What happens to this request.
    pub(crate) fn pick(&mut self, part: Part, route: Route, now: Micros) -> Option<Fault> {
        let mut picked = None;
        for ((index, rule), seen) in self.plan.rules.iter().enumerate().zip(&mut self.seen) {
            if rule.part != part || rule.route.is_some_and(|wanted| wanted != route) {
                continue;
            }
            *seen += 1;
            if picked.is_none() && applies(rule.when, *seen, now, (self.plan.seed, index)) {
                picked = Some(rule.fault.clone());
            }
        }
        picked
    }
}

fn applies(when: When, number: u64, now: Micros, (seed, index): (u64, usize)) -> bool {
    match when {
        When::Always => true,
        When::First(n) => number <= n,
        When::Nth(n) => number == n,
        When::Every(n) => n > 0 && number.is_multiple_of(n),
        When::OneIn(n) => ContentFaults::hits(n, seed, &format!("rule {index}"), &number.to_string()),
        When::Between(from, until) => from <= now && now < until,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picks(plan: &Faults, asked: usize) -> Vec<Option<Fault>> {
        let mut running = Running::new(plan.clone());
        (0..asked).map(|_| running.pick(Part::Feed, Route::Blob, Micros(0))).collect()
    }

    #[test]
    fn a_rule_counts_its_own_requests_and_the_first_that_matches_decides() {
        let rules = vec![
            FaultRule::route(Part::Feed, Route::Content, When::Always, Fault::Html),
            FaultRule::route(Part::Feed, Route::Blob, When::Every(2), Fault::Internal),
            FaultRule::part(Part::Feed, When::First(3), Fault::Busy),
        ];
        let plan = Faults { seed: 1, rules, ..Faults::default() };
        let expected =
            [Some(Fault::Busy), Some(Fault::Internal), Some(Fault::Busy), Some(Fault::Internal), None];
        assert_eq!(picks(&plan, 5), expected);
    }

    #[test]
    fn one_in_n_follows_the_seed_and_comes_about_as_often() {
        let plan = |seed| {
            let rules = vec![FaultRule::part(Part::Feed, When::OneIn(10), Fault::Html)];
            Faults { seed, rules, ..Faults::default() }
        };
        let hits = |seed| picks(&plan(seed), 2_000).iter().flatten().count();
        assert_eq!(picks(&plan(3), 200), picks(&plan(3), 200));
        assert_ne!(picks(&plan(3), 200), picks(&plan(4), 200));
        assert!((150..250).contains(&hits(3)), "{}", hits(3));
    }

    #[test]
    fn a_time_of_absence_is_half_open() {
        let rules = vec![FaultRule::part(Part::Hec, When::Between(Micros(5), Micros(7)), Fault::Refuse)];
        let mut running = Running::new(Faults { seed: 0, rules, ..Faults::default() });
        let mut at = |now| running.pick(Part::Hec, Route::Event, Micros(now)).is_some();
        assert_eq!([at(4), at(5), at(6), at(7)], [false, true, true, false]);
    }
}
