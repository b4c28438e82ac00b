//! Dead letters, made in one place: the bytes untouched, the reason in headers, long records in numbered chunks.

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
            pair(header::TOPIC, self.origin),
            pair(header::OFFSET, &self.offset.to_string()),
            pair(header::STAGE, self.stage.name()),
            pair(header::MESSAGE, self.message),
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
            let digest = self.hash.clone().finalize();
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            headers.push(pair(header::SHA256, &hex));
        }
        self.index += 1;
        letter(refusal, key, part, headers)
    }
}

fn letter(refusal: &Refusal<'_>, key: &Bytes, value: Bytes, more: Vec<(String, Bytes)>) -> Outgoing {
    let mut headers = refusal.headers();
    headers.extend(more);
    Outgoing {
        topic: Topic::DeadLetter(refusal.stage),
        route: Route::Key,
        key: key.clone(),
        value: Some(value),
        headers,
    }
}
