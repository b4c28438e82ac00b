//! What becomes of one record in one stage: a closed set.

use std::time::Duration;

use crate::log::Outgoing;

/// Why a record is skipped or rejected: from the stage's closed set, so that counters have bounded labels.
pub type Reason = &'static str;

/// What becomes of one record.
#[derive(Debug)]
pub enum Outcome {
    /// It is worked into these records (none at all is fine: the record counts as emitted).
    Emit(Vec<Outgoing>),
    /// It is left out on purpose.
    Skip(Reason),
    /// It cannot be taken: to the dead letter, with the reason and one line that says more (no part of the record).
    Reject(Reason, String),
    /// The world is bad: hold the position, try this record again.
    Retry {
        /// How long to wait at least, where the world said so.
        after: Option<Duration>,
        /// What is bad.
        cause: String,
    },
    /// We are bad: leave the positions alone and stop.
    Stop(String),
}
