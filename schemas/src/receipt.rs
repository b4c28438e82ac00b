//! A receipt: what a sink did with one revision of a finding.

use serde::{Deserialize, Serialize};

use crate::{FindingId, Micros};

/// One delivery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The finding.
    pub finding: FindingId,
    /// Its revision.
    pub revision: i32,
    /// The configured sink.
    pub sink: String,
    /// `delivered` or `dead_lettered`.
    pub outcome: String,
    /// When, by the sink's clock.
    pub at: Micros,
    /// Why it was dead-lettered; else empty.
    pub reason: String,
}
