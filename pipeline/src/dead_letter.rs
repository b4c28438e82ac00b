//! Dead letters, made in one place: the bytes untouched, the reason in headers, long records in numbered chunks.
//!
//! Limits: those of [`schemas::dead_letter`]; longer keys, messages and origins are cut and too many headers left out,
//! so that every letter is one that a broker takes.

use std::borrow::Cow;

use bytes::Bytes;
use schemas::{Micros, StageName, Topic, dead_letter as header};
use sha2::{Digest, Sha256};

use crate::log::{Incoming, Outgoing, Route};
use crate::outcome::Reason;

type Headers = Vec<(String, Bytes)>;

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
    fn headers(&self) -> Headers {
        let class = format!("weir.{}", self.stage.name());
        let mut headers = vec![
            pair(header::TOPIC, &cut(self.origin, header::ORIGIN_BYTES_MAX)),
            pair(header::OFFSET, &self.offset.to_string()),
            pair(header::STAGE, self.stage.name()),
            pair(header::EXCEPTION_CLASS, &format!("{class}.{}", self.reason)),
            pair(header::CLASS, &class),
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
    parts(refusal, key, value, &about(1, &[]))
}

/// The dead letters of a record of a topic that was refused at the first try; a tombstone gives one without value.
#[must_use]
pub fn of_record(refusal: &Refusal<'_>, record: &Incoming) -> Vec<Outgoing> {
    of_tried(refusal, record, 1)
}

/// The same after so many attempts.
#[must_use]
pub fn of_tried(refusal: &Refusal<'_>, record: &Incoming, attempts: u64) -> Vec<Outgoing> {
    let about = about(attempts, &record.headers);
    match &record.value {
        Some(value) => parts(refusal, &record.key, value, &about),
        None => {
            let mut tombstone = letter(refusal, &record.key, Bytes::new(), about);
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
        self.part(refusal, key, part, last, about(1, &[]))
    }

    fn part(
        &mut self,
        refusal: &Refusal<'_>,
        key: &Bytes,
        part: Bytes,
        last: bool,
        mut more: Headers,
    ) -> Outgoing {
        self.hash.update(&part);
        more.push(pair(header::CHUNK, &self.index.to_string()));
        more.push(pair(header::CHUNK_LAST, if last { "true" } else { "false" }));
        if last {
            more.push(pair(header::SHA256, &hex(&self.hash.clone().finalize())));
        }
        self.index += 1;
        letter(refusal, key, part, more)
    }
}

fn parts(refusal: &Refusal<'_>, key: &Bytes, value: &Bytes, about: &Headers) -> Vec<Outgoing> {
    if value.len() <= header::CHUNK_BYTES_MAX {
        return vec![letter(refusal, key, value.clone(), about.clone())];
    }
    let mut chunks = Chunks::default();
    let mut letters = Vec::new();
    let count = value.len().div_ceil(header::CHUNK_BYTES_MAX);
    for index in 0..count {
        let start = index * header::CHUNK_BYTES_MAX;
        let end = (start + header::CHUNK_BYTES_MAX).min(value.len());
        let part = value.slice(start..end);
        letters.push(chunks.part(refusal, key, part, index + 1 == count, about.clone()));
    }
    letters
}

/// How often the record was tried, and its own headers, as many as there is room for.
fn about(attempts: u64, own: &[(String, Bytes)]) -> Headers {
    let mut headers = vec![pair(header::ATTEMPTS, &attempts.to_string())];
    let mut room = header::OWN_HEADERS_BYTES_MAX;
    let mut left_out = 0_u64;
    for (name, value) in own {
        let bytes = name.len() + value.len() + header::HEADER_FRAME_BYTES;
        if header::is_ours(name) || bytes > room {
            left_out += 1;
            continue;
        }
        room -= bytes;
        headers.push((name.clone(), value.clone()));
    }
    if left_out > 0 {
        headers.push(pair(header::HEADERS_LEFT_OUT, &left_out.to_string()));
    }
    headers
}

fn letter(refusal: &Refusal<'_>, key: &Bytes, value: Bytes, more: Headers) -> Outgoing {
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

    fn record(key: Bytes, value: Option<Bytes>, headers: Headers) -> Incoming {
        let at = schemas::TopicPartition::new(Topic::Event, schemas::Partition(0));
        Incoming { at, offset: schemas::Offset(0), key, value, headers }
    }

    /// What a broker counts: key, value, headers with their lengths.
    fn bytes(letter: &Outgoing) -> usize {
        let headers = letter.headers.iter().map(|(name, value)| name.len() + value.len() + 10);
        letter.bytes() + headers.sum::<usize>()
    }

    /// Law: whatever the record and the reason, a letter is one that a broker takes, and nothing of the value is lost.
    #[test]
    fn no_letter_is_longer_than_a_message_may_be() {
        let long = "ä".repeat(1_000_000);
        let mut headers = vec![pair("a", &"x".repeat(3000)), pair(&"n".repeat(3000), ""), pair("b", &long)];
        headers.extend((0..100_000).map(|_| pair("", "")));
        for value_bytes in [0, 1, 900_000, 900_001, 1_900_000] {
            let (key, value) = (Bytes::from(vec![b'k'; 999_000]), Bytes::from(vec![b'v'; value_bytes]));
            let record = record(key, Some(value.clone()), headers.clone());
            let letters = of_tried(&refusal(&long, &long), &record, u64::MAX);
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
        let tombstone = record(key(5000), None, Vec::new());
        assert_eq!(of_record(&refusal("t", "m"), &tombstone)[0].key.len(), 4096);
    }

    #[test]
    fn a_letter_says_which_stage_refused_it_why_and_after_how_many_attempts() {
        let record = record(Bytes::new(), None, Vec::new());
        let once = of_record(&refusal("t", "m"), &record).remove(0);
        assert_eq!(header(&once, "__connect.errors.class.name"), Some("weir.enrich"));
        assert_eq!(header(&once, "__connect.errors.exception.class.name"), Some("weir.enrich.not_ours"));
        assert_eq!(header(&once, "x-dlq-attempts"), Some("1"));
        let thrice = of_tried(&refusal("t", "m"), &record, 3).remove(0);
        assert_eq!(header(&thrice, "x-dlq-attempts"), Some("3"));
        let mut chunks = Chunks::default();
        for last in [false, true] {
            let chunk = chunks.next(&refusal("t", "m"), &Bytes::new(), Bytes::new(), last);
            assert_eq!(header(&chunk, "x-dlq-attempts"), Some("1"));
        }
    }

    #[test]
    fn the_records_own_headers_stay_in_every_chunk_and_never_speak_for_the_letter() {
        let own = vec![
            pair("traceparent", "00-1"),
            pair("__connect.errors.topic", "elsewhere"),
            pair("traceparent", "00-2"),
            pair("x-dlq-chunk", "9"),
        ];
        for value in [None, Some(Bytes::from_static(b"v")), Some(Bytes::from(vec![b'v'; 900_001]))] {
            for letter in of_record(&refusal("t", "m"), &record(Bytes::new(), value.clone(), own.clone())) {
                let named = |name: &str| -> Vec<&[u8]> {
                    letter.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| &value[..]).collect()
                };
                assert_eq!(named("traceparent"), [b"00-1", b"00-2"]);
                assert_eq!(named("__connect.errors.topic"), [b"t"]);
                assert!(!named("x-dlq-chunk").contains(&&b"9"[..]));
                assert_eq!(named("x-dlq-headers-left-out"), [b"2"]);
            }
        }
    }

    #[test]
    fn headers_that_do_not_fit_are_counted_and_those_that_do_stay() {
        let of = |first: usize| {
            let own = vec![pair("a", &"x".repeat(first)), pair("b", "yy")];
            of_record(&refusal("t", "m"), &record(Bytes::new(), None, own)).remove(0)
        };
        // 8,192 less 10 and a byte of name for the first, less 13 for the second.
        let fits = of(8168);
        assert_eq!((header(&fits, "b"), header(&fits, "x-dlq-headers-left-out")), (Some("yy"), None));
        let full = of(8169);
        assert_eq!(header(&full, "a").map(str::len), Some(8169));
        assert_eq!((header(&full, "b"), header(&full, "x-dlq-headers-left-out")), (None, Some("1")));
        let too_long = of(8182);
        assert_eq!((header(&too_long, "a"), header(&too_long, "b")), (None, Some("yy")));
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
