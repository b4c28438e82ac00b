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
    /// Absent for rules that Sigma can say; `off_hours`, `first_seen`, `spike`.
    #[serde(default)]
    pub(super) kind: Option<String>,
    /// For `first_seen` the field whose values are new or not; for `spike` the one whose distinct values are counted in
    /// place of events.
    #[serde(default)]
    pub(super) field: Option<String>,
    /// For the kind of that name.
    #[serde(default)]
    pub(super) first_seen: Option<FirstSeenBlock>,
    /// For the kind of that name.
    #[serde(default)]
    pub(super) spike: Option<SpikeBlock>,
    /// For `temporal_ordered`: base documents that end what the first rule began.
    #[serde(default)]
    pub(super) closed_by: Vec<String>,
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
            field: None,
            first_seen: None,
            spike: None,
            closed_by: Vec::new(),
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

/// When a value is new.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FirstSeenBlock {
    /// Not seen for so many days.
    pub(super) days: i64,
    /// By a group that is known for so many.
    pub(super) learn_days: i64,
}

/// When an hour is a spike.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SpikeBlock {
    /// So many times what is expected.
    pub(super) ratio: f64,
    /// And so much at least.
    pub(super) floor: u64,
    /// And less probable than that.
    pub(super) tail: f64,
    /// So many days a key must be known before its own baseline counts.
    pub(super) learn_days: i64,
    /// What a key that is not known yet is expected to do in an hour; without it such keys are left alone.
    #[serde(default)]
    pub(super) prior: Option<f64>,
    /// An IANA name; UTC where none is given.
    #[serde(default)]
    pub(super) zone: Option<String>,
}
