//! What is kept for one key, and its bytes in the changelog: a version byte, then postcard.
//!
//! A rule's part is named by a hash of its id, its major version and what its detector keeps: a rule that was changed so
//! that its old state means something else starts anew.

use schemas::{Hash128, Micros};
use serde::{Deserialize, Serialize};

use super::{driver::Open, origins::Origins, watermarks::Watermarks};
use crate::{
    detectors::{Detector, Slots},
    rules::RuleSet,
};

/// 1 had no room for what is left of frozen slots.
const VERSION: u8 = 3;

/// Stands in place of the version where a changelog record holds a part of a state only (see [`super::changelog`]).
pub(super) const PART: u8 = 2;

/// Everything kept for one group value.
#[derive(Debug, Clone)]
pub(super) struct KeyState {
    pub(super) tenant: String,
    pub(super) group_value: String,
    /// In the order of rule numbers.
    pub(super) rules: Vec<RuleState>,
}

/// What one rule keeps for one group value.
#[derive(Debug, Clone)]
pub(super) struct RuleState {
    pub(super) rule: usize,
    pub(super) slots: Slots,
    /// What was said about buckets that are not frozen.
    pub(super) open: Open,
    /// When the freeze next has something to do here; as it stands in the queue.
    pub(super) due: Option<Micros>,
}

/// What is kept for a signal partition itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Control {
    pub(super) origins: Origins,
    pub(super) watermarks: Watermarks,
}

/// State that cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub(super) String);

/// State that cannot be read: another version's, or damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("detect state that cannot be read: {0}")]
pub(super) struct Unreadable(String);

#[derive(Serialize)]
struct SavedRef<'a>(Hash128Bytes, &'a Slots, &'a Open);

#[derive(Deserialize)]
struct Saved(Hash128Bytes, Slots, Open);

type Hash128Bytes = [u8; 16];

impl KeyState {
    pub(super) fn new(tenant: &str, group_value: &str) -> Self {
        Self { tenant: tenant.to_owned(), group_value: group_value.to_owned(), rules: Vec::new() }
    }

    pub(super) fn rule_mut(&mut self, rule: usize) -> Option<&mut RuleState> {
        self.rules.iter_mut().find(|state| state.rule == rule)
    }

    /// The rule's state, a new one where there is none yet.
    pub(super) fn rule_or_new(&mut self, rule: usize) -> Option<&mut RuleState> {
        let at = self.rules.partition_point(|state| state.rule < rule);
        if self.rules.get(at).is_none_or(|state| state.rule != rule) {
            let state = RuleState { rule, slots: Slots::default(), open: Open::default(), due: None };
            self.rules.insert(at, state);
        }
        self.rules.get_mut(at)
    }

    pub(super) fn encode(&self, rules: &RuleSet) -> Result<Vec<u8>, Unreadable> {
        let saved = self.rules.iter().filter_map(|state| {
            let identity = rules.identity(state.rule)?;
            Some(SavedRef(identity.to_bytes(), &state.slots, &state.open))
        });
        encode(&saved.collect::<Vec<_>>())
    }

    pub(super) fn decode(
        tenant: &str,
        group_value: &str,
        bytes: &[u8],
        rules: &RuleSet,
    ) -> Result<Self, Unreadable> {
        let saved: Vec<Saved> = decode(bytes)?;
        let mut state = Self::new(tenant, group_value);
        for Saved(identity, slots, open) in saved {
            let Some(rule) = rules.of_identity(Hash128::from_bytes(identity)) else { continue };
            if let Some(state) = state.rule_or_new(rule) {
                state.slots = slots;
                state.open = open;
            }
        }
        Ok(state)
    }

    /// The memory taken, in bytes, without the allocator's own.
    pub(super) fn bytes(&self) -> usize {
        let rules = self.rules.iter().map(|state| state.slots.bytes() + state.open.bytes()).sum::<usize>();
        size_of::<Self>()
            + self.tenant.capacity()
            + self.group_value.capacity()
            + rules
            + self.rules.capacity() * size_of::<RuleState>()
    }
}

impl RuleState {
    /// Drops what the freeze has passed: what was said about frozen buckets, and what the kind no longer needs.
    pub(super) fn freeze(&mut self, detector: &dyn Detector, floor: Micros) {
        self.open.forget(|bucket| detector.bucket_end(bucket) <= floor);
        detector.forget(&mut self.slots, floor);
    }

    /// When the freeze has something to do here again.
    pub(super) fn next_due(&self, detector: &dyn Detector) -> Option<Micros> {
        let bucket = self.open.first().map(|bucket| detector.bucket_end(bucket));
        bucket.into_iter().chain(detector.due(&self.slots)).min()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.open.is_empty()
    }
}

impl Control {
    pub(super) fn encode(&self) -> Result<Vec<u8>, Unreadable> {
        encode(self)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        decode(bytes)
    }
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Unreadable> {
    postcard::to_extend(value, vec![VERSION]).map_err(|error| Unreadable(error.to_string()))
}

fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Unreadable> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(|error| Unreadable(error.to_string())),
        Some((version, _)) => {
            Err(Unreadable(format!("version {version}, where this program writes {VERSION}")))
        }
        None => Err(Unreadable("no bytes".to_owned())),
    }
}
