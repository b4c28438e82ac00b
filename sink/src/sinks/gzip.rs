//! Bodies compressed for the wire. The lowest level: findings shrink to a tenth by it, and more costs twice the time.

use std::io::{self, Write as _};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

/// `body` as gzip.
///
/// # Errors
/// None is known: memory takes whatever is written into it.
pub(super) fn gzip(body: &[u8]) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish().map(Bytes::from)
}
