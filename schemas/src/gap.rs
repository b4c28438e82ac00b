//! A gap: a loss that the source inflicted, so that nobody reads silence as peace.

use serde::{Deserialize, Serialize};

use crate::Micros;

/// What was lost, as far as it can be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// The tenant.
    pub tenant: String,
    /// The source.
    pub source: String,
    /// The content type.
    pub content_type: String,
    /// Start of the interval that is incomplete.
    pub from: Micros,
    /// End of it.
    pub until: Micros,
    /// A closed set: `expired`, `subscription_disabled`, `offset_out_of_range` …
    pub reason: String,
    /// What was lost: a blob's id, a partition.
    pub unit: String,
    /// When it was noticed, by the worker's clock.
    pub noticed_at: Micros,
}
