//! OCSF's closed sets: each id with the caption that stands beside it.

use schemas::{
    FindingGroup,
    finding::{Change, Finding, Severity},
};

/// One member of a closed set. The text is the caption, but for 99 (Other), where it is the source's own word.
#[derive(Clone, Copy)]
pub(super) struct Caption<'a> {
    pub(super) id: u8,
    pub(super) text: &'a str,
}

impl<'a> Caption<'a> {
    pub(super) const fn new(id: u8, text: &'a str) -> Self {
        Self { id, text }
    }
}

pub(super) fn activity(change: Change) -> Caption<'static> {
    match change {
        Change::Create => Caption::new(1, "Create"),
        Change::Update => Caption::new(2, "Update"),
        Change::Close => Caption::new(3, "Close"),
    }
}

pub(super) fn severity(severity: Severity) -> Caption<'static> {
    match severity {
        Severity::Info => Caption::new(1, "Informational"),
        Severity::Low => Caption::new(2, "Low"),
        Severity::Medium => Caption::new(3, "Medium"),
        Severity::High => Caption::new(4, "High"),
        Severity::Critical => Caption::new(5, "Critical"),
    }
}

pub(super) fn status(finding: &Finding) -> Caption<'static> {
    if finding.change == Change::Close {
        return Caption::new(6, "Deleted");
    }
    match FindingGroup::named(&finding.group) {
        Some(FindingGroup::Suppressed) => Caption::new(3, "Suppressed"),
        Some(_) | None => Caption::new(1, "New"),
    }
}

/// The analytic's type. Counting to a fixed number is a rule; hours and habits are behaviour.
pub(super) fn analytic_type(kind: &str) -> Caption<'_> {
    match kind {
        "single" | "threshold" | "event_count" | "value_count" | "temporal" => Caption::new(1, "Rule"),
        "off_hours" => Caption::new(2, "Behavioral"),
        "" => Caption::new(0, "Unknown"),
        other => Caption::new(99, other),
    }
}

pub(super) fn analytic_state(finding: &Finding) -> Caption<'static> {
    match FindingGroup::named(&finding.group) {
        Some(FindingGroup::Shadow) => Caption::new(3, "Experimental"),
        Some(FindingGroup::Suppressed) => Caption::new(2, "Suppressed"),
        Some(_) | None => Caption::new(1, "Active"),
    }
}
