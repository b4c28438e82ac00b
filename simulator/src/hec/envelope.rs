//! Takes a body of the event endpoint apart.
//!
//! Source: "Format events for HTTP Event Collector": JSON objects one after the other, each with `event` and with none or
//! more of `time`, `host`, `source`, `sourcetype`, `index`, `fields`; an array of them is taken as well. Measured at 10.4.3:
//! - A refusal (6, 12, 13, 15) names the bad event; the ones before it are indexed, it and the ones after it are not.
//! - Code 7 names the event *after* the bad one; the ones before the bad one are indexed.
//! - An unknown top-level key: 200, and only the events before that one are indexed. If there were none: code 5.
//! - An object with `fields` and without `event` is passed over, with 200.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::{HecToken, MAIN, codes::Code};

/// What became of a body.
pub(super) struct Taken {
    /// The envelopes that are indexed, each with its index.
    pub(super) events: Vec<(String, Box<RawValue>)>,
    /// Why not all of them, and which event the answer names.
    pub(super) refused: Option<(Code, Option<usize>)>,
}

/// What one object is.
enum Found {
    Event(String),
    /// Passed over without a word.
    Skipped,
    /// Ends the body without a word.
    Unknown,
    Bad(Code),
}

pub(super) fn take(body: &[u8], token: &HecToken) -> Taken {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    let mut taken = Taken { events: Vec::new(), refused: None };
    let objects: Box<dyn Iterator<Item = Result<Box<RawValue>, serde_json::Error>> + '_> = match first {
        None => {
            taken.refused = Some((Code::NoData, None));
            return taken;
        }
        Some(b'[') => match serde_json::from_slice::<Vec<Box<RawValue>>>(body) {
            Ok(objects) => Box::new(objects.into_iter().map(Ok)),
            Err(error) => Box::new(std::iter::once(Err(error))),
        },
        Some(_) => Box::new(serde_json::Deserializer::from_slice(body).into_iter::<Box<RawValue>>()),
    };
    let mut seen = 0;
    for (number, object) in objects.enumerate() {
        let Ok(object) = object else {
            taken.refused = Some((Code::InvalidData, Some(number)));
            return taken;
        };
        match judge(&object, token) {
            Found::Event(index) => taken.events.push((index, object)),
            Found::Skipped => {}
            Found::Unknown => break,
            Found::Bad(code) => {
                let named = if code == Code::WrongIndex { number + 1 } else { number };
                taken.refused = Some((code, Some(named)));
                return taken;
            }
        }
        seen += 1;
    }
    if seen == 0 {
        taken.refused = Some((Code::NoData, None));
    }
    taken
}

fn judge(object: &RawValue, token: &HecToken) -> Found {
    let Ok(keys) = serde_json::from_str::<BTreeMap<String, &RawValue>>(object.get()) else {
        return Found::Bad(Code::InvalidData);
    };
    let known = ["time", "host", "source", "sourcetype", "index", "event", "fields"];
    if keys.keys().any(|key| !known.contains(&key.as_str())) {
        return Found::Unknown;
    }
    let get = |key: &str| keys.get(key).map(|value| value.get());
    match get("event") {
        None if get("fields").is_some() => return Found::Skipped,
        None => return Found::Bad(Code::EventMissing),
        Some("null" | "\"\"") => return Found::Bad(Code::EventBlank),
        Some(_) => {}
    }
    if get("time").is_some_and(|time| !is_time(time)) {
        return Found::Bad(Code::InvalidData);
    }
    if get("fields").is_some_and(|fields| !is_flat(fields)) {
        return Found::Bad(Code::BadFields);
    }
    let index = match get("index").map(serde_json::from_str::<String>) {
        None => token.indexes.first().cloned().unwrap_or_else(|| MAIN.to_owned()),
        Some(Ok(index)) => index,
        Some(Err(_)) => return Found::Bad(Code::InvalidData),
    };
    if !token.indexes.is_empty() && !token.indexes.contains(&index) {
        return Found::Bad(Code::WrongIndex);
    }
    Found::Event(index)
}

/// Seconds since 1970 as a number or as a text with a number.
fn is_time(raw: &str) -> bool {
    let text: String = serde_json::from_str(raw).unwrap_or_else(|_| raw.to_owned());
    text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Whether indexed fields are one object of scalars and of arrays of scalars.
fn is_flat(raw: &str) -> bool {
    let scalar = |raw: &RawValue| !raw.get().starts_with(['{', '[']);
    let Ok(fields) = serde_json::from_str::<BTreeMap<String, &RawValue>>(raw) else { return false };
    fields.values().all(|value| {
        scalar(value)
            || serde_json::from_str::<Vec<&RawValue>>(value.get())
                .is_ok_and(|values| values.iter().all(|value| scalar(value)))
    })
}
