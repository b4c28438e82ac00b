//! Values as columns hold them: no field above the service's limit, no time that its type cannot hold.
//!
//! The service cuts a field above 64 KB off and tells nobody. Here it is cut before, where a character ends, and the
//! column is named in `Truncated`; the whole finding stays on its topic. Lists and maps lose entries from their end, so
//! that what is left is still JSON.

use std::collections::BTreeMap;

use schemas::Micros;
use serde::Serialize;

/// No field has more bytes: 64 KB, with room for what is counted differently.
pub(in crate::sinks) const FIELD_BYTES_MAX: usize = 64_000;
/// No value in a map has more, so that one does not push out the others.
const VALUE_BYTES_MAX: usize = 8_000;
/// No key in a map has more.
const KEY_BYTES_MAX: usize = 200;
/// The years 1 to 9999, less the last day: what a datetime column holds, and what can be written in every zone.
const TIMES: (Micros, Micros) = (Micros(-62_135_596_800_000_000), Micros(253_402_207_200_000_000));

/// Cuts the values of one record, and keeps which.
#[derive(Debug)]
pub(in crate::sinks) struct Cuts {
    bytes_max: usize,
    columns: Vec<&'static str>,
}

impl Cuts {
    /// For values that are columns by themselves.
    pub(in crate::sinks) fn new() -> Self {
        Self::within(FIELD_BYTES_MAX)
    }

    /// For values of at most so many bytes, several of which share a column.
    pub(in crate::sinks) fn within(bytes_max: usize) -> Self {
        Self { bytes_max, columns: Vec::new() }
    }

    /// A text as a column.
    pub(in crate::sinks) fn text<'a>(&mut self, column: &'static str, text: &'a str) -> &'a str {
        let cut = prefix(text, self.bytes_max);
        self.note(column, cut.len() < text.len());
        cut
    }

    /// A list as a column of JSON.
    pub(in crate::sinks) fn list<'a, T: Serialize>(
        &mut self,
        column: &'static str,
        items: &'a [T],
    ) -> &'a [T] {
        let (mut bytes, bytes_max) = (2, self.bytes_max);
        let fits = |item: &&T| {
            bytes += json_len(*item) + 1;
            bytes <= bytes_max
        };
        let count = items.iter().take_while(fits).count();
        self.note(column, count < items.len());
        items.get(..count).unwrap_or_default()
    }

    /// Names and values as a column of JSON.
    pub(in crate::sinks) fn map<'a>(
        &mut self,
        column: &'static str,
        entries: &'a BTreeMap<String, String>,
    ) -> BTreeMap<&'a str, &'a str> {
        let (mut kept, mut bytes, mut cut) = (BTreeMap::new(), 2, false);
        for (key, value) in entries {
            let (short_key, short) = (prefix(key, KEY_BYTES_MAX), prefix(value, VALUE_BYTES_MAX));
            cut |= short.len() < value.len() || short_key.len() < key.len();
            bytes += json_len(&short_key) + json_len(&short) + 2;
            if bytes > self.bytes_max {
                cut = true;
                break;
            }
            kept.insert(short_key, short);
        }
        self.note(column, cut);
        kept
    }

    /// The columns that were cut, by name.
    pub(in crate::sinks) fn names(&self) -> String {
        self.columns.join(", ")
    }

    fn note(&mut self, column: &'static str, cut: bool) {
        if cut {
            self.columns.push(column);
        }
    }
}

/// A time as a datetime column reads it.
pub(in crate::sinks) fn datetime(at: Micros) -> String {
    let (least, most) = TIMES;
    at.clamp(least, most).to_string()
}

/// A number as an int column holds it.
pub(in crate::sinks) fn int(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// The longest beginning of `text` with at most so many bytes.
fn prefix(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

fn json_len(value: &(impl Serialize + ?Sized)) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX / 2, |json| json.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_where_a_character_ends_and_the_column_is_named() {
        let mut cuts = Cuts::new();
        let fits = "a".repeat(FIELD_BYTES_MAX);
        assert_eq!(cuts.text("Fits", &fits), fits);
        assert_eq!(cuts.names(), "");
        // A character of two bytes across the border is left out whole.
        let long = format!("{}é", "a".repeat(FIELD_BYTES_MAX - 1));
        assert_eq!(cuts.text("Long", &long).len(), FIELD_BYTES_MAX - 1);
        assert_eq!(cuts.text("Longer", &long.repeat(3)).len(), FIELD_BYTES_MAX - 1);
        assert_eq!(cuts.names(), "Long, Longer");
    }

    #[test]
    fn what_is_left_of_lists_and_maps_is_json_below_the_limit() {
        let mut cuts = Cuts::new();
        let list: Vec<String> = (0..20_000).map(|number| format!("\"{number}\n")).collect();
        let kept = cuts.list("List", &list);
        let bytes = serde_json::to_vec(kept).unwrap().len();
        assert!(bytes <= FIELD_BYTES_MAX && bytes > FIELD_BYTES_MAX - 30, "{bytes}");
        let map: BTreeMap<String, String> =
            (0..100).map(|number| (format!("{number:03}"), "\u{1}".repeat(700 * number))).collect();
        let bytes = serde_json::to_vec(&cuts.map("Map", &map)).unwrap().len();
        assert!(bytes <= FIELD_BYTES_MAX && bytes > FIELD_BYTES_MAX / 2, "{bytes}");
        assert_eq!(cuts.names(), "List, Map");
        let small: BTreeMap<String, String> = [("k".repeat(KEY_BYTES_MAX + 1), "v".to_owned())].into();
        assert_eq!(cuts.map("Small", &small).keys().next().map(|key| key.len()), Some(KEY_BYTES_MAX));
        assert_eq!(cuts.names(), "List, Map, Small");
    }

    #[test]
    fn a_time_is_one_that_a_column_can_hold() {
        assert_eq!(datetime(Micros(1_614_834_967_000_999)), "2021-03-04T05:16:07.000999Z");
        assert_eq!(datetime(Micros::END), "9999-12-30T22:00:00Z");
        assert_eq!(datetime(Micros::START), "0001-01-01T00:00:00Z");
        assert_eq!((int(7), int(i64::MAX)), (7, i32::MAX));
    }
}
