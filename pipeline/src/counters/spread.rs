//! How long things took: counts by bounds that never change, and their sum.

use std::time::Duration;

/// The upper bounds in seconds. From a batch that is in memory to one that waits for a receiver's longest answer.
pub const BOUNDS: [f64; 12] = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 60.0, 300.0];

/// Durations, counted by [`BOUNDS`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spread {
    /// How many were at most as long as the bound of the same place, and longer than the one before it.
    pub within: [u64; BOUNDS.len()],
    /// How many there were, those beyond the last bound included.
    pub count: u64,
    /// How long they were together.
    pub sum: Duration,
}

impl Spread {
    /// Counts one.
    pub fn note(&mut self, lasted: Duration) {
        let seconds = lasted.as_secs_f64();
        if let Some((_, count)) = BOUNDS.iter().zip(&mut self.within).find(|(bound, _)| seconds <= **bound) {
            *count += 1;
        }
        self.count += 1;
        self.sum = self.sum.saturating_add(lasted);
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        for (own, other) in self.within.iter_mut().zip(other.within) {
            *own += other;
        }
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_at_the_first_bound_that_it_does_not_exceed() {
        let mut spread = Spread::default();
        for millis in [0, 1, 2, 300_000, 300_001] {
            spread.note(Duration::from_millis(millis));
        }
        assert_eq!(spread.within, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!((spread.count, spread.sum), (5, Duration::from_millis(600_004)));
        let mut twice = spread.clone();
        twice.add(&spread);
        assert_eq!((twice.within[0], twice.count, twice.sum), (4, 10, Duration::from_millis(1_200_008)));
    }

    #[test]
    fn bounds_rise() {
        assert!(BOUNDS.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
