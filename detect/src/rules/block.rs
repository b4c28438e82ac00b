//! The `weir:` block of a rule: what Sigma cannot say.

use serde::Deserialize;

/// The block as written. Unknown keys are refused.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Block {
    /// Ids of findings depend on it: raise it when the rule starts to mean something else.
    pub(super) major: i32,
    /// What a finding is about.
    pub(super) entity: EntityBlock,
    /// One sentence with `{field}`s.
    pub(super) summary: String,
    /// Fields that are copied into the finding.
    #[serde(default)]
    pub(super) facts: Vec<String>,
    /// Absent for rules that Sigma can say; `off_hours`.
    #[serde(default)]
    pub(super) kind: Option<String>,
    /// For kinds that Sigma cannot say: what state is kept for.
    #[serde(default)]
    pub(super) group_by: Vec<String>,
    /// The content types that feed the rule: their watermark freezes its buckets. None named: all of the tenant's. While
    /// none of them has a watermark nothing is frozen and state is kept.
    #[serde(default)]
    pub(super) content_types: Vec<String>,
}

impl Block {
    /// The block of a plain Sigma rule, which has none: its findings say its title.
    pub(super) fn plain(entity: EntityBlock, title: &str) -> Self {
        Self {
            major: 1,
            entity,
            summary: title.replace(['{', '}'], ""),
            facts: Vec::new(),
            kind: None,
            group_by: Vec::new(),
            content_types: Vec::new(),
        }
    }
}

/// What a finding is about.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntityBlock {
    /// `user`, `address`, `mailbox` …
    pub(super) kind: String,
    /// The field with its id. Stateful rules: one of the group's fields, or absent for the whole group value.
    #[serde(default)]
    pub(super) field: Option<String>,
}
