//! Listing one window: all its pages, and what in them is new.
//!
//! A window counts as listed once its last page has been read. Pages may come in any order, and name a blob twice; a blob
//! is one by its id. Limits: 10,000 pages.

use std::collections::HashSet;

use super::api::Item;
use super::books;
use super::failed::Failed;
use super::feed::Feed;
use super::pending::Pending;
use super::windows::Window;

/// A listing that has more is going round in circles.
const PAGES_MAX: usize = 10_000;

impl Feed {
    /// Lists a window and notes what is new in it; what `holds` keeps the watermark until it is in the log.
    pub(super) async fn list(&mut self, window: Window, holds: bool) -> Result<(), Failed> {
        let mut url = self.shared.api.content(&self.content_type, window);
        let mut asked = HashSet::new();
        let mut items = Vec::new();
        loop {
            let page = self.shared.api.page(&url).await?;
            items.extend(page.items.into_iter().filter_map(|item| self.wanted(item)));
            let Some(next) = page.next else { break };
            if asked.len() >= PAGES_MAX || !asked.insert(url) || asked.contains(&next) {
                return Err(self.shared.api.count(Failed::Malformed("a listing whose pages do not end")));
            }
            url = next;
        }
        let now = self.now();
        for (unit, item) in items {
            let pending = match self.pending.get_mut(&unit) {
                Some(pending) => {
                    pending.found(&item, &self.shared.api);
                    pending
                }
                None => {
                    self.outlet.portion.blobs.listed += 1;
                    let pending = Pending::new(&item, window, &self.shared.api, now);
                    self.pending.entry(unit).or_insert(pending)
                }
            };
            if holds && pending.holds.is_none() {
                pending.holds = Some(window.from);
            }
        }
        Ok(())
    }

    /// A blob that is not done, with its unit.
    fn wanted(&self, item: Item) -> Option<(String, Item)> {
        // A page without ids is refused; where only the address is there, it has to serve.
        let id = item.content_id.as_deref().or(item.content_uri.as_deref()).unwrap_or_default();
        let unit = books::unit(&self.content_type, id);
        (!self.known.contains_key(&unit)).then_some((unit, item))
    }
}
