//! Dead letters: the value untouched, the reason in headers.
//!
//! The first seven headers are Kafka Connect's (KIP-298), which operators' tools know; the rest are Weir's. A record
//! that is longer than [`CHUNK_BYTES_MAX`] goes in numbered chunks with the SHA-256 of the whole in the last.

/// The topic (or for a file: its path) that the record came from.
pub const TOPIC: &str = "__connect.errors.topic";
/// Its partition; absent for files.
pub const PARTITION: &str = "__connect.errors.partition";
/// Its offset, or for a file the line.
pub const OFFSET: &str = "__connect.errors.offset";
/// The stage that could not take it.
pub const STAGE: &str = "__connect.errors.stage";
/// The message: one line, no part of the record.
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

/// The longest value of one dead letter, below every broker's default limit of 1 MB.
pub const CHUNK_BYTES_MAX: usize = 900_000;
