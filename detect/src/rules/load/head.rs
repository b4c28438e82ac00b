//! What detection and correlation documents have in common: who they are, and their `weir:` block.

use rsigma_parser::{CorrelationRule, Level, SigmaRule};
use schemas::{FindingGroup, finding::Severity};
use serde::Deserialize;

use crate::rules::{
    RuleFile, RuleInfo,
    block::{Block, EntityBlock},
};

/// State keeps the values of every fact.
const FACTS_MAX: usize = 16;

/// Whom a rule without a block is about.
const ACTOR: &str = "weir.actor.id";

/// What detection and correlation documents have in common.
pub(super) struct Head<'a> {
    id: Option<&'a str>,
    title: &'a str,
    level: Option<Level>,
    tags: &'a [String],
    description: Option<&'a str>,
    false_positives: &'a [String],
    block: Option<Result<Block, String>>,
    /// What stands for the block in a rule without one.
    plain: Block,
}

impl<'a> Head<'a> {
    pub(super) fn of_detection(sigma: &'a SigmaRule) -> Self {
        let block = sigma.custom_attributes.get("weir");
        let actor = EntityBlock { kind: "user".to_owned(), field: Some(ACTOR.to_owned()) };
        Self {
            plain: Block::plain(actor, &sigma.title),
            id: sigma.id.as_deref(),
            title: &sigma.title,
            level: sigma.level,
            tags: &sigma.tags,
            description: sigma.description.as_deref(),
            false_positives: &sigma.falsepositives,
            block: block.map(|block| Block::deserialize(block).map_err(|error| error.to_string())),
        }
    }

    pub(super) fn of_correlation(sigma: &'a CorrelationRule) -> Self {
        let block = sigma.custom_attributes.get("weir");
        // The group value: what else the rule is about, a plain one does not say.
        let kind = if sigma.group_by == [ACTOR] { "user" } else { "group" };
        Self {
            plain: Block::plain(EntityBlock { kind: kind.to_owned(), field: None }, &sigma.title),
            id: sigma.id.as_deref(),
            title: &sigma.title,
            level: sigma.level,
            tags: &sigma.tags,
            description: sigma.description.as_deref(),
            false_positives: &sigma.falsepositives,
            block: block.map(|block| Block::deserialize(block).map_err(|error| error.to_string())),
        }
    }

    /// The block and what the document says about itself, and what is wrong with them.
    pub(super) fn read(
        &self,
        file: &RuleFile,
        kind: &'static str,
    ) -> (Option<(Block, RuleInfo)>, Vec<String>) {
        let mut problems = Vec::new();
        let block = match &self.block {
            Some(Ok(block)) => block,
            Some(Err(error)) => return (None, vec![format!("weir: {error}")]),
            None => &self.plain,
        };
        if block.facts.len() > FACTS_MAX {
            problems.push(format!("weir.facts has more than {FACTS_MAX} fields"));
        }
        if block.major < 1 {
            problems.push("weir.major is less than 1".to_owned());
        }
        let id = self.id.filter(|id| is_uuid(id));
        if id.is_none() {
            problems.push("the id is missing or no UUID".to_owned());
        }
        let level = self.level.and_then(|level| Severity::named(level.as_str()));
        if level.is_none() {
            problems.push("the level is missing".to_owned());
        }
        let info = id.zip(level).zip(FindingGroup::named(&file.group));
        let info = info.map(|((id, level), group)| self.info(file, block.major, (id, level, group), kind));
        (info.map(|info| (block.clone(), info)), problems)
    }

    fn info(
        &self,
        file: &RuleFile,
        major: i32,
        (id, level, group): (&str, Severity, FindingGroup),
        kind: &'static str,
    ) -> RuleInfo {
        RuleInfo {
            name: file.name.clone(),
            id: id.to_owned(),
            title: self.title.to_owned(),
            group,
            level,
            kind,
            major,
            tags: self.tags.to_vec(),
            techniques: self.tags.iter().filter_map(|tag| technique(tag)).collect(),
            description: self.description.unwrap_or_default().trim().to_owned(),
            false_positives: self.false_positives.to_vec(),
        }
    }
}

/// 8-4-4-4-12 hex digits.
fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// `T1098.003` of `attack.t1098.003`.
fn technique(tag: &str) -> Option<String> {
    let id = tag.strip_prefix("attack.t")?;
    let (number, sub) = id.split_once('.').map_or((id, None), |(number, sub)| (number, Some(sub)));
    let digits =
        |text: &str, many: usize| text.len() == many && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(number, 4) && sub.is_none_or(|sub| digits(sub, 3))).then(|| format!("T{id}"))
}
