//! Blobs: what is published, and what is answered when one is fetched.
//!
//! Source: reference, "Retrieve content"; `contentExpiration` is seven days after `contentCreated`. A blob that is gone is
//! a 404 with `AF20051`, one that never was a 404 with `AF20050`, an id that is none a 400 with `AF20052`.
//!
//! An id has the shape that clients see: two times of 23 digits, the type in both spellings, a shard
//! (elastic/beats#19719). It is a function of the type, of `contentCreated` and of how many blobs of that moment came before,
//! so a tenant that is built again has the same ids. The body of a blob that has been expired for a day is let go.

use std::collections::BTreeMap;

use bytes::Bytes;
use schemas::{Micros, time::DAY};
use serde_json::value::RawValue;

use super::{CONTENT_TYPES, Feed, error};
use crate::{
    call::{Answer, Call, Delivery},
    faults::ContentFaults,
    ids,
    ledger::Served,
    times,
};

/// How long a blob can be fetched.
pub(super) const LIFE: i64 = 7 * DAY;

/// A blob to be published.
#[derive(Debug, Clone, Copy)]
pub struct Publication<'a> {
    /// One of [`super::CONTENT_TYPES`].
    pub content_type: &'a str,
    /// Its id; none for one that the simulator makes.
    pub content_id: Option<&'a str>,
    /// When it becomes available, `contentCreated`; cut to milliseconds, as listings write it.
    pub created: Micros,
    /// From when on it is listed, where that is later: a listing of its window before then does not show it.
    pub listed_from: Option<Micros>,
    /// Its records, each one JSON object.
    pub records: &'a [Bytes],
}

#[derive(Debug, Clone)]
pub(super) struct Blob {
    pub(super) id: String,
    pub(super) created: Micros,
    pub(super) listed_from: Micros,
    pub(super) gone: bool,
    records: u64,
    body: Bytes,
}

/// The blobs of one tenant and content type.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// By creation, and then by arrival.
    blobs: BTreeMap<(Micros, u64), Blob>,
    places: BTreeMap<String, (Micros, u64)>,
    /// Up to here, bodies were let go.
    emptied: Option<(Micros, u64)>,
    arrived: u64,
}

impl Shelf {
    /// The blobs created in `[from, until)`.
    pub(super) fn created(&self, from: Micros, until: Micros) -> impl Iterator<Item = &Blob> {
        self.blobs.range((from, 0)..(until.max(from), 0)).map(|(_, blob)| blob)
    }

    pub(super) fn records(&self) -> BTreeMap<String, u64> {
        self.blobs.values().map(|blob| (blob.id.clone(), blob.records)).collect()
    }

    pub(super) fn publish(
        &mut self,
        content_type: &'static str,
        publication: Publication<'_>,
        faults: ContentFaults,
        seed: u64,
    ) -> Vec<String> {
        let created = Micros(publication.created.0.div_euclid(1_000) * 1_000);
        let id = match publication.content_id {
            Some(id) => id.to_owned(),
            None => self.fresh(content_type, created),
        };
        if self.places.contains_key(&id) {
            return vec![id];
        }
        let hits = |n, what: &str| ContentFaults::hits(n, seed, what, &id);
        let late = if hits(faults.late_one_in, "late") { faults.late_by } else { 0 };
        let listed_from = publication.listed_from.unwrap_or(created).max(created.plus(late));
        let gone = hits(faults.expired_one_in, "gone");
        let twice = hits(faults.duplicate_one_in, "twice");
        let records = u64::try_from(publication.records.len()).unwrap_or(u64::MAX);
        let body = joined(publication.records.iter().map(|record| record.as_ref()));
        let mut ids = vec![id.clone()];
        self.put(Blob { id: id.clone(), created, listed_from, gone, records, body: body.clone() });
        if twice {
            let created = Micros(created.plus(faults.duplicate_after.max(1_000)).0.div_euclid(1_000) * 1_000);
            let again = second_id(content_type, created, &id);
            let body = if faults.permute { permuted(publication.records) } else { body };
            ids.push(again.clone());
            self.put(Blob { id: again, created, listed_from: created, gone: false, records, body });
        }
        ids
    }

    fn fresh(&self, content_type: &str, created: Micros) -> String {
        let before = self.blobs.range((created, 0)..=(created, u64::MAX)).count();
        let mut ids = (before..).map(|number| content_id(content_type, created, number));
        ids.find(|id| !self.places.contains_key(id)).unwrap_or_default()
    }

    fn put(&mut self, blob: Blob) {
        self.arrived += 1;
        let place = (blob.created, self.arrived);
        let _new = self.places.insert(blob.id.clone(), place);
        let _none = self.blobs.insert(place, blob);
    }

    /// Lets go of the bodies that nobody can fetch any more.
    fn empty(&mut self, now: Micros) {
        let until = (now.plus(-LIFE - DAY), 0);
        let from = self.emptied.unwrap_or((Micros::START, 0));
        if from >= until {
            return;
        }
        for (_, blob) in self.blobs.range_mut(from..until) {
            blob.body = Bytes::new();
        }
        self.emptied = Some(until);
    }
}

/// The id of the blob of that number among those of one moment.
pub(crate) fn content_id(content_type: &str, created: Micros, number: usize) -> String {
    let (small, large) =
        (content_type.to_ascii_lowercase().replace('.', "_"), content_type.replace('.', "_"));
    let digits = times::digits(created);
    let digits = digits.get(..17).unwrap_or_default();
    format!("{digits}{number:06}${digits}{number:06}${small}${large}$emea0036")
}

impl Feed {
    pub(super) fn blob(&mut self, tenant: &str, id: &str, now: Micros) -> Answer {
        if !id.contains('$') {
            return error(400, "AF20052", &format!("Content ID {id} in the URL is invalid."));
        }
        for content_type in CONTENT_TYPES {
            let line = self.line(tenant, content_type);
            line.shelf.empty(now);
            let Some(blob) = line.shelf.places.get(id).and_then(|place| line.shelf.blobs.get(place)) else {
                continue;
            };
            if now < blob.listed_from || !line.subscription.covers(blob.created) {
                break;
            }
            let feed = (tenant.to_ascii_lowercase(), content_type.to_owned());
            if blob.gone || blob.created.plus(LIFE) <= now {
                let text = format!(
                    "Content requested with the key {id} has already expired. Content older than 7 days cannot be retrieved."
                );
                let mut answer = error(404, "AF20051", &text);
                answer.served = Some(Box::new(Served::Gone(feed, id.to_owned())));
                return answer;
            }
            let mut answer = Answer::text(200, "application/json; charset=utf-8", blob.body.clone());
            answer.served = Some(Box::new(Served::Blob(feed, id.to_owned())));
            return answer;
        }
        error(404, "AF20050", &format!("The specified content ({id}) does not exist."))
    }

    /// What a fault does to an answer of the feed: another host in a listing.
    pub(crate) fn foreign(call: &Call, mut answer: Answer, host: &str, page: bool) -> Answer {
        if answer.status != 200 || answer.delivery != Delivery::Whole {
            return answer;
        }
        if page {
            let target = format!("https://{host}{}?contenttype=Audit.General&nextpage=1", call.path);
            answer.headers.retain(|(name, _)| *name != "nextpageuri");
            return answer.with("nextpageuri", target);
        }
        let Ok(mut entries) = serde_json::from_slice::<Vec<serde_json::Value>>(&answer.body) else {
            return answer;
        };
        if let Some(uri) = entries.first_mut().and_then(|entry| entry.get_mut("contentUri")) {
            let own = uri.as_str().unwrap_or_default().replace(&call.origin(), &format!("https://{host}"));
            *uri = own.into();
        }
        answer.body = serde_json::to_vec(&entries).unwrap_or_default().into();
        answer
    }
}

/// The id of a second copy: on another shard, so that it is never the id of a blob that is published later.
fn second_id(content_type: &str, created: Micros, id: &str) -> String {
    let number = usize::try_from(ids::number(0, id) % 1_000_000).unwrap_or_default();
    content_id(content_type, created, number).replace("emea0036", "emea0037")
}

fn joined<'a>(records: impl Iterator<Item = &'a [u8]>) -> Bytes {
    let mut body = vec![b'['];
    for (index, record) in records.enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(record);
    }
    body.push(b']');
    body.into()
}

/// The records with their own keys in reverse order; the values keep their bytes. What is no object stays as it is.
fn permuted(records: &[Bytes]) -> Bytes {
    let turned: Vec<Vec<u8>> =
        records.iter().map(|record| turned(record).unwrap_or_else(|| record.to_vec())).collect();
    joined(turned.iter().map(Vec::as_slice))
}

fn turned(record: &[u8]) -> Option<Vec<u8>> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_slice(record).ok()?;
    let mut out = vec![b'{'];
    for (index, (name, value)) in fields.iter().rev().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend(serde_json::to_vec(name).ok()?);
        out.push(b':');
        out.extend_from_slice(value.get().as_bytes());
    }
    out.push(b'}');
    Some(out)
}

#[cfg(test)]
mod tests {
    use schemas::time::MINUTE;

    use super::*;

    #[test]
    fn permuted_records_have_the_same_fields_with_the_same_bytes() {
        let record = Bytes::from_static(br#"{"Id":"1","N":1.50,"List":[ 1,2 ]}"#);
        assert_eq!(permuted(&[record]), Bytes::from_static(br#"[{"N":1.50,"List":[ 1,2 ],"Id":"1"}]"#));
        assert_eq!(permuted(&[Bytes::from_static(b"7")]), Bytes::from_static(b"[7]"));
    }

    #[test]
    fn ids_are_the_same_when_a_shelf_is_filled_again_and_never_twice() {
        let fill = || {
            let mut shelf = Shelf::default();
            let faults =
                ContentFaults { duplicate_one_in: 2, duplicate_after: MINUTE, ..ContentFaults::default() };
            let mut ids = Vec::new();
            for minute in [0, 0, 1, 2, 2, 2] {
                let publication = Publication {
                    content_type: "Audit.General",
                    content_id: None,
                    created: Micros(minute * MINUTE),
                    listed_from: None,
                    records: &[],
                };
                ids.extend(shelf.publish("Audit.General", publication, faults, 1));
            }
            ids
        };
        let (mut ids, again) = (fill(), fill());
        assert_eq!(ids, again);
        assert!(ids.len() > 6, "some are there twice");
        let all = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), all);
    }
}
