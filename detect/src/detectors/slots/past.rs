//! What kinds that look far back keep of slots that are frozen: counts by unit of time, and last times by value.
//!
//! Both lists are in order and without doubles, so that they are functions of what was noted. A unit is an hour or a
//! day, the kind says which. How many there are is the kind's to bound: it forgets what its horizon has passed.

use serde::{Deserialize, Serialize};

/// What is left of frozen slots.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::detectors) struct Past {
    /// By unit of time (an hour, a day: the kind says) how much there was, in the order of time; 8 bytes each.
    pub(in crate::detectors) counts: Vec<(i32, u32)>,
    /// By hash of a value the last unit of time that had it, in the order of hashes; 16 bytes each.
    pub(in crate::detectors) last: Vec<(u64, i32)>,
}

impl Past {
    pub(in crate::detectors) fn is_empty(&self) -> bool {
        self.counts.is_empty() && self.last.is_empty()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.counts.capacity() * size_of::<(i32, u32)>() + self.last.capacity() * size_of::<(u64, i32)>()
    }

    /// Adds a unit of time after all others, or to the last one.
    pub(in crate::detectors) fn note_count(&mut self, index: i64, count: u64) {
        let (index, count) = (unit(index), u32::try_from(count).unwrap_or(u32::MAX));
        match self.counts.last_mut() {
            Some((last, counted)) if *last >= index => *counted = counted.saturating_add(count),
            _ => self.counts.push((index, count)),
        }
    }

    /// Notes that a value was there then.
    pub(in crate::detectors) fn note_last(&mut self, value: u64, index: i64) {
        let index = unit(index);
        match self.last.binary_search_by_key(&value, |(value, _)| *value) {
            Ok(at) => {
                if let Some((_, last)) = self.last.get_mut(at) {
                    *last = (*last).max(index);
                }
            }
            Err(at) => self.last.insert(at, (value, index)),
        }
    }

    /// The last unit of time that had the value.
    pub(in crate::detectors) fn last_of(&self, value: u64) -> Option<i64> {
        let at = self.last.binary_search_by_key(&value, |(value, _)| *value).ok()?;
        self.last.get(at).map(|(_, index)| i64::from(*index))
    }

    /// Forgets what was counted before that unit of time.
    pub(in crate::detectors) fn forget_counts(&mut self, first: i64) {
        let keep = self.counts.partition_point(|(index, _)| i64::from(*index) < first);
        self.counts.drain(..keep);
    }

    /// Forgets the values whose last time was before that.
    pub(in crate::detectors) fn forget_last(&mut self, first: i64) {
        self.last.retain(|(_, index)| i64::from(*index) >= first);
    }
}

/// Hours and days since the epoch fit: 32 bits of hours are 245,000 years.
fn unit(index: i64) -> i32 {
    i32::try_from(index).unwrap_or(if index < 0 { i32::MIN } else { i32::MAX })
}
