//! Revisions folded into what holds: of each finding the highest revision, without those that were closed.
//!
//! The result does not depend on the order or on repetition of what is added. A closed finding stays remembered, so
//! that an earlier revision that arrives late does not bring it back.

use std::collections::BTreeMap;

use schemas::{
    FindingGroup, FindingId,
    finding::{Change, Finding},
};

/// Findings as they come, folded.
#[derive(Debug, Clone, Default)]
pub struct Folded(BTreeMap<FindingId, Finding>);

impl Folded {
    /// Adds one revision.
    pub fn add(&mut self, finding: Finding) {
        match self.0.get_mut(&finding.id) {
            Some(held) if held.revision >= finding.revision => {}
            Some(held) => *held = finding,
            None => {
                self.0.insert(finding.id, finding);
            }
        }
    }

    /// What holds, by id.
    pub fn into_open(self) -> impl Iterator<Item = Finding> {
        self.0.into_values().filter(|finding| finding.change != Change::Close)
    }
}

/// What holds of `revisions`, by id.
#[must_use]
pub fn fold(revisions: impl IntoIterator<Item = Finding>) -> Vec<Finding> {
    let mut folded = Folded::default();
    for revision in revisions {
        folded.add(revision);
    }
    folded.into_open().collect()
}

/// Whether the finding should wake nobody: its rule is on trial, or an operator's filter suppressed it.
#[must_use]
pub fn is_quiet(finding: &Finding) -> bool {
    matches!(FindingGroup::named(&finding.group), Some(FindingGroup::Shadow | FindingGroup::Suppressed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::finding;

    fn revision(id: u128, revision: i32, change: Change) -> Finding {
        Finding { revision, change, ..finding(id) }
    }

    #[test]
    fn the_highest_revision_holds_whatever_the_order_and_however_often() {
        let one =
            [revision(1, 1, Change::Create), revision(1, 2, Change::Update), revision(1, 3, Change::Update)];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let twice = order.into_iter().chain(order).map(|at| one[at].clone());
            assert_eq!(fold(twice), [one[2].clone()], "{order:?}");
        }
    }

    #[test]
    fn a_closed_finding_is_left_out_and_does_not_come_back() {
        let open = revision(1, 1, Change::Create);
        let closed = revision(1, 2, Change::Close);
        let other = revision(2, 1, Change::Create);
        assert_eq!(fold([open.clone(), closed.clone(), other.clone()]), std::slice::from_ref(&other));
        assert_eq!(fold([closed.clone(), open.clone(), other.clone()]), [other]);
        let again = revision(1, 3, Change::Update);
        assert_eq!(fold([again.clone(), open, closed]), [again]);
    }
}
