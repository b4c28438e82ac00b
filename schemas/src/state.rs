//! What correlate keeps: one changelog record per touched key and step, or several parts of one that would be too long.

use serde::{Deserialize, Serialize};

/// The state of one group value, or of one signal partition itself (origins, watermarks).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DetectState {
    /// The tenant; empty for the partition's own state.
    pub tenant: String,
    /// The group value; empty for the partition's own state.
    pub group_value: String,
    /// A version byte and the state in `detect`'s own encoding, or a part of that (`detect/src/correlate/changelog.rs`).
    #[serde(with = "apache_avro::serde::bytes")]
    pub state: Vec<u8>,
}
