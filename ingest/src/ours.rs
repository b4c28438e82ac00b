//! Telling a record of ours that is damaged from one that nobody here wrote, when what was kept is restored.
//!
//! Damage must not be taken for absence: a file would be read a second time, a mark forgotten, an event sent twice.

use schemas::codec::Message;
use schemas::{CodecError, TopicPartition, decode, signal};

use crate::error::IngestError;

/// What lies under `key`; none where it is no such message, or lies under the key of another source and cannot be read.
pub(crate) fn read<T: Message>(
    at: TopicPartition,
    source: &str,
    key: &[u8],
    value: &[u8],
) -> Result<Option<T>, IngestError> {
    match decode(value) {
        Ok(message) => Ok(Some(message)),
        Err(CodecError::NotOurs | CodecError::OtherSchema { .. }) => Ok(None),
        Err(_) if !key.starts_with(&signal::key(source, "")) => Ok(None),
        Err(why) => Err(IngestError::Damaged { at, name: source.to_owned(), what: T::NAME, why }),
    }
}
