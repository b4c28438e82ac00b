//! From text to compiled rules. Everything that would make a rule not work is a problem here; what makes it a bad rule
//! is a problem for [`super::lint`].
//!
//! A file holds one detection document with a `weir:` block, or base documents and one correlation with the block; for a
//! plain Sigma rule, which has no block, a default stands in.
//! Sigma filters, whole events in results (`rsigma.include_event`) and the correlation types that need arithmetic are
//! refused rather than ignored.

use std::collections::BTreeMap;

use rsigma_eval::Engine;
use rsigma_parser::{CorrelationRule, SigmaCollection, SigmaRule, parse_sigma_yaml};
use schemas::FindingGroup;

use super::{Pack, Rule, RuleFile, RuleInfo, RuleProblem, RuleSet, Stateful, Target, Template, block::Block};
use crate::detectors::Detector;

mod correlation;
mod head;
mod kinds;

use head::Head;

/// Compiles every file of a pack, or says everything that is wrong with it.
pub(super) fn compile(pack: &Pack) -> Result<RuleSet, Vec<RuleProblem>> {
    let mut compiler = Compiler { content_types: vec![Vec::new()], ..Compiler::default() };
    for file in &pack.files {
        compiler.file(file);
    }
    compiler.names(pack);
    compiler.finish()
}

#[derive(Default)]
struct Compiler {
    rules: Vec<Rule>,
    by_id: BTreeMap<String, usize>,
    documents: Vec<Document>,
    content_types: Vec<Vec<String>>,
    problems: Vec<RuleProblem>,
}

/// A detection document, and the rules that its matches feed.
struct Document {
    file: String,
    sigma: SigmaRule,
    targets: Vec<Target>,
}

impl Compiler {
    fn file(&mut self, file: &RuleFile) {
        if FindingGroup::named(&file.group).is_none() {
            return self.problem(file, format!("folder {:?} is no finding group", file.group));
        }
        let parsed = match parse_sigma_yaml(&file.text) {
            Ok(parsed) => parsed,
            Err(error) => return self.problem(file, error.to_string()),
        };
        for error in &parsed.errors {
            self.problem(file, error.clone());
        }
        if !parsed.errors.is_empty() {
            return;
        }
        if !parsed.filters.is_empty() {
            self.problem(file, "filter documents are not supported");
        }
        if parsed.rules.iter().any(|rule| rule.custom_attributes.contains_key("rsigma.include_event")) {
            self.problem(file, "rsigma.include_event is not supported");
        }
        self.documents(file, parsed);
    }

    fn documents(&mut self, file: &RuleFile, mut parsed: SigmaCollection) {
        match (parsed.rules.len(), parsed.correlations.pop()) {
            (1, None) => parsed.rules.into_iter().for_each(|rule| self.detection(file, rule)),
            (1.., Some(correlation)) if parsed.correlations.is_empty() => {
                self.correlation(file, parsed.rules, &correlation);
            }
            _ => self.problem(file, "a file holds one detection, or base detections and one correlation"),
        }
    }

    /// A rule of one document: a single event, or a kind that Sigma cannot say.
    fn detection(&mut self, file: &RuleFile, sigma: SigmaRule) {
        let head = Head::of_detection(&sigma);
        let Some((block, info)) = self.head(file, &head, "single") else { return };
        let mut rule = match self.rule(file, &block, info) {
            Some(rule) => rule,
            None => return,
        };
        match block.kind.as_deref() {
            None => {
                if block.entity.field.is_none() {
                    return self.problem(file, "weir.entity.field is missing");
                }
                if !block.group_by.is_empty() {
                    self.problem(file, "weir.group_by is for rules that keep state");
                }
                self.strays(file, &block);
            }
            Some(kind) => {
                let plan = match kinds::plan(kind, &block) {
                    Ok(plan) => plan,
                    Err(problems) => return self.problems(file, problems),
                };
                rule.info.kind = plan.detector.kind();
                let group_by = block.group_by.clone();
                rule.stateful = self.stateful(file, &block, group_by, plan.detector);
                if let Some(stateful) = &mut rule.stateful {
                    stateful.off_hours_only = plan.off_hours_only;
                    stateful.value = plan.value;
                    stateful.window = plan.window;
                }
            }
        }
        let number = self.add(file, rule);
        let targets = vec![Target { rule: number, role: 0 }];
        self.documents.push(Document { file: file.path.clone(), sigma, targets });
    }

    /// Base documents and what they are counted by.
    fn correlation(&mut self, file: &RuleFile, bases: Vec<SigmaRule>, correlation: &CorrelationRule) {
        let head = Head::of_correlation(correlation);
        let Some((block, info)) = self.head(file, &head, "threshold") else { return };
        if block.kind.is_some() || !block.group_by.is_empty() {
            self.problem(file, "weir.kind and weir.group_by are not for correlations");
        }
        self.problems(file, kinds::strays(&block));
        let plan = match correlation::plan(correlation, &bases, &block.closed_by) {
            Ok(plan) => plan,
            Err(problems) => return self.problems(file, problems),
        };
        let Some(mut rule) = self.rule(file, &block, info) else { return };
        rule.info.kind = plan.detector.kind();
        rule.stateful = self.stateful(file, &block, correlation.group_by.clone(), plan.detector);
        if let Some(stateful) = &mut rule.stateful {
            stateful.window.clone_from(&correlation.timespan.original);
            stateful.value = plan.value;
            stateful.aliases = plan.aliases;
        }
        let number = self.add(file, rule);
        for (base, role) in bases.into_iter().zip(plan.roles) {
            let mut targets: Vec<Target> =
                role.map(|role| Target { rule: number, role }).into_iter().collect();
            if correlation.generate {
                targets.extend(self.generated(file, &base));
            } else if base.custom_attributes.contains_key("weir") {
                self.problem(file, "a base document has a weir block, and generate is not true");
            }
            self.documents.push(Document { file: file.path.clone(), sigma: base, targets });
        }
    }

    /// `generate: true`: a base document with a block of its own is a single-event rule, too.
    fn generated(&mut self, file: &RuleFile, base: &SigmaRule) -> Option<Target> {
        let (block, info) = self.head(file, &Head::of_detection(base), "single")?;
        let rule = self.rule(file, &block, info)?;
        if rule.entity_field.is_none() || block.kind.is_some() || !block.group_by.is_empty() {
            self.problem(
                file,
                "the weir block of a base document needs an entity.field, and no kind or group_by",
            );
        }
        self.strays(file, &block);
        Some(Target { rule: self.add(file, rule), role: 0 })
    }

    /// What a document says about itself; `None` when that is not enough for a rule.
    fn head(&mut self, file: &RuleFile, head: &Head<'_>, kind: &'static str) -> Option<(Block, RuleInfo)> {
        let (read, problems) = head.read(file, kind);
        self.problems(file, problems);
        read
    }

    fn rule(&mut self, file: &RuleFile, block: &Block, info: RuleInfo) -> Option<Rule> {
        match Template::parse(&block.summary) {
            Ok(summary) => Some(Rule {
                info,
                entity_kind: block.entity.kind.clone(),
                entity_field: block.entity.field.clone(),
                summary,
                facts: block.facts.clone(),
                stateful: None,
            }),
            Err(error) => {
                self.problem(file, format!("weir.summary: {error}"));
                None
            }
        }
    }

    fn stateful(
        &mut self,
        file: &RuleFile,
        block: &Block,
        group_by: Vec<String>,
        detector: Box<dyn Detector>,
    ) -> Option<Stateful> {
        if group_by.is_empty() {
            self.problem(file, "there is no group-by field");
            return None;
        }
        if block.entity.field.as_ref().is_some_and(|field| !group_by.contains(field)) {
            self.problem(file, "weir.entity.field is none of the group-by fields");
        }
        let mut types = block.content_types.clone();
        types.sort_unstable();
        types.dedup();
        let known = self.content_types.iter().position(|known| *known == types);
        let content_types = known.unwrap_or(self.content_types.len());
        if known.is_none() {
            self.content_types.push(types);
        }
        Some(Stateful {
            group_by,
            value: None,
            aliases: Vec::new(),
            off_hours_only: false,
            window: String::new(),
            detector,
            content_types,
        })
    }

    /// Settings of kinds in a block that has none of them.
    fn strays(&mut self, file: &RuleFile, block: &Block) {
        self.problems(file, kinds::strays(block));
        if !block.closed_by.is_empty() {
            self.problem(file, kinds::CLOSED_BY);
        }
    }

    fn add(&mut self, file: &RuleFile, rule: Rule) -> usize {
        let number = self.rules.len();
        if self.by_id.insert(rule.info.id.clone(), number).is_some() {
            self.problem(file, format!("another rule has the id {}", rule.info.id));
        }
        self.rules.push(rule);
        number
    }

    fn names(&mut self, pack: &Pack) {
        let mut names = BTreeMap::new();
        for file in &pack.files {
            if let Some(other) = names.insert(&file.name, &file.path) {
                self.problem(file, format!("{other} has the same name"));
            }
        }
    }

    fn finish(mut self) -> Result<RuleSet, Vec<RuleProblem>> {
        let mut engine = Engine::new();
        for (number, document) in self.documents.iter_mut().enumerate() {
            document.sigma.id = Some(number.to_string());
        }
        for (number, error) in engine.add_rules(self.documents.iter().map(|document| &document.sigma)) {
            let file = self.documents.get(number).map_or("", |document| &document.file);
            self.problems.push(RuleProblem::new(file, error.to_string()));
        }
        if !self.problems.is_empty() {
            self.problems.sort();
            return Err(self.problems);
        }
        let identities = self.rules.iter().enumerate();
        let by_identity = identities.filter_map(|(number, rule)| Some((rule.identity()?, number))).collect();
        let targets = self.documents.into_iter().map(|document| document.targets).collect();
        Ok(RuleSet {
            rules: self.rules,
            by_id: self.by_id,
            by_identity,
            engine,
            targets,
            content_types: self.content_types,
        })
    }

    fn problems(&mut self, file: &RuleFile, problems: Vec<String>) {
        problems.into_iter().for_each(|problem| self.problem(file, problem));
    }

    fn problem(&mut self, file: &RuleFile, problem: impl Into<String>) {
        self.problems.push(RuleProblem::new(&file.path, problem));
    }
}
