//! Waiting for a broker: growing waits that a stop ends at once, and warnings that do not flood.

use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

use pipeline::{Clock, LogError, retry::RetryPolicy};
use schemas::{Micros, time::SECOND};

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
    /// Since when something is missing, and when that was seen last.
    missing: Option<(Micros, Micros)>,
}

/// The first waits are short, since most troubles are; with the longest, a broker that is back is seen soon.
const WAIT_FIRST: Duration = Duration::from_millis(50);
const WAIT_MOST: Duration = Duration::from_secs(5);
/// Below that many tries in a row nothing is said: elections and rebalances are everyday life. Then at each doubling.
const TRIES_SILENT: u32 = 4;

/// A broker that has just started may not know its topics yet: so long nobody believes it.
const MISSING_FOR: i64 = 40 * SECOND;

impl Patience {
    /// Whether this is not the end yet, and is tried again.
    pub(super) fn bears(&mut self, ending: &LogError) -> bool {
        self.bears_at(ending, Clock::machine().now())
    }

    fn bears_at(&mut self, ending: &LogError, now: Micros) -> bool {
        if !matches!(ending, LogError::Missing(_)) {
            return false;
        }
        let again = |(_, last): &(Micros, Micros)| now.0.saturating_sub(last.0) < MISSING_FOR;
        let (since, _) = self.missing.filter(again).unwrap_or((now, now));
        self.missing = Some((since, now));
        now.0.saturating_sub(since.0) < MISSING_FOR
    }

    pub(super) fn new(what: &'static str) -> Self {
        Self { what, policy: RetryPolicy::new(WAIT_FIRST, WAIT_MOST), tries: 0, missing: None }
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
        (self.tries, self.missing) = (0, None);
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

    #[test]
    fn a_topic_that_is_missing_is_believed_after_a_while_and_nothing_else_is_borne() {
        let mut patience = Patience::new("x");
        let missing = LogError::Missing("a topic".to_owned());
        assert!(!patience.bears_at(&LogError::Refused(String::new()), Micros(0)));
        for _ in 0..100 {
            patience.note(&"away");
            assert!(patience.bears_at(&missing, Micros(5)), "other trouble does not count");
        }
        assert!(patience.bears_at(&missing, Micros(4 + MISSING_FOR)));
        assert!(!patience.bears_at(&missing, Micros(5 + MISSING_FOR)));
        let later = Micros(5 + 3 * MISSING_FOR);
        assert!(patience.bears_at(&missing, later), "nobody has missed it for long");
        patience.reset();
        assert!(patience.bears_at(&missing, later), "it was there in between");
    }
}
