//! Finds the elements that a broken element of a list took in.
//!
//! An element that was cut has no end that brackets tell. The next one begins after a comma, with the same first key
//! as its neighbours: that is looked for, and only in what does not parse. Elements whose first key differs from the
//! broken one's and from that of the last whole one are not found; they are rejected with it, with their bytes.

use memchr::memmem;
use serde::de::IgnoredAny;

/// A first key longer than this is not looked for.
const KEY_BYTES_MAX: usize = 64;

/// The brace and the first key of an object: `{"Id"`.
pub(super) fn beginning(element: &[u8]) -> Option<&[u8]> {
    let key = element.strip_prefix(b"{\"")?;
    let end = memchr::memchr2(b'"', b'\\', key.get(..key.len().min(KEY_BYTES_MAX))?)?;
    (key.get(end) == Some(&b'"')).then(|| element.get(..end + 3)).flatten()
}

/// Where other elements begin in `element`, if it is broken; `last_whole` is the beginning of the last one that was not.
pub(super) fn others(element: &[u8], last_whole: &[u8]) -> Vec<usize> {
    let own = beginning(element).unwrap_or_default();
    let mut found = Vec::new();
    for wanted in [own, last_whole] {
        if !wanted.is_empty() && (found.is_empty() || wanted != own) {
            found.extend(memmem::find_iter(element, wanted).filter(|at| follows_comma(element, *at)));
        }
    }
    found.sort_unstable();
    found.dedup();
    if found.is_empty() || serde_json::from_slice::<IgnoredAny>(element).is_ok() {
        return Vec::new();
    }
    found
}

fn follows_comma(element: &[u8], at: usize) -> bool {
    element.get(..at).unwrap_or_default().trim_ascii_end().ends_with(b",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_known_by_its_first_key() {
        assert_eq!(beginning(b"{\"Id\":1}"), Some(&b"{\"Id\""[..]));
        assert_eq!(beginning(b"{\"\":1}"), Some(&b"{\"\""[..]));
        for none in [&b"{}"[..], b"{\"Id", b"{\"I\\u0064\":1}", b"[]", b""] {
            assert_eq!(beginning(none), None);
        }
    }

    #[test]
    fn only_what_is_broken_is_cut() {
        assert_eq!(others(b"{\"a\":[1,{\"a\":2}]}", b""), Vec::<usize>::new());
        assert_eq!(others(b"{\"a\":[1,{\"a\":2}]", b""), vec![8]);
        assert_eq!(others(b"{\"a\":1 , {\"b\":2},{\"a\":3}", b"{\"b\""), vec![9, 17]);
        assert_eq!(others(b"{\"a\":1 , {\"b\":2}", b""), Vec::<usize>::new());
        assert_eq!(others(b"{\"a\":\"{\"a\":2}", b""), Vec::<usize>::new(), "no comma stands before it");
    }
}
