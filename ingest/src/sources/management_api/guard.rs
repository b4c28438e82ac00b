//! Keeping a content type's subscription alive: started where it is missing or was disabled, and what was missed is a gap.
//!
//! That it is tried is on the ledger before it is: also after a crash two tries are 15 minutes apart. What an
//! administrator stopped is started again, since a feed that is silent cannot be told from one that is switched off.

use std::sync::Arc;

use schemas::Micros;

use super::books::At;
use super::feed::Feed;
use super::outlet::Gone;
use super::pending::after;
use super::subscriptions::may_start;
use super::table::Does;
use super::windows::Window;
use crate::portion::Why;

impl Feed {
    /// Whether the subscription is enabled, as far as is known; one that is not is started.
    pub(super) async fn guard(&mut self) -> Result<bool, Gone> {
        if self.now() < self.ask_at {
            return Ok(true);
        }
        match self.shared.subscriptions.is_enabled(&self.content_type).await {
            Ok(true) => self.enabled().await.map(|()| true),
            Ok(false) => self.start().await,
            Err(failed) => {
                let parked = failed.does() == Does::Park;
                let wait = self.trouble("subscriptions", &failed);
                self.ask_at = after(self.now(), wait);
                if parked {
                    self.hold = self.ask_at;
                }
                // Content may be had all the same.
                Ok(!parked)
            }
        }
    }

    async fn enabled(&mut self) -> Result<(), Gone> {
        let before = self.book.clone();
        self.slow.reset();
        if let Some(At(from)) = self.book.disabled_from.take() {
            let until = self.shared.api.now();
            self.lose(Window { from, to: until }, Why::SubscriptionDisabled);
        }
        if !self.book.enabled {
            self.book.enabled = true;
            // From here on the content type counts: nothing is known of its time yet.
            self.mark(Micros::START);
        }
        if self.book == before { Ok(()) } else { self.write_book().await }
    }

    /// Starts the subscription, if that may be tried now; whether it is enabled.
    async fn start(&mut self) -> Result<bool, Gone> {
        let (now, there) = (self.now(), self.shared.api.now());
        let before = self.book.clone();
        if self.book.enabled && self.book.disabled_from.is_none() {
            self.book.disabled_from = Some(At(self.listed.unwrap_or(there)));
        }
        let may = may_start(self.book.tried.map(|At(tried)| tried));
        if now < may {
            // Somebody else may have started it meanwhile.
            self.hold = may.min(after(now, self.shared.config.subscription_interval));
            return if self.book == before { Ok(false) } else { self.write_book().await.map(|()| false) };
        }
        self.book.tried = Some(At(now));
        // Before it is tried: whoever goes on after a crash must know of it.
        self.outlet.part(self.book.part(&self.content_type)).await?;
        self.outlet.write().await?;
        let content_type = Arc::clone(&self.content_type);
        match self.shared.api.start(&content_type).await {
            Ok(()) => {
                tracing::info!(source = self.source(), %content_type, "the subscription is started");
                self.shared.subscriptions.note(&content_type, true).await;
                self.enabled().await.map(|()| true)
            }
            Err(failed) => {
                if !failed.is_judged() {
                    self.book.tried = before.tried;
                }
                let wait = self.trouble("start", &failed);
                self.hold = after(self.now(), wait);
                self.write_book().await.map(|()| false)
            }
        }
    }
}
