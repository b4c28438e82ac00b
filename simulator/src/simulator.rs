//! The simulator's state and the function from a request to its answer.
//!
//! [`Simulator`] is a handle: clones share the state. Everything happens under one lock and without waiting, so the order in
//! which requests arrive decides everything. What must outlive the process is written before the answer is returned.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use pipeline::Clock;
use schemas::Micros;

use crate::{
    call::{Answer, Call, Delivery, Part},
    entra::{App, Entra, Grant},
    faults::{FOREIGN_HOST, Fault, Faults, Running},
    feed::{self, CONTENT_TYPES, Feed, Publication},
    hec::{Hec, HecOptions, codes},
    ingestion::{self, Ingestion, IngestionOptions, Losses},
    ledger::{Ledger, NO_ANSWER},
    options::Options,
    store::{Accepted, Store},
};

/// A file of the folder cannot be opened or holds what it should not.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be opened: {source}", path.display())]
pub struct OpenError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// A tenant and the receivers. Clones share their state.
#[derive(Clone)]
pub struct Simulator {
    state: Arc<Mutex<State>>,
    clock: Clock,
    folder: Option<PathBuf>,
}

struct State {
    entra: Entra,
    feed: Feed,
    hec: Hec,
    ingestion: Ingestion,
    faults: Running,
    ledger: Ledger,
}

impl fmt::Debug for Simulator {
    /// Without the state, which holds tokens and records.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Simulator {
    /// Makes it, with what the folder holds from before.
    ///
    /// # Errors
    /// A file of the folder cannot be opened.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let folder = options.folder;
        if let Some(path) = &folder {
            fs::create_dir_all(path).map_err(|source| OpenError { path: path.clone(), source })?;
        }
        let file = |name: &str| folder.as_ref().map(|folder| folder.join(name));
        let store = |name: &str| match file(name) {
            None => Ok(Store::default()),
            Some(path) => Store::open(&path).map_err(|source| OpenError { path, source }),
        };
        let mut resources = options.feed.audiences.clone();
        resources.extend(options.ingestion.audiences.iter().cloned());
        let subscriptions = file("subscriptions.jsonl");
        let feed = Feed::open(options.seed, options.feed, subscriptions.as_deref())
            .map_err(|source| OpenError { path: subscriptions.unwrap_or_default(), source })?;
        let mut entra = Entra::new(options.seed, options.token_life_s, options.apps, resources);
        entra.allow_replays(!options.assertions_once);
        let state = State {
            entra,
            feed,
            hec: Hec::new(options.hec, store("hec.jsonl")?),
            ingestion: Ingestion::new(options.seed, options.ingestion, store("ingestion.jsonl")?),
            faults: Running::new(options.faults),
            ledger: Ledger::default(),
        };
        Ok(Self { state: Arc::new(Mutex::new(state)), clock: options.clock, folder })
    }

    /// The time that it goes by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The folder of what outlives the process.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Answers one request, whole.
    #[must_use]
    pub fn answer(&self, call: &Call) -> Answer {
        let now = self.clock.now();
        let part = Part::of(&call.path);
        self.state().answer(part, call, now)
    }

    /// Enables a tenant's subscription to a content type from a moment on, without a request. Before the end of an earlier
    /// subscription it changes nothing, so a tenant that is built again does not undo what happened to it.
    pub fn subscribe(&self, tenant: &str, content_type: &str, at: Micros) {
        self.state().feed.subscribe(tenant, content_type, at);
    }

    /// Enables all of a tenant's subscriptions from a moment on, without a request.
    pub fn subscribe_all(&self, tenant: &str, at: Micros) {
        CONTENT_TYPES.into_iter().for_each(|content_type| self.subscribe(tenant, content_type, at));
    }

    /// Disables a tenant's subscription, as an administrator does: what is created from then on is lost to the feed.
    pub fn unsubscribe(&self, tenant: &str, content_type: &str, at: Micros) {
        self.state().feed.unsubscribe(tenant, content_type, at);
    }

    /// Publishes one blob. The ids that it is listed under: two where the plan of faults doubles it, none for a content type
    /// that does not exist. An id that is there already changes nothing.
    pub fn publish(&self, tenant: &str, publication: Publication<'_>) -> Vec<String> {
        let mut state = self.state();
        let faults = state.faults.content();
        state.feed.publish(tenant, publication, faults)
    }

    /// The blobs that were published for a tenant and content type: id and number of records.
    #[must_use]
    pub fn published(&self, tenant: &str, content_type: &str) -> BTreeMap<String, u64> {
        self.state().feed.published(tenant, content_type)
    }

    /// What Splunk accepted, in order, the time before a restart included.
    #[must_use]
    pub fn hec_accepted(&self) -> Vec<Accepted> {
        self.state().hec.accepted().to_vec()
    }

    /// What Logs Ingestion accepted, in order, as the tables hold it.
    #[must_use]
    pub fn rows_accepted(&self) -> Vec<Accepted> {
        self.state().ingestion.accepted().to_vec()
    }

    /// What Splunk accepted after the first so many: for whoever follows along.
    #[must_use]
    pub fn hec_accepted_after(&self, seen: usize) -> Vec<Accepted> {
        self.state().hec.accepted().get(seen..).unwrap_or_default().to_vec()
    }

    /// What Logs Ingestion accepted after the first so many.
    #[must_use]
    pub fn rows_accepted_after(&self, seen: usize) -> Vec<Accepted> {
        self.state().ingestion.accepted().get(seen..).unwrap_or_default().to_vec()
    }

    /// How many objects Splunk has accepted, and how many rows Logs Ingestion has.
    #[must_use]
    pub fn taken(&self) -> (usize, usize) {
        let state = self.state();
        (state.hec.accepted().len(), state.ingestion.accepted().len())
    }

    /// What the tables lost after a 204, by stream.
    #[must_use]
    pub fn losses(&self) -> BTreeMap<String, Losses> {
        self.state().ingestion.losses()
    }

    /// What was asked and answered so far.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.state().ledger.clone()
    }

    /// Up to when the tenant's content of this type has been listed to a last page; none before the first listing.
    #[must_use]
    pub fn listed_until(&self, tenant: &str, content_type: &str) -> Option<Micros> {
        let feed = (tenant.to_ascii_lowercase(), content_type.to_owned());
        let state = self.state();
        // The latest windows are the last ones that were noted, but for those that are looked at again.
        state.ledger.windows.get(&feed)?.iter().rev().take(64).map(|(_, until)| *until).max()
    }

    /// Sets another plan of faults; its counts begin anew.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = Running::new(faults);
    }

    /// Ends every token that was given out.
    pub fn revoke_tokens(&self) {
        self.state().entra.revoke();
    }

    /// Sets the apps: a secret that was changed, a role that was taken away. Tokens that were given out keep what they had.
    pub fn set_apps(&self, apps: Vec<App>) {
        self.state().entra.set_apps(apps);
    }

    /// Sets Splunk's tokens, limits and state.
    pub fn set_hec(&self, options: HecOptions) {
        self.state().hec.set(options);
    }

    /// Splunk's tokens, limits and state.
    #[must_use]
    pub fn hec(&self) -> HecOptions {
        self.state().hec.options().clone()
    }

    /// Sets the data collection rules and limits.
    pub fn set_ingestion(&self, options: IngestionOptions) {
        self.state().ingestion.set(options);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn answer(&mut self, part: Part, call: &Call, now: Micros) -> Answer {
        let route = match part {
            Part::Entra => Entra::route(call),
            Part::Feed => Feed::route(call),
            Part::Hec => Hec::route(call),
            Part::Ingestion => Ingestion::route(call),
        };
        let fault = self.faults.pick(part, route, now);
        let mut answer = match fault {
            None => self.real(part, call, now),
            Some(fault) => {
                self.ledger.faults += 1;
                self.faulty(&fault, part, call, now)
            }
        };
        let off = if part == Part::Feed { self.feed.date_off() } else { 0 };
        answer.headers.push(("date", feed::date(now, off)));
        let status = if answer.delivery == Delivery::HangUp { NO_ANSWER } else { answer.status };
        self.ledger.count(part, route, status);
        if let Some(served) = answer.served.take()
            && matches!(answer.delivery, Delivery::Whole | Delivery::Dribble)
        {
            self.ledger.note(*served);
        }
        answer
    }

    fn real(&mut self, part: Part, call: &Call, now: Micros) -> Answer {
        let grant = match part {
            Part::Feed | Part::Ingestion => self.grant(call, now),
            Part::Entra | Part::Hec => None,
        };
        match part {
            Part::Entra => self.entra.answer(call, now),
            Part::Feed => self.feed.answer(call, grant.as_ref(), now),
            Part::Hec => self.hec.answer(call, now),
            Part::Ingestion => self.ingestion.answer(call, grant.as_ref(), now),
        }
    }

    fn grant(&self, call: &Call, now: Micros) -> Option<Grant> {
        self.entra.grant(call.credential("Bearer")?, now).cloned()
    }

    fn faulty(&mut self, fault: &Fault, part: Part, call: &Call, now: Micros) -> Answer {
        let damaged = |mut answer: Answer, delivery: Delivery| {
            answer.delivery = delivery;
            answer
        };
        match fault {
            Fault::Cut => damaged(self.real(part, call, now), Delivery::Cut),
            Fault::Dribble => damaged(self.real(part, call, now), Delivery::Dribble),
            Fault::Stall => damaged(self.real(part, call, now), Delivery::Stall),
            Fault::HangUp => damaged(self.real(part, call, now), Delivery::HangUp),
            Fault::Refuse => damaged(Answer::empty(503), Delivery::HangUp),
            Fault::CutJson => {
                let mut answer = self.real(part, call, now);
                answer.body.truncate(answer.body.len() / 2);
                answer.served = None;
                answer
            }
            Fault::ForeignContent => Feed::foreign(call, self.real(part, call, now), FOREIGN_HOST, false),
            Fault::ForeignPage => {
                let mut answer = Feed::foreign(call, self.real(part, call, now), FOREIGN_HOST, true);
                answer.served = None;
                answer
            }
            Fault::After(fault) => {
                let _effect = self.real(part, call, now);
                self.faulty(fault, part, call, now)
            }
            Fault::Html => {
                let page = "<!DOCTYPE html><html><body><h2>Our services aren't available right now</h2></body></html>";
                Answer::text(503, "text/html", page)
            }
            Fault::Answer(status, body) => Answer::text(*status, "application/json", body.clone()),
            Fault::Unauthorized | Fault::Throttled(_) | Fault::Internal | Fault::Busy => {
                self.refusal(fault, part, call, now)
            }
        }
    }

    /// The part's own answer for a refusal.
    fn refusal(&self, fault: &Fault, part: Part, call: &Call, now: Micros) -> Answer {
        match (part, fault) {
            (Part::Entra, fault) => self.entra.refuse_for(fault, now),
            (Part::Feed, Fault::Unauthorized) => feed::denied(),
            (Part::Feed, Fault::Throttled(status)) => feed::throttled(
                *status,
                &call.method,
                call.parameter("PublisherIdentifier").unwrap_or_default(),
            ),
            (Part::Feed, Fault::Internal) => feed::internal(),
            (Part::Feed, _) => Answer::text(503, "text/html", "The service is unavailable."),
            (Part::Hec, Fault::Unauthorized) => codes::reply(codes::Code::TokenInvalid, None),
            (Part::Hec, Fault::Throttled(_)) => codes::reply(codes::Code::QueueFull, None),
            (Part::Hec, Fault::Internal) => codes::reply(codes::Code::Internal, None),
            (Part::Hec, _) => codes::reply(codes::Code::Busy, None),
            (Part::Ingestion, Fault::Unauthorized) => self.ingestion.numbered(ingestion::unauthorized()),
            (Part::Ingestion, Fault::Throttled(_)) => self.ingestion.numbered(self.ingestion.throttled()),
            (Part::Ingestion, Fault::Internal) => {
                let text = "The server encountered an internal error.";
                self.ingestion.numbered(ingestion::error(500, "InternalServerError", text))
            }
            (Part::Ingestion, _) => {
                let text = "The service is unavailable.";
                self.ingestion.numbered(ingestion::error(503, "ServiceUnavailable", text))
            }
        }
    }
}
