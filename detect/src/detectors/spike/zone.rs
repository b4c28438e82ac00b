//! The zone whose hours and days a baseline has.

use jiff::tz::TimeZone;
use schemas::{
    Micros,
    time::{HOUR, SECOND},
};

const HOUR_SECONDS: i64 = HOUR / SECOND;

/// A time zone; UTC where none is configured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Zone(Option<TimeZone>);

impl Zone {
    /// The zone of that IANA name, `Europe/Berlin` for example.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        if name == "UTC" {
            return Some(Self::default());
        }
        TimeZone::get(name).ok().map(|zone| Self(Some(zone)))
    }

    /// The hour of the local clock, counted from the clock's own 1970, in which an hour of the epoch begins. When the
    /// clock is put back two hours have one number; when it is put on, one number has none.
    #[must_use]
    pub fn local_hour(&self, hour: i64) -> i64 {
        let Some(zone) = &self.0 else { return hour };
        let Some(time) = Micros(hour.saturating_mul(HOUR)).timestamp() else { return hour };
        let offset = i64::from(zone.to_offset(time).seconds());
        hour.saturating_mul(HOUR_SECONDS).saturating_add(offset).div_euclid(HOUR_SECONDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_clock_jumps_where_the_zone_does() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        // 2026-03-29T00:00Z: at 01:00Z clocks go from 02:00 to 03:00. 2026-10-25T00:00Z: back from 03:00 to 02:00.
        let (spring, autumn) = (20_541 * 24, 20_751 * 24);
        let local = |zone: &Zone, hour: i64| zone.local_hour(hour) - hour;
        assert_eq!([local(&berlin, spring), local(&berlin, spring + 1)], [1, 2]);
        assert_eq!(berlin.local_hour(autumn), berlin.local_hour(autumn + 1));
        assert_eq!(local(&Zone::named("Asia/Kolkata").unwrap(), spring), 5, "half past five");
        assert_eq!(local(&Zone::named("UTC").unwrap(), spring), 0);
        assert_eq!(Zone::named("Nowhere/At-All"), None);
    }
}
