//! How long to wait before trying again: exponential, with jitter, without end.
//!
//! The only file that names the `backoff` crate. Its default gives up after 15 minutes of trying; a worker never may,
//! so the total time limit is taken away here.

use std::time::Duration;

use backoff::{ExponentialBackoff, backoff::Backoff as _};

/// Waits that grow from `first` to `most`, a quarter up or down by chance.
#[derive(Debug)]
pub struct RetryPolicy(ExponentialBackoff);

impl RetryPolicy {
    /// Waits that double from `first` up to `most`.
    #[must_use]
    pub fn new(first: Duration, most: Duration) -> Self {
        let mut policy = ExponentialBackoff {
            current_interval: first,
            initial_interval: first,
            randomization_factor: 0.25,
            multiplier: 2.0,
            max_interval: most,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        policy.reset();
        Self(policy)
    }

    /// The next wait, at least `told` where the other side said how long.
    pub fn next_wait(&mut self, told: Option<Duration>) -> Duration {
        let own = self.0.next_backoff().unwrap_or(self.0.max_interval);
        told.map_or(own, |told| told.max(own))
    }

    /// Something worked: the next wait is the first again.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

impl Default for RetryPolicy {
    /// 100 ms up to 30 s.
    fn default() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(30))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_bound_and_never_end() {
        let (first, most) = (Duration::from_millis(100), Duration::from_secs(2));
        let mut policy = RetryPolicy::new(first, most);
        let waits: Vec<Duration> = (0..1000).map(|_| policy.next_wait(None)).collect();
        assert!(waits[0] >= first.mul_f64(0.74) && waits[0] <= first.mul_f64(1.26));
        assert!(waits.iter().all(|wait| *wait <= most.mul_f64(1.26)));
        assert!(waits[999] >= most.mul_f64(0.74));
        policy.reset();
        assert!(policy.next_wait(None) <= first.mul_f64(1.26));
    }

    #[test]
    fn what_the_other_side_says_is_the_least() {
        let told = Duration::from_secs(900);
        assert_eq!(RetryPolicy::default().next_wait(Some(told)), told);
    }
}
