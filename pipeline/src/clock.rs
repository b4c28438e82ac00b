//! The clock that workers read and wait by: the machine's, one that runs faster, or one that is moved.
//!
//! A worker that waits for time to pass waits here, so that days of virtual time pass in seconds. A virtual clock stands
//! until somebody moves it, and tells who waits longest (see [`Clock::next_wake`]).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schemas::Micros;
use tokio::sync::watch;

/// Tells the time.
#[derive(Clone, Debug)]
pub struct Clock(Inner);

#[derive(Clone, Debug)]
enum Inner {
    Machine,
    Scaled(Scale),
    Manual(Arc<Manual>),
}

/// A clock that runs faster than the machine's: at the machine's `since` it says `start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// What the clock says at `since`.
    pub start: Micros,
    /// A moment of the machine's clock.
    pub since: Micros,
    /// So many seconds in one of the machine's.
    pub rate: u32,
}

/// A clock that is moved, and those who wait for it: how many for each moment.
#[derive(Debug)]
struct Manual {
    now: watch::Sender<Micros>,
    waiting: Mutex<BTreeMap<Micros, usize>>,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn machine() -> Self {
        Self(Inner::Machine)
    }

    /// A clock that runs faster. Every process that is given the same scale reads the same time.
    #[must_use]
    pub fn scaled(scale: Scale) -> Self {
        Self(Inner::Scaled(Scale { rate: scale.rate.max(1), ..scale }))
    }

    /// A clock that stands at `at` until it is set.
    #[must_use]
    pub fn manual(at: Micros) -> Self {
        let (now, _) = watch::channel(at);
        Self(Inner::Manual(Arc::new(Manual { now, waiting: Mutex::default() })))
    }

    /// Moves a manual clock, for every clone of it, and wakes those whose time has come; a machine's clock is not moved.
    pub fn set(&self, at: Micros) {
        if let Inner::Manual(manual) = &self.0 {
            manual.now.send_replace(at);
        }
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Micros {
        match &self.0 {
            Inner::Machine => machine(),
            Inner::Scaled(scale) => scale.at(machine()),
            Inner::Manual(manual) => *manual.now.borrow(),
        }
    }

    /// Waits for so long.
    ///
    /// # Cancel safety
    /// A dropped future has no effect.
    pub async fn sleep(&self, wait: Duration) {
        match &self.0 {
            Inner::Machine => tokio::time::sleep(wait).await,
            Inner::Scaled(scale) => tokio::time::sleep(wait / scale.rate).await,
            Inner::Manual(manual) => {
                let micros = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
                manual.reaches(self.now().plus(micros)).await;
            }
        }
    }

    /// Waits until that moment; not at all when it has passed.
    ///
    /// # Cancel safety
    /// A dropped future has no effect.
    pub async fn sleep_until(&self, at: Micros) {
        let micros = at.0.saturating_sub(self.now().0);
        let wait = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
        match &self.0 {
            Inner::Machine | Inner::Scaled(_) => self.sleep(wait).await,
            Inner::Manual(manual) => manual.reaches(at).await,
        }
    }

    /// The moment for which somebody waits and that comes first; none when nobody waits, or the clock moves by
    /// itself.
    #[must_use]
    pub fn next_wake(&self) -> Option<Micros> {
        match &self.0 {
            Inner::Machine | Inner::Scaled(_) => None,
            Inner::Manual(manual) => manual.waiting().keys().next().copied(),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
fn machine() -> Micros {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

impl Scale {
    fn at(self, machine: Micros) -> Micros {
        let passed = machine.0.saturating_sub(self.since.0).max(0);
        self.start.plus(passed.saturating_mul(i64::from(self.rate)))
    }
}

impl Manual {
    async fn reaches(&self, at: Micros) {
        let mut now = self.now.subscribe();
        let _waiting = Waiting::new(self, at);
        // The sender is here, so that the wait cannot fail.
        let reached = now.wait_for(|now| *now >= at).await;
        drop(reached);
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<Micros, usize>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits, as long as it lives.
struct Waiting<'a> {
    manual: &'a Manual,
    at: Micros,
}

impl<'a> Waiting<'a> {
    fn new(manual: &'a Manual, at: Micros) -> Self {
        *manual.waiting().entry(at).or_default() += 1;
        Self { manual, at }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waiting = self.manual.waiting();
        let left = waiting.get(&self.at).copied().unwrap_or_default().saturating_sub(1);
        if left == 0 {
            waiting.remove(&self.at);
        } else {
            waiting.insert(self.at, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, poll};

    use super::*;

    #[tokio::test]
    async fn who_waits_wakes_when_the_clock_gets_there_and_not_before() {
        let clock = Clock::manual(Micros(10));
        let mut waits = std::pin::pin!(clock.sleep(Duration::from_micros(5)));
        assert!(poll!(&mut waits).is_pending());
        clock.set(Micros(14));
        assert!(poll!(&mut waits).is_pending());
        clock.set(Micros(15));
        assert!(poll!(&mut waits).is_ready());
        assert!(
            clock.sleep_until(Micros(15)).now_or_never().is_some(),
            "a moment that has come is not waited for"
        );
    }

    #[test]
    fn a_scaled_clock_runs_by_its_rate_from_its_start() {
        let scale = Scale { start: Micros(1000), since: Micros(50), rate: 60 };
        assert_eq!([50, 51, 52, 49].map(|machine| scale.at(Micros(machine)).0), [1000, 1060, 1120, 1000]);
        assert_eq!(scale.at(Micros(i64::MAX)), Micros(i64::MAX));
    }

    #[tokio::test]
    async fn the_clock_tells_whom_it_must_wake_first() {
        let clock = Clock::manual(Micros(0));
        assert_eq!(clock.next_wake(), None);
        let mut early = Box::pin(clock.sleep_until(Micros(7)));
        let mut late = Box::pin(clock.sleep_until(Micros(9)));
        let mut same = Box::pin(clock.sleep_until(Micros(7)));
        assert!(poll!(&mut late).is_pending() && poll!(&mut early).is_pending());
        assert!(poll!(&mut same).is_pending());
        assert_eq!(clock.next_wake(), Some(Micros(7)));
        drop(early);
        assert_eq!(clock.next_wake(), Some(Micros(7)), "another one still waits for it");
        drop(same);
        assert_eq!(clock.next_wake(), Some(Micros(9)));
    }
}
