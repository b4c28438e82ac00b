//! Waiting for a broker: growing waits that a stop ends at once, and warnings that do not flood.

use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

use pipeline::retry::RetryPolicy;

/// Told once, for good: whoever waits stops waiting.
#[derive(Debug, Default)]
pub(super) struct Stop {
    stopped: Mutex<bool>,
    told: Condvar,
}

impl Stop {
    pub(super) fn stop(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.told.notify_all();
    }

    pub(super) fn is_stopped(&self) -> bool {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, but not longer than until it is told; says whether it was.
    pub(super) fn wait(&self, most: Duration) -> bool {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.told.wait_timeout_while(stopped, most, |stopped| !*stopped);
        let (stopped, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *stopped
    }
}

/// How often the same thing has been tried, and how long to wait before the next time.
#[derive(Debug)]
pub(super) struct Patience {
    /// What is tried, for the log.
    what: &'static str,
    policy: RetryPolicy,
    tries: u32,
}

/// The first waits are short, since most troubles are; with the longest, a broker that is back is seen soon.
const WAIT_FIRST: Duration = Duration::from_millis(50);
const WAIT_MOST: Duration = Duration::from_secs(5);
/// Below that many tries in a row nothing is said: elections and rebalances are everyday life. Then at each doubling.
const TRIES_SILENT: u32 = 4;

impl Patience {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, policy: RetryPolicy::new(WAIT_FIRST, WAIT_MOST), tries: 0 }
    }

    /// Waits before the next try; says whether it was stopped.
    pub(super) fn wait(&mut self, stop: &Stop, cause: &dyn std::fmt::Display) -> bool {
        self.note(cause);
        stop.wait(self.policy.next_wait(None))
    }

    /// It did not work, and is tried again by somebody who waits anyway.
    pub(super) fn note(&mut self, cause: &dyn std::fmt::Display) {
        self.tries = self.tries.saturating_add(1);
        if self.tries >= TRIES_SILENT && self.tries.is_power_of_two() {
            tracing::warn!(what = self.what, tries = self.tries, %cause, "kafka does not answer as it should; trying on");
        }
    }

    /// It worked.
    pub(super) fn reset(&mut self) {
        if self.tries >= TRIES_SILENT {
            tracing::info!(what = self.what, tries = self.tries, "kafka answers again");
        }
        self.tries = 0;
        self.policy.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_ends_every_wait() {
        let stop = Stop::default();
        assert!(!stop.wait(Duration::ZERO));
        stop.stop();
        assert!(stop.wait(Duration::from_secs(3600)));
        assert!(Patience::new("x").wait(&stop, &"y"));
    }
}
