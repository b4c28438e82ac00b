//! What worker 2 tells of itself: the core set, and nothing else yet. Lookups are in memory.

use std::sync::Arc;

use pipeline::counters::Counters;
use pipeline::metrics::Core;
use pipeline::{Clock, Reason};

use crate::worker::NOT_OURS;

/// The first part of every name, after `weir_`.
const WORKER: &str = "enrich";
/// Why it rejects.
const REJECTED: [Reason; 1] = [NOT_OURS];

/// The core set of the stage that fills in `counters`.
#[must_use]
pub fn core(counters: Arc<Counters>, clock: Clock) -> Core {
    Core { worker: WORKER, own: None, skipped: &[], rejected: &REJECTED, counters, clock }
}
