//! Tells a wrapper from a record by the first keys of an object, without holding more of it than a key.
//!
//! A wrapper is an object whose first key that is no annotation (`@odata.…`) is `value` or `records`, with a list.

/// The longest key that is looked at; no key of a wrapper that matters is longer.
const KEY_BYTES_MAX: usize = 16;

/// How far the keys of the outermost object have been looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Keys {
    /// It is decided: a record.
    Settled,
    /// A key comes next.
    Next,
    /// Inside a key: its first bytes.
    Reading(Vec<u8>),
    /// After the key; whether it is one whose list holds the records.
    Named(bool),
    /// In the value of an annotation.
    Value,
    /// After the colon of the key whose list holds the records.
    ListDue,
    /// That list has begun.
    ListBegun,
}

impl Keys {
    pub(super) fn list_begins(&self) -> bool {
        *self == Self::ListBegun
    }

    /// A byte outside strings; `depth` is that after it.
    pub(super) fn structure(&mut self, byte: u8, depth: u64) {
        if *self == Self::Settled {
            return;
        }
        *self = match (&*self, byte, depth) {
            (Self::Next, b'{', 1) => Self::Next,
            (Self::Next, b'"', 1) => Self::Reading(Vec::new()),
            (Self::Named(true), b':', 1) => Self::ListDue,
            (Self::Named(false), b':', 1) => Self::Value,
            (Self::Value, b',', 1) => Self::Next,
            (Self::Value, _, 1..) => Self::Value,
            (Self::ListDue, b'[', 2) => Self::ListBegun,
            _ => Self::Settled,
        };
    }

    /// Bytes inside a string.
    pub(super) fn text(&mut self, bytes: &[u8]) {
        if let Self::Reading(key) = self {
            let room = KEY_BYTES_MAX.saturating_sub(key.len());
            key.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
        }
    }

    /// A string ends.
    pub(super) fn text_ends(&mut self) {
        if let Self::Reading(key) = self {
            *self = match key.as_slice() {
                b"value" | b"records" => Self::Named(true),
                key if key.starts_with(b"@") => Self::Named(false),
                _ => Self::Settled,
            };
        }
    }
}
