//! Time: microseconds since 1970-01-01 UTC, as Avro's `timestamp-micros`.

use std::fmt;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// Microseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(pub i64);

/// One second.
pub const SECOND: i64 = 1_000_000;
/// One minute.
pub const MINUTE: i64 = 60 * SECOND;
/// One hour.
pub const HOUR: i64 = 60 * MINUTE;
/// One day.
pub const DAY: i64 = 24 * HOUR;

/// A text that is not a time, with the parser's reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoTime(String);

impl Micros {
    /// The end of time: what a finished feed declares as its watermark.
    pub const END: Self = Self(i64::MAX);
    /// Before every event.
    pub const START: Self = Self(i64::MIN);

    /// Reads ISO 8601 with or without a fraction; without a zone it is UTC, as the Management Activity API writes it.
    ///
    /// # Errors
    /// [`NoTime`] for anything else, out-of-range fields included.
    pub fn parse(text: &str) -> Result<Self, NoTime> {
        let text = text.trim();
        let reason = |error: jiff::Error| NoTime(error.to_string());
        if let Ok(at) = text.parse::<Timestamp>() {
            return Ok(Self(at.as_microsecond()));
        }
        let civil: DateTime = text.parse().map_err(reason)?;
        let at = civil.to_zoned(TimeZone::UTC).map_err(reason)?.timestamp();
        Ok(Self(at.as_microsecond()))
    }

    /// This moment plus `micros`, held inside the range.
    #[must_use]
    pub fn plus(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// The jiff timestamp, where it lies in jiff's range (years -9999 to 9999).
    #[must_use]
    pub fn timestamp(self) -> Option<Timestamp> {
        Timestamp::from_microsecond(self.0).ok()
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.timestamp() {
            Some(at) => at.fmt(f),
            None => f.write_str(if self.0 > 0 { "end of time" } else { "before all time" }),
        }
    }
}

impl fmt::Debug for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_zone_is_utc() {
        let utc = Micros::parse("2021-03-04T05:06:07Z").unwrap();
        assert_eq!(Micros::parse("2021-03-04T05:06:07"), Ok(utc));
        assert_eq!(Micros::parse("2021-03-04T07:06:07+02:00"), Ok(utc));
        assert_eq!(Micros::parse("2021-03-04T05:06:07.0000000Z"), Ok(utc));
        assert_eq!(utc, Micros(1_614_834_367 * SECOND));
        assert_eq!(utc.to_string(), "2021-03-04T05:06:07Z");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "yesterday", "2021-03-04T05:06:65", "2021-13-04T05:06:07", "2021-02-30T00:00:00"] {
            assert!(Micros::parse(text).is_err(), "{text}");
        }
    }
}
