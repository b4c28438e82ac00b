//! The clock that workers read: the machine's, or one that a test or the simulator moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use schemas::Micros;

/// Tells the time.
#[derive(Clone, Debug)]
pub struct Clock(Inner);

#[derive(Clone, Debug)]
enum Inner {
    Machine,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn machine() -> Self {
        Self(Inner::Machine)
    }

    /// A clock that stands at `at` until it is set.
    #[must_use]
    pub fn manual(at: Micros) -> Self {
        Self(Inner::Manual(Arc::new(AtomicI64::new(at.0))))
    }

    /// Moves a manual clock, for every clone of it; a machine's clock is not moved.
    pub fn set(&self, at: Micros) {
        if let Inner::Manual(micros) = &self.0 {
            micros.store(at.0, Ordering::Release);
        }
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Micros {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
            Inner::Machine => {
                let since =
                    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
            }
            Inner::Manual(micros) => Micros(micros.load(Ordering::Acquire)),
        }
    }
}
