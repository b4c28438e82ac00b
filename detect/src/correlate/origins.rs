//! The guard of the hop from match: folding a signal twice would count it twice.
//!
//! Signals of one enriched partition arrive on a signal partition in the order of their origins. Whatever is not beyond
//! the last one was here before: a zombie's, or a step that was repeated.

use std::collections::BTreeMap;

use schemas::signal::Origin;
use serde::{Deserialize, Serialize};

/// The last origin of each enriched partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origins(BTreeMap<i32, (i64, i32)>);

impl Origins {
    /// Whether the origin is new; it is the last one then.
    pub(super) fn admit(&mut self, origin: Origin) -> bool {
        let here = (origin.offset, origin.index);
        match self.0.get_mut(&origin.partition) {
            Some(last) if here <= *last => false,
            Some(last) => {
                *last = here;
                true
            }
            None => {
                self.0.insert(origin.partition, here);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_beyond_the_last_origin_of_its_partition_is_new() {
        let mut origins = Origins::default();
        let mut admit = |partition, offset, index| origins.admit(Origin { partition, offset, index });
        assert!(admit(0, 5, 0));
        assert!(admit(0, 5, 1));
        assert!(!admit(0, 5, 1));
        assert!(!admit(0, 4, 9));
        assert!(admit(1, 0, 0));
        assert!(admit(0, 6, 0));
    }
}
