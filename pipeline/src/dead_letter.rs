//! Dead letters, made in one place: the bytes untouched, the reason in headers, long records in numbered chunks.
//!
//! Limits: those of [`schemas::dead_letter`]; longer keys, messages and origins are cut, so that every letter is one
//! that a broker takes.

use std::borrow::Cow;

use bytes::Bytes;
use schemas::{Micros, StageName, Topic, dead_letter as header};
use sha2::{Digest, Sha256};

use crate::log::{Incoming, Outgoing, Route};
use crate::outcome::Reason;

/// What a dead letter says about its record.
#[derive(Debug, Clone)]
pub struct Refusal<'a> {
    /// The stage that could not take it.
    pub stage: StageName,
    /// The topic or file it came from.
    pub origin: &'a str,
    /// Its partition there; `None` for files.
    pub partition: Option<u32>,
    /// Its offset there, or its line in the file.
    pub offset: u64,
    /// Why, from the stage's closed set.
    pub reason: Reason,
    /// One line that says more; no part of the record.
    pub message: &'a str,
    /// When.
    pub at: Micros,
}

impl Refusal<'_> {
    fn headers(&self) -> Vec<(String, Bytes)> {
        let mut headers = vec![
            pair(header::TOPIC, &cut(self.origin, header::ORIGIN_BYTES_MAX)),
            pair(header::OFFSET, &self.offset.to_string()),
            pair(header::STAGE, self.stage.name()),
            pair(header::MESSAGE, &cut(self.message, header::MESSAGE_BYTES_MAX)),
            pair(header::REASON, self.reason),
            pair(header::FIRST_SEEN, &self.at.to_string()),
            pair(header::WORKER_VERSION, env!("CARGO_PKG_VERSION")),
        ];
        if let Some(partition) = self.partition {
            headers.push(pair(header::PARTITION, &partition.to_string()));
        }
        headers
    }
}

fn pair(name: &str, value: &str) -> (String, Bytes) {
    (name.to_owned(), Bytes::copy_from_slice(value.as_bytes()))
}

/// As much of a text as fits, with a mark where that is not all.
fn cut(text: &str, most: usize) -> Cow<'_, str> {
    const MARK: &str = "…";
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let end = text.floor_char_boundary(most.saturating_sub(MARK.len()));
    Cow::Owned([text.get(..end).unwrap_or_default(), MARK].concat())
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The dead letters of a record that is held whole: one, or numbered chunks.
#[must_use]
pub fn letters(refusal: &Refusal<'_>, key: &Bytes, value: &Bytes) -> Vec<Outgoing> {
    if value.len() <= header::CHUNK_BYTES_MAX {
        return vec![letter(refusal, key, value.clone(), Vec::new())];
    }
    let mut chunks = Chunks::default();
    let mut letters = Vec::new();
    let count = value.len().div_ceil(header::CHUNK_BYTES_MAX);
    for index in 0..count {
        let start = index * header::CHUNK_BYTES_MAX;
        let end = (start + header::CHUNK_BYTES_MAX).min(value.len());
        letters.push(chunks.next(refusal, key, value.slice(start..end), index + 1 == count));
    }
    letters
}

/// The dead letters of a rejected record of a topic; a tombstone gives one without value.
#[must_use]
pub fn of_record(refusal: &Refusal<'_>, record: &Incoming) -> Vec<Outgoing> {
    match &record.value {
        Some(value) => letters(refusal, &record.key, value),
        None => {
            let mut tombstone = letter(refusal, &record.key, Bytes::new(), Vec::new());
            tombstone.value = None;
            vec![tombstone]
        }
    }
}

/// Numbers the chunks of a record that comes in parts.
#[derive(Debug, Default)]
pub struct Chunks {
    index: u64,
    hash: Sha256,
}

impl Chunks {
    /// The next chunk; the last carries the SHA-256 of all.
    pub fn next(&mut self, refusal: &Refusal<'_>, key: &Bytes, part: Bytes, last: bool) -> Outgoing {
        self.hash.update(&part);
        let mut headers = vec![
            pair(header::CHUNK, &self.index.to_string()),
            pair(header::CHUNK_LAST, if last { "true" } else { "false" }),
        ];
        if last {
            headers.push(pair(header::SHA256, &hex(&self.hash.clone().finalize())));
        }
        self.index += 1;
        letter(refusal, key, part, headers)
    }
}

fn letter(refusal: &Refusal<'_>, key: &Bytes, value: Bytes, more: Vec<(String, Bytes)>) -> Outgoing {
    let mut headers = refusal.headers();
    headers.extend(more);
    if key.len() > header::KEY_BYTES_MAX {
        headers.push(pair(header::KEY_SHA256, &hex(&Sha256::digest(key))));
    }
    Outgoing {
        topic: Topic::DeadLetter(refusal.stage),
        route: Route::Key,
        // A copy of what is kept, so that the rest of a long key can go.
        key: Bytes::copy_from_slice(key.get(..header::KEY_BYTES_MAX).unwrap_or(key)),
        value: Some(value),
        headers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal<'a>(origin: &'a str, message: &'a str) -> Refusal<'a> {
        let (stage, at) = (StageName::Enrich, Micros(0));
        Refusal { stage, origin, partition: Some(0), offset: 7, reason: "not_ours", message, at }
    }

    fn header<'a>(letter: &'a Outgoing, wanted: &str) -> Option<&'a str> {
        let value = &letter.headers.iter().find(|(name, _)| name == wanted)?.1;
        Some(std::str::from_utf8(value).unwrap())
    }

    /// What a broker counts: key, value, headers.
    fn bytes(letter: &Outgoing) -> usize {
        let headers = letter.headers.iter().map(|(name, value)| name.len() + value.len());
        letter.bytes() + headers.sum::<usize>()
    }

    /// Law: whatever the record and the reason, a letter is one that a broker takes, and nothing of the value is lost.
    #[test]
    fn no_letter_is_longer_than_a_message_may_be() {
        let long = "ä".repeat(1_000_000);
        for value_bytes in [0, 1, 900_000, 900_001, 1_900_000] {
            let (key, value) = (Bytes::from(vec![b'k'; 999_000]), Bytes::from(vec![b'v'; value_bytes]));
            let letters = letters(&refusal(&long, &long), &key, &value);
            assert!(letters.iter().all(|letter| bytes(letter) <= 990_000), "{value_bytes}");
            let whole: Vec<u8> = letters.iter().flat_map(|letter| letter.value.clone().unwrap()).collect();
            assert!(whole == value);
        }
    }

    #[test]
    fn a_long_key_is_cut_and_known_by_its_hash() {
        let key = |length: usize| Bytes::from(vec![b'k'; length]);
        let of = |key: &Bytes| letters(&refusal("t", "m"), key, &Bytes::new()).remove(0);
        let whole = of(&key(4096));
        assert_eq!((whole.key.len(), header(&whole, header::KEY_SHA256)), (4096, None));
        let cut = of(&key(4097));
        assert_eq!(
            (cut.key.len(), header(&cut, header::KEY_SHA256)),
            (4096, Some(hex(&Sha256::digest(key(4097))).as_str()))
        );
        let tombstone = Incoming {
            at: schemas::TopicPartition::new(Topic::Event, schemas::Partition(0)),
            offset: schemas::Offset(0),
            key: key(5000),
            value: None,
            headers: Vec::new(),
        };
        assert_eq!(of_record(&refusal("t", "m"), &tombstone)[0].key.len(), 4096);
    }

    #[test]
    fn a_long_message_ends_with_a_mark_and_a_short_one_is_as_it_was() {
        let of = |message: &str| {
            let letter = letters(&refusal("t", message), &Bytes::new(), &Bytes::new()).remove(0);
            header(&letter, header::MESSAGE).unwrap().to_owned()
        };
        let fits = "x".repeat(1024);
        assert_eq!(of(&fits), fits);
        let cut = of(&"ä".repeat(513));
        assert!(cut.len() <= 1024 && cut.ends_with("ä…"), "{}", cut.len());
    }
}
