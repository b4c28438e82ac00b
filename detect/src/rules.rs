//! The rules: Sigma documents with a `weir:` block, compiled once.
//!
//! [`Pack`] is the text (what the binary carries, and a folder that adds to it), [`RuleSet`] the compiled form that
//! both stages share. Sigma's `logsource` is documentation here: which events a rule sees is decided by its selections.

use std::{collections::BTreeMap, path::Path};

use rsigma_eval::Engine;
use schemas::{FindingGroup, Hash128, finding::Severity};

use crate::{detectors::Detector, view::View};

mod block;
pub mod lint;
mod load;
mod pack;
mod template;
pub mod testfile;

pub use pack::{Pack, RuleFile, RuleProblem};
pub(crate) use template::{Template, cut, join};

/// The compiled rules.
pub struct RuleSet {
    rules: Vec<Rule>,
    by_id: BTreeMap<String, usize>,
    by_identity: BTreeMap<Hash128, usize>,
    engine: Engine,
    /// For each document in the engine, which rules a match of it feeds.
    targets: Vec<Vec<Target>>,
    /// The different sets of content types that rules name; the first is the empty set, which stands for all.
    content_types: Vec<Vec<String>>,
}

/// What a rule says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleInfo {
    /// The file's name, which is its runbook's too.
    pub name: String,
    /// A UUID.
    pub id: String,
    /// The title.
    pub title: String,
    /// Where its findings go.
    pub group: FindingGroup,
    /// How bad.
    pub level: Severity,
    /// `single`, `threshold`, `sequence`, `off_hours`, `first_seen` or `spike`.
    pub kind: &'static str,
    /// Ids of findings depend on it.
    pub major: i32,
    /// As written.
    pub tags: Vec<String>,
    /// ATT&CK technique ids, from the tags.
    pub techniques: Vec<String>,
    /// Why it matters and what to do first.
    pub description: String,
    /// What may look the same and is none.
    pub false_positives: Vec<String>,
}

/// One rule, ready to be used.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) info: RuleInfo,
    pub(crate) entity_kind: String,
    pub(crate) entity_field: Option<String>,
    pub(crate) summary: Template,
    pub(crate) facts: Vec<String>,
    pub(crate) stateful: Option<Stateful>,
}

/// What a rule that keeps state needs besides.
#[derive(Debug)]
pub(crate) struct Stateful {
    pub(crate) group_by: Vec<String>,
    /// The field whose values are counted, where values are.
    pub(crate) value: Option<String>,
    /// For a base document's number and a group field's name the field that stands for it there.
    pub(crate) aliases: Vec<(u32, String, String)>,
    /// Only events outside known hours and known places are folded.
    pub(crate) off_hours_only: bool,
    /// The window as the rule writes it.
    pub(crate) window: String,
    pub(crate) detector: Box<dyn Detector>,
    /// The content types whose watermark freezes its buckets, as an index into the rule set's list.
    pub(crate) content_types: usize,
}

/// A rule that a matching document feeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) rule: usize,
    /// The document's number among the rule's base documents.
    pub(crate) role: u32,
}

impl RuleSet {
    /// The rules that the binary carries.
    ///
    /// # Errors
    /// Every problem of every file at once; a test keeps that from happening.
    pub fn builtin() -> Result<Self, Vec<RuleProblem>> {
        Self::compile(&Pack::builtin())
    }

    /// The rules that the binary carries, and those of a folder laid out as `<group>/<name>.yml`.
    ///
    /// # Errors
    /// Every problem of every file at once.
    pub fn load(folder: Option<&Path>) -> Result<Self, Vec<RuleProblem>> {
        match folder {
            Some(folder) => Self::compile(&Pack::builtin().and_folder(folder)?),
            None => Self::builtin(),
        }
    }

    /// Compiles a pack.
    ///
    /// # Errors
    /// Every problem of every file at once.
    pub fn compile(pack: &Pack) -> Result<Self, Vec<RuleProblem>> {
        load::compile(pack)
    }

    /// What every rule says about itself, in the order of groups and names.
    pub fn rules(&self) -> impl Iterator<Item = &RuleInfo> {
        self.rules.iter().map(|rule| &rule.info)
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no rule at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rules that the documents matching this event feed.
    pub(crate) fn matches(&self, view: &View<'_>) -> Vec<Target> {
        let mut targets = Vec::new();
        for result in self.engine.evaluate(view) {
            // The loader gives each document its number as id: what the engine hands back is the id.
            let number = result.header.rule_id.as_deref().and_then(|id| id.parse::<usize>().ok());
            targets.extend(number.and_then(|number| self.targets.get(number)).into_iter().flatten().copied());
        }
        // In the order of rules, so that the order of findings and signals does not depend on the engine's index.
        targets.sort_unstable_by_key(|target| (target.rule, target.role));
        targets.dedup();
        targets
    }

    pub(crate) fn rule(&self, number: usize) -> Option<&Rule> {
        self.rules.get(number)
    }

    /// The number of the stateful rule of that id.
    pub(crate) fn stateful(&self, id: &str) -> Option<(usize, &Rule, &Stateful)> {
        let number = *self.by_id.get(id)?;
        let rule = self.rules.get(number)?;
        Some((number, rule, rule.stateful.as_ref()?))
    }

    /// The stateful rule of that number.
    pub(crate) fn stateful_number(&self, number: usize) -> Option<(&Rule, &Stateful)> {
        let rule = self.rules.get(number)?;
        Some((rule, rule.stateful.as_ref()?))
    }

    /// Tells the states of rules apart: the rule, its major version, and what its detector keeps.
    pub(crate) fn identity(&self, number: usize) -> Option<Hash128> {
        self.rules.get(number)?.identity()
    }

    /// The rule whose state goes by that identity.
    pub(crate) fn of_identity(&self, identity: Hash128) -> Option<usize> {
        self.by_identity.get(&identity).copied()
    }

    /// Every set of content types that rules name, with its number.
    pub(crate) fn content_type_sets(&self) -> impl Iterator<Item = (usize, &[String])> {
        self.content_types.iter().map(Vec::as_slice).enumerate()
    }

    pub(crate) fn content_types(&self, number: usize) -> &[String] {
        self.content_types.get(number).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
impl RuleSet {
    /// A set of rules without documents, one a detector: for the laws, which run over the registry.
    pub(crate) fn of_detectors(detectors: Vec<(&str, Box<dyn Detector>)>) -> Self {
        let rule = |(name, detector): (&str, Box<dyn Detector>)| Rule {
            info: RuleInfo {
                name: name.to_owned(),
                id: name.to_owned(),
                title: name.to_owned(),
                group: FindingGroup::Unusual,
                level: Severity::Medium,
                kind: detector.kind(),
                major: 1,
                tags: Vec::new(),
                techniques: Vec::new(),
                description: String::new(),
                false_positives: Vec::new(),
            },
            entity_kind: "user".to_owned(),
            entity_field: None,
            summary: Template::parse("{group}: {count} ({values}) by {actors}").unwrap(),
            facts: vec!["Operation".to_owned()],
            stateful: Some(Stateful {
                group_by: vec!["weir.actor.id".to_owned()],
                value: None,
                aliases: Vec::new(),
                off_hours_only: false,
                window: String::new(),
                detector,
                content_types: 0,
            }),
        };
        let rules: Vec<Rule> = detectors.into_iter().map(rule).collect();
        let numbers = |rule: fn(&Rule) -> String| rules.iter().map(rule).zip(0..).collect();
        Self {
            by_id: numbers(|rule| rule.info.id.clone()),
            by_identity: rules.iter().filter_map(Rule::identity).zip(0..).collect(),
            engine: Engine::new(),
            targets: Vec::new(),
            content_types: vec![Vec::new()],
            rules,
        }
    }
}

impl Stateful {
    /// The field that a base document's events have for a field of the group.
    pub(crate) fn group_field<'a>(&'a self, role: u32, field: &'a str) -> &'a str {
        let alias = self.aliases.iter().find(|(of, alias, _)| *of == role && alias == field);
        alias.map_or(field, |(.., own)| own)
    }
}

impl Rule {
    fn identity(&self) -> Option<Hash128> {
        let detector = &self.stateful.as_ref()?.detector;
        let shape = detector.shape();
        Some(Hash128::of(&[self.info.id.as_bytes(), &self.info.major.to_be_bytes(), shape.as_bytes()]))
    }
}

impl std::fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuleSet").field("rules", &self.rules).finish_non_exhaustive()
    }
}
