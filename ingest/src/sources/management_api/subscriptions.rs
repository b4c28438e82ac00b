//! What is known of the tenant's subscriptions: listed for all content types at once, and not more often than is set.
//!
//! Starting is allowed once in 15 minutes for a content type; a call that the service has not taken does not count.

use std::collections::BTreeMap;
use std::sync::Arc;

use pipeline::Clock;
use schemas::Micros;
use schemas::time::MINUTE;
use tokio::sync::Mutex;

use super::api::Api;
use super::failed::Failed;

/// Between two tries to start a subscription: the service answers more of them with a wait of 15 minutes.
pub(super) const BETWEEN_STARTS: i64 = 15 * MINUTE;

/// What the feeds of one source share.
#[derive(Debug, Clone)]
pub(super) struct Subscriptions(Arc<Mutex<Held>>);

#[derive(Debug)]
struct Held {
    api: Api,
    clock: Clock,
    interval: i64,
    /// Content type, in lower case → whether it is enabled; and when that was told.
    told: Option<(Micros, BTreeMap<String, bool>)>,
}

impl Subscriptions {
    pub(super) fn new(api: Api, clock: Clock, interval: i64) -> Self {
        Self(Arc::new(Mutex::new(Held { api, clock, interval, told: None })))
    }

    /// Whether the content type is enabled.
    pub(super) async fn is_enabled(&self, content_type: &str) -> Result<bool, Failed> {
        let mut held = self.0.lock().await;
        let now = held.clock.now();
        let fresh = held.told.as_ref().is_some_and(|(at, _)| now < at.plus(held.interval));
        if !fresh {
            let listed = held.api.subscriptions().await?;
            let enabled =
                |status: Option<String>| status.is_none_or(|status| status.eq_ignore_ascii_case("enabled"));
            let listed = listed
                .into_iter()
                .filter_map(|one| Some((one.content_type?.to_lowercase(), enabled(one.status))));
            held.told = Some((now, listed.collect()));
        }
        let told = held.told.as_ref().and_then(|(_, told)| told.get(&content_type.to_lowercase()));
        Ok(told.copied().unwrap_or(false))
    }

    /// A call has told more than the last listing. False where there is none that still counts: the next one will tell.
    pub(super) async fn note(&self, content_type: &str, enabled: bool) -> bool {
        let mut held = self.0.lock().await;
        let (now, interval) = (held.clock.now(), held.interval);
        let Some((_, told)) = held.told.as_mut().filter(|(at, _)| now < at.plus(interval)) else {
            return false;
        };
        told.insert(content_type.to_lowercase(), enabled);
        true
    }
}

/// When starting may be tried, after a try at `tried`.
pub(super) fn may_start(tried: Option<Micros>) -> Micros {
    tried.map_or(Micros::START, |tried| tried.plus(BETWEEN_STARTS))
}
