//! Content listings: windows and pages.
//!
//! Source: reference, "List available content" and "Pagination":
//! - `startTime <= contentCreated < endTime`; both or neither; at most 24 hours apart; the start at most 7 days ago. Without
//!   them, the last 24 hours. An end in the future is taken (comment in elastic/beats' o365audit input).
//! - Times with or without seconds, fraction and `Z`.
//! - A page that is not the last names the next one in `NextPageUri`: parameter names in lower case, fractions of seven
//!   digits, a token of three parts between `$` (counteractive/o365beat#39), here percent-encoded.
//!
//! The page's promise of an order is not kept, as clients must not rely on it: entries stand in an order that the seed
//! decides. A page token is a place in that order, so entries that are listed later never move others across pages.

use schemas::{Micros, time::DAY};
use serde_json::json;

use super::{Feed, blobs::LIFE, error};
use crate::{
    call::{Answer, Call},
    ids,
    ledger::Served,
    times,
};

/// The error of every window that is not allowed.
const WINDOW: &str = "Start time and end time must both be specified (or both omitted) and must be less than or equal to 24 \
                      hours apart, with the start time prior to end time and start time no more than 7 days in the past.";

impl Feed {
    pub(super) fn content(&mut self, call: &Call, tenant: &str, now: Micros) -> Answer {
        match self.page(call, tenant, now) {
            Ok(answer) | Err(answer) => answer,
        }
    }

    fn page(&mut self, call: &Call, tenant: &str, now: Micros) -> Result<Answer, Answer> {
        let content_type = Self::content_type(call)?;
        let (from, until) = window(call, now)?;
        let after = call.parameter("nextPage").map(token).transpose()?;
        let (seed, size) = (self.seed, self.options.page_entries.max(1));
        let line = self.line(tenant, content_type);
        if !line.subscription.exists() {
            return Err(error(400, "AF20022", "No subscription found for the specified content type."));
        }
        if !line.subscription.is_enabled() {
            return Err(error(400, "AF20023", "The subscription was disabled."));
        }
        let listed = line.shelf.created(from, until).filter(|blob| {
            blob.listed_from <= now && now < blob.created.plus(LIFE) && line.subscription.covers(blob.created)
        });
        let mut entries: Vec<_> = listed.map(|blob| (ids::number(seed, &blob.id), blob)).collect();
        entries.sort_unstable_by(|(one, a), (two, b)| (one, &a.id).cmp(&(two, &b.id)));
        entries.retain(|(order, _)| after.is_none_or(|after| after < *order));
        let more = entries.len() > size;
        entries.truncate(size);

        let (origin, root) = (call.origin(), format!("/api/v1.0/{tenant}/activity/feed"));
        let body: Vec<_> = entries
            .iter()
            .map(|(_, blob)| {
                json!({
                    "contentType": content_type,
                    "contentId": blob.id,
                    "contentUri": format!("{origin}{root}/audit/{}", blob.id),
                    "contentCreated": times::millis(blob.created),
                    "contentExpiration": times::millis(blob.created.plus(LIFE)),
                })
            })
            .collect();
        let mut answer = Answer::json(200, &body);
        match entries.last().filter(|_| more) {
            Some((order, _)) => {
                let target = format!(
                    "{origin}{root}/subscriptions/content?contenttype={content_type}&starttime={}&endtime={}&nextpage={order:023}%24{}%24emea0036",
                    times::ticks(from),
                    times::ticks(until),
                    times::digits(from),
                );
                answer = answer.with("nextpageuri", target);
            }
            None => {
                let feed = (tenant.to_ascii_lowercase(), content_type.to_owned());
                answer.served = Some(Box::new(Served::Window(feed, from, until.min(now))));
            }
        }
        Ok(answer)
    }
}

/// The window that a request asks for.
fn window(call: &Call, now: Micros) -> Result<(Micros, Micros), Answer> {
    let refused = || error(400, "AF20030", WINDOW);
    let time = |name: &'static str| -> Result<Option<Micros>, Answer> {
        let Some(text) = call.parameter(name) else { return Ok(None) };
        let wrong =
            || error(400, "AF20002", &format!("Invalid parameter type: {name}. Expected type: datetime"));
        Micros::parse(text).map(Some).map_err(|_| wrong())
    };
    let (from, until) = match (time("startTime")?, time("endTime")?) {
        (None, None) => return Ok((now.plus(-DAY), now)),
        (Some(from), Some(until)) => (from, until),
        (Some(_), None) | (None, Some(_)) => return Err(refused()),
    };
    if until <= from || until > from.plus(DAY) {
        return Err(refused());
    }
    // An old start is told apart by its number, which the reference does not list (wazuh's module names it).
    if from < now.plus(-LIFE) {
        return Err(error(400, "AF20055", WINDOW));
    }
    Ok((from, until))
}

/// The place in the order that a page token stands for.
fn token(text: &str) -> Result<u64, Answer> {
    let refused = || error(400, "AF20031", &format!("Invalid nextPage Input: {text}."));
    let parts: Vec<&str> = text.split('$').collect();
    let [order, time, _shard] = parts.as_slice() else { return Err(refused()) };
    if order.len() != 23 || time.len() != 23 || !time.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refused());
    }
    order.parse().map_err(|_| refused())
}
