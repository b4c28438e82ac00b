//! Ids: 128 bits of SHA-256 over length-prefixed parts, written as 32 lower-case hex digits.
//!
//! An id is a function of what it names and of nothing else (no clock, no random number, no counter), so that a
//! restart, a replica or a replay gives the same id. 128 bits: at 10^12 ids the chance of one collision is below 10^-14.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// 128 bits of SHA-256: a key, a content hash, or the inside of an id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Hash128(pub u128);

impl Hash128 {
    /// The hash of `parts`, each prefixed by its length, so that `["ab", "c"]` and `["a", "bc"]` differ.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Hasher::default();
        for part in parts {
            hasher.part(part);
        }
        hasher.finish()
    }

    /// The 16 bytes, big-endian.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Reads 16 big-endian bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

/// Hashes parts one after the other: the same result as [`Hash128::of`] over all of them.
#[derive(Debug, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Adds one part with its length before it.
    pub fn part(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_be_bytes());
        self.0.update(part);
    }

    /// The first 128 bits of the digest.
    #[must_use]
    pub fn finish(self) -> Hash128 {
        let digest = self.0.finalize();
        let mut first = [0_u8; 16];
        for (to, from) in first.iter_mut().zip(digest) {
            *to = from;
        }
        Hash128(u128::from_be_bytes(first))
    }
}

impl fmt::Display for Hash128 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Hash128 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is no id: an id is exactly 32 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 32 hex digits")]
pub struct NoId;

impl std::str::FromStr for Hash128 {
    type Err = NoId;
    fn from_str(text: &str) -> Result<Self, NoId> {
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(NoId);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| NoId)
    }
}

impl Serialize for Hash128 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = [0_u8; 32];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.to_bytes()) {
            if let [high, low] = pair {
                *high = hex_digit(byte >> 4);
                *low = hex_digit(byte & 15);
            }
        }
        serializer.serialize_str(std::str::from_utf8(&text).map_err(serde::ser::Error::custom)?)
    }
}

fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

impl<'de> Deserialize<'de> for Hash128 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Hash128;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id of 32 hex digits")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Hash128, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// Names one event: hash(tenant, source, native id, content hash).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub Hash128);

impl EventId {
    /// The id of the record `native_id` of `source` in `tenant` with that content
    /// ([`crate::record::Record::content_hash`], which does not depend on the order of keys).
    #[must_use]
    pub fn of(tenant: &str, source: &str, native_id: &str, content: Hash128) -> Self {
        Self(Hash128::of(&[tenant.as_bytes(), source.as_bytes(), native_id.as_bytes(), &content.to_bytes()]))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names one finding over all its revisions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FindingId(pub Hash128);

impl FindingId {
    /// A single-event rule's finding: hash(tenant, rule, rule major, event id).
    #[must_use]
    pub fn of_event(tenant: &str, rule: &str, rule_major: i32, event: EventId) -> Self {
        Self(Hash128::of(&[
            b"event",
            tenant.as_bytes(),
            rule.as_bytes(),
            &rule_major.to_be_bytes(),
            &event.0.to_bytes(),
        ]))
    }

    /// A stateful rule's finding: hash(tenant, rule, rule major, group value, bucket).
    /// `bucket` counts from the epoch in the rule's own windows.
    #[must_use]
    pub fn of_bucket(tenant: &str, rule: &str, rule_major: i32, group_value: &str, bucket: i64) -> Self {
        Self(Hash128::of(&[
            b"bucket",
            tenant.as_bytes(),
            rule.as_bytes(),
            &rule_major.to_be_bytes(),
            group_value.as_bytes(),
            &bucket.to_be_bytes(),
        ]))
    }
}

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_kept_apart() {
        assert_ne!(Hash128::of(&[b"ab", b"c"]), Hash128::of(&[b"a", b"bc"]));
    }

    #[test]
    fn an_id_reads_back_what_it_prints() {
        let id = Hash128::of(&[b"weir"]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("0".repeat(31).parse::<Hash128>(), Err(NoId));
        assert_eq!(format!("+{}", "0".repeat(31)).parse::<Hash128>(), Err(NoId));
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<Hash128>(&json).unwrap(), id);
    }
}
