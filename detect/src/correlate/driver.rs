//! The driver: one for all kinds. It reads the buckets in reach, compares with what was said, and says what changed.
//!
//! A bucket whose end the floor has passed is frozen: it is not read, so it is never created, changed or closed again,
//! even where the state that is left would say otherwise.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use schemas::{Micros, finding::Change};
use serde::{Deserialize, Serialize};

use crate::detectors::{Detector, Reading, Slots};

/// What was said about the buckets of one rule and key that are not frozen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Open(BTreeMap<i64, Said>);

/// The last revision of one finding. A closed one is kept until it is frozen, so that its revisions go on rising.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Said {
    revision: i32,
    digest: u64,
    closed: bool,
}

/// What is to be said now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Revision {
    pub(super) bucket: i64,
    pub(super) number: i32,
    pub(super) change: Change,
    /// Absent for a close.
    pub(super) reading: Option<Reading>,
}

impl Open {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The oldest bucket.
    pub(super) fn first(&self) -> Option<i64> {
        self.0.first_key_value().map(|(bucket, _)| *bucket)
    }

    /// Forgets what was said about these buckets.
    pub(super) fn forget(&mut self, is_frozen: impl Fn(i64) -> bool) {
        self.0.retain(|bucket, _| !is_frozen(*bucket));
    }

    /// The memory taken, in bytes, as a rough figure: the entries of a tree and as much again for its nodes.
    pub(super) fn bytes(&self) -> usize {
        self.0.len() * 2 * size_of::<(i64, Said)>()
    }

    /// Reads the buckets in these ranges and says what changed; the findings said so far are updated.
    pub(super) fn compare(
        &mut self,
        detector: &dyn Detector,
        slots: &Slots,
        ranges: &BTreeSet<(i64, i64)>,
        floor: Micros,
    ) -> Vec<Revision> {
        let mut buckets = BTreeSet::new();
        for range in merged(ranges) {
            buckets.extend(detector.candidates(slots, range.clone()));
            buckets.extend(self.0.range(range).map(|(bucket, _)| *bucket));
        }
        let open = buckets.into_iter().filter(|bucket| detector.bucket_end(*bucket) > floor);
        open.filter_map(|bucket| self.revise(bucket, detector.read(slots, bucket))).collect()
    }

    fn revise(&mut self, bucket: i64, reading: Option<Reading>) -> Option<Revision> {
        let before = self.0.get(&bucket).copied();
        let number = before.map_or(1, |said| said.revision.saturating_add(1));
        let (change, said) = match (&reading, before) {
            (None, None) => return None,
            (None, Some(said)) if said.closed => return None,
            (None, Some(said)) => (Change::Close, Said { revision: number, closed: true, ..said }),
            (Some(reading), before) => {
                let digest = reading.digest();
                if before.is_some_and(|said| !said.closed && said.digest == digest) {
                    return None;
                }
                let change = if before.is_some() { Change::Update } else { Change::Create };
                (change, Said { revision: number, digest, closed: false })
            }
        };
        self.0.insert(bucket, said);
        Some(Revision { bucket, number, change, reading })
    }
}

/// The same buckets in ranges that do not overlap.
fn merged(ranges: &BTreeSet<(i64, i64)>) -> Vec<RangeInclusive<i64>> {
    let mut merged: Vec<RangeInclusive<i64>> = Vec::new();
    for (first, last) in ranges {
        match merged.last_mut() {
            Some(range) if first <= range.end() => *range = *range.start()..=*last.max(range.end()),
            _ => merged.push(*first..=*last),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use schemas::EventId;

    use super::*;
    use crate::detectors::{Occurrence, off_hours::OffHours};

    fn reading(count: u64) -> Option<Reading> {
        let at = Micros(0);
        Some(Reading {
            count,
            events: count,
            first: at,
            last: at,
            evidence: vec![EventId::default()],
            values: Vec::new(),
            actors: Vec::new(),
            facts: BTreeMap::new(),
        })
    }

    #[test]
    fn a_frozen_bucket_is_not_read() {
        let mut slots = Slots::default();
        let occurrence = Occurrence {
            time: Micros(0),
            event: EventId::default(),
            actor: "",
            roles: 1,
            values: Vec::new(),
            facts: Vec::new(),
        };
        OffHours.fold(&mut slots, &occurrence);
        let mut open = Open::default();
        let zero = BTreeSet::from([(0, 0)]);
        assert_eq!(open.compare(&OffHours, &slots, &zero, OffHours.bucket_end(0)), []);
        assert_eq!(open.compare(&OffHours, &slots, &zero, Micros(OffHours.bucket_end(0).0 - 1)).len(), 1);
        assert_eq!(
            open.compare(&OffHours, &Slots::default(), &zero, OffHours.bucket_end(0)),
            [],
            "nor closed"
        );
    }

    #[test]
    fn ranges_that_overlap_are_read_once() {
        let ranges = BTreeSet::from([(0, 3), (1, 2), (3, 5), (7, 7)]);
        assert_eq!(merged(&ranges), [0..=5, 7..=7]);
    }

    #[test]
    fn a_finding_is_created_updated_closed_and_comes_back_with_rising_revisions() {
        let mut open = Open::default();
        let steps = [reading(5), reading(5), reading(6), None, None, reading(6), None];
        let said: Vec<_> =
            steps.into_iter().map(|step| open.revise(7, step).map(|r| (r.number, r.change))).collect();
        let expected = [
            Some((1, Change::Create)),
            None,
            Some((2, Change::Update)),
            Some((3, Change::Close)),
            None,
            Some((4, Change::Update)),
            Some((5, Change::Close)),
        ];
        assert_eq!(said, expected);
    }
}
