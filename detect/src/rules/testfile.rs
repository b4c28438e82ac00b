//! `<rule>.test.yml`: what a rule must fire on and stay silent on, run by `weir rules test` and by the tests here.
//!
//! ```yaml
//! rule: mail-forwarding-outside
//! cases:
//!   - name: forwards to another domain
//!     kind: fires                 # fires | silent | boundary | late | duplicate
//!     expect: fire                # fire | silent | {findings: 2}
//!     events:
//!       - record: {CreationTime: "2024-05-01T10:00:00", Operation: Set-Mailbox, UserId: a@b.example}
//!         activity: {kind: mail.forward, recipients: [x@other.example]}
//!         enrich: {recipients: {has_outside: true}}
//!         repeat: 5               # n copies with ids of their own; "{n}" in texts becomes 1 to n
//!         step: 30s               # between the copies
//!         each: 3                 # so many at every step, a second apart: a baseline is `repeat: 336, step: 1h`
//!         after: 23h              # a watermark so far beyond this event comes before it
//! ```
//!
//! Events are made here, not by ingest: `record` gives time, operation, user, tenant, workload and bytes, `activity` and
//! `enrich` what decoding and enriching would add. Events of one id count once, as ingest has it; a `duplicate` case
//! feeds all its events twice. At most 10,000 events a case.

use std::collections::BTreeSet;

use schemas::{
    EventId, FindingId, Micros, finding::Change, finding::Finding, watermark::Mark, watermark::Watermark,
};
use serde::Deserialize;

use super::{Pack, RuleProblem, RuleSet};
use crate::{correlate::Partition, matching};

mod make;

/// A test file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestFile {
    /// The rule's name.
    pub rule: String,
    /// Its cases.
    pub cases: Vec<Case>,
}

/// One case.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// What it is a case of.
    pub kind: CaseKind,
    /// What must come of it.
    pub expect: Expect,
    /// What happens.
    pub events: Vec<make::EventSpec>,
}

/// What a case is a case of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CaseKind {
    /// What the rule is for.
    Fires,
    /// What looks like it and is none.
    Silent,
    /// Just enough, or just not.
    Boundary,
    /// An event that comes late.
    Late,
    /// An event that comes twice.
    Duplicate,
}

/// What must come of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expect {
    /// One finding or more.
    Fire,
    /// None.
    Silent,
    /// So many.
    #[serde(untagged)]
    Exactly {
        /// How many.
        findings: usize,
    },
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseResult {
    /// The rule.
    pub rule: String,
    /// The case.
    pub case: String,
    /// Absent when it went as expected.
    pub failure: Option<String>,
    /// The rule's findings, folded to their last revision, without the closed ones.
    pub findings: Vec<Finding>,
}

impl CaseKind {
    /// Its name, as test files write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fires => "fires",
            Self::Silent => "silent",
            Self::Boundary => "boundary",
            Self::Late => "late",
            Self::Duplicate => "duplicate",
        }
    }
}

impl TestFile {
    /// Reads a test file.
    ///
    /// # Errors
    /// What is wrong with it, with its place.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    }
}

/// Runs every case of every test file of a pack. Files that cannot be read are problems.
#[must_use]
pub fn run_all(rules: &RuleSet, pack: &Pack) -> (Vec<CaseResult>, Vec<RuleProblem>) {
    let (mut results, mut problems) = (Vec::new(), Vec::new());
    for file in &pack.files {
        let Some(test) = &file.test else { continue };
        match TestFile::parse(test) {
            Ok(test) => results.extend(run(rules, &test)),
            Err(error) => problems.push(RuleProblem::new(&file.path, format!("test file: {error}"))),
        }
    }
    (results, problems)
}

/// Runs every case of a test file.
#[must_use]
pub fn run(rules: &RuleSet, test: &TestFile) -> Vec<CaseResult> {
    test.cases.iter().map(|case| run_case(rules, &test.rule, case)).collect()
}

fn run_case(rules: &RuleSet, rule: &str, case: &Case) -> CaseResult {
    let result = |findings: Vec<Finding>, failure| CaseResult {
        rule: rule.to_owned(),
        case: case.name.clone(),
        failure,
        findings,
    };
    if !rules.rules().any(|info| info.name == rule) {
        return result(Vec::new(), Some("there is no rule of that name".to_owned()));
    }
    match play(rules, case) {
        Ok(mut findings) => {
            findings.retain(|finding| finding.rule_name == rule);
            let failure = verdict(case.expect, findings.len());
            result(findings, failure)
        }
        Err(error) => result(Vec::new(), Some(error)),
    }
}

fn verdict(expect: Expect, found: usize) -> Option<String> {
    let wanted = match expect {
        Expect::Fire if found > 0 => return None,
        Expect::Fire => "at least one finding".to_owned(),
        Expect::Silent if found == 0 => return None,
        Expect::Silent => "no finding".to_owned(),
        Expect::Exactly { findings } if findings == found => return None,
        Expect::Exactly { findings } => format!("{findings} findings"),
    };
    Some(format!("expected {wanted}, there are {found}"))
}

/// Feeds the events through both stages; the findings that stand at the end.
fn play(rules: &RuleSet, case: &Case) -> Result<Vec<Finding>, String> {
    let mut arrivals = make::events(&case.events)?;
    if case.kind == CaseKind::Duplicate {
        arrivals.extend(arrivals.clone());
    }
    let mut partition = Partition::default();
    let mut seen: BTreeSet<EventId> = BTreeSet::new();
    let mut said: Vec<Finding> = Vec::new();
    for (offset, arrival) in arrivals.iter().enumerate() {
        let event = &arrival.event;
        if let Some(after) = arrival.after {
            partition.mark(rules, &watermark(&event.event, after), event.event.time);
        }
        if !seen.insert(event.event.id) {
            continue;
        }
        let verdict = matching::judge(rules, event, event.event.time);
        said.extend(verdict.findings);
        for (index, mut signal) in verdict.signals.into_iter().enumerate() {
            signal.origin.offset = i64::try_from(offset).unwrap_or(i64::MAX);
            signal.origin.index = i32::try_from(index).unwrap_or(i32::MAX);
            partition.take(rules, &signal);
        }
        said.extend(partition.findings(rules, event.event.time));
    }
    Ok(standing(said))
}

/// Findings folded to their last revision, without those that were closed.
#[must_use]
pub fn standing(said: Vec<Finding>) -> Vec<Finding> {
    let mut last: std::collections::BTreeMap<FindingId, Finding> = std::collections::BTreeMap::new();
    for finding in said {
        if last.get(&finding.id).is_none_or(|known| known.revision < finding.revision) {
            last.insert(finding.id, finding);
        }
    }
    last.into_values().filter(|finding| finding.change != Change::Close).collect()
}

fn watermark(event: &schemas::Event, after: i64) -> Watermark {
    let mark = Mark {
        tenant: event.tenant.clone(),
        source: event.source.clone(),
        content_type: event.content_type.clone(),
        time: Micros(event.time.0.saturating_add(after)),
    };
    Watermark { marks: vec![mark], through: Some(0), of: Some(1) }
}
