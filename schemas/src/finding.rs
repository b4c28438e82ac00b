//! A finding: what a rule has to say, with the events that prove it.
//!
//! One id has revisions 1, 2, 3 …; a receiver keeps the highest. A finding whose highest revision is a close has
//! fallen away (late events changed the picture) and counts as never said.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{EventId, FindingId, Micros};

/// How bad it is if it is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Look when there is time.
    Low,
    /// Look today.
    Medium,
    /// Look now.
    High,
    /// Drop everything.
    Critical,
}

impl Severity {
    /// Every severity, the least first.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Its name, lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The severity of that name (`informational` as Sigma writes it, too).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        if name == "informational" {
            return Some(Self::Info);
        }
        Self::ALL.into_iter().find(|severity| severity.name() == name)
    }
}

/// What a revision does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// The first revision.
    Create,
    /// More or other evidence.
    Update,
    /// It no longer holds.
    Close,
}

/// One revision of one finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The same over all revisions.
    pub id: FindingId,
    /// 1, 2, 3 …
    pub revision: i32,
    /// What this revision does.
    pub change: Change,
    /// The tenant.
    pub tenant: String,
    /// The rule's id (a UUID).
    pub rule: String,
    /// The rule's name: its file name, which is its runbook's too.
    pub rule_name: String,
    /// The rule's title.
    pub title: String,
    /// The rule's major version; ids depend on it.
    pub rule_major: i32,
    /// The finding group's name.
    pub group: String,
    /// `single`, `threshold`, `off_hours` …
    pub kind: String,
    /// How bad.
    pub severity: Severity,
    /// The main entity: who did it, or what it was done to.
    pub entity: Entity,
    /// One sentence with the values that matter.
    pub summary: String,
    /// Why it matters and what to do first: the rule's description.
    pub description: String,
    /// Time of the first event of the evidence.
    pub first_time: Micros,
    /// Time of the last event of the evidence.
    pub last_time: Micros,
    /// When this revision was made, by the engine's clock.
    pub created_at: Micros,
    /// The events that prove it, sorted by (time, id), at most [`EVIDENCE_MAX`].
    pub event_ids: Vec<EventId>,
    /// How many events there are in all.
    pub event_count: i64,
    /// ATT&CK technique ids, as the rule tags them (`T1098.003`).
    pub techniques: Vec<String>,
    /// Values that explain it: operation, address, count, window …
    pub facts: BTreeMap<String, String>,
    /// What may look the same and is none, from the rule.
    pub false_positives: Vec<String>,
}

/// Who or what a finding is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// `user`, `address`, `mailbox`, `recipient`, `tenant` …
    pub kind: String,
    /// Its id, as the events name it.
    pub id: String,
}

/// How many event ids a finding carries.
pub const EVIDENCE_MAX: usize = 100;

impl Finding {
    /// The key on the finding topics: tenant and main entity, so that one actor's findings stay in order.
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        crate::signal::key(&self.tenant, &self.entity.id)
    }
}
