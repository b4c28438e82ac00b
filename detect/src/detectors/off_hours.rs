//! Off hours: somebody at work outside the configured hours and outside the configured places.
//!
//! Match folds an event in only when both are *known* and both say no; unknown is silent. Every hour with such an event
//! is a finding.

use std::ops::RangeInclusive;

use schemas::{Micros, time::HOUR};

use super::{Detector, Occurrence, Reading, Slots, slots::reading};

/// Events that an hour keeps as evidence.
const EVIDENCE_MAX: usize = 64;

/// Hours in which it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffHours;

impl Detector for OffHours {
    fn kind(&self) -> &'static str {
        "off_hours"
    }

    fn shape(&self) -> String {
        "off_hours".to_owned()
    }

    fn fold(&self, state: &mut Slots, occurrence: &Occurrence<'_>) {
        state.add(self.bucket_of(occurrence.time), occurrence, EVIDENCE_MAX);
    }

    fn read(&self, state: &Slots, bucket: i64) -> Option<Reading> {
        let hour = state.between(bucket, bucket).first()?;
        Some(reading(hour.count(), &[hour]))
    }

    fn bucket_of(&self, time: Micros) -> i64 {
        time.0.div_euclid(HOUR)
    }

    fn bucket_start(&self, bucket: i64) -> Micros {
        Micros(bucket.saturating_mul(HOUR))
    }

    fn reach(&self, time: Micros) -> RangeInclusive<i64> {
        self.bucket_of(time)..=self.bucket_of(time)
    }

    fn horizon(&self) -> i64 {
        HOUR
    }

    fn slot(&self) -> i64 {
        HOUR
    }
}
