//! What the ledger says of a content type and of its blobs, as texts in the entries' fingerprints.
//!
//! A content type's entry has its name as unit: up to where everything is in the log, when its subscription was last
//! started, and how many blobs were forgotten; its counts are theirs. A blob's entry has the content type, a slash and
//! the blob's id. A text that cannot be read is taken for none: the content type is then listed from its beginning, and what
//! comes twice is known by its id.

use schemas::ledger::LedgerEntry;
use schemas::{Hash128, Micros};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::portion::{Blobs, Part};

/// Longer ids are known by their hash.
const ID_BYTES_MAX: usize = 512;

/// What is kept of a content type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct FeedBook {
    /// Every blob that became available before is in the log, or is a gap.
    pub(super) until: Option<At>,
    /// When starting the subscription was last tried, by this worker's clock.
    pub(super) tried: Option<At>,
    /// The subscription has been seen enabled.
    pub(super) enabled: bool,
    /// It was then seen disabled; everything since is missing.
    pub(super) disabled_from: Option<At>,
    /// Forgotten blobs that were fetched.
    pub(super) fetched: u64,
    /// Forgotten blobs that were lost.
    pub(super) expired: u64,
}

/// What is kept of a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BlobBook {
    /// When it became available.
    pub(super) created: At,
    /// How far it is.
    pub(super) state: State,
}

/// How far a blob is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// Some of its records are in the log.
    Reading,
    /// All of them.
    Fetched,
    /// What was not read is lost.
    Expired,
}

/// A moment, as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At(pub(super) Micros);

impl Serialize for At {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Micros::parse(&text).map(Self).map_err(D::Error::custom)
    }
}

impl FeedBook {
    /// The part that writes it.
    pub(super) fn part(&self, content_type: &str) -> Part {
        Part { unit: content_type.to_owned(), fingerprint: json(self), ..Part::default() }
    }
}

impl BlobBook {
    /// The fingerprint that says it.
    pub(super) fn text(&self) -> String {
        json(self)
    }
}

/// The name of a blob in the ledger.
pub(super) fn unit(content_type: &str, id: &str) -> String {
    if id.len() <= ID_BYTES_MAX {
        return format!("{content_type}/{id}");
    }
    format!("{content_type}/{}", Hash128::of(&[id.as_bytes()]))
}

/// What the ledger says of a content type.
pub(super) fn feed(ledger: &[LedgerEntry], content_type: &str) -> FeedBook {
    let entry = ledger.iter().find(|entry| entry.unit == content_type);
    entry.and_then(|entry| serde_json::from_str(&entry.fingerprint).ok()).unwrap_or_default()
}

/// What it says of its blobs: unit, book and how many records were read.
pub(super) fn blobs<'a>(
    ledger: &'a [LedgerEntry],
    content_type: &'a str,
) -> impl Iterator<Item = (String, BlobBook, u64)> + 'a {
    ledger.iter().filter_map(move |entry| {
        entry.unit.strip_prefix(content_type)?.strip_prefix('/')?;
        let book = serde_json::from_str(&entry.fingerprint).ok()?;
        Some((entry.unit.clone(), book, u64::try_from(entry.counts.read).unwrap_or_default()))
    })
}

/// The sum over the ledger.
pub(super) fn sum(ledger: &mut dyn Iterator<Item = &LedgerEntry>) -> Blobs {
    let mut sum = Blobs::default();
    for entry in ledger {
        if let Ok(book) = serde_json::from_str::<BlobBook>(&entry.fingerprint) {
            sum.fetched += u64::from(book.state == State::Fetched);
            sum.expired += u64::from(book.state == State::Expired);
        } else if let Ok(book) = serde_json::from_str::<FeedBook>(&entry.fingerprint) {
            sum.fetched += book.fetched;
            sum.expired += book.expired;
        }
    }
    sum.listed = sum.fetched + sum.expired;
    sum
}

/// Every field has a JSON form.
fn json(book: &impl Serialize) -> String {
    serde_json::to_string(book).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(unit: &str, fingerprint: String) -> LedgerEntry {
        LedgerEntry { unit: unit.to_owned(), fingerprint, ..LedgerEntry::default() }
    }

    #[test]
    fn books_come_back_as_they_were_written() {
        let at = |text| Some(At(Micros::parse(text).unwrap()));
        let book = FeedBook {
            until: at("2026-03-01T00:00:00Z"),
            tried: at("2026-03-01T00:00:01.5Z"),
            enabled: true,
            disabled_from: None,
            fetched: 7,
            expired: 1,
        };
        let blob = BlobBook { created: At(Micros(1)), state: State::Fetched };
        let ledger = [
            entry("Audit.General", book.part("x").fingerprint),
            entry("Audit.General/a$b/c", blob.text()),
            entry("Audit.Generally/d", blob.text()),
            entry("Audit.Exchange", "no book".to_owned()),
        ];
        assert_eq!(feed(&ledger, "Audit.General"), book);
        assert_eq!(feed(&ledger, "Audit.Exchange"), FeedBook::default());
        let blobs: Vec<_> = blobs(&ledger, "Audit.General").collect();
        assert_eq!(blobs, [("Audit.General/a$b/c".to_owned(), blob, 0)]);
        assert_eq!(sum(&mut ledger.iter()), Blobs { listed: 10, fetched: 9, expired: 1 });
    }

    #[test]
    fn an_id_without_bound_is_known_by_its_hash() {
        let long = "x".repeat(10_000);
        assert_eq!(unit("t", "a"), "t/a");
        assert!(unit("t", &long).len() < 100);
        assert_ne!(unit("t", &long), unit("t", &format!("{long}y")));
    }
}
