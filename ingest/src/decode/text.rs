//! How texts of records become ids, names and lists that can be compared.

use schemas::record::{Record, mended};

use super::bounds::LIST_ITEMS_MAX;

/// The first path with a text that is not blank.
pub(super) fn first(record: &Record<'_>, paths: &[&str]) -> Option<String> {
    paths.iter().find_map(|path| record.text(path).filter(|text| !text.trim().is_empty()))
}

/// 8-4-4-4-12 hex digits.
pub(super) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Lower case and trimmed, without one of `prefixes` (each in lower case).
pub(super) fn stripped(text: &str, prefixes: &[&str]) -> String {
    let mut id = text.trim().to_lowercase();
    for prefix in prefixes {
        if let Some(rest) = id.strip_prefix(prefix) {
            id = rest.to_owned();
        }
    }
    id
}

/// Adds what is not there yet; one more than a list may have shows that it had more.
pub(super) fn add(list: &mut Vec<String>, item: String) {
    if list.len() <= LIST_ITEMS_MAX && !item.is_empty() && !list.contains(&item) {
        list.push(item);
    }
}

/// The items of a list that is a JSON array in a text, or separated by commas or semicolons.
pub(super) fn items(text: &str) -> Vec<String> {
    let in_json = || {
        let strict = serde_json::from_str(text).ok();
        strict.or_else(|| serde_json::from_slice(&mended(text.as_bytes())?).ok())
    };
    if text.trim_start().starts_with('[')
        && let Some(items) = in_json()
    {
        return items;
    }
    text.split([',', ';'])
        .map(|item| item.trim().trim_matches(['[', ']', '"', '\'']).trim().to_owned())
        .collect()
}
