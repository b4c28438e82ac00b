//! Rows: what of an accepted body the table holds.
//!
//! Source: "Azure Monitor service limits" (a field over 64 KB is truncated), "Standard columns" (`TimeGenerated` older than two
//! days or more than a day ahead is replaced by the time of receipt), "Logs Ingestion API" (a column that the stream does not
//! declare is dropped). Rows of an auxiliary table may not be further apart than 30 minutes.

use schemas::{
    Micros,
    time::{DAY, MINUTE},
};
use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};

use super::{Stream, error};
use crate::{call::Answer, times};

/// The longest value that a field keeps.
pub const FIELD_BYTES_MAX: usize = 64 * 1024;
/// The column that every table has.
const TIME: &str = "TimeGenerated";
/// How far apart the rows of an auxiliary table may be.
const AUXILIARY_SPAN: i64 = 30 * MINUTE;

/// What was lost after a 204, by stream: a workspace shows it in its own metrics only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses {
    /// Values of columns that are not declared.
    pub columns_dropped: u64,
    /// Values that were truncated.
    pub values_truncated: u64,
    /// Rows whose `TimeGenerated` was replaced.
    pub times_replaced: u64,
}

impl Losses {
    pub(super) fn add(&mut self, other: Self) {
        self.columns_dropped += other.columns_dropped;
        self.values_truncated += other.values_truncated;
        self.times_replaced += other.times_replaced;
    }
}

pub(super) fn take(
    body: &[u8],
    stream: &Stream,
    now: Micros,
    losses: &mut Losses,
) -> Result<Vec<Box<RawValue>>, Answer> {
    let refused = || error(400, "InvalidPayload", "The request body must be a JSON array of objects.");
    let rows: Vec<Map<String, Value>> = serde_json::from_slice(body).map_err(|_| refused())?;
    if stream.auxiliary {
        check_span(&rows)?;
    }
    rows.into_iter().map(|row| to_raw_value(&kept(row, stream, now, losses)).map_err(|_| refused())).collect()
}

fn check_span(rows: &[Map<String, Value>]) -> Result<(), Answer> {
    let times: Vec<Micros> = rows.iter().filter_map(|row| time(row.get(TIME))).collect();
    match (times.iter().min(), times.iter().max()) {
        (Some(first), Some(last)) if *last > first.plus(AUXILIARY_SPAN) => {
            let text = "The time range of the records is more than 30 minutes.";
            Err(error(400, "RecordsTimeRangeIsMoreThan30Minutes", text))
        }
        _ => Ok(()),
    }
}

fn time(value: Option<&Value>) -> Option<Micros> {
    Micros::parse(value?.as_str()?).ok()
}

fn kept(row: Map<String, Value>, stream: &Stream, now: Micros, losses: &mut Losses) -> Map<String, Value> {
    let mut kept = Map::new();
    for (name, value) in row {
        if !stream.columns.is_empty() && !stream.columns.contains(&name) {
            losses.columns_dropped += 1;
            continue;
        }
        let _new = kept.insert(name, truncated(value, losses));
    }
    let at = time(kept.get(TIME)).filter(|at| now.plus(-2 * DAY) <= *at && *at <= now.plus(DAY));
    if at.is_none() {
        losses.times_replaced += 1;
        let _old = kept.insert(TIME.to_owned(), times::millis(now).into());
    }
    kept
}

/// The value, or its first 64 KB as text.
fn truncated(value: Value, losses: &mut Losses) -> Value {
    let text = match value {
        Value::String(text) => text,
        Value::Object(_) | Value::Array(_) => {
            let text = value.to_string();
            if text.len() <= FIELD_BYTES_MAX {
                return value;
            }
            text
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => return value,
    };
    if text.len() <= FIELD_BYTES_MAX {
        return Value::String(text);
    }
    losses.values_truncated += 1;
    let end = (0..=FIELD_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    Value::String(text.get(..end).unwrap_or_default().to_owned())
}
