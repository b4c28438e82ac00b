//! Finds the elements that a broken element of a list took in.
//!
//! An element that was cut has no end that brackets tell. The next one begins after a comma, with a first key that
//! elements of this list have: that is looked for, and only in what does not parse. Known are the broken one's own, that
//! of the last one before it, and those of the first 64 elements, as long as all of these are whole (records of one list
//! do not all begin alike). Elements that begin otherwise are not found; they are rejected with it, with their bytes.

use memchr::memmem;
use serde::de::IgnoredAny;

/// A first key longer than this is not looked for.
const KEY_BYTES_MAX: usize = 64;
/// So many elements tell how elements begin.
const LEARN_FROM: usize = 64;

/// How the elements of a list begin.
#[derive(Debug)]
pub(super) struct Beginnings {
    /// That of the last one.
    last: Vec<u8>,
    /// Those of the first ones, each once.
    first: Vec<Vec<u8>>,
    to_learn: usize,
}

impl Beginnings {
    pub(super) fn new() -> Self {
        Self { last: Vec::new(), first: Vec::new(), to_learn: LEARN_FROM }
    }

    /// An element has ended.
    pub(super) fn note(&mut self, element: &[u8]) {
        let Some(beginning) = beginning(element) else { return };
        if self.last != beginning {
            self.last = beginning.to_vec();
        }
        if self.to_learn > 0 {
            // After a broken one, what looks like an element may be a part of one.
            let is_whole = serde_json::from_slice::<IgnoredAny>(element).is_ok();
            self.to_learn = if is_whole { self.to_learn - 1 } else { 0 };
            if is_whole && !self.first.iter().any(|known| known == beginning) {
                self.first.push(beginning.to_vec());
            }
        }
    }

    /// Where other elements begin in `element`, if it is broken.
    pub(super) fn others(&self, element: &[u8]) -> Vec<usize> {
        let own = beginning(element).unwrap_or_default();
        let mut wanted: Vec<&[u8]> = [own, &self.last].into_iter().filter(|text| !text.is_empty()).collect();
        wanted.extend(self.first.iter().map(Vec::as_slice));
        wanted.sort_unstable();
        wanted.dedup();
        let places = wanted.into_iter().flat_map(|text| memmem::find_iter(element, text));
        let mut found: Vec<usize> = places.filter(|at| follows_comma(element, *at)).collect();
        found.sort_unstable();
        if found.is_empty() || serde_json::from_slice::<IgnoredAny>(element).is_ok() {
            return Vec::new();
        }
        found
    }
}

/// The brace and the first key of an object: `{"Id"`.
fn beginning(element: &[u8]) -> Option<&[u8]> {
    let key = element.strip_prefix(b"{\"")?;
    let end = memchr::memchr2(b'"', b'\\', key.get(..key.len().min(KEY_BYTES_MAX))?)?;
    (key.get(end) == Some(&b'"')).then(|| element.get(..end + 3)).flatten()
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

    fn others(element: &[u8], before: &[u8]) -> Vec<usize> {
        let mut beginnings = Beginnings::new();
        beginnings.note(before);
        beginnings.others(element)
    }

    #[test]
    fn elements_begin_as_the_first_ones_did_until_one_is_broken() {
        let mut beginnings = Beginnings::new();
        for element in [&b"{\"a\":1}"[..], b"{\"b\":2}", b"{\"c\":3", b"{\"d\":4}", b"{\"e\":5}"] {
            beginnings.note(element);
        }
        let broken = b"{\"x\":[1,{\"a\":1},{\"b\":2},{\"c\":3},{\"d\":4},{\"e\":5}";
        assert_eq!(beginnings.others(broken), vec![8, 16, 40]);
    }

    #[test]
    fn only_what_is_broken_is_cut() {
        assert_eq!(others(b"{\"a\":[1,{\"a\":2}]}", b""), Vec::<usize>::new());
        assert_eq!(others(b"{\"a\":[1,{\"a\":2}]", b""), vec![8]);
        assert_eq!(others(b"{\"a\":1 , {\"b\":2},{\"a\":3}", b"{\"b\":1}"), vec![9, 17]);
        assert_eq!(others(b"{\"a\":1 , {\"b\":2}", b""), Vec::<usize>::new());
        assert_eq!(others(b"{\"a\":\"{\"a\":2}", b""), Vec::<usize>::new(), "no comma stands before it");
    }
}
