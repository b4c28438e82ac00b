//! The sink `collect`: findings folded in memory, for `weir scan` and for tests. It is not configured, it is built.
//!
//! It holds every finding at its highest revision, closed ones included (see [`crate::fold`]): about 1 KiB a finding,
//! without a bound of its own. A scan is bounded by its input.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, FutureExt as _};
use schemas::finding::Finding;

use super::{Sink, Verdict};
use crate::fold::Folded;

/// What has been collected, shared with whoever reads it.
#[derive(Debug, Clone, Default)]
pub struct Collected(Arc<Mutex<Folded>>);

impl Collected {
    /// What holds, by id; nothing is kept of it.
    #[must_use]
    pub fn take(&self) -> Vec<Finding> {
        std::mem::take(&mut *self.lock()).into_open().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Folded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sink.
#[derive(Debug)]
pub struct Collect(Collected);

impl Collect {
    /// A sink that adds to `collected`.
    #[must_use]
    pub fn new(collected: Collected) -> Self {
        Self(collected)
    }
}

impl Sink for Collect {
    fn deliver<'a>(&'a mut self, findings: &'a [Finding]) -> BoxFuture<'a, Vec<Verdict>> {
        async move {
            let mut folded = self.0.lock();
            for finding in findings {
                folded.add(finding.clone());
            }
            vec![Verdict::Delivered; findings.len()]
        }
        .boxed()
    }
}
