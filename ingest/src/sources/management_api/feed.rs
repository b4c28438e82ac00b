//! One content type of one tenant: the loop that keeps its subscription alive, lists, fetches, and says how far it is.
//!
//! Windows are listed one after the other, and what a window names is fetched before the next one is listed. A blob in
//! trouble is tried again later and holds nobody but the watermark, which stays where its window begins. Each content type
//! has a loop of its own, so that the trouble of one is no other's.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use pipeline::Clock;
use pipeline::retry::RetryPolicy;
use runtime::http::HttpError;
use schemas::Micros;
use schemas::ledger::LedgerEntry;
use schemas::time::{DAY, HOUR, SECOND};

use super::api::Api;
use super::books::{self, At, FeedBook, State};
use super::config::ManagementConfig;
use super::failed::Failed;
use super::outlet::{Gone, Outlet};
use super::pending::{Pending, after};
use super::subscriptions::Subscriptions;
use super::table::Does;
use super::windows::{self, Window};
use crate::decode::Origin;
use crate::portion::{Forget, Loss, Until, Why};

/// After an answer that may be another in a moment.
const QUICK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// After one that somebody has to do something about.
const SLOW: (Duration, Duration) = (Duration::from_secs(120), Duration::from_secs(900));

/// A blob is known for longer than it can be listed.
const FORGET_AFTER: i64 = 8 * DAY;
/// Forgetting is no hurry.
const FORGET_EVERY: i64 = HOUR;
/// So many at a time.
const FORGET_MAX: usize = 256;

/// What a feed shares with those beside it.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) config: Arc<ManagementConfig>,
    pub(super) origin: Arc<Origin>,
    pub(super) api: Api,
    pub(super) subscriptions: Subscriptions,
    pub(super) clock: Clock,
}

/// One content type.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) shared: Shared,
    pub(super) content_type: Arc<str>,
    pub(super) outlet: Outlet,
    pub(super) book: FeedBook,
    /// Up to where it has been listed; what was listed since the book's moment is not all in the log yet.
    pub(super) listed: Option<Micros>,
    /// How long a window may be.
    pub(super) length: i64,
    /// Blobs that are done, by their unit.
    pub(super) known: HashMap<String, (Micros, State)>,
    /// Blobs that are not.
    pub(super) pending: BTreeMap<String, Pending>,
    /// Nothing is asked before.
    pub(super) hold: Micros,
    pub(super) poll_at: Micros,
    /// The subscriptions could not be listed, and are not asked for before.
    pub(super) ask_at: Micros,
    again_at: Micros,
    all_again_at: Micros,
    forget_at: Micros,
    quick: RetryPolicy,
    pub(super) slow: RetryPolicy,
}

impl Feed {
    /// As the ledger knows it.
    pub(super) fn new(shared: Shared, content_type: &str, outlet: Outlet, ledger: &[LedgerEntry]) -> Self {
        let now = shared.clock.now();
        let book = books::feed(ledger, content_type);
        let (mut known, mut pending) = (HashMap::new(), BTreeMap::new());
        for (unit, blob, read) in books::blobs(ledger, content_type) {
            match blob.state {
                State::Reading => drop(pending.insert(unit, Pending::kept(blob.created.0, read, now))),
                State::Fetched | State::Expired => drop(known.insert(unit, (blob.created.0, blob.state))),
            }
        }
        let mut outlet = outlet;
        outlet.portion.blobs.listed += pending.len() as u64;
        let interval = micros(shared.config.overlap_interval);
        Self {
            content_type: content_type.into(),
            outlet,
            listed: book.until.map(|At(until)| until),
            length: windows::LENGTH,
            known,
            pending,
            hold: now,
            poll_at: now,
            ask_at: now,
            // Whoever was away may have missed what was shown late.
            again_at: if book.until.is_some() { now } else { now.plus(interval) },
            all_again_at: now.plus(DAY),
            forget_at: now,
            quick: RetryPolicy::new(QUICK.0, QUICK.1),
            slow: RetryPolicy::new(SLOW.0, SLOW.1),
            book,
            shared,
        }
    }

    /// Works until nobody takes portions any more.
    pub(super) async fn run(mut self) {
        while self.turn().await.is_ok() {
            let wake = self.wake();
            self.shared.clock.sleep_until(wake).await;
        }
    }

    /// Everything that is to be done now.
    async fn turn(&mut self) -> Result<(), Gone> {
        if self.now() < self.hold {
            return Ok(());
        }
        if self.guard().await? {
            if self.now() >= self.poll_at {
                self.list_new().await?;
            }
            self.list_again().await?;
            self.fetch().await?;
        }
        self.expire().await?;
        self.forget().await?;
        self.keep().await
    }

    /// When there is something to do again.
    fn wake(&self) -> Micros {
        let due = self.pending.values().map(|pending| pending.due).min();
        let next = due.into_iter().chain([self.poll_at, self.again_at]).min().unwrap_or(self.poll_at);
        // A moment at least, whatever stands there: nobody may ask in a circle.
        next.max(self.hold).max(self.now().plus(SECOND / 10))
    }

    pub(super) fn now(&self) -> Micros {
        self.shared.clock.now()
    }

    /// Lists from where it was left up to now, and fetches what is found.
    async fn list_new(&mut self) -> Result<(), Gone> {
        let (margin, back) = (micros(self.shared.config.end_margin), micros(self.shared.config.start));
        while self.now() >= self.hold {
            let there = self.shared.api.now();
            let listed = *self.listed.get_or_insert(windows::first(there, back));
            let step = windows::next(listed, there, margin, self.length);
            if let Some(lost) = step.lost {
                self.lose(lost, Why::Expired);
                self.listed = Some(lost.to);
            }
            let Some(window) = step.window else { break };
            if let Err(failed) = self.list(window, true).await {
                return self.not_listed(window, &failed).await;
            }
            self.quick.reset();
            (self.listed, self.length) = (Some(window.to), windows::LENGTH);
            self.fetch().await?;
            self.keep().await?;
        }
        // Held back in the middle, it goes on at once when it may.
        let held = self.now() < self.hold;
        self.poll_at = if held { self.hold } else { after(self.now(), self.shared.config.poll_interval) };
        Ok(())
    }

    /// What is done about a window that could not be listed.
    async fn not_listed(&mut self, window: Window, failed: &Failed) -> Result<(), Gone> {
        let wait = self.trouble("content", failed);
        self.poll_at = after(self.now(), wait);
        match failed.does() {
            Does::Start => {
                // At once where starting comes next. Where nothing is known of the subscriptions, that is not so.
                if self.shared.subscriptions.note(&self.content_type, false).await {
                    (self.poll_at, self.ask_at) = (self.now(), self.now());
                }
            }
            Does::Park => self.hold = self.poll_at,
            // Nearly too old for this machine's clock, and too old for the service's.
            Does::Clamp if window.from < self.shared.api.now().plus(DAY - windows::KEPT) => {
                let lost = Window { from: window.from, to: window.from.plus(HOUR).min(window.to) };
                self.lose(lost, Why::Expired);
                self.listed = Some(lost.to);
                self.poll_at = self.now();
            }
            Does::Wait if matches!(failed, Failed::Http(HttpError::TooLong(_))) => self.length /= 2,
            Does::Clamp => self.length /= 2,
            Does::Nothing | Does::Refresh | Does::FromFirstPage => {}
            Does::Lost | Does::MaybeLost | Does::ListAgain | Does::Wait => {}
        }
        Ok(())
    }

    /// Looks again at what was listed, for content that was shown late: often at the last hours, daily at all there is.
    async fn list_again(&mut self) -> Result<(), Gone> {
        let (now, there) = (self.now(), self.shared.api.now());
        let Some(listed) = self.listed.filter(|_| now >= self.again_at && now >= self.hold) else {
            return Ok(());
        };
        self.again_at = after(now, self.shared.config.overlap_interval);
        let all = now >= self.all_again_at;
        // What was there at the last look is as old as the overlap now: each moment is looked at for so long.
        let overlap = micros(self.shared.config.overlap.saturating_add(self.shared.config.overlap_interval));
        let depth = if all { windows::KEPT } else { overlap };
        for window in windows::again(listed, there, depth) {
            if let Err(failed) = self.list(window, false).await {
                let wait = self.trouble("content", &failed);
                if failed.does() == Does::Park {
                    self.hold = after(self.now(), wait);
                }
                return Ok(());
            }
            self.fetch().await?;
        }
        if all {
            self.all_again_at = now.plus(DAY);
        }
        Ok(())
    }

    /// Gives up what can be had no more.
    async fn expire(&mut self) -> Result<(), Gone> {
        let there = self.shared.api.now();
        let over = self.pending.iter().filter(|(_, pending)| pending.is_over(there));
        let over: Vec<String> = over.map(|(unit, _)| unit.clone()).collect();
        for unit in over {
            self.give_up(&unit, Why::Expired).await?;
        }
        Ok(())
    }

    /// Forgets blobs that no listing can name any more.
    async fn forget(&mut self) -> Result<(), Gone> {
        let (now, there) = (self.now(), self.shared.api.now());
        if now < self.forget_at {
            return Ok(());
        }
        self.forget_at = now.plus(FORGET_EVERY);
        let old = self.known.iter().filter(|(_, (created, _))| created.plus(FORGET_AFTER) <= there);
        let old: Vec<String> = old.map(|(unit, _)| unit.clone()).collect();
        for units in old.chunks(FORGET_MAX) {
            self.outlet.flush().await?;
            for unit in units {
                let Some((_, state)) = self.known.remove(unit) else { continue };
                match state {
                    State::Expired => self.book.expired += 1,
                    State::Fetched | State::Reading => self.book.fetched += 1,
                }
                let into = self.content_type.to_string();
                self.outlet.portion.forget.push(Forget { unit: unit.clone(), into });
            }
            self.write_book().await?;
        }
        Ok(())
    }

    /// Says how far it is, where that has moved.
    pub(super) async fn keep(&mut self) -> Result<(), Gone> {
        let held = self.pending.values().filter_map(|pending| pending.holds).min();
        let until = self.listed.map(|listed| held.map_or(listed, |held| held.min(listed)));
        if let Some(until) = until
            && self.book.until < Some(At(until))
        {
            self.book.until = Some(At(until));
            self.mark(until);
            return self.write_book().await;
        }
        self.outlet.flush().await
    }

    pub(super) async fn write_book(&mut self) -> Result<(), Gone> {
        self.outlet.part(self.book.part(&self.content_type)).await?;
        self.outlet.flush().await
    }

    pub(super) fn mark(&mut self, time: Micros) {
        let (tenant, content_type) = (self.shared.config.tenant.clone(), self.content_type.to_string());
        self.outlet.portion.marks.push(Until { tenant, content_type, time });
    }

    pub(super) fn lose(&mut self, window: Window, why: Why) {
        let unit = self.content_type.to_string();
        self.outlet.portion.losses.push(self.loss(window, why, unit));
    }

    pub(super) fn loss(&self, Window { from, to: until }: Window, why: Why, unit: String) -> Loss {
        let (tenant, content_type) = (self.shared.config.tenant.clone(), self.content_type.to_string());
        Loss { tenant, content_type, from, until, why, unit }
    }

    /// Says what the trouble is; how long to wait.
    pub(super) fn trouble(&mut self, operation: &'static str, failed: &Failed) -> Duration {
        let (source, content_type) = (self.source().to_owned(), Arc::clone(&self.content_type));
        if failed.does() == Does::Park {
            let wait = self.slow.next_wait(failed.wait());
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            tracing::error!(source, %content_type, operation, wait_ms, why = %failed, "the feed is parked");
            return wait;
        }
        let wait = self.quick.next_wait(failed.wait());
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(source, %content_type, operation, wait_ms, why = %failed, "the service did not answer as asked");
        wait
    }

    pub(super) fn source(&self) -> &str {
        &self.shared.config.common.name
    }
}

pub(super) fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
