//! What was planted held against what was found. The labels come from the tenant and meet the findings here, not before.

use std::collections::{BTreeMap, BTreeSet};

use schemas::EventId;
use schemas::finding::{Finding, Severity};
use simulator::tenant::Label;

/// A planted act and the most severe finding that its events are the evidence of.
#[derive(Debug)]
pub(super) struct Judged<'a> {
    pub(super) label: &'a Label,
    pub(super) found: Option<&'a Finding>,
}

/// What it came to.
#[derive(Debug)]
pub(super) struct Verdict<'a> {
    /// Each planted act that somebody must hear of.
    pub(super) planted: Vec<Judged<'a>>,
    /// Acts that only look like one, with what was raised by them.
    pub(super) harmless: Vec<Judged<'a>>,
    /// Findings of high or critical severity that no planted act stands behind.
    pub(super) others: Vec<&'a Finding>,
}

impl<'a> Verdict<'a> {
    /// Judges; `names` says what the tenant calls an event.
    pub(super) fn of(
        labels: &'a [Label],
        findings: &'a [Finding],
        names: &BTreeMap<EventId, String>,
    ) -> Self {
        let evidence = |finding: &Finding| -> BTreeSet<&str> {
            finding.event_ids.iter().filter_map(|id| names.get(id)).map(String::as_str).collect()
        };
        let loud: Vec<(&Finding, BTreeSet<&str>)> = findings
            .iter()
            .filter(|finding| finding.severity >= Severity::High)
            .map(|finding| (finding, evidence(finding)))
            .collect();
        let raised = |label: &Label, evidence: &BTreeSet<&str>| {
            label.event_ids.iter().any(|id| evidence.contains(id.as_str()))
        };
        let judge = |label: &'a Label| {
            let of_it = loud.iter().filter(|(_, evidence)| raised(label, evidence));
            Judged { label, found: of_it.map(|(finding, _)| *finding).max_by_key(|finding| finding.severity) }
        };
        let (planted, harmless): (Vec<&Label>, Vec<&Label>) =
            labels.iter().partition(|label| label.should_be_found);
        let others = loud.iter().filter(|(_, evidence)| !planted.iter().any(|label| raised(label, evidence)));
        Self {
            others: others.map(|(finding, _)| *finding).collect(),
            planted: planted.into_iter().map(judge).collect(),
            harmless: harmless.into_iter().map(judge).collect(),
        }
    }

    /// Whether everything planted was found, and nothing else.
    pub(super) fn is_right(&self) -> bool {
        self.planted.iter().all(|judged| judged.found.is_some()) && self.others.is_empty()
    }
}
