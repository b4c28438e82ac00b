//! Ids that look random and are not: a function of the seed and of what they stand for.

use ring::digest::{SHA256, digest};

/// 32 bytes of the seed and a text.
pub(crate) fn bytes(seed: u64, of: &str) -> [u8; 32] {
    let mut text = seed.to_le_bytes().to_vec();
    text.extend_from_slice(of.as_bytes());
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(digest(&SHA256, &text).as_ref()) {
        *to = *from;
    }
    out
}

/// A number of the seed and a text.
pub(crate) fn number(seed: u64, of: &str) -> u64 {
    bytes(seed, of).iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A GUID of the seed and a text, in the usual form.
pub(crate) fn guid(seed: u64, of: &str) -> String {
    let digits = hex(&bytes(seed, of));
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

/// Whether a text has the form of a GUID.
pub(crate) fn is_guid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_has_its_form_and_depends_on_seed_and_text() {
        assert!(is_guid(&guid(1, "a")));
        assert_eq!(guid(1, "a"), guid(1, "a"));
        assert_ne!(guid(1, "a"), guid(2, "a"));
        assert_ne!(guid(1, "a"), guid(1, "b"));
        for text in [
            "",
            "contoso.onmicrosoft.com",
            "3b5a1c2e-0000-0000-0000-00000000000",
            "g0000000-0000-0000-0000-000000000000",
        ] {
            assert!(!is_guid(text), "{text}");
        }
    }
}
