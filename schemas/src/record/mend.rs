//! JSON that real writers send and serde_json refuses, as JSON that it reads.
//!
//! * Half of a surrogate pair (`"cut \ud83d"`: .NET and PowerShell cut texts inside a character) becomes `\ufffd`.
//! * A number that no 64-bit float holds (`1e999`, 400 digits) becomes a string of its text.
//!
//! Nothing else changes, and what is not JSON does not become it. The work is one pass over the bytes.

use serde::de::IgnoredAny;

const REPLACEMENT: &[u8] = br"\ufffd";

/// `json` as serde_json reads it; `None` where there is nothing to mend.
///
/// Only for what was refused: it copies all of it.
#[must_use]
pub fn mended(json: &[u8]) -> Option<Vec<u8>> {
    let mut mended = Vec::with_capacity(json.len());
    let (mut rest, mut in_text, mut is_changed) = (json, false, false);
    while !rest.is_empty() {
        let length = if in_text { length_in_text(rest) } else { length_outside(rest) };
        let (token, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        rest = after;
        if token == b"\"" {
            in_text = !in_text;
        }
        if in_text && is_half(token) {
            mended.extend_from_slice(REPLACEMENT);
            is_changed = true;
        } else if !in_text && is_too_large(token) {
            mended.push(b'"');
            mended.extend_from_slice(token);
            mended.push(b'"');
            is_changed = true;
        } else {
            mended.extend_from_slice(token);
        }
    }
    is_changed.then_some(mended)
}

/// In a string: an escape (both of a surrogate pair), the quote that ends it, or all up to one of them.
fn length_in_text(rest: &[u8]) -> usize {
    match rest {
        [b'"', ..] => 1,
        [b'\\', b'u', ..] if is_pair(rest) => 12,
        [b'\\', b'u', ..] => 6,
        [b'\\', ..] => 2,
        _ => rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(rest.len()),
    }
}

/// Outside of strings: a number, the quote that begins a string, or all up to one of them.
fn length_outside(rest: &[u8]) -> usize {
    let end = match rest {
        [b'"', ..] => Some(1),
        [first, ..] if begins_number(*first) => {
            rest.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
        }
        _ => rest.iter().position(|byte| *byte == b'"' || begins_number(*byte)),
    };
    end.unwrap_or(rest.len())
}

fn begins_number(byte: u8) -> bool {
    byte == b'-' || byte.is_ascii_digit()
}

/// A number as JSON writes it, which the reader refuses all the same. To ignore a number is to check its grammar only.
fn is_too_large(token: &[u8]) -> bool {
    token.first().is_some_and(|first| begins_number(*first))
        && serde_json::from_slice::<IgnoredAny>(token).is_ok()
        && serde_json::from_slice::<f64>(token).is_err()
}

/// The escape of one half of a pair. Halves that stand together were taken as a pair before.
fn is_half(token: &[u8]) -> bool {
    token.len() == 6 && code_unit(token).is_some_and(|unit| (0xD800..0xE000).contains(&unit))
}

fn is_pair(rest: &[u8]) -> bool {
    let unit = |at: usize| rest.get(at..).and_then(code_unit);
    unit(0).is_some_and(|unit| (0xD800..0xDC00).contains(&unit))
        && unit(6).is_some_and(|unit| (0xDC00..0xE000).contains(&unit))
}

/// The UTF-16 code unit of the escape that `rest` begins with.
fn code_unit(rest: &[u8]) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = rest else { return None };
    digits.get(..4)?.iter().try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn text_of(json: &str) -> Option<String> {
        mended(json.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_half_becomes_the_replacement_character_and_a_pair_stays() {
        for (half, whole) in [
            (r#"["cut \ud83d"]"#, r#"["cut \ufffd"]"#),
            (r#"["\uDE00 first"]"#, r#"["\ufffd first"]"#),
            (r#"["\ud83d\ud83d\ude00\ude00"]"#, r#"["\ufffd\ud83d\ude00\ufffd"]"#),
            (r#"["\ud83d\u0041","\ud83d\n","\ud83dx"]"#, r#"["\ufffd\u0041","\ufffd\n","\ufffdx"]"#),
            (r#"{"k\ud83d":"\\ud83d"}"#, r#"{"k\ufffd":"\\ud83d"}"#),
            (r#"["\\\ud83d\""]"#, r#"["\\\ufffd\""]"#),
        ] {
            assert!(serde_json::from_str::<Value>(half).is_err(), "{half}");
            assert_eq!(text_of(half).as_deref(), Some(whole));
            assert!(serde_json::from_str::<Value>(whole).is_ok(), "{whole}");
        }
    }

    #[test]
    fn a_number_that_is_too_large_becomes_its_text() {
        let digits = "9".repeat(400);
        for number in [digits.as_str(), "1e999", "-1E+999", "1.5e400", "2e308", "1e99999999999"] {
            let json = format!("{{\"a\":[{number},1],\"b\":{number}}}");
            assert!(serde_json::from_str::<Value>(&json).is_err(), "{number}");
            let whole = format!("{{\"a\":[\"{number}\",1],\"b\":\"{number}\"}}");
            assert_eq!(text_of(&json), Some(whole));
        }
    }

    #[test]
    fn what_is_read_or_is_no_json_stays() {
        for json in [
            r#"{"a":"1e999 \\ud83d \ud83d\ude00","b":[1e308,-5,0.1,1e-999,18446744073709551616]}"#,
            "[1e999.5]",
            "[01e999]",
            r#"["\ud8"#,
            r#"["\u"]"#,
            "\\ud83d",
            "",
        ] {
            assert_eq!(text_of(json), None, "{json}");
        }
    }

    proptest! {
        /// Whatever the pieces are: mended once is mended for good, and it can be read if their frame can.
        #[test]
        fn any_pieces_can_be_read(
            texts in prop::collection::vec(r#"(\\u(d8|DB|dc|DF|00)[0-9a-f]{2}|\\\\|\\"|[a-z"&&[^"]]|ä){0,9}"#, 1..5),
            numbers in prop::collection::vec("-?[1-9][0-9]{0,3}(\\.[0-9]{1,3})?(e[0-9]{1,4})?", 1..5),
        ) {
            let json = format!("[\"{}\",{}]", texts.join("\",\""), numbers.join(","));
            let once = mended(json.as_bytes());
            let readable = once.as_deref().unwrap_or(json.as_bytes());
            let items = serde_json::from_slice::<Vec<Value>>(readable).unwrap();
            prop_assert_eq!(items.len(), texts.len() + numbers.len());
            prop_assert_eq!(serde_json::from_str::<Value>(&json).is_err(), once.is_some());
            prop_assert_eq!(mended(readable), None);
        }

        #[test]
        fn any_bytes_are_bytes(bytes in prop::collection::vec(prop::sample::select(&b"\"\\ud8c1e9-+.,[]{} \xff"[..]), 0..60)) {
            if let Some(once) = mended(&bytes) {
                prop_assert_eq!(mended(&once), None);
            }
        }
    }
}
