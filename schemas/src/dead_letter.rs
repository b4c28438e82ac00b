//! Dead letters: the value untouched, the reason in headers.
//!
//! The first seven headers are Kafka Connect's (KIP-298), which operators' tools know; the next ones are Weir's. There
//! is no stack trace and no task number: the reason says more. The record's own headers follow as they were, except those
//! named as an earlier dead letter's would be ([`is_ours`]) and those beyond [`OWN_HEADERS_BYTES_MAX`]; how many are
//! missing stands in [`HEADERS_LEFT_OUT`].
//!
//! A record that is longer than [`CHUNK_BYTES_MAX`] goes in numbered chunks with the SHA-256 of the whole in the last.
//!
//! A long file record leaves over several steps, so after a crash its chunks may be there twice. Readers put together
//! the chunks of one key and one origin ([`TOPIC`], [`PARTITION`], [`OFFSET`]) and take the last of each number; the
//! SHA-256 proves the whole.
//!
//! Limits: a letter stays below 1,000,000 bytes. Its value has [`CHUNK_BYTES_MAX`] at most, its key [`KEY_BYTES_MAX`],
//! its message [`MESSAGE_BYTES_MAX`], the topic or path [`ORIGIN_BYTES_MAX`], the record's own headers
//! [`OWN_HEADERS_BYTES_MAX`]; the other headers are a few bytes each.

/// The topic (or for a file: its path) that the record came from.
pub const TOPIC: &str = "__connect.errors.topic";
/// Its partition; absent for files.
pub const PARTITION: &str = "__connect.errors.partition";
/// Its offset, or for a file the line.
pub const OFFSET: &str = "__connect.errors.offset";
/// The stage that could not take it.
pub const STAGE: &str = "__connect.errors.stage";
/// What refused it: `weir.<stage>`.
pub const CLASS: &str = "__connect.errors.class.name";
/// The kind of error: `weir.<stage>.<reason>`.
pub const EXCEPTION_CLASS: &str = "__connect.errors.exception.class.name";
/// The message: one line, no part of the record; cut at [`MESSAGE_BYTES_MAX`] with a mark `…`.
pub const MESSAGE: &str = "__connect.errors.exception.message";
/// Why, from the stage's closed set.
pub const REASON: &str = "x-dlq-reason";
/// How often it was tried: 1 for what is refused for its content, more where a bad world had to be waited for before.
/// Counted since the stage was started, or got the partition.
pub const ATTEMPTS: &str = "x-dlq-attempts";
/// When it was first refused: ISO 8601, UTC.
pub const FIRST_SEEN: &str = "x-dlq-first-seen";
/// Weir's version.
pub const WORKER_VERSION: &str = "x-dlq-worker-version";
/// Which chunk this is, counted from 0; absent where there is one only.
pub const CHUNK: &str = "x-dlq-chunk";
/// Whether it is the last chunk: `true` or `false`; absent where there is one only.
pub const CHUNK_LAST: &str = "x-dlq-chunk-last";
/// SHA-256 of the whole record in hex, on the last chunk.
pub const SHA256: &str = "x-dlq-sha256";
/// SHA-256 of the record's key in hex, where the key was longer than [`KEY_BYTES_MAX`] and is cut there.
pub const KEY_SHA256: &str = "x-dlq-key-sha256";

/// How many of the record's own headers are not in the letter; absent where all are.
pub const HEADERS_LEFT_OUT: &str = "x-dlq-headers-left-out";

/// The longest key of a dead letter.
pub const KEY_BYTES_MAX: usize = 4096;
/// The longest message.
pub const MESSAGE_BYTES_MAX: usize = 1024;
/// The longest name of a topic or path, cut with a mark `…`.
pub const ORIGIN_BYTES_MAX: usize = 4096;
/// The longest value of one dead letter, below every broker's default limit of 1 MB.
pub const CHUNK_BYTES_MAX: usize = 900_000;
/// The most that a record's own headers may take: names, values, and [`HEADER_FRAME_BYTES`] for each. Batches count keys
/// and values only, so a full batch of refused records adds 4,096 times as much to its step: 32 MiB.
pub const OWN_HEADERS_BYTES_MAX: usize = 8192;
/// What a header takes beside its name and value: two lengths of up to five bytes each, as Kafka writes them.
pub const HEADER_FRAME_BYTES: usize = 10;

/// Whether a header of that name speaks of a refusal. A letter says only why it was refused itself, so a record that
/// brings such headers with it, as one that came out of a dead letter does, loses them.
#[must_use]
pub fn is_ours(name: &str) -> bool {
    name.starts_with("__connect.errors.") || name.starts_with("x-dlq-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_of_a_letter_is_known_as_ours() {
        let connect = [TOPIC, PARTITION, OFFSET, STAGE, CLASS, EXCEPTION_CLASS, MESSAGE];
        let weir = [REASON, ATTEMPTS, FIRST_SEEN, WORKER_VERSION, CHUNK, CHUNK_LAST, SHA256, KEY_SHA256];
        let names = connect.iter().chain(&weir).chain(&[HEADERS_LEFT_OUT]);
        assert_eq!(names.filter(|name| !is_ours(name)).count(), 0);
        assert!(!is_ours("traceparent") && !is_ours("dlq") && !is_ours(""));
    }
}
