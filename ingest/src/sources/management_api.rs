//! Source `management-api`: the audit feeds of one tenant, from the Office 365 Management Activity API.
//!
//! Each content type has a loop of its own (`feed`): its subscription is kept alive (`guard`, `subscriptions`), windows are listed
//! one after the other (`windows`, `listing`), blobs are fetched and cut into records (`fetching`, `blob`), and how
//! far it is stands on the ledger (`books`) in the same step as the events. What the service may answer and what is done
//! about it is one table (`table`). It never ends by itself.
//!
//! What it does not do yet: spread requests under the quota, more than one tenant, the newest first after a long
//! absence, webhooks.
//!
//! Follows "Office 365 Management Activity API reference" and "Troubleshooting the Office 365 Management Activity API".
//! Limits: windows of 6 hours; 4 transfers of a content type at a time; content is kept for 7 days there and known for 8
//! here.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use pipeline::Clock;
use runtime::entra::Tokens;
use runtime::http::Client;
use schemas::ledger::LedgerEntry;
use tokio::task::JoinSet;

use crate::error::IngestError;
use crate::portion::Blobs;
use crate::progress::Progress;
use crate::sources::{Produce, Source, Start, Time};

mod api;
mod blob;
mod books;
mod config;
mod failed;
mod feed;
mod fetching;
mod guard;
mod listing;
mod outlet;
mod pending;
mod subscriptions;
mod table;
mod there;
mod windows;

use api::{Api, Whom};
pub use config::{CONTENT_TYPES, ManagementConfig};
use failed::Failed;
use feed::{Feed, Shared};
use outlet::Outlet;
use subscriptions::Subscriptions;
use table::Does;

impl Source for ManagementConfig {
    fn name(&self) -> &str {
        &self.common.name
    }

    fn record_bytes_max(&self) -> usize {
        self.common.record_bytes_max
    }

    fn time(&self) -> Time {
        Time::Told
    }

    fn ends(&self) -> bool {
        false
    }

    fn open(&self) -> Result<Produce, IngestError> {
        let config = Arc::new(self.clone());
        let client = self.client()?;
        Ok(Box::new(move |start| Box::pin(produce(Arc::clone(&config), client.clone(), start))))
    }

    fn blobs(&self, ledger: &mut dyn Iterator<Item = &LedgerEntry>) -> Option<Blobs> {
        Some(books::sum(ledger))
    }

    fn check(&self, clock: Clock) -> BoxFuture<'_, Result<Vec<String>, IngestError>> {
        Box::pin(self.ask(clock))
    }
}

async fn produce(config: Arc<ManagementConfig>, client: Client, start: Start) -> Result<(), IngestError> {
    let Start { ledger, portions, progress, clock } = start;
    let api = config.service(client, clock.clone(), progress);
    let interval = feed::micros(config.subscription_interval);
    let subscriptions = Subscriptions::new(api.clone(), clock.clone(), interval);
    let origin = Arc::new(config.origin());
    let (records_max, bytes_max) = (config.common.step_records_max, config.common.step_bytes_max);
    let shared = Shared { config, origin, api, subscriptions, clock };
    let mut feeds = JoinSet::new();
    for content_type in &shared.config.content_types {
        let outlet = Outlet::new(portions.clone(), records_max, bytes_max);
        feeds.spawn(Feed::new(shared.clone(), content_type, outlet, &ledger).run());
    }
    drop(portions);
    while let Some(ended) = feeds.join_next().await {
        ended.map_err(|_| IngestError::Reader)?;
    }
    Ok(())
}

impl ManagementConfig {
    fn client(&self) -> Result<Client, IngestError> {
        let name = self.common.name.clone();
        Client::new(&self.http).map_err(|error| IngestError::Settings { name, why: error.to_string() })
    }

    fn service(&self, client: Client, clock: Clock, progress: Arc<Progress>) -> Api {
        let scope = format!("{}/.default", self.api.origin());
        let tokens = Tokens::new(client.clone(), self.entra.clone(), scope, clock.clone());
        let (base, tenant) = (self.api.clone(), self.tenant.clone());
        let whom = Whom {
            client,
            tokens,
            base,
            tenant,
            publisher: self.publisher.clone(),
            patience: self.http.total_timeout,
        };
        Api::new(whom, clock, progress)
    }

    /// Whether there is a token, and what the subscriptions are.
    async fn ask(&self, clock: Clock) -> Result<Vec<String>, IngestError> {
        let api = self.service(self.client()?, clock, Arc::default());
        let listed = api.subscriptions().await.map_err(|failed| {
            let (name, why) = (self.common.name.clone(), failed.to_string());
            let refused = failed.does() == Does::Park
                || matches!(&failed, Failed::Answer { row, .. } if row.does == Does::Refresh);
            if refused { IngestError::Refused { name, why } } else { IngestError::Away { name, why } }
        })?;
        let mut lines = vec!["the token is taken".to_owned()];
        for content_type in &self.content_types {
            let found = listed.iter().find(|one| {
                one.content_type.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(content_type))
            });
            let state = match found.map(|one| one.status.as_deref().unwrap_or("enabled")) {
                Some(status) if status.eq_ignore_ascii_case("enabled") => "enabled",
                Some(_) => "disabled; it will be started",
                None => "no subscription yet; it will be started",
            };
            lines.push(format!("{content_type}: {state}"));
        }
        Ok(lines)
    }
}
