//! Start, stop and list.
//!
//! Source: reference, "Start a subscription", "Stop a subscription", "List current subscriptions". Beside it:
//! - a start of an enabled subscription is answered `AF20024` (microsoft/coe-starter-kit#2807);
//! - one start per type in 15 minutes, else 429 with the wait in words (elastic/integrations#15476);
//! - content that is created while a subscription is stopped can never be fetched.

use schemas::{
    Micros,
    time::{MINUTE, SECOND},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{CONTENT_TYPES, Feed, error};
use crate::call::{Answer, Call};

/// How long after a start the next one of the same type is refused.
const START_EVERY: i64 = 15 * MINUTE;

/// A subscription to one content type.
#[derive(Debug, Default)]
pub(super) struct Subscription {
    /// When it was enabled and until when; the last one is open while it is enabled.
    spans: Vec<(Micros, Option<Micros>)>,
    started: Option<Micros>,
}

/// A change of a subscription, as it is kept on disk.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Change {
    tenant: String,
    content_type: String,
    enabled: bool,
    at: Micros,
}

impl Subscription {
    pub(super) fn is_enabled(&self) -> bool {
        self.spans.last().is_some_and(|(_, until)| until.is_none())
    }

    /// Whether it was ever started.
    pub(super) fn exists(&self) -> bool {
        !self.spans.is_empty()
    }

    /// Whether it was enabled at that moment.
    pub(super) fn covers(&self, at: Micros) -> bool {
        self.spans.iter().any(|(from, until)| *from <= at && until.is_none_or(|until| at < until))
    }
}

impl Feed {
    /// Enables a subscription from a moment on, as an administrator did it before the story begins.
    pub(crate) fn subscribe(&mut self, tenant: &str, content_type: &str, at: Micros) {
        self.change(tenant, content_type, true, at);
    }

    /// Disables it, as an administrator does.
    pub(crate) fn unsubscribe(&mut self, tenant: &str, content_type: &str, at: Micros) {
        self.change(tenant, content_type, false, at);
    }

    pub(super) fn start(&mut self, call: &Call, tenant: &str, now: Micros) -> Answer {
        let content_type = match Self::content_type(call) {
            Ok(content_type) => content_type,
            Err(answer) => return answer,
        };
        let webhook = serde_json::from_slice::<Value>(&call.body).ok();
        let webhook = webhook.as_ref().and_then(|body| body.get("webhook")).filter(|hook| !hook.is_null());
        if let Some(hook) = webhook {
            let address = hook.get("address").and_then(Value::as_str).unwrap_or_default();
            let text = format!("The webhook endpoint ({address}) could not be validated. No answer.");
            return error(400, "AF20021", &text);
        }
        let subscription = &mut self.line(tenant, content_type).subscription;
        let next = subscription.started.map(|at| at.plus(START_EVERY));
        if let Some(next) = next.filter(|next| now < *next) {
            let wait = next.0.saturating_sub(now.0).div_euclid(SECOND).max(1);
            let text = format!(
                "Too many frequent subscription start requests. Please retry again after {}m {}s",
                wait / 60,
                wait % 60
            );
            return error(429, "", &text);
        }
        subscription.started = Some(now);
        if subscription.is_enabled() {
            return error(400, "AF20024", "The subscription is already enabled. No property change.");
        }
        self.change(tenant, content_type, true, now);
        Answer::json(200, &json!({ "contentType": content_type, "status": "enabled", "webhook": null }))
    }

    pub(super) fn stop(&mut self, call: &Call, tenant: &str, now: Micros) -> Answer {
        let content_type = match Self::content_type(call) {
            Ok(content_type) => content_type,
            Err(answer) => return answer,
        };
        if !self.line(tenant, content_type).subscription.exists() {
            return error(400, "AF20022", "No subscription found for the specified content type.");
        }
        self.change(tenant, content_type, false, now);
        Answer::empty(200)
    }

    pub(super) fn list(&mut self, tenant: &str) -> Answer {
        let mut all = Vec::new();
        for content_type in CONTENT_TYPES {
            let subscription = &self.line(tenant, content_type).subscription;
            if subscription.exists() {
                let status = if subscription.is_enabled() { "enabled" } else { "disabled" };
                all.push(json!({ "contentType": content_type, "status": status, "webhook": null }));
            }
        }
        Answer::json(200, &all)
    }

    fn change(&mut self, tenant: &str, content_type: &str, enabled: bool, at: Micros) {
        let (tenant, content_type) = (tenant.to_ascii_lowercase(), content_type.to_owned());
        let change = Change { tenant, content_type, enabled, at };
        if !self.apply(&change) {
            return;
        }
        if let Some(journal) = &mut self.journal {
            self.broken |= crate::store::append(journal, &[change]).is_err();
        }
    }

    /// Returns whether it changed anything.
    pub(super) fn apply(&mut self, change: &Change) -> bool {
        let known = CONTENT_TYPES.into_iter().find(|known| *known == change.content_type);
        let Some(content_type) = known else { return false };
        let subscription = &mut self.line(&change.tenant, content_type).subscription;
        if subscription.is_enabled() == change.enabled {
            return false;
        }
        match subscription.spans.last_mut() {
            Some((_, until)) if !change.enabled => *until = Some(change.at),
            // A tenant that is built again says again how it began; what happened since then stands.
            Some((_, Some(until))) if change.at < *until => return false,
            _ if change.enabled => subscription.spans.push((change.at, None)),
            _ => return false,
        }
        true
    }
}
