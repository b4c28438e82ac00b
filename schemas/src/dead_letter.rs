//! Dead letters: the value untouched, the reason in headers.
//!
//! The first seven headers are Kafka Connect's (KIP-298), which operators' tools know; the rest are Weir's. A record
//! that is longer than [`CHUNK_BYTES_MAX`] goes in numbered chunks with the SHA-256 of the whole in the last.
//!
//! A long file record leaves over several steps, so after a crash its chunks may be there twice. Readers put together
//! the chunks of one key and one origin ([`TOPIC`], [`PARTITION`], [`OFFSET`]) and take the last of each number; the
//! SHA-256 proves the whole.
//!
//! Limits: a letter stays below 1,000,000 bytes. Its value has [`CHUNK_BYTES_MAX`] at most, its key [`KEY_BYTES_MAX`],
//! its message [`MESSAGE_BYTES_MAX`], the topic or path [`ORIGIN_BYTES_MAX`]; the other headers are a few bytes each.

/// The topic (or for a file: its path) that the record came from.
pub const TOPIC: &str = "__connect.errors.topic";
/// Its partition; absent for files.
pub const PARTITION: &str = "__connect.errors.partition";
/// Its offset, or for a file the line.
pub const OFFSET: &str = "__connect.errors.offset";
/// The stage that could not take it.
pub const STAGE: &str = "__connect.errors.stage";
/// The message: one line, no part of the record; cut at [`MESSAGE_BYTES_MAX`] with a mark `…`.
pub const MESSAGE: &str = "__connect.errors.exception.message";
/// Why, from the stage's closed set.
pub const REASON: &str = "x-dlq-reason";
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

/// The longest key of a dead letter.
pub const KEY_BYTES_MAX: usize = 4096;
/// The longest message.
pub const MESSAGE_BYTES_MAX: usize = 1024;
/// The longest name of a topic or path, cut with a mark `…`.
pub const ORIGIN_BYTES_MAX: usize = 4096;
/// The longest value of one dead letter, below every broker's default limit of 1 MB.
pub const CHUNK_BYTES_MAX: usize = 900_000;
